import keras
import numpy as np
import pytest
from keras import ops

from kbert import (
    SIZES,
    Bert,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForSequenceClassification,
    KbertError,
    Tokenizer,
    load,
)
from kbert.layers.dropout import Dropout


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    ("size", "encoder", "with_heads"),
    [("base", 109_482_240, 110_106_428), ("large", 335_141_888, 336_226_108)],
)
def test_published_parameter_counts(size, encoder, with_heads, monkeypatch):
    # Counting needs no numbers: zeros are quicker to make than 336 million random ones.
    monkeypatch.setattr(
        "kbert.layers.initializers.TruncatedNormal.__call__",
        lambda self, shape, dtype=None: ops.zeros(shape, dtype),
    )
    model = BertForPreTraining(vocab_size=30_522, **SIZES[size])
    assert model.bert.count_params() == encoder
    assert model.count_params() == with_heads


def test_sizes_of_the_table():
    assert [SIZES[name]["hidden_size"] for name in SIZES] == [128, 256, 512, 512, 768, 1024]
    assert all(s["hidden_size"] == 64 * s["num_attention_heads"] for s in SIZES.values())


def hugging_face_weights(state: dict, config) -> dict[str, list[np.ndarray]]:
    """The weights of transformers' BertForPreTraining by kbert's layers, each in Keras's order."""

    def get(name):
        return state[name].numpy()

    def dense(name):
        return [get(f"{name}.weight").T, get(f"{name}.bias")]

    def norm(name):
        return [get(f"{name}.weight"), get(f"{name}.bias")]

    embeddings = "bert.embeddings"
    weights = {
        "embeddings": [
            get(f"{embeddings}.{kind}_embeddings.weight")
            for kind in ("word", "position", "token_type")
        ]
        + norm(f"{embeddings}.LayerNorm"),
        "pooler": dense("bert.pooler.dense"),
        "mlm": [
            get("cls.predictions.bias"),
            *dense("cls.predictions.transform.dense"),
            *norm("cls.predictions.transform.LayerNorm"),
        ],
        "nsp": dense("cls.seq_relationship"),
    }
    for i in range(config.num_hidden_layers):
        layer = f"bert.encoder.layer.{i}"
        qkv = [dense(f"{layer}.attention.self.{part}") for part in ("query", "key", "value")]
        weights[f"encoder_layer_{i}"] = [
            *(np.concatenate(parts, axis=-1) for parts in zip(*qkv, strict=True)),
            *dense(f"{layer}.attention.output.dense"),
            *norm(f"{layer}.attention.output.LayerNorm"),
            *dense(f"{layer}.intermediate.dense"),
            *dense(f"{layer}.output.dense"),
            *norm(f"{layer}.output.LayerNorm"),
        ]
    return weights


def test_same_numbers_as_transformers(small, inputs):
    """Every output of transformers' BertForPreTraining, with its weights: the reference."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    names = set(small) - {"seed"}
    config = transformers.BertConfig(**{name: small[name] for name in names})
    config._attn_implementation = "eager"  # the one that returns weights
    reference = transformers.BertForPreTraining(config).eval()
    model = BertForPreTraining(**small)
    for name, weights in hugging_face_weights(reference.state_dict(), config).items():
        parts = {layer.name: layer for layer in (*model.layers, *model.bert.layers)}
        parts[name].set_weights(weights)

    texts = {n: torch.tensor(a) for n, a in inputs.items() if n != "masked_lm_positions"}
    with torch.no_grad():
        expected = reference(**texts, output_hidden_states=True, output_attentions=True)
    got = model(inputs)
    index = np.arange(2)[:, None]
    expected_mlm = expected.prediction_logits.numpy()[index, inputs["masked_lm_positions"]]
    np.testing.assert_allclose(number(got["mlm"]), expected_mlm, atol=1e-5)
    np.testing.assert_allclose(
        number(got["nsp"]), expected.seq_relationship_logits.numpy(), atol=1e-5
    )
    details = model.bert(inputs, output_hidden_states=True, output_attentions=True)
    for ours, theirs in (
        (details["hidden_states"], expected.hidden_states),
        (details["attentions"], expected.attentions),
    ):
        assert len(ours) == len(theirs)
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(number(one), two.numpy(), atol=1e-5)
    # The queries and keys are those that give the attention weights.
    q, k = number(details["queries"][0]), number(details["keys"][0])
    scores = np.einsum("bqnh,bknh->bnqk", q, k) / 2 - 1e9 * (
        1 - inputs["attention_mask"][:, None, None]
    )
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(weights, number(details["attentions"][0]), atol=1e-5)


def test_a_padded_position_changes_nothing(small, inputs):
    bert = Bert(**small)
    del inputs["masked_lm_positions"]
    long = bert(inputs)
    other = {**inputs, "input_ids": np.where(inputs["attention_mask"], inputs["input_ids"], 33)}
    mask = inputs["attention_mask"][..., None]
    np.testing.assert_allclose(
        number(bert(other)["last_hidden_state"]) * mask,
        number(long["last_hidden_state"]) * mask,
        atol=1e-6,
    )
    short = bert({name: array[1:, :5] for name, array in inputs.items()})
    np.testing.assert_allclose(
        number(short["last_hidden_state"]), number(long["last_hidden_state"])[1:, :5], atol=2e-6
    )
    empty = {**inputs, "attention_mask": np.zeros((2, 7), "int32")}
    assert np.isfinite(number(bert(empty)["last_hidden_state"])).all()


def test_left_to_right(small, inputs):
    """With a causal mask a position's vector is that of the text that ends there."""
    bert = Bert(**small)
    ids = inputs["input_ids"]
    causal = np.broadcast_to(np.tril(np.ones((7, 7), "int8")), (2, 7, 7))
    hidden = number(bert({"input_ids": ids, "attention_mask": causal})["last_hidden_state"])
    for end in range(1, 8):
        prefix = {"input_ids": ids[:, :end], "attention_mask": causal[:, :end, :end]}
        alone = number(bert(prefix)["last_hidden_state"])
        np.testing.assert_allclose(hidden[:, end - 1], alone[:, -1], atol=2e-6)
    both_ways = number(bert({"input_ids": ids})["last_hidden_state"])
    assert np.abs(both_ways[:, 0] - hidden[:, 0]).max() > 1e-3


