import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.attention import SelfAttention, attention, attention_reference, padding_bias


def arrays(batch=2, length=5, heads=3, size=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(batch, length, heads, size)).astype("float32") for _ in range(3)]


def by_hand(query, key, value, mask):
    """softmax(Q K^T / sqrt(H)) V with loops, in float64; padded keys are left out of the sum."""
    out = np.zeros(query.shape)
    batch, length, heads, size = query.shape
    for b in range(batch):
        keep = np.flatnonzero(mask[b])
        for h in range(heads):
            for i in range(length):
                scores = np.array([query[b, i, h] @ key[b, j, h] for j in keep]) / np.sqrt(size)
                weights = np.exp(scores - scores.max())
                out[b, i, h] = (weights / weights.sum()) @ value[b, keep, h]
    return out


MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], "int32")


@pytest.mark.parametrize("function", [attention, attention_reference])
def test_the_formula(function):
    query, key, value = arrays()
    bias = padding_bias(MASK, "float32")
    got = function(query, key, value, bias)
    got = got[0] if isinstance(got, tuple) else got
    expected = by_hand(query, key, value, MASK)
    np.testing.assert_allclose(ops.convert_to_numpy(got), expected, atol=2e-6)


def test_weights_sum_to_one_and_padding_gets_none():
    query, key, value = arrays()
    _, weights = attention_reference(query, key, value, padding_bias(MASK, "float32"))
    weights = ops.convert_to_numpy(weights)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert (weights[1, :, :, 3:] == 0).all()


def gradients(function, parts):
    """d sum(f(q, k, v)^2) / d (q, k, v), on whichever backend runs."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.grad(lambda p: ops.sum(ops.square(function(*p))))(tuple(map(ops.array, parts)))
    if backend == "tensorflow":
        import tensorflow as tf

        parts = [tf.constant(part) for part in parts]
        with tf.GradientTape() as tape:
            tape.watch(parts)
            loss = ops.sum(ops.square(function(*parts)))
        return tape.gradient(loss, parts)
    import torch

    parts = [torch.tensor(part, requires_grad=True) for part in parts]
    ops.sum(ops.square(function(*parts))).backward()
    return [part.grad for part in parts]


CAUSAL = np.tril(np.ones((5, 5), "int32")) * MASK[:, None]  # (2, 5, 5)


@pytest.mark.parametrize("function", [attention, attention_reference])
def test_a_mask_of_its_own_for_every_position(function):
    query, key, value = arrays()
    got = function(query, key, value, padding_bias(CAUSAL, "float32"))
    got = ops.convert_to_numpy(got[0] if isinstance(got, tuple) else got)
    for position in range(5):
        expected = by_hand(query, key, value, CAUSAL[:, position])
        np.testing.assert_allclose(got[:, position], expected[:, position], atol=2e-6)


@pytest.mark.parametrize("mask", [None, MASK, np.array([[1] * 5, [0] * 5], "int32"), CAUSAL])
def test_fused_and_reference_agree_in_value_and_gradient(mask):
    bias = None if mask is None else padding_bias(mask, "float32")
    parts = arrays(seed=1)
    fused = gradients(lambda q, k, v: attention(q, k, v, bias), parts)
    reference = gradients(lambda q, k, v: attention_reference(q, k, v, bias)[0], parts)
    np.testing.assert_allclose(
        ops.convert_to_numpy(attention(*parts, bias)),
        ops.convert_to_numpy(attention_reference(*parts, bias)[0]),
        atol=2e-6,
    )
    for one, two in zip(fused, reference, strict=True):
        one, two = ops.convert_to_numpy(one), ops.convert_to_numpy(two)
        assert np.isfinite(one).all()  # a row that is all padding too
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_one_projection_for_queries_keys_and_values():
    layer = SelfAttention(3, dropout=0.0, initializer_range=0.5)
    layer.build((None, None, 12))
    hidden = np.random.default_rng(0).normal(size=(2, 5, 12)).astype("float32")
    output, weights, query, key = layer(hidden, return_weights=True)
    kernel, bias, out_kernel, out_bias = (ops.convert_to_numpy(w.value) for w in layer.weights[:4])
    assert kernel.shape == (12, 36)
    projected = (hidden @ kernel + bias).reshape(2, 5, 3, 3, 4)  # (B, L, q k v, N, H)
    q, k, v = projected[:, :, 0], projected[:, :, 1], projected[:, :, 2]
    np.testing.assert_allclose(ops.convert_to_numpy(query), q, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(key), k, atol=1e-5)
    context = by_hand(q, k, v, np.ones((2, 5))).reshape(2, 5, 12)
    expected = context @ out_kernel + out_bias
    np.testing.assert_allclose(ops.convert_to_numpy(output), expected, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(hidden)), expected, atol=1e-5)
    assert tuple(weights.shape) == (2, 3, 5, 5)


def test_dropout_of_weights_only_in_training():
    layer = SelfAttention(2, dropout=0.5, initializer_range=0.5, seed=1)
    layer.build((None, None, 8))
    hidden = np.random.default_rng(0).normal(size=(2, 6, 8)).astype("float32")
    first, second = (ops.convert_to_numpy(layer(hidden)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    trained = [ops.convert_to_numpy(layer(hidden, training=True)) for _ in range(400)]
    assert not np.allclose(trained[0], trained[1])
    mean = np.mean(trained, axis=0)  # dropout is unbiased
    error = np.std(trained, axis=0) / np.sqrt(400)
    assert (np.abs(mean - first) < 5 * error + 1e-6).all()
