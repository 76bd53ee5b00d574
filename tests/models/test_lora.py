import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForMaskedLM, BertForSequenceClassification, KbertError
from kbert.models.lora import add_lora, merge_lora
from kbert.training.losses import objective
from kbert.training.optimizers import adamw

IDS = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], "int32")


@pytest.fixture
def model(small):
    return BertForSequenceClassification(labels=["가", "나"], **small)


def by_path(model) -> dict:
    return {weight.path: np.array(ops.convert_to_numpy(weight.value)) for weight in model.weights}


def logits(model) -> np.ndarray:
    return ops.convert_to_numpy(model(IDS))


def trained(model):
    """After two steps; on TensorFlow, which takes long to compile one, eagerly."""
    arguments = objective(model)
    if keras.backend.backend() == "tensorflow":
        arguments |= {"run_eagerly": True}
    model.compile(adamw(0.05, 9), **arguments)
    for _ in range(2):
        model.train_on_batch(IDS, np.array([0, 1]))
    return model


@pytest.mark.parametrize("feed_forward", [False, True])
def test_only_adapters_and_head_are_trained(model, feed_forward):
    before = logits(model)
    add_lora(model, rank=2, feed_forward=feed_forward)
    np.testing.assert_array_equal(logits(model), before)  # B is 0
    former = by_path(model)
    now = by_path(trained(model))
    changed = {path.split("bert/")[-1] for path in now if (now[path] != former[path]).any()}
    parts = ["self_attention/query_key_value"]
    parts += ["feed_forward/widen", "feed_forward/narrow"] if feed_forward else []
    adapters = {
        f"encoder_layer_{layer}/{part}/lora_kernel_{which}"
        for layer in (0, 1)
        for part in parts
        for which in "ab"
    }
    heads = {path for path in changed if "lora" not in path}
    assert changed - heads == adapters
    assert heads and all("classifier" in path for path in heads)
    assert np.abs(logits(model) - before).max() > 0.01


def test_a_merged_model_is_plain_and_gives_the_same(model, small, tmp_path):
    plain_weights = [(weight.path, weight.shape) for weight in model.weights]
    add_lora(model, rank=3, feed_forward=True)
    expected = logits(trained(model))
    merged = merge_lora(model)
    assert [weight.shape for weight in merged.weights] == [shape for _, shape in plain_weights]
    assert all(weight.trainable for weight in merged.weights if "seed" not in weight.path)
    merged.save(tmp_path / "merged.keras")
    model.save(tmp_path / "as_it_is.keras")  # Keras writes the sum
    for name in ("merged", "as_it_is"):
        loaded = kbert.load(tmp_path / f"{name}.keras")
        assert loaded.labels == ["가", "나"]
        assert len(loaded.trainable_weights) == len(loaded.weights)
        np.testing.assert_allclose(logits(loaded), expected, atol=1e-5)
    np.testing.assert_allclose(logits(merged), expected, atol=1e-5)
    kernel = model.bert.encoder_layers[1].self_attention.query_key_value
    a, b = (ops.convert_to_numpy(w.value) for w in (kernel.lora_kernel_a, kernel.lora_kernel_b))
    change = merged.bert.encoder_layers[1].self_attention.query_key_value.get_weights()[0]
    change = (
        change
        - BertForSequenceClassification(labels=["가", "나"], **small)
        .bert.encoder_layers[1]
        .self_attention.query_key_value.get_weights()[0]
    )
    np.testing.assert_allclose(change, a @ b, atol=1e-6)
    np.testing.assert_array_equal(logits(model), expected)  # it stays as it was


def test_what_was_frozen_before_stays_frozen(model):
    kbert.freeze(model, layers=1)
    frozen = len(model.trainable_weights)
    add_lora(model)
    assert len(merge_lora(model).trainable_weights) == frozen


def test_a_checkpoint_keeps_the_adapters(small, tmp_path):
    from kbert.training.checkpoint import find_checkpoint, restore, save_checkpoint, state_of

    def made():
        model = BertForSequenceClassification(labels=["가", "나"], **small)
        add_lora(model, rank=2)
        return model

    model = trained(made())
    save_checkpoint(tmp_path, 2, state_of(model), {})
    other = trained(made())
    for weight in other.trainable_weights:
        weight.assign(ops.zeros(weight.shape))
    checkpoint, _ = find_checkpoint(tmp_path)
    assert checkpoint is not None
    restore(checkpoint, state_of(other))
    np.testing.assert_array_equal(logits(other), logits(model))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_in_half_precision(small, policy):
    model = Bert(**small, dtype=policy)
    add_lora(model, rank=2)
    for layer in model.encoder_layers:
        layer.self_attention.query_key_value.lora_kernel_b.assign(np.full((2, 36), 0.3, "float32"))
    hidden = ops.convert_to_numpy(ops.cast(model(IDS)["last_hidden_state"], "float32"))
    merged = merge_lora(model).with_settings(dtype="float32")
    expected = ops.convert_to_numpy(merged(IDS)["last_hidden_state"])
    np.testing.assert_allclose(hidden, expected, atol=0.08)


def test_without_a_head_and_what_is_refused(small):
    for model in (Bert(**small), BertForMaskedLM(**small)):
        with pytest.raises(KbertError, match="no adapters"):
            merge_lora(model)
        with pytest.raises(KbertError, match="rank must be a whole number from 1, not 0"):
            add_lora(model, rank=0)
        with pytest.raises(KbertError, match="rank is from 1 to 12, the smaller side of a matrix"):
            add_lora(model, rank=13)
        assert all(weight.trainable for weight in model.weights)
        add_lora(model, rank=1)
        encoder = getattr(model, "bert", model)
        assert {weight.name for weight in encoder.trainable_weights} == {
            "lora_kernel_a",
            "lora_kernel_b",
        }
        for refused, *arguments in (
            (add_lora,),
            (kbert.reinitialize_top, 1),
            (kbert.extend_vocabulary, ["국회"]),
            (kbert.export_huggingface, "nowhere"),
        ):
            with pytest.raises(KbertError, match=r"has adapters .LoRA.: give merge_lora"):
                refused(model, *arguments)
        merge_lora(model)
