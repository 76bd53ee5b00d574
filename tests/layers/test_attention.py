from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.attention import (
    PADDED,
    SelfAttention,
    attention,
    attention_reference,
    padding_bias,
    windowed,
)
from kbert.layers.dropout import Dropout
from kbert.layers.kernels.windows import joined, local_blocks


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


# Long rows: some queries at a time. 300 is a multiple of no block.
LONG = (np.arange(300) < [[300], [170]]).astype("int32")
BEFORE = np.tril(np.ones((300, 300), "int32")) * LONG[:, None]


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("mask", [None, LONG, BEFORE])
def test_long_rows_are_computed_as_short_ones(mask, rate):
    """Value and gradient, and with dropout the same weights are dropped."""
    parts = arrays(2, 300, 2, 4)
    bias = None if mask is None else padding_bias(mask, "float32")
    dropout = Dropout(rate, seed=4) if rate else None
    draw = dropout.draw() if dropout else None
    drop = partial(dropout, training=True, draw=draw) if dropout else None

    def fused(*parts):
        return attention(*parts, bias, dropout=dropout, draw=draw)

    def reference(*parts):
        return attention_reference(*parts, bias, drop)[0]

    got, expected = (ops.convert_to_numpy(f(*parts)) for f in (fused, reference))
    np.testing.assert_allclose(got, expected, atol=2e-6)
    for one, two in zip(gradients(fused, parts), gradients(reference, parts), strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one), ops.convert_to_numpy(two), atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize(
    ("shape", "rate"),
    [
        ((2, 2, 300, 300), 0.0),
        ((2, 2, 300, 300), 0.3),
        ((1, 2, 300, 300), 0.3),
        ((2, 1, 300, 300), 0.3),
        ((1, 1, 1, 300), 0.3),
    ],
)
def test_a_learned_bias_has_its_gradient_in_long_rows(shape, rate):
    """As the formula, which the backend itself derives, gives it; and those beside it the same."""
    query, key, value = arrays(2, 300, 2, 4)
    learned = np.random.default_rng(5).normal(size=shape).astype("float32")
    if shape[0] == 2:
        learned += np.where(LONG, 0, np.float32(PADDED))[:, None, None]
    dropout = Dropout(rate, seed=4) if rate else None
    draw = dropout.draw() if dropout else None
    drop = partial(dropout, training=True, draw=draw) if dropout else None

    def fused(query, key, value, learned):
        return attention(query, key, value, learned, dropout=dropout, draw=draw)

    def reference(query, key, value, learned):
        return attention_reference(query, key, value, learned, drop)[0]

    parts = [query, key, value, learned]
    tensors = [ops.convert_to_tensor(part) for part in parts]
    got, expected = (ops.convert_to_numpy(f(*tensors)) for f in (fused, reference))
    np.testing.assert_allclose(got, expected, atol=2e-6)
    for one, two in zip(gradients(fused, parts), gradients(reference, parts), strict=True):
        one, two = ops.convert_to_numpy(one), ops.convert_to_numpy(two)
        assert one.shape == two.shape and np.abs(two).max() > 1e-3
        np.testing.assert_allclose(one, two, atol=1e-5, rtol=1e-5)


