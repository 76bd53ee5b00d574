"""What a head may ask of an encoder (`kbert/models/encoder.py`), asked of every one."""

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.catalog import BY_TASK
from kbert.layers.dense import Dense
from kbert.models import ENCODERS, TASKS, new_model
from kbert.models.encoder import Encoder, encoder_of

# A case is an architecture with the arguments that are its own; ALBERT is a Bert.
CASES = {
    "bert": ("bert", {}),
    "albert": ("bert", {"num_hidden_groups": 1, "inner_group_num": 2, "embedding_size": 8}),
    "longformer": ("bert", {"attention_window": [2, 3], "global_attention": True}),
    "modernbert": ("modernbert", {"num_hidden_layers": 4, "local_attention": 4}),
    "deberta": ("deberta", {"position_buckets": 4}),
    "mobilebert": ("mobilebert", {"embedding_size": 5, "intra_bottleneck_size": 6}),
}
ASKED_OF_CONFIG = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "hidden_dropout_prob", "attention_probs_dropout_prob"),
    *("max_position_embeddings", "initializer_range", "layer_norm_eps", "hidden_act"),
    *("add_pooling_layer", "remat", "seed"),
)


def number(tensor):
    return ops.convert_to_numpy(tensor)


def model_for(task, case, small, **more):
    architecture, own = CASES[case]
    labels = {"labels": ["가", "나"]} if BY_TASK[task].takes_labels else {}
    return new_model(task, architecture, {**small, **own, **labels, **more})


def texts(inputs):
    return {name: array for name, array in inputs.items() if name != "masked_lm_positions"}


def test_every_encoder_is_asked():
    assert {architecture for architecture, _ in CASES.values()} == set(ENCODERS)


def test_an_architecture_that_there_is_not(small):
    with pytest.raises(KbertError, match=r"architecture is one of bert, .*, not 'gpt'"):
        kbert.BertForMaskedLM(architecture="gpt", **small)