def test_optional_inputs(small, inputs):
    bert = Bert(**small)
    ids = inputs["input_ids"]
    full = {
        "input_ids": ids,
        "token_type_ids": np.zeros_like(ids),
        "attention_mask": np.ones_like(ids),
    }
    expected = number(bert(full)["pooler_output"])
    np.testing.assert_allclose(
        number(bert({"input_ids": ids})["pooler_output"]), expected, atol=1e-6
    )
    np.testing.assert_allclose(number(bert(ids)["pooler_output"]), expected, atol=1e-6)


def test_equal_seeds_start_equal_and_others_do_not(small):
    one, two = BertForPreTraining(**small), BertForPreTraining(**small)
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_array_equal(number(a.value), number(b.value))
    other = BertForPreTraining(**{**small, "seed": 6})
    assert not np.allclose(
        number(one.bert.embeddings.token_table.value),
        number(other.bert.embeddings.token_table.value),
    )
    # No two kernels of one model are equal.
    kernels = [number(w.value).ravel() for w in one.weights if w.name == "kernel"]
    assert len({kernel[:20].tobytes() for kernel in kernels}) == len(kernels) == 11


def test_no_two_weights_start_with_equal_numbers(small):
    """Nor in another layer, nor in another table."""
    drawn = ("kernel", "token_table", "position_table", "segment_table", "decoder")
    model = BertForPreTraining(**small, embedding_size=8, tie_word_embeddings=False)
    weights = [w for w in model.weights if w.name in drawn]
    starts = {number(w.value).ravel()[:12].tobytes() for w in weights}
    assert len(starts) == len(weights) == 16


def test_no_two_dropouts_drop_alike(small):
    classifier = BertForSequenceClassification(labels=["가"], **small)
    dropouts = [each for each in classifier._flatten_layers() if isinstance(each, Dropout)]
    assert len(dropouts) == 1 + 3 * small["num_hidden_layers"] + 1
    assert len({each.seed for each in dropouts}) == len(dropouts)


@pytest.mark.parametrize(
    "model_class", [Bert, BertForPreTraining, BertForMaskedLM, BertForNextSentencePrediction]
)
def test_models_survive_their_config(model_class, small):
    model = model_class(**small, name="other")
    again = model_class.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert again.name == "other" and again.get_config()["hidden_dropout_prob"] == 0.2
    with pytest.raises(KbertError, match="format 2, and this kbert reads formats up to 1"):
        model_class.from_config({**model.get_config(), "format_version": 2})


def test_summary_has_every_shape(small, capsys):
    Bert(**small).summary()
    shown = capsys.readouterr().out
    assert "(None, None, 12)" in shown and "?" not in shown
    BertForPreTraining(**small).summary()
    assert "?" not in capsys.readouterr().out


def test_a_dense_on_top_in_a_functional_model(small, inputs, tmp_path, tokenizer):
    """The pattern of every Korean TensorFlow course: trained, saved and reloaded."""
    del inputs["masked_lm_positions"]
    bert = Bert(**small)
    bert.tokenizer = tokenizer
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in inputs}
    pooled = bert(symbols)["pooler_output"]
    classes = keras.layers.Dense(3, activation="softmax")(pooled)
    model = keras.Model(symbols, classes)
    model.compile("adam", loss="sparse_categorical_crossentropy")
    before = number(bert.embeddings.token_table.value)
    model.fit(inputs, np.array([0, 2]), verbose=0)
    assert not np.allclose(before, number(bert.embeddings.token_table.value))
    model.save(tmp_path / "classifier.keras")
    again = keras.models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(number(again(inputs)), number(model(inputs)), atol=1e-6)
    assert again.get_layer("bert").tokenizer.vocabulary == tokenizer.vocabulary


