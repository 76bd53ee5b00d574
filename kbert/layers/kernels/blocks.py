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
        bias: what to add to the scores, (B, N, L, K), or None; any of B, N and L may be 1. What is
            learned in it gets its gradient.
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

    def weights_of(index, queries, keys, bias):
        """(B, N, C, K) in float32, their sums (B, N, C, 1), and a function that drops."""
        scores = ops.einsum("bnch,bnkh->bnck", queries * scale, keys)
        if bias is not None:
            scores = scores + bias
        rows = first_rows + index * QUERIES + ops.arange(QUERIES, dtype="int32")
        dropped = partial(drop, rows=rows) if drop else lambda numbers: numbers
        return *undivided_softmax(scores), dropped

    def context_of(index, queries, keys, values, bias):
        """(B, N, C, H)."""
        weights, sums, dropped = weights_of(index, queries, keys, bias)
        if dtype == "float32":
            return ops.matmul(dropped(weights), values) / sums
        return ops.matmul(ops.cast(dropped(weights / sums), dtype), values)

    def parts(query, key, value):
        """Queries (n, B, N, C, H), keys and values (B, N, K, H)."""
        query, key, value = (ops.transpose(each, (0, 2, 1, 3)) for each in (query, key, value))
        return _blocks(query, count), key, value

    if keras.backend.backend() == "jax":
        return _unblocked(_by_jax(context_of, *parts(query, key, value), bias), length)

    @ops.custom_gradient
    def attend(query, key, value, *bias):
        queries, keys, values = parts(query, key, value)
        biases = [_bias_blocks(each, count) for each in bias]  # one, or none

        def bias_of(index):
            return _block_of(biases[0], index) if biases else None

        def forward(index, contexts):
            context = context_of(index, queries[index], keys, values, bias_of(index))
            return _put(contexts, index, context)

        contexts = ops.fori_loop(0, count, forward, ops.zeros_like(queries))

        def gradient(upstream):
            above = _blocks(ops.transpose(upstream, (0, 2, 1, 3)), count)

            def backward(index, gradients):
                for_queries, for_keys, for_values, *for_biases = gradients
                weights, sums, dropped = weights_of(index, queries[index], keys, bias_of(index))
                weights = weights / sums
                left = ops.cast(dropped(weights), dtype)
                for_values = for_values + _sum("bnck,bnch->bnkh", left, above[index])
                products = ops.einsum("bnch,bnkh->bnck", above[index], values)
                for_weights = dropped(ops.cast(products, "float32"))
                both = weights * for_weights
                for_scores = both - weights * ops.sum(both, axis=-1, keepdims=True)
                for_biases = [_added(each, index, for_scores) for each in for_biases]
                for_scores = ops.cast(for_scores * scale, dtype)
                for_queries = _put(for_queries, index, ops.matmul(for_scores, keys))
                for_keys = for_keys + _sum("bnck,bnch->bnkh", for_scores, queries[index])
                return for_queries, for_keys, for_values, *for_biases

            zeros = ops.zeros_like(keys, dtype="float32")
            zero_biases = [ops.zeros_like(each, dtype="float32") for each in biases]
            for_queries, for_keys, for_values, *for_biases = ops.fori_loop(
                0, count, backward, (ops.zeros_like(queries), zeros, zeros, *zero_biases)
            )
            for_biases = [
                blocks[0] if each.shape[2] == 1 else _in_rows(blocks)[:, :, :length]
                for each, blocks in zip(bias, for_biases, strict=True)
            ]
            return (
                _unblocked(for_queries, length),
                *(ops.cast(ops.transpose(g, (0, 2, 1, 3)), dtype) for g in (for_keys, for_values)),
                *(ops.cast(for_bias, dtype) for for_bias in for_biases),
            )

        return _unblocked(contexts, length), gradient

    return attend(query, key, value) if bias is None else attend(query, key, value, bias)


def undivided_softmax(scores):
    """Numerators of the softmax along the last axis, (..., K), and denominators (..., 1); float32.

    What is made of the weights can be divided in their place, where it is smaller.
    """
    scores = ops.cast(scores, "float32")
    weights = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
    return weights, ops.sum(weights, axis=-1, keepdims=True)


def _by_jax(context_of, queries, keys, values, bias):
    """The contexts of all blocks, (n, B, N, C, H), by a gradient that JAX derives.

    A gradient spelled out may not look at what is around it (draw) in a layer that is computed
    twice. What all blocks take is float32 outside, where its gradients are added up.
    """
    import jax

    dtype = keys.dtype
    keys, values = ops.cast(keys, "float32"), ops.cast(values, "float32")
    of_queries = None  # the bias, as far as it differs by query: each block takes its own
    if bias is not None and bias.shape[2] == 1:
        bias = ops.cast(bias, "float32")
    elif bias is not None:
        of_queries = _bias_blocks(bias, len(queries))

    def of_block(block):
        index, queries, of_queries = block
        here = bias if of_queries is None else of_queries
        here = None if here is None else ops.cast(here, dtype)
        return context_of(index, queries, ops.cast(keys, dtype), ops.cast(values, dtype), here)

    # An optimisation that would merge both computations cannot, in a loop, so it is not held off.
    again = jax.checkpoint(of_block, prevent_cse=False)
    return jax.lax.map(again, (jax.numpy.arange(len(queries)), queries, of_queries))


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


def _bias_blocks(bias, count: int):
    """(B, N, L, K) -> (n, B, N, C, K); or (1, B, N, 1, K), where all queries have the same."""
    return bias[None] if bias.shape[2] == 1 else _blocks(bias, count)


def _block_of(biases, index):
    return biases[0] if biases.shape[0] == 1 else biases[index]


def _added(biases, index, for_scores):
    """Adds the gradient of a block's scores, (B, N, C, K), to that of the biases: its block's."""
    once = tuple(axis for axis in range(3) if biases.shape[axis + 1] == 1)  # but for many
    for_bias = ops.sum(for_scores, axis=once, keepdims=True) if once else for_scores
    return biases + for_bias[None] if biases.shape[0] == 1 else _put(biases, index, for_bias)


def _in_rows(blocks):
    """(n, B, N, C, K) -> (B, N, n C, K)."""
    count, _, heads, _, keys = blocks.shape
    rows = ops.transpose(blocks, (1, 2, 0, 3, 4))  # (B, N, n, C, K)
    return ops.reshape(rows, (-1, heads, count * QUERIES, keys))


def _put(blocks, index, block):
    return ops.scatter_update(blocks, ops.reshape(index, (1, 1)), block[None])


def _sum(formula: str, *factors):
    return ops.cast(ops.einsum(formula, *factors), "float32")
