"""MobileBERT's layer by hand, in numpy."""

import numpy as np
import pytest
from keras import ops

from kbert.layers.heads import MaskedLMHead
from kbert.layers.mobile_layer import MobileLayer
from kbert.layers.no_norm import NoNorm
from kbert.layers.pooling import Pooler
from kbert.layers.trigram_embeddings import TrigramEmbeddings


def number(tensor):
    return ops.convert_to_numpy(getattr(tensor, "value", tensor))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def loud(layer):
    """Has every weight differ from what it starts with."""
    for i, weight in enumerate(layer.weights):
        weight.assign(noise(*weight.shape, seed=i) * 0.5 + 0.1)


def dense(layer, x):
    return x @ number(layer.kernel) + number(layer.bias)


def moved(layer, x):
    return x * number(layer.gamma) + number(layer.beta)


@pytest.mark.parametrize("training", [False, True])
def test_no_norm(training):
    layer = NoNorm()
    layer.build((None, 3))
    np.testing.assert_array_equal(number(layer(noise(2, 3))), noise(2, 3))
    loud(layer)
    got = number(layer(noise(2, 4, 3), training=training))
    np.testing.assert_allclose(got, moved(layer, noise(2, 4, 3)), atol=1e-6)


def test_a_token_is_read_with_those_beside_it():
    layer = TrigramEmbeddings(9, 4, 2, max_position_embeddings=5)
    layer.build()
    loud(layer)
    table, nothing = number(layer.token_table), np.zeros(2)
    ids, segments = np.array([[3, 7, 1]]), np.array([[0, 0, 1]])
    three = np.stack(
        [
            np.concatenate([table[7], table[3], nothing]),
            np.concatenate([table[1], table[7], table[3]]),
            np.concatenate([nothing, table[1], table[7]]),
        ]
    )
    summed = dense(layer.trigram, three) + number(layer.position_table)[:3]
    summed += number(layer.segment_table)[[0, 0, 1]]
    got = number(layer(ids, segments))[0]
    np.testing.assert_allclose(got, moved(layer.layer_norm, summed), atol=1e-5)
    alone = dense(layer.trigram, np.concatenate([nothing, table[3], nothing]))
    alone += number(layer.position_table)[0] + number(layer.segment_table)[0]
    got = number(layer(ids[:, :1]))[0, 0]
    np.testing.assert_allclose(got, moved(layer.layer_norm, alone), atol=1e-5)


@pytest.mark.parametrize("narrow_values", [False, True])
def test_a_layer_by_hand(narrow_values):
    """Two heads of 2, D 8, two networks; the last key is padding."""
    layer, x = MobileLayer(2, 6, 4, 2, narrow_values), noise(1, 5, 8)
    layer.build(x.shape)
    loud(layer)
    bias = np.array([0, 0, 0, 0, -3e4], "float32").reshape(1, 1, 1, 5)
    got = number(layer(x, bias=bias))

    b = moved(layer.bottleneck_norm, dense(layer.bottleneck, x[0]))
    looking, of_values = b, b
    if not narrow_values:
        looking = dense(layer.attention_bottleneck, x[0])
        looking, of_values = moved(layer.attention_bottleneck_norm, looking), x[0]
    attend = layer.self_attention
    query, key = np.moveaxis(dense(attend.query_key, looking).reshape(5, 2, 2, 2), 1, 0)
    value = dense(attend.value, of_values).reshape(5, 2, 2)  # (L, N, H)
    scores = np.einsum("qnh,knh->nqk", query, key) / np.sqrt(2)
    scores[..., 4] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    context = np.einsum("nqk,knh->qnh", weights, value).reshape(5, 4)
    a = moved(layer.attention_norm, b + dense(attend.output_projection, context))
    for network, norm in zip(layer.feed_forwards, layer.feed_forward_norms, strict=True):
        widened = np.maximum(dense(network.widen, a), 0)
        a = moved(norm, a + dense(network.narrow, widened))
    expected = moved(layer.output_norm, x[0] + dense(layer.output_bottleneck, a))
    np.testing.assert_allclose(got[0], expected, rtol=1e-4, atol=1e-4)
    assert len(layer.weights) == (28 if narrow_values else 32)


def test_a_words_head_completes_the_table():
    """(T, C) in the place of T; the first E numbers of a vector meet the token's own."""
    head, table = MaskedLMHead(7, embedding_size=2, hidden_act="relu", completed=True), noise(7, 2)
    head.build((None, None, 6))
    loud(head)
    hidden = noise(1, 3, 6)
    inner = np.maximum(dense(head.transform, hidden), 0)
    mean, deviation = inner.mean(-1, keepdims=True), inner.std(-1, keepdims=True)
    inner = (inner - mean) / deviation * number(head.layer_norm.gamma)
    inner += number(head.layer_norm.beta)
    assert tuple(head.completion.kernel.shape) == (7, 4)
    expected = inner[..., :2] @ table.T + inner[..., 2:] @ number(head.completion.kernel).T
    got = number(head(hidden, table))
    np.testing.assert_allclose(got, expected + number(head.bias), atol=1e-4)


def test_a_pooler_that_takes_the_first_token_as_it_is():
    pooler, hidden = Pooler(transform=False), noise(2, 4, 6)
    np.testing.assert_array_equal(number(pooler(hidden)), hidden[:, 0])
    assert not pooler.weights
