"""DeBERTa's attention beside its formula with loops; beside transformers in tests/formats."""

import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.attention import padding_bias
from kbert.layers.disentangled import DisentangledSelfAttention, RelativePositions
from kbert.sizes.distances import buckets_of, span_of

B, N, H = 2, 3, 4
D = N * H
MASK = np.array([[1] * 11, [1] * 7 + [0] * 4])


def number(tensor):
    return ops.convert_to_numpy(tensor)


def layers(share_att_key=True, layer_norm=True, buckets=8, longest=12, rate=0.0, dropout=0.0):
    """A table and a layer with weights far from 0: with small ones attention is nearly uniform."""
    relative = RelativePositions(D, buckets, longest, layer_norm=layer_norm, initializer_range=0.7)
    attend = DisentangledSelfAttention(
        N,
        dropout=dropout,
        initializer_range=0.5,
        share_att_key=share_att_key,
        position_dropout=rate,
    )
    relative.build((None, None))
    attend.build((None, None, D))
    rng = np.random.default_rng(1)
    for weight in (*relative.weights, *attend.weights):
        if "seed" not in weight.path:
            weight.assign(number(weight) + rng.normal(size=weight.shape, scale=0.2))
    return relative, attend


def by_hand(relative, attend, hidden, mask):
    """The formula with loops over positions, in float64: (B, L, D), and weights (B, N, L, L)."""
    table = number(relative.table).astype("float64")
    if relative.layer_norm is not None:
        gamma, beta = map(number, (relative.layer_norm.gamma, relative.layer_norm.beta))
        table = (table - table.mean(-1, keepdims=True)) / np.sqrt(
            table.var(-1, keepdims=True) + 1e-7
        )
        table = table * gamma + beta

    def dense(layer, rows):
        return rows @ number(layer.kernel).astype("float64") + number(layer.bias)

    length = hidden.shape[1]
    query, key, value = (
        each.reshape(B, length, N, H)
        for each in np.split(dense(attend.query_key_value, hidden), 3, axis=-1)
    )
    if attend.share_att_key:
        of_table = np.split(dense(attend.query_key_value, table), 3, axis=-1)[:2]
    else:
        of_table = np.split(dense(attend.position_query_key, table), 2, axis=-1)
    table_query, table_key = (each.reshape(-1, N, H) for each in of_table)
    weights = np.zeros((B, N, length, length))
    for b in range(B):
        for i in range(length):
            for j in np.flatnonzero(mask[b]):
                span = span_of(*relative.distances)
                bucket = buckets_of(np.array(i - j), *relative.distances)
                row = np.clip(bucket + span, 0, 2 * span - 1)
                for n in range(N):
                    q, k = query[b, i, n], key[b, j, n]
                    score = q @ k + q @ table_key[row, n] + k @ table_query[row, n]
                    weights[b, n, i, j] = np.exp(score / np.sqrt(3 * H))
    weights /= weights.sum(-1, keepdims=True)
    context = np.einsum("bnij,bjnh->binh", weights, value).reshape(B, length, D)
    return dense(attend.output_projection, context), weights


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"share_att_key": False},
        {"layer_norm": False},
        {"buckets": 0, "longest": 5},  # what is further away counts as 5, or as 4 on the left
        {"buckets": 64, "longest": 200},  # each distance has a row of its own
    ],
)
def test_the_formula(settings):
    relative, attend = layers(**settings)
    hidden = np.random.default_rng(0).normal(size=(B, 11, D)).astype("float32")
    expected, expected_weights = by_hand(relative, attend, hidden, MASK)
    of_batch = relative(hidden)
    bias = padding_bias(MASK, "float32")
    output, weights, query, key = attend(hidden, bias, return_weights=True, relative=of_batch)
    assert 0.3 < expected_weights.max(-1).mean() < 0.95  # neither uniform nor one-hot
    np.testing.assert_allclose(number(weights), expected_weights, atol=2e-5)
    np.testing.assert_allclose(number(output), expected, atol=1e-4)
    fused = attend(hidden, bias, relative=of_batch)
    np.testing.assert_allclose(number(fused), expected, atol=1e-4)
    content = np.einsum("bqnh,bknh->bnqk", number(query), number(key)) / np.sqrt(H)
    same_place = number(weights)[:, :, range(6), range(6)]
    assert content.shape == weights.shape and (same_place > 0).all()


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_long_rows_and_their_gradients_are_those_of_the_formula(rate):
    """300 tokens: by kernels, or some queries at a time; the table learns from both terms."""
    relative, attend = layers(buckets=32, longest=64, dropout=rate)
    hidden = np.random.default_rng(0).normal(size=(1, 300, D)).astype("float32")
    weights = [relative.table, attend.query_key_value.kernel]
    draw = attend.draw()

    def loss(return_weights):
        got = attend(
            hidden,
            training=True,
            return_weights=return_weights,
            relative=relative(hidden),
            draw=draw,
        )
        return ops.sum(ops.square(got[0] if return_weights else got))

    fused, formula = (gradients_of(lambda which=which: loss(which), weights) for which in (0, 1))
    for one, two in zip(fused, formula, strict=True):
        assert np.abs(two).max() > 1
        np.testing.assert_allclose(one, two, atol=2e-4 * np.abs(two).max())


def gradients_of(loss, variables):
    """d loss / d variables, on whichever backend runs."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        return [number(g) for g in tape.gradient(value, [v.value for v in variables])]
    if keras.backend.backend() == "jax":
        import jax

        def of_values(values):
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return loss()

        return [number(g) for g in jax.grad(of_values)([v.value for v in variables])]
    for variable in variables:
        variable.value.grad = None
    loss().backward()
    return [number(v.value.grad) for v in variables]


def test_the_table_is_dropped_in_training_only():
    relative, attend = layers(rate=0.5)
    hidden = np.random.default_rng(0).normal(size=(B, 11, D)).astype("float32")
    of_batch = relative(hidden)
    plain, again = (number(attend(hidden, relative=of_batch)) for _ in range(2))
    np.testing.assert_array_equal(plain, again)
    draw = attend.draw()
    first, same, other = (
        number(attend(hidden, relative=of_batch, training=True, draw=each))
        for each in (draw, draw, attend.draw())
    )
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.1 < np.abs(first - plain).max()
