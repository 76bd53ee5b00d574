"""Attention some queries at a time, for JAX and TensorFlow: memory grows with L, and not with L^2.

The weights of a block of queries are made, used, and made again in the backward pass, so that they
are never all there. XLA has no fused attention on a CPU, and none with dropout anywhere.

Shapes: B batch, L queries, K keys, N heads, H head size, C queries of a block.
Source: Rabe and Staats 2021, "Self-attention Does Not Need O(n^2) Memory".
"""

import math
from functools import partial

import keras
from keras import ops

QUERIES = 128  # C


def attention_in_blocks(query, key, value, bias=None, drop=None):
    """Attention of one block after the other; the numbers are those of `attention_reference`.

    Args:
        query: (B, L, N, H), with L known.
        key: (B, K, N, H); K is L, but for windows.
        value: (B, K, N, H).
        bias: what to add to the scores, (B, 1, 1, K) or (B, 1, L, K), or None.
        drop: (weights, rows) -> weights, some of them set to 0 and the others scaled; `rows`
            (B, N, C) numbers the rows of the whole (B, N, L, K). None drops nothing.

    Returns:
        The context, (B, L, N, H).
    """
    length, heads, head_size = query.shape[1:]
    count = -(-length // QUERIES)
    scale = 1 / math.sqrt(head_size)
    dtype = keras.backend.standardize_dtype(query.dtype)
    first_rows = ops.arange(ops.shape(query)[0] * heads, dtype="int32") * length
    first_rows = ops.reshape(first_rows, (-1, heads, 1))  # (B, N, 1)
    biases = bias if bias is None or bias.shape[2] == 1 else _blocks(bias, count)

    def weights_of(index, queries, keys):
        """(B, N, C, K) in float32, their sums (B, N, C, 1), and a function that drops."""
        scores = ops.einsum("bnch,bnkh->bnck", queries * scale, keys)
        if biases is not None:
            scores = scores + (biases if biases is bias else biases[index])
        rows = first_rows + index * QUERIES + ops.arange(QUERIES, dtype="int32")
        dropped = partial(drop, rows=rows) if drop else lambda numbers: numbers
        return *undivided_softmax(scores), dropped

    def context_of(index, queries, keys, values):
        """(B, N, C, H)."""
        weights, sums, dropped = weights_of(index, queries, keys)
        if dtype == "float32":
            return ops.matmul(dropped(weights), values) / sums
        return ops.matmul(ops.cast(dropped(weights / sums), dtype), values)

    def parts(query, key, value):
        """Queries (n, B, N, C, H), keys and values (B, N, K, H)."""
        query, key, value = (ops.transpose(each, (0, 2, 1, 3)) for each in (query, key, value))
        return _blocks(query, count), key, value

    if keras.backend.backend() == "jax":
        return _unblocked(_by_jax(context_of, *parts(query, key, value)), length)

    @ops.custom_gradient
    def attend(query, key, value):
        queries, keys, values = parts(query, key, value)

        def forward(index, contexts):
            return _put(contexts, index, context_of(index, queries[index], keys, values))

        contexts = ops.fori_loop(0, count, forward, ops.zeros_like(queries))

        def gradient(upstream):
            above = _blocks(ops.transpose(upstream, (0, 2, 1, 3)), count)

            def backward(index, gradients):
                for_queries, for_keys, for_values = gradients
                weights, sums, dropped = weights_of(index, queries[index], keys)
                weights = weights / sums
                left = ops.cast(dropped(weights), dtype)
                for_values = for_values + _sum("bnck,bnch->bnkh", left, above[index])
                products = ops.einsum("bnch,bnkh->bnck", above[index], values)
                for_weights = dropped(ops.cast(products, "float32"))
                both = weights * for_weights
                for_scores = both - weights * ops.sum(both, axis=-1, keepdims=True)
                for_scores = ops.cast(for_scores * scale, dtype)
                for_queries = _put(for_queries, index, ops.matmul(for_scores, keys))
                for_keys = for_keys + _sum("bnck,bnch->bnkh", for_scores, queries[index])
                return for_queries, for_keys, for_values

            zeros = ops.zeros_like(keys, dtype="float32")
            for_queries, for_keys, for_values = ops.fori_loop(
                0, count, backward, (ops.zeros_like(queries), zeros, zeros)
            )
            return (
                _unblocked(for_queries, length),
                *(ops.cast(ops.transpose(g, (0, 2, 1, 3)), dtype) for g in (for_keys, for_values)),
            )

        return _unblocked(contexts, length), gradient

    return attend(query, key, value)


def undivided_softmax(scores):
    """Numerators of the softmax along the last axis, (..., K), and denominators (..., 1); float32.

    What is made of the weights can be divided in their place, where it is smaller.
    """
    scores = ops.cast(scores, "float32")
    weights = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
    return weights, ops.sum(weights, axis=-1, keepdims=True)


def _by_jax(context_of, queries, keys, values):
    """The contexts of all blocks, (n, B, N, C, H), by a gradient that JAX derives.

    A gradient spelled out may not look at what is around it (bias, draw) in a layer that is
    computed twice. Keys and values are float32 outside, where their gradients are added up.
    """
    import jax

    dtype = keys.dtype
    keys, values = ops.cast(keys, "float32"), ops.cast(values, "float32")

    def of_block(block):
        index, queries = block
        return context_of(index, queries, ops.cast(keys, dtype), ops.cast(values, dtype))

    # An optimisation that would merge both computations cannot, in a loop, so it is not held off.
    again = jax.checkpoint(of_block, prevent_cse=False)
    return jax.lax.map(again, (jax.numpy.arange(len(queries)), queries))


def _blocks(numbers, count: int):
    """(B, N, L, X) -> (n, B, N, C, X), filled up with zeros."""
    heads, length, last = numbers.shape[1:]
    filled = ops.pad(numbers, ((0, 0), (0, 0), (0, count * QUERIES - length), (0, 0)))
    blocks = ops.reshape(filled, (-1, heads, count, QUERIES, last))
    return ops.transpose(blocks, (2, 0, 1, 3, 4))


def _unblocked(blocks, length: int):
    """(n, B, N, C, H) -> (B, L, N, H)."""
    count, _, heads, _, head_size = blocks.shape
    rows = ops.transpose(blocks, (1, 0, 3, 2, 4))  # (B, n, C, N, H)
    return ops.reshape(rows, (-1, count * QUERIES, heads, head_size))[:, :length]


def _put(blocks, index, block):
    return ops.scatter_update(blocks, ops.reshape(index, (1, 1)), block[None])


def _sum(formula: str, *factors):
    return ops.cast(ops.einsum(formula, *factors), "float32")
