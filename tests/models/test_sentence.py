import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForPreTraining, KbertError, SentenceBert
from kbert.explain.embedded import gradient_of
from kbert.layers.pooling import pool_tokens
from kbert.models.sentence import SENTENCE_POOLINGS


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def four(small):
    return {**small, "num_hidden_layers": 4}


@pytest.fixture
def rows(inputs):
    """Two rows of 7, the second with two of padding."""
    del inputs["masked_lm_positions"]
    return inputs


def pooled(model, rows, pooling):
    """What each pooling is, by numpy."""
    states = [number(s) for s in model.bert(rows, output_hidden_states=True)["hidden_states"]]
    vectors = []
    for i, length in enumerate(rows["attention_mask"].sum(axis=1)):
        tokens = states[-1][i, :length]
        if pooling == "last-four":
            tokens = np.mean([state[i, :length] for state in states[-4:]], axis=0)
        places = np.arange(1, length + 1)[:, None]
        vectors.append(
            {
                "mean": tokens.mean(axis=0),
                "last-four": tokens.mean(axis=0),
                "cls": tokens[0],
                "max": tokens.max(axis=0),
                "weighted-mean": (places * tokens).sum(axis=0) / places.sum(),
            }[pooling]
        )
    return np.array(vectors)


@pytest.mark.parametrize("pooling", SENTENCE_POOLINGS)
def test_pooling_is_of_the_tokens_alone(four, rows, pooling):
    model = SentenceBert(pooling=pooling, **four)
    expected = pooled(model, rows, pooling)
    np.testing.assert_allclose(number(model(rows)), expected, atol=1e-5)
    assert model.embedding_size == 12 and np.abs(expected[0] - expected[1]).max() > 0.1

    # Lengths say the same as a mask, and a row alone, without padding, the same as in a batch.
    mask = rows.pop("attention_mask")
    by_lengths = model({**rows, "lengths": mask.sum(axis=1).astype("int32")})
    np.testing.assert_allclose(number(by_lengths), expected, atol=1e-5)
    alone = {name: array[1:, :5] for name, array in rows.items()}
    np.testing.assert_allclose(number(model(alone)), expected[1:], atol=1e-5)


def test_the_gradient_of_a_maximum_goes_to_one_place():
    """To the first of equal ones: no backend divides it among them, which XLA made 0 / 0 of."""
    hidden = np.array([[[1, 5], [3, 5], [3, 2], [9, 9]]], "float32")  # (1, 4, 2), the last padding
    mask, weights = np.array([[1, 1, 1, 0]]), ops.array([[2.0, 7.0]])
    gradient = gradient_of(lambda vectors: pool_tokens(vectors, mask, "max") * weights)(hidden)
    np.testing.assert_array_equal(gradient, [[[0, 7], [2, 0], [0, 0], [0, 0]]])


def test_a_dense_layer_and_length_1(small, rows):
    model = SentenceBert(dense_size=5, normalize=True, **small)
    assert model.embedding_size == 5
    kernel, bias = model.dense.get_weights()
    model.dense.bias.assign(bias + np.linspace(-1, 1, 5))
    expected = np.tanh(pooled(model, rows, "mean") @ kernel + number(model.dense.bias))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(number(model(rows)), expected, atol=1e-5)

    linear = SentenceBert(dense_size=5, dense_activation="linear", **small)
    linear.set_weights(model.get_weights())
    expected = pooled(model, rows, "mean") @ kernel + number(model.dense.bias)
    np.testing.assert_allclose(number(linear(rows)), expected, atol=1e-5)


def test_a_row_without_any_token_is_zeros(small, rows):
    rows["attention_mask"] = np.zeros((2, 7), "int32")
    for pooling in ("mean", "max", "weighted-mean"):
        model = SentenceBert(pooling=pooling, normalize=True, **small)
        assert not number(model(rows)).any()