def test_the_gradient_of_a_learned_bias_by_differences():
    """(f(b + e) - f(b - e)) / 2 e of single numbers of the bias, in a row of 300."""
    parts = arrays(1, 300, 1, 4)
    learned = np.random.default_rng(5).normal(size=(1, 1, 300, 300)).astype("float32")
    learned[..., 0] += 5  # a key of which all take much, so that differences are well above 1e-7
    found = ops.convert_to_numpy(gradients(attention, [*parts, learned])[3])
    for query, key in ((0, 0), (130, 0), (299, 0)):
        step = np.zeros_like(learned)
        step[0, 0, query, key] = 1e-2
        up, down = (
            np.square(
                ops.convert_to_numpy(attention(*parts, learned + way * step)).astype("float64")
            )
            for way in (1, -1)
        )
        slope = (up - down).sum() / 2e-2
        assert abs(slope) > 1e-2
        np.testing.assert_allclose(found[0, 0, query, key], slope, rtol=2e-3)


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_memory_of_long_rows_grows_with_their_length(rate):
    """What is kept, or what XLA reserves, for twice the length: twice as much."""
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow does not tell; the code is JAX's")
    dropout = Dropout(rate, seed=4) if rate else None
    draw = dropout.draw() if dropout else None

    def memory(length):
        parts = arrays(1, length, 2, 8)
        bias = padding_bias(np.ones((1, length)), "float32")

        def square(parts):
            return ops.sum(ops.square(attention(*parts, bias, dropout=dropout, draw=draw)))

        if keras.backend.backend() == "jax":
            import jax

            compiled = jax.jit(jax.grad(square)).lower(parts).compile()
            return compiled.memory_analysis().temp_size_in_bytes
        import torch

        sizes = {}

        def pack(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            square([torch.tensor(part, requires_grad=True) for part in parts])
        return sum(sizes.values())

    assert memory(2048) < 2.1 * memory(1024)
    assert memory(1024) < 4 * 2 * 1024 * 1024  # one array of the weights


def in_window(mask, window):
    """(B, L) -> (B, L, L): what each position may look at."""
    places = np.arange(mask.shape[1])
    near = np.abs(places[:, None] - places) <= window
    return (near & (mask[:, None] > 0)).astype("int32")


@pytest.mark.parametrize(("length", "window"), [(5, 1), (300, 3), (300, 70), (300, 120), (40, 64)])
def test_a_window(length, window):
    """In blocks, and where they would be longer than the row; with padding and without."""
    query, key, value = arrays(2, length, 1, 4, seed=2)
    mask = (np.arange(length) < [[length], [length - 2]]).astype("int32")
    seen = in_window(mask, window)
    got = attention(query, key, value, padding_bias(mask, "float32"), window=window)
    unpadded = attention(query[:1], key[:1], value[:1], window=window)
    one_by_one = padding_bias(seen, "float32")  # a mask of its own for every position
    wider = attention(query, key, value, one_by_one, window=window)
    for position in range(0, length, 7):
        here = query[:, position : position + 1]
        expected = by_hand(here, key, value, seen[:, position])[:, 0]
        for each, rows in ((got, 2), (unpadded, 1), (wider, 2)):
            rows = rows if position < length - 2 else 1
            np.testing.assert_allclose(
                ops.convert_to_numpy(each)[:rows, position], expected[:rows], atol=2e-6
            )


def test_the_gradient_of_a_window():
    parts = arrays(2, 300, 2, 4, seed=3)
    bias = padding_bias(LONG, "float32")
    narrow = windowed(bias, ops.convert_to_tensor(parts[0]), 20)

    tokens = ops.convert_to_tensor(LONG[:, :, None, None].astype("float32"))

    def of_tokens(context):
        return context * tokens

    local = gradients(lambda *p: of_tokens(attention(*p, bias, window=20)), parts)
    whole = gradients(lambda *p: of_tokens(attention_reference(*p, narrow)[0]), parts)
    for one, two in zip(local, whole, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one), ops.convert_to_numpy(two), atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize(("length", "window"), [(400, 64), (1000, 100), (1000, 300)])
def test_dropout_in_a_window(length, window):
    """As in rows of attention of a block's queries over three blocks of keys."""
    parts = arrays(1, length, 2, 4)
    dropout = Dropout(0.5, seed=2)
    draw = dropout.draw()
    drop = partial(dropout, training=True, draw=draw)

    def fused(*parts):
        return attention(*parts, window=window, dropout=dropout, draw=draw)

    def in_blocks(query, key, value):
        blocks = local_blocks(query, key, value, None, window, PADDED)
        return joined(attention_reference(*blocks, drop)[0], length)

    tensors = [ops.convert_to_tensor(part) for part in parts]
    got, expected = (ops.convert_to_numpy(f(*tensors)) for f in (fused, in_blocks))
    np.testing.assert_allclose(got, expected, atol=2e-6)
    for one, two in zip(gradients(fused, parts), gradients(in_blocks, parts), strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one), ops.convert_to_numpy(two), atol=1e-5, rtol=1e-5
        )


def test_the_weights_of_a_window_and_its_layer():
    layer = SelfAttention(2, dropout=0.0, initializer_range=0.5, window=2)
    layer.build((None, None, 8))
    hidden = np.random.default_rng(0).normal(size=(1, 9, 8)).astype("float32")
    output, weights, *_ = layer(hidden, return_weights=True)
    seen = ops.convert_to_numpy(weights)[0, 0] > 0
    np.testing.assert_array_equal(seen, in_window(np.ones((1, 9)), 2)[0] > 0)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(hidden)), ops.convert_to_numpy(output), atol=1e-5
    )