@pytest.mark.parametrize("case", CASES)
def test_what_an_encoder_has(case, small, inputs):
    encoder = model_for("encoder", case, small)
    assert isinstance(encoder, Encoder) and encoder.architecture == CASES[case][0]
    assert encoder.task == "encoder" and encoder_of(encoder) is encoder
    config, given = encoder.get_config(), {**small, **CASES[case][1]}
    assert set(ASKED_OF_CONFIG) <= set(config)
    assert {name: config[name] for name in given} == given
    assert (encoder.vocab_size, encoder.hidden_size, encoder.max_length) == (40, 12, 17)
    assert tuple(encoder.embeddings.token_table.shape) == (
        40,
        CASES[case][1].get("embedding_size", 12),
    )
    assert {id(layer) for layer in encoder.layers_in_order} == {
        id(layer) for layer in encoder.encoder_layers
    }
    names = [layer.name for layer in encoder.encoder_layers]
    assert names == [f"encoder_layer_{index}" for index in range(len(names))]
    width = CASES[case][1].get("intra_bottleneck_size", 12)  # that of 3 heads
    for layer in encoder.encoder_layers:
        projections = layer.self_attention.token_projections()
        assert sum(dense.kernel.shape[1] for dense in projections) == 3 * width
        networks = [layer.feed_forward] if case != "mobilebert" else layer.feed_forwards
        for network in networks:
            projections += [network.widen, network.narrow]
            assert network.narrow.kernel.shape[1] == width
        for dense in projections:
            assert isinstance(dense, Dense) and (dense.bias is not None) == encoder.has_biases

    got = encoder(texts(inputs), output_hidden_states=True, output_attentions=True)
    layers = len(encoder.layers_in_order)
    assert tuple(got["last_hidden_state"].shape) == (2, 7, 12)
    assert tuple(got["pooler_output"].shape) == (2, 12)
    assert len(got["hidden_states"]) == layers + 1
    for name, shape in (
        ("attentions", (2, 3, 7, 7)),
        ("queries", (2, 7, 3, width // 3)),
        ("keys", (2, 7, 3, width // 3)),
    ):
        assert [tuple(each.shape) for each in got[name]] == [shape] * layers
    np.testing.assert_array_equal(
        number(got["hidden_states"][-1]), number(got["last_hidden_state"])
    )
    for weights in got["attentions"]:
        np.testing.assert_allclose(number(weights).sum(-1), 1, atol=1e-5)
        assert np.abs(number(weights)[1, :, :, 5:]).max() == 0  # padding
    symbols = {name: keras.KerasTensor((2, 7), "int32") for name in texts(inputs)}
    spec = encoder.compute_output_spec(symbols, output_hidden_states=True, output_attentions=True)
    assert keras.tree.map_structure(lambda each: tuple(each.shape), spec) == (
        keras.tree.map_structure(lambda each: tuple(each.shape), got)
    )


@pytest.mark.parametrize("case", CASES)
def test_padding_changes_nothing(case, small, inputs):
    encoder = model_for("encoder", case, small)
    if case == "mobilebert":  # whose tokens read what stands beside them: let [PAD] be nothing
        table = number(encoder.embeddings.token_table).copy()
        table[0] = 0
        encoder.embeddings.token_table.assign(table)
    long, short = (
        encoder({name: array[1:, :end] for name, array in texts(inputs).items()}) for end in (7, 5)
    )
    np.testing.assert_allclose(
        number(long["last_hidden_state"])[:, :5], number(short["last_hidden_state"]), atol=2e-6
    )
    np.testing.assert_allclose(
        number(long["pooler_output"]), number(short["pooler_output"]), atol=2e-6
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("task", TASKS)
def test_every_head_on_every_encoder(case, task, small, inputs, tokenizer, tmp_path):
    """Saved, and opened again by the strict reader."""
    model = model_for(task, case, small)
    model.tokenizer = tokenizer
    given = texts(inputs)
    if task == "multiple-choice":
        given = {name: array[:, None] for name, array in given.items()}
    if task == "dependency-parsing":
        given |= {"first_pieces": np.array([[1, 3]] * 2), "last_pieces": np.array([[2, 3]] * 2)}
    model.save(tmp_path / "model.keras")
    again = kbert.load(tmp_path / "model.keras")
    assert type(again) is type(model) and again.get_config() == model.get_config()
    for one, two in zip(
        keras.tree.flatten(model(given)), keras.tree.flatten(again(given)), strict=True
    ):
        np.testing.assert_array_equal(number(one), number(two))
    assert again.tokenizer.vocabulary == tokenizer.vocabulary


@pytest.mark.parametrize("case", CASES)
def test_another_task_on_the_same_encoder(case, small, tmp_path, inputs):
    model = model_for("masked-lm", case, small)
    model.save(tmp_path / "model.keras")
    given = texts(inputs)
    if case == "longformer":  # else [CLS] is global under some heads
        given["global_positions"] = np.full((2, 1), -1)
    for task in ("encoder", "sequence-classification", "token-classification", "pretraining"):
        labels = ["가", "나"] if BY_TASK[task].takes_labels else None
        other = kbert.load(tmp_path / "model.keras", task, labels)
        assert type(encoder_of(other)) is type(model.bert)
        np.testing.assert_array_equal(
            number(encoder_of(other)(given)["last_hidden_state"]),
            number(model.bert(given)["last_hidden_state"]),
        )


@pytest.mark.parametrize("case", CASES)
def test_the_files_say_which_encoder_only_where_it_is_not_berts(case, small):
    architecture, _ = CASES[case]
    config = model_for("masked-lm", case, small).get_config()
    assert config.get("architecture") == (None if architecture == "bert" else architecture)


def test_a_bert_has_the_config_that_it_always_had(small):
    """The keys that an older kbert's constructors take, in their order, and no others."""
    names = (
        "format_version vocab_size hidden_size num_hidden_layers num_attention_heads "
        "intermediate_size hidden_dropout_prob attention_probs_dropout_prob "
        "max_position_embeddings type_vocab_size initializer_range layer_norm_eps "
        "add_pooling_layer pooler_activation hidden_act embedding_size position_offset "
        "attention_window remat seed dtype"
    ).split()
    assert list(kbert.Bert(**small).get_config()) == [*names, "name"]
    tied = [*names, "tie_word_embeddings", "name"]
    assert list(kbert.BertForPreTraining(**small).get_config()) == tied


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("training", [False, True])
def test_remat_computes_the_same(case, small, inputs, training):
    plain, remat = (model_for("encoder", case, small, remat=flag) for flag in (False, True))
    one, two = (
        number(encoder(texts(inputs), training=training)["last_hidden_state"])
        for encoder in (plain, remat)
    )
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_what_changes_a_trained_model(case, small, inputs, tokenizer):
    """Settings, adapters, more tokens, vectors of layers: none knows which encoder it is."""
    model = model_for("masked-lm", case, small)
    model.tokenizer = tokenizer
    given = texts(inputs)
    before = number(model(given))

    other = model.with_settings(hidden_dropout_prob=0.0, remat=True, seed=9)
    np.testing.assert_array_equal(number(other(given)), before)
    assert kbert.features(model, "국회", layers=(0, -1)).shape == (1, 24)
    longer = kbert.extend_vocabulary(model, ["국민에게"])
    np.testing.assert_allclose(number(longer(given))[..., :29], before[..., :29], atol=1e-6)

    kbert.reinitialize_top(model, 0)
    kbert.freeze(model)
    assert not model.bert.trainable_weights
    adapted = model_for("masked-lm", case, small)
    kbert.add_lora(adapted, rank=2, feed_forward=True)
    matrices = 10 if case == "mobilebert" else 3  # of a layer
    assert len(adapted.bert.trainable_weights) == 2 * matrices * len(adapted.bert.encoder_layers)
    for weight in adapted.bert.trainable_weights:
        weight.assign(weight + 0.1)
    np.testing.assert_allclose(
        number(kbert.merge_lora(adapted)(given)), number(adapted(given)), atol=1e-4
    )


@pytest.mark.parametrize("case", CASES)
def test_looking_into_every_encoder(case, small, tokenizer):
    model = model_for("masked-lm", case, small)
    model.tokenizer = tokenizer
    layers = len(model.bert.layers_in_order)
    assert kbert.explain.attention(model, "국회에").weights.shape == (layers, 3, 4, 4)
    assert kbert.explain.layers(model, "국회에").vectors.shape == (layers + 1, 4, 12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_in_16_bits(case, policy, small, inputs):
    """Logits are float32, and those of float32 but for some rounding; so is a training step."""
    exact, half = (model_for("masked-lm", case, small, dtype=each) for each in ("float32", policy))
    given = texts(inputs)
    mask = given["attention_mask"].astype(bool)
    one, two = (number(model(given))[mask] for model in (exact, half))
    assert two.dtype == np.float32
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.995
    assert np.isfinite(number(half(given, training=True))).all()