def test_all_outputs_in_a_functional_model(small, inputs):
    bert = Bert(**small)
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in inputs}
    outputs = bert(symbols, output_hidden_states=True, output_attentions=True)
    model = keras.Model(symbols, outputs)
    got, expected = model(inputs), bert(inputs, output_hidden_states=True, output_attentions=True)
    assert {n: len(v) for n, v in got.items()} == {n: len(v) for n, v in expected.items()}
    np.testing.assert_allclose(number(got["keys"][1]), number(expected["keys"][1]), atol=1e-6)
    heads = keras.Model(symbols, BertForPreTraining(**small)(symbols))
    assert {n: tuple(s.shape) for n, s in heads.output.items()} == {
        "mlm": (None, None, 40),
        "nsp": (None, 2),
    }


def test_lengths_say_what_a_mask_of_padding_says(small, inputs):
    bert = Bert(**small)
    masked = bert(inputs)["last_hidden_state"]
    only = {**inputs, "lengths": inputs["attention_mask"].sum(axis=1)}
    only.pop("attention_mask")
    np.testing.assert_array_equal(number(bert(only)["last_hidden_state"]), number(masked))


def test_an_attention_window(small, tmp_path, tokenizer):
    """What is further away than the layers' windows together does not matter; it is saved."""
    bert = Bert(**{**small, "attention_window": 2, "num_hidden_layers": 2})
    ids = np.random.default_rng(0).integers(5, 29, (1, 14))
    other = ids.copy()
    other[0, 9] = 5 + ids[0, 9] % 20
    one, two = (number(bert({"input_ids": each})["last_hidden_state"])[0] for each in (ids, other))
    differ = np.abs(one - two).max(axis=1) > 1e-6
    assert differ.tolist() == [5 <= place <= 13 for place in range(14)]
    bert.tokenizer = tokenizer
    bert.save(tmp_path / "bert.keras")
    again = load(tmp_path / "bert.keras")
    assert again.get_config()["attention_window"] == 2
    np.testing.assert_allclose(
        number(again({"input_ids": ids})["last_hidden_state"])[0], one, atol=1e-6
    )


@pytest.mark.parametrize("window", [0, -1, 1.5, "8"])
def test_a_window_that_cannot_be(small, window):
    with pytest.raises(
        KbertError, match="attention_window, if it is not None, must be a whole number from 1, not"
    ):
        Bert(**small, attention_window=window)


def test_mixed_precision_returns_float32_logits(small, inputs):
    model = BertForPreTraining(**small, dtype="mixed_bfloat16")
    outputs = model(inputs)
    assert {keras.backend.standardize_dtype(v.dtype) for v in outputs.values()} == {"float32"}
    assert keras.backend.standardize_dtype(model.bert(inputs)["pooler_output"].dtype) == "bfloat16"
    exact = BertForPreTraining(**small)(inputs)
    np.testing.assert_allclose(number(outputs["nsp"]), number(exact["nsp"]), atol=0.02)
    again = BertForPreTraining.from_config(model.get_config())
    assert again.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 13}, "not a multiple"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be"),
        ({"vocab_size": 1.5}, "vocab_size must be"),
        ({"hidden_dropout_prob": 1.0}, r"number in \[0, 1\)"),
    ],
)
def test_bad_arguments(small, change, message):
    with pytest.raises(KbertError, match=message):
        Bert(**{**small, **change})


def test_inputs_that_do_not_fit(small):
    bert = Bert(**small)
    with pytest.raises(KbertError, match="18 tokens is longer than the model's 17 positions"):
        bert({"input_ids": np.zeros((1, 18), "int32")})
    with pytest.raises(KbertError, match=r"input_ids holds 40: .* from 0 to 39"):
        bert({"input_ids": np.array([[2, 40, 3]])})
    with pytest.raises(KbertError, match="input_ids holds -1: "):
        bert({"input_ids": np.array([[2, -1, 3]])})
    with pytest.raises(KbertError, match=r"41 tokens, and the model has embeddings for 40"):
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(36))]
        bert.tokenizer = Tokenizer(words)


def test_where_and_at_which_rates_training_drops(small, inputs, monkeypatch):
    """Embeddings, attention weights, and both outputs of each layer; BERT, section A.2."""
    seen, call = [], Dropout.call

    def noted(self, numbers, training=None, draw=None):
        if training:
            seen.append((self.rate, tuple(numbers.shape)))
        return call(self, numbers, training=training, draw=draw)

    monkeypatch.setattr(Dropout, "call", noted)
    Bert(**small)(inputs, training=True)
    rows, length = inputs["input_ids"].shape
    output = (0.2, (rows, length, 12))
    assert seen == [output, *[(0.3, (rows, 3, length, length)), output, output] * 2]
    seen.clear()
    Bert(**small)(inputs, training=True, output_attentions=True)
    assert len(seen) == 7
    seen.clear()
    Bert(**small)(inputs)
    assert not seen
