import inspect

import keras
import numpy as np
import pytest
from keras import ops

from kbert import KbertError
from kbert.layers.activations import activation
from kbert.layers.attention import SelfAttention
from kbert.layers.dropout import Dropout
from kbert.layers.embeddings import Embeddings
from kbert.layers.encoder import EncoderLayer
from kbert.layers.extra_embeddings import ExtraEmbeddings
from kbert.layers.feed_forward import FeedForward, GatedFeedForward
from kbert.layers.heads import (
    LabelHead,
    MaskedLMHead,
    NextSentenceHead,
    TokenTransform,
    gather_positions,
)
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.mobile_layer import BottleneckSelfAttention, MobileLayer
from kbert.layers.modern_layer import ModernLayer, TokenEmbeddings
from kbert.layers.pooling import Pooler
from kbert.layers.trigram_embeddings import TrigramEmbeddings


def number(tensor):
    """A tensor or a variable as a numpy array."""
    return ops.convert_to_numpy(getattr(tensor, "value", tensor))


def gelu(x):
    """x Phi(x), by the error function of the standard library."""
    import math

    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def layer_norm(x, epsilon=1e-12):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(x.var(-1, keepdims=True) + epsilon)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_starting_weights_are_the_same_everywhere():
    numbers = number(TruncatedNormal(0.02, seed=7)((1000, 50)))
    # Drawn by numpy: these figures stand for every backend.
    np.testing.assert_allclose(numbers[0, :3], [0.0304, -0.0229, 0.0230], atol=5e-5)
    assert np.abs(numbers).max() <= 0.04
    # Standard deviation of a normal cut at two: 0.8796 of it.
    assert numbers.std() == pytest.approx(0.02 * 0.8796, rel=0.01)
    assert abs(numbers.mean()) < 4 * 0.02 / np.sqrt(50_000)
    np.testing.assert_array_equal(numbers, number(TruncatedNormal(0.02, seed=7)((1000, 50))))


def test_seeds_of_parts_differ():
    seeds = {sub_seed(0, f"encoder_layer_{i}") for i in range(1000)}
    assert len(seeds) == 1000 and max(seeds) < 2**31


def test_embeddings_are_three_tables_added_and_normalised():
    layer = Embeddings(20, 6, max_position_embeddings=8, dropout=0.0, initializer_range=1.0)
    layer.build()
    ids, segments = np.array([[3, 0, 3]]), np.array([[0, 0, 1]])
    token, position, segment = (
        number(t) for t in (layer.token_table, layer.position_table, layer.segment_table)
    )
    expected = layer_norm(token[ids] + position[:3] + segment[segments])
    np.testing.assert_allclose(number(layer(ids, segments)), expected, atol=1e-5)
    one_text = layer_norm(token[ids] + position[:3] + segment[0])
    np.testing.assert_allclose(number(layer(ids)), one_text, atol=1e-5)
    with pytest.raises(KbertError, match=r"row of 9 tokens is longer than the model's 8 positions"):
        layer(np.zeros((1, 9), int))


def test_feed_forward_bends_with_the_exact_gelu():
    layer = FeedForward(10, initializer_range=1.0)
    layer.build((None, None, 6))
    hidden = noise(2, 3, 6)
    w1, b1, w2, b2 = map(number, layer.weights)
    expected = gelu(hidden @ w1 + b1) @ w2 + b2
    np.testing.assert_allclose(number(layer(hidden)), expected, atol=2e-5)
    assert sum(w.size for w in (w1, w2)) == 2 * 6 * 10  # 8 D^2 when I = 4 D


