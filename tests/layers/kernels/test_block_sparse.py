"""BigBird's blocks: which keys count how often, by hand; beside transformers in tests/formats."""

from functools import partial

import numpy as np
import pytest
from keras import ops

from kbert.layers.attention import SelfAttention, attention, blocked, padding_bias
from kbert.layers.dropout import Dropout
from kbert.layers.kernels.block_sparse import Blocks


def arrays(batch, length, heads, size):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(batch, length, heads, size)).astype("float32") for _ in range(3)]


def times_seen(length, blocks):
    """How often each key counts for each query, (L, L)."""
    last = (length - 1) // blocks.size
    times = np.zeros((length, length))
    for query in range(length):
        here = query // blocks.size
        for key in range(length):
            there = key // blocks.size
            if here in (0, last):
                times[query, key] = 1
            elif there == 0:
                times[query, key] = 1 + blocks.num_random
            elif there == last or abs(here - there) <= 1:
                times[query, key] = 1
    return times


def by_hand(query, key, value, times):
    """Each key's exp(score), as often as it counts: (B, L, N, H) in float64."""
    scores = np.einsum("bqnh,bknh->bnqk", query, key, dtype="float64") / np.sqrt(query.shape[-1])
    weights = np.exp(scores) * times
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bnqk,bknh->bqnh", weights, value)


@pytest.mark.parametrize(
    ("length", "blocks"),
    [
        (37, Blocks(4, 2)),  # nine blocks and one token
        (40, Blocks(4, 2)),
        (6, Blocks(1, 0)),  # the least of which one block is not seen by another
        (300, Blocks(20, 3)),
    ],
)
def test_which_keys_count_how_often(length, blocks):
    parts = arrays(2, length, 2, 4)
    tokens = (np.arange(length) < [[length], [length - 3]]).astype("int32")
    times = times_seen(length, blocks)
    padded = times[None, None] * tokens[:, None, None]
    got = ops.convert_to_numpy(attention(*parts, padding_bias(tokens, "float32"), blocks=blocks))
    np.testing.assert_allclose(got, by_hand(*parts, padded), atol=2e-6)
    unpadded = ops.convert_to_numpy(attention(*parts, blocks=blocks))
    np.testing.assert_allclose(unpadded, by_hand(*parts, times), atol=2e-6)
    each = padding_bias(np.repeat(tokens[:, None], length, 1), "float32")  # a mask for each query
    one_by_one = ops.convert_to_numpy(attention(*parts, each, blocks=blocks))
    np.testing.assert_allclose(one_by_one, by_hand(*parts, padded), atol=2e-6)


def test_rows_that_are_short_enough_see_all():
    blocks = Blocks(4, 2)
    assert blocks.longest_full == 36
    parts = arrays(1, 36, 2, 4)
    got = ops.convert_to_numpy(attention(*parts, blocks=blocks))
    np.testing.assert_allclose(got, by_hand(*parts, 1.0), atol=2e-6)
    assert blocked(None, parts[0], blocks) is None
    endless = Blocks(10**9, 10**9)  # no number of a config is counted up to
    assert blocked(None, parts[0], endless) is None
    np.testing.assert_array_equal(got, ops.convert_to_numpy(attention(*parts, blocks=endless)))


def test_the_layer_and_its_weights():
    layer = SelfAttention(2, dropout=0.0, initializer_range=0.5, block_size=4, num_random_blocks=2)
    layer.build((None, None, 8))
    hidden = np.random.default_rng(0).normal(size=(1, 41, 8)).astype("float32")
    output, weights, query, key = layer(hidden, return_weights=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(hidden)), ops.convert_to_numpy(output), atol=1e-5
    )
    scores = np.einsum("bqnh,bknh->bnqk", *map(ops.convert_to_numpy, (query, key))) / 2
    expected = np.exp(scores) * times_seen(41, Blocks(4, 2))
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), expected, atol=1e-5)


def test_dropout_drops_weights_at_its_rate():
    """Of equal values each token takes a share: on average all, and never the same twice."""
    query, key, _ = arrays(1, 300, 2, 4)
    value = np.ones_like(query)
    dropout = Dropout(0.5, seed=2)
    attend = partial(attention, query, key, value, blocks=Blocks(20, 3), dropout=dropout)
    first, again, other = (
        ops.convert_to_numpy(attend(draw=draw))
        for draw in (lambda one, two: (one, one, two))(dropout.draw(), dropout.draw())
    )
    np.testing.assert_array_equal(first, again)
    assert abs(first.mean() - 1) < 0.02 and np.abs(first - other).max() > 0.1
