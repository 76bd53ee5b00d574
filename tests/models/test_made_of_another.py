"""A model that was made of another: it knows of its weights what the other knew, and shares none.

What trains one leaves the other. On JAX a step gives its buffers away, so a buffer of two models
would be lost to the second.
"""

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert.compression.prune import prune_heads, prune_neurons

MADE = {
    "pruned heads": lambda model: prune_heads(model, {0: [1]}),
    "pruned neurons": lambda model: prune_neurons(model, {1: [0]}),
    "int8": kbert.quantize,
    "floats again": lambda model: kbert.quantize(kbert.quantize(model), "float32"),
    "other settings": lambda model: model.with_settings(remat=True),
    "fewer layers": lambda model: kbert.keep_layers(model, 1),
    "longer rows": lambda model: kbert.lengthen(model, 40, None),
    "more inputs": lambda model: kbert.extend_inputs(model, 3),
    "more tokens": lambda model: kbert.extend_vocabulary(model, ["국민에게"]),
    "a sentence model": kbert.SentenceBert.from_encoder,
}


def number(tensor) -> np.ndarray:
    return np.array(ops.convert_to_numpy(tensor))


def train(model, ids) -> None:
    model.compile(kbert.adamw(1e-2, 3), **kbert.objective(model))
    model.train_on_batch(ids, np.array([0, 1]))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX donates")
def test_training_the_one_leaves_the_other(small, inputs, tokenizer):
    ids = inputs["input_ids"]
    model = kbert.BertForSequenceClassification(labels=["가", "나"], **small)
    model.tokenizer = tokenizer
    made = {name: make(model) for name, make in MADE.items()}
    adapted = model.with_settings(seed=1)
    kbert.add_lora(adapted, rank=2)
    made["merged"] = kbert.merge_lora(adapted)
    before = {name: number(each(ids)) for name, each in made.items()}
    one = number(model(ids))

    train(made["pruned heads"], ids)
    assert np.abs(number(made["pruned heads"](ids)) - before.pop("pruned heads")).max() > 1e-3
    np.testing.assert_array_equal(number(model(ids)), one)
    train(model, ids)
    train(adapted, ids)
    assert np.abs(number(model(ids)) - one).max() > 1e-3
    for name, expected in before.items():
        np.testing.assert_array_equal(number(made[name](ids)), expected, err_msg=name)


def test_what_is_new_is_trained_whatever_is_made_of_the_model(small, tokenizer, tmp_path):
    """A pooler that the source had not: frozen by what follows, it would stay random."""
    source = kbert.BertForMaskedLM(**small)
    source.tokenizer = tokenizer
    source.save(tmp_path / "source.keras")
    model = kbert.load(tmp_path / "source.keras", "sequence-classification", ["가", "나"])
    assert "bert.pooler.dense" in model.load_report.new
    for made in MADE.keys() - {"a sentence model"}:
        other = MADE[made](model)
        new = parts(other, "pooler") | parts(other, "extra")
        assert any("extra" in path for path in new) is (made == "more inputs")
        for limit in (kbert.freeze, kbert.add_lora):
            limit(other)
            trained = {weight.path for weight in other.bert.trainable_weights}
            assert {path for path in trained if "lora" not in path} == new, made


def test_a_new_pooler_is_trained_in_an_encoder_of_whole_numbers(small, tmp_path):
    kbert.BertForMaskedLM(**small).save(tmp_path / "source.keras")
    model = kbert.load(tmp_path / "source.keras", "sequence-classification", ["가", "나"])
    model = kbert.quantize(model)
    kbert.freeze(model)
    before = number(model.bert.pooler.dense.kernel)
    train(model, np.array([[2, 5, 6, 3], [2, 7, 8, 3]]))
    if keras.backend.backend() == "jax":
        model.jax_state_sync()
    assert np.abs(number(model.bert.pooler.dense.kernel) - before).max() > 1e-3


def parts(model, name: str) -> set[str]:
    """The paths of the weights of an encoder's part."""
    return {weight.path for weight in model.bert.weights if f"/{name}/" in weight.path}