def test_encoder_layer_normalises_after_each_addition():
    layer = EncoderLayer(2, 12, dropout=0.0, attention_dropout=0.0, initializer_range=0.5)
    layer.build((None, None, 6))
    hidden = noise(2, 4, 6)
    attended = layer_norm(hidden + number(layer.self_attention(hidden)))
    expected = layer_norm(attended + number(layer.feed_forward(attended)))
    np.testing.assert_allclose(number(layer(hidden)), expected, atol=2e-5)
    output, weights, query, key = layer(hidden, return_weights=True)
    np.testing.assert_allclose(number(output), expected, atol=2e-5)
    assert tuple(weights.shape) == (2, 2, 4, 4)
    assert tuple(query.shape) == tuple(key.shape) == (2, 4, 2, 3)


def test_pooler_takes_the_first_token():
    layer = Pooler(initializer_range=1.0)
    layer.build((None, None, 5))
    hidden = noise(3, 4, 5)
    kernel, bias = map(number, layer.weights)
    np.testing.assert_allclose(
        number(layer(hidden)), np.tanh(hidden[:, 0] @ kernel + bias), atol=1e-5
    )


def test_positions_are_gathered_row_by_row():
    hidden = noise(2, 4, 3)
    positions = np.array([[3, 0, 0], [1, 1, 2]], "int32")
    expected = np.stack([hidden[0, [3, 0, 0]], hidden[1, [1, 1, 2]]])
    got = gather_positions(ops.convert_to_tensor(hidden), ops.convert_to_tensor(positions))
    np.testing.assert_array_equal(number(got), expected)


def test_masked_lm_head_scores_with_the_embedding_table():
    head = MaskedLMHead(9, initializer_range=1.0)
    head.build((None, None, 5))
    head.bias.assign(noise(9, seed=3))
    hidden, table = noise(2, 4, 5), noise(9, 5, seed=1)
    kernel, bias = number(head.transform.kernel), number(head.transform.bias)
    transformed = layer_norm(gelu(hidden @ kernel + bias))
    expected = transformed @ table.T + number(head.bias)
    np.testing.assert_allclose(number(head(hidden, table)), expected, atol=2e-5)
    positions = np.array([[2, 0], [1, 1]], "int32")
    got = number(head(hidden, table, positions))
    picked = np.stack([expected[0, [2, 0]], expected[1, [1, 1]]])
    np.testing.assert_allclose(got, picked, atol=2e-5)


def test_next_sentence_head():
    head = NextSentenceHead(initializer_range=1.0)
    head.build((None, 5))
    kernel, bias = map(number, head.weights)
    pooled = noise(3, 5)
    np.testing.assert_allclose(number(head(pooled)), pooled @ kernel + bias, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        Embeddings(
            *(20, 6, 8, 3, 0.2, 1e-9, 0.5, 3, 4, 2),
            always_project=True,
            extra_size=5,
        ),
        ExtraEmbeddings(4, 8, 3, 0.5, 3),
        EncoderLayer(2, 12, 0.2, 0.3, 1e-9, 0.5, 3, "relu", 5, True, 4, 2, head_size=3),
        SelfAttention(
            2, 0.2, 0.5, 3, 5, 4, 2, use_bias=False, output_range=0.25, rope_theta=9.0, head_size=3
        ),
        Dropout(0.2, 3),
        FeedForward(12, 0.5, 3, hidden_act="relu"),
        GatedFeedForward(12, 0.2, 0.5, 0.25, 3, hidden_act="relu"),
        TokenEmbeddings(20, 6, 0.2, 1e-9, 0.5, 3, norm_bias=True),
        ModernLayer(2, 12, 0.2, 0.3, 1e-9, 0.5, 0.25, 3, "relu", 5, False, 9.0, head_size=3),
        TrigramEmbeddings(20, 6, 4, 9, 3, 0.2, 0.5, 3),
        BottleneckSelfAttention(2, 0.2, 0.5, 3, value_size=6, head_size=3),
        MobileLayer(2, 12, 4, 2, True, 0.2, 0.3, 0.5, 3, "gelu", head_size=3),
        Pooler(0.5, 3, "gelu", "mean", use_bias=False, layer_norm_eps=1e-9, transform=False),
        MaskedLMHead(
            *(9, 1e-9, 0.5, 3),
            embedding_size=4,
            hidden_act="relu",
            tied=False,
            use_bias=False,
            completed=True,
        ),
        TokenTransform(1e-9, 0.5, 3, hidden_act="relu"),
        LabelHead(4, 0.2, 0.5, 3),
        NextSentenceHead(0.5, 3),
    ],
)
def test_layers_survive_their_config(layer):
    data = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(data)
    config = layer.get_config()
    assert again.get_config() == config and config["seed"] == 3
    arguments = inspect.signature(type(layer).__init__).parameters
    left = [
        name
        for name, each in arguments.items()
        if each.default is not inspect.Parameter.empty
        and config[name] == each.default
        and name != "self_attention"  # a layer in another's place, which Deberta makes anew
    ]
    assert not left, "defaults, which would come back even if they were not saved"


