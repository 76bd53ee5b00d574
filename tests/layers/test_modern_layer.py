"""ModernBERT's layer by hand, in numpy."""

import math

import numpy as np
import pytest
from keras import ops

from kbert.layers.feed_forward import GatedFeedForward
from kbert.layers.modern_layer import ModernLayer
from kbert.layers.pooling import Pooler
from kbert.layers.rotary import rotation


def number(tensor):
    return ops.convert_to_numpy(getattr(tensor, "value", tensor))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def norm(x, gamma):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gamma


def test_the_first_half_is_bent_and_the_second_is_the_gate():
    layer, x = GatedFeedForward(5, initializer_range=0.5, output_range=0.5), noise(2, 3, 4)
    layer.build(x.shape)
    inner = x @ number(layer.widen.kernel)
    expected = (gelu(inner[..., :5]) * inner[..., 5:]) @ number(layer.narrow.kernel)
    assert len(layer.weights) == 2
    np.testing.assert_allclose(number(layer(x)), expected, atol=1e-5)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_layer_by_hand(is_first):
    """Two heads, a window of one on either side, positions turned; the last key is padding."""
    layer = ModernLayer(
        2,
        6,
        initializer_range=0.5,
        output_range=0.5,
        attention_window=1,
        attention_norm=not is_first,
        rope_theta=10.0,
    )
    x = noise(1, 4, 8)
    layer.build(x.shape)
    gammas = {}
    for name in ("attention_norm", "feed_forward_norm"):
        part = getattr(layer, name)
        if part is not None:
            gammas[name] = 1 + noise(8, seed=1)
            part.gamma.assign(gammas[name])
    by = rotation(4, 4, 10.0)
    bias = np.array([0, 0, 0, -3e4], "float32").reshape(1, 1, 1, 4)
    got = number(layer(x, bias=bias))

    normal = x if is_first else norm(x, gammas["attention_norm"])
    projected = normal @ number(layer.self_attention.query_key_value.kernel)
    query, key, value = np.moveaxis(projected.reshape(4, 3, 2, 4), 1, 0)  # (L, N, H)
    cos, sin = number(by.cos), number(by.sin)

    def turned(vectors):
        return vectors * cos + np.concatenate([-vectors[..., 2:], vectors[..., :2]], -1) * sin

    scores = np.einsum("qnh,knh->nqk", turned(query), turned(key)) / 2
    far = np.abs(np.arange(4)[:, None] - np.arange(4)) > 1
    scores = np.where(far | (np.arange(4) == 3), -np.inf, scores)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    context = np.einsum("nqk,knh->qnh", weights, value).reshape(4, 8)
    hidden = x + context @ number(layer.self_attention.output_projection.kernel)
    inner = norm(hidden, gammas["feed_forward_norm"]) @ number(layer.feed_forward.widen.kernel)
    gated = gelu(inner[..., :6]) * inner[..., 6:]
    expected = hidden + gated @ number(layer.feed_forward.narrow.kernel)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_the_mean_of_a_rows_tokens():
    """LayerNorm(gelu(mean W)) over what is no padding; a mask of pairs says as much."""
    pooler, hidden = (
        Pooler(0.5, 0, "gelu", "mean", use_bias=False, layer_norm_eps=1e-5),
        noise(2, 4, 6),
    )
    pooler.build(hidden.shape)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    means = np.stack([hidden[0].mean(0), hidden[1, :2].mean(0)])
    expected = norm(gelu(means @ number(pooler.dense.kernel)), 1)
    pairs = mask[:, None] * mask[:, :, None]
    for given in (mask, pairs):
        np.testing.assert_allclose(
            number(pooler(hidden, attention_mask=given)), expected, atol=1e-5
        )
    whole = norm(gelu(hidden.mean(1) @ number(pooler.dense.kernel)), 1)
    np.testing.assert_allclose(number(pooler(hidden)), whole, atol=1e-5)
    assert np.isfinite(number(pooler(hidden, attention_mask=mask * 0))).all()