def test_saved_and_loaded(four, rows, tokenizer, tmp_path):
    model = SentenceBert(
        pooling="last-four",
        normalize=True,
        dense_size=3,
        dense_activation="linear",
        max_seq_length=9,
        **four,
    )
    model.tokenizer = tokenizer
    model.save(tmp_path / "sentences.keras")
    again = kbert.load(tmp_path / "sentences.keras")
    assert type(again) is SentenceBert and again.get_config() == model.get_config()
    assert again.max_length == 9 and again.task == "sentence-embedding"
    np.testing.assert_array_equal(number(again(rows)), number(model(rows)))
    changed = model.with_settings(attention_probs_dropout_prob=0.0)
    np.testing.assert_array_equal(number(changed(rows)), number(model(rows)))


def test_from_any_model(small, rows, tokenizer, tmp_path):
    pretrained = BertForPreTraining(**small)
    pretrained.tokenizer = tokenizer
    states = number(pretrained.bert(rows)["last_hidden_state"])
    model = SentenceBert.from_encoder(pretrained, pooling="cls", normalize=False)
    np.testing.assert_allclose(number(model(rows)), states[:, 0], atol=1e-6)
    assert model.tokenizer is tokenizer and model.bert.pooler is None

    pretrained.save(tmp_path / "pretrained.keras")
    loaded = kbert.load(tmp_path / "pretrained.keras", "sentence-embedding")
    assert type(loaded) is SentenceBert and not loaded.load_report.new
    again = SentenceBert.from_encoder(loaded, pooling="cls", dense_size=2, max_seq_length=9)
    assert number(again.dense.kernel).any()  # new weights, drawn
    again.dense.bias.assign([1.0, -1.0])
    unit = SentenceBert.from_encoder(again, normalize=True)  # and all else as it was
    assert (unit.pooling, unit.max_length, unit.embedding_size) == ("cls", 9, 2)
    vectors = number(again(rows))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(number(unit(rows)), vectors, atol=1e-6)
    assert SentenceBert.from_encoder(again, dense_size=None).embedding_size == 12
    kbert.export_huggingface(pretrained, tmp_path / "folder")
    of_folder = kbert.load(tmp_path / "folder", "sentence-embedding")
    np.testing.assert_allclose(number(of_folder(rows)), number(loaded(rows)), atol=1e-6)

    with pytest.raises(KbertError, match="hidden_size is the encoder's"):
        SentenceBert.from_encoder(pretrained, hidden_size=9)
    with pytest.raises(KbertError, match="expected a model of kbert, not a dict"):
        SentenceBert.from_encoder({})
    kbert.add_lora(pretrained, 2)
    with pytest.raises(KbertError, match="adapters"):
        SentenceBert.from_encoder(pretrained)


def test_sixteen_bits_give_float32(small, rows):
    model = SentenceBert(normalize=True, dense_size=4, dtype="mixed_bfloat16", **small)
    plain = SentenceBert(normalize=True, dense_size=4, **small)
    found = model(rows)
    assert number(found).dtype == np.float32
    np.testing.assert_allclose(number(found), number(plain(rows)), atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "sum"}, "pooling is one of mean, cls, max, weighted-mean, last-four, not"),
        ({"pooling": "last-four"}, "of four layers, and the encoder has 2"),
        ({"normalize": 1}, "normalize is True or False"),
        ({"dense_size": 0}, "dense_size must be a whole number from 1"),
        ({"dense_activation": "relu"}, "dense_activation is one of tanh, linear"),
        ({"max_seq_length": 18}, "more than the 17 tokens"),
        ({"max_seq_length": 0}, "max_seq_length must be a whole number from 1"),
    ],
)
def test_arguments_that_cannot_be(small, arguments, message):
    with pytest.raises(KbertError, match=message):
        SentenceBert(**small, **arguments)


def test_inputs_that_cannot_be(small, rows):
    model = SentenceBert(max_seq_length=6, **small)
    with pytest.raises(KbertError, match="longer than the model's 6"):
        model(rows)
    model = SentenceBert(**small)
    square = np.ones((2, 7, 7), "int32")
    with pytest.raises(KbertError, match=r"is \(batch, length\)"):
        model({**rows, "attention_mask": square})


def test_the_pooler_stays_out(small):
    assert not any("pooler" in weight.path for weight in SentenceBert(**small).weights)
    assert isinstance(SentenceBert(**small).bert, Bert)