def after_a_step(layer, ids, segments, truth):
    """Each table's gradient, by a step of SGD with rate 1 on the mean squared error."""
    inputs = [keras.Input(ids.shape[1:], dtype="int32") for _ in range(2)]
    model = keras.Model(inputs, layer(*inputs))
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=keras.backend.backend() == "jax")
    before = {weight.name: number(weight) for weight in layer.weights}
    model.train_on_batch([ids, segments], truth)
    return {weight.name: before[weight.name] - number(weight) for weight in layer.weights}


def test_the_gradients_of_the_tables():
    """Each row's is the sum over the tokens that look it up, as differences of the loss have it."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 11, (3, 5)).astype("int32")
    segments = rng.integers(0, 3, (3, 5)).astype("int32")
    truth = rng.normal(size=(3, 5, 4)).astype("float32")
    layer = Embeddings(11, 4, 6, type_vocab_size=3, dropout=0.0, initializer_range=1.0)
    layer.build()
    before = layer.get_weights()
    expected = {}
    for place, weight in enumerate(layer.weights[:3]):
        expected[weight.name] = np.zeros_like(before[place])
        for row, column in np.ndindex(before[place].shape):
            losses = []
            for change in (1e-2, -1e-2):
                changed = [value.copy() for value in before]
                changed[place][row, column] += change
                layer.set_weights(changed)
                outputs = ops.convert_to_numpy(layer(ids, segments)).astype("float64")
                losses.append(np.mean((outputs - truth) ** 2))
            expected[weight.name][row, column] = (losses[0] - losses[1]) / 2e-2
    layer.set_weights(before)
    got = after_a_step(layer, ids, segments, truth)
    for name, gradient in expected.items():
        np.testing.assert_allclose(got[name], gradient, atol=1e-3)
    assert (expected["position_table"][5] == 0).all()  # no row is that long
    assert np.abs(expected["segment_table"]).min() > 0


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_gradients_of_frequent_rows_are_summed_in_float32(precision):
    """In bfloat16 256 + 1 is 256, so a sum of thousands would be wrong by far."""
    rng = np.random.default_rng(1)
    ids = rng.choice(4, (64, 128), p=[0.7, 0.2, 0.09, 0.01]).astype("int32")
    segments = (ids > 0).astype("int32")
    truth = np.broadcast_to(rng.normal(size=8) * 100, (64, 128, 8)).astype("float32")
    whole, half = (
        after_a_step(Embeddings(4, 8, 128, dropout=0.0, dtype=dtype), ids, segments, truth)
        for dtype in ("float32", precision)
    )
    for name in ("token_table", "segment_table"):
        error = np.abs(half[name] - whole[name]).max(axis=1) / np.abs(whole[name]).max(axis=1)
        assert error.max() < 0.01, name


def test_activations_and_rates_that_are_none():
    with pytest.raises(KbertError, match=r"the activation is one of gelu, .* not 'swish'"):
        activation("swish", np.ones(3))
    for rate in (1.0, -0.1, "0.1"):
        with pytest.raises(KbertError, match=r"a number in \[0, 1\), not"):
            Dropout(rate)
