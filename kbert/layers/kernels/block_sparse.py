"""BigBird's attention as transformers computes it: some blocks of keys for each block of queries.

A block of queries sees its own keys, those of the two blocks beside it, and the first and the last
block. The first and the last block of queries see all keys. What the paper adds at random, r more
blocks, is in transformers' inference the first block again, r times: its keys count 1 + r times,
which is ln(1 + r) more in their scores. Rows of up to (5 + 2 r) C tokens see all.

Shapes: B batch, L length, N heads, H head size, C keys of a block, n blocks.
Source: Zaheer et al. 2020, "Big Bird", section 2; transformers, modeling_big_bird.py,
`BigBirdBlockSparseAttention` in `eval()`.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kbert.layers.kernels.free_lengths import places_of
from kbert.layers.kernels.windows import filled, with_neighbours


class Blocks(NamedTuple):
    """Which keys a query sees.

    Attributes:
        size: C, how many keys a block has.
        num_random: r.
    """

    size: int
    num_random: int

    @property
    def longest_full(self) -> int:
        """The longest row of which each position sees all, in tokens."""
        return (5 + 2 * self.num_random) * self.size


def block_bias(length, blocks: Blocks, padded: float):
    """What is added to scores so that a query sees its blocks only: (L, L) float32.

    Args:
        length: L, a number, or a symbol while a model is exported.
        blocks: which keys a query sees.
        padded: what a key that it does not see gets.

    Example:
        >>> bias = ops.convert_to_numpy(block_bias(10, Blocks(1, 1), -9.0))
        >>> [round(float(number), 1) for number in bias[4]]
        [0.7, -9.0, -9.0, 0.0, 0.0, 0.0, -9.0, -9.0, -9.0, 0.0]
    """
    places = places_of(length)
    block = ops.floor_divide(places, blocks.size)
    queries, keys, last = block[:, None], block[None], block[-1]
    sees_all = (queries == 0) | (queries == last) | (places[-1] < blocks.longest_full)
    sees = (ops.abs(queries - keys) <= 1) | (keys == 0) | (keys == last)
    bias = ops.where(sees, ops.where(keys == 0, math.log1p(blocks.num_random), 0.0), padded)
    return ops.where(sees_all, 0.0, bias)


def block_sparse(attend: Callable[..., Any], query, key, value, bias, blocks: Blocks, padded):
    """Attention to a query's blocks only, at a cost that grows with L.

    Args:
        attend: (query, key, value, bias) -> context: attention of each to all.
        query: (B, L, N, H), with L known, and longer than `blocks.longest_full`.
        key: (B, L, N, H).
        value: (B, L, N, H).
        bias: (B, 1, 1, L), or None.
        blocks: which keys a query sees.
        padded: what a bias says of keys that are not seen.

    Returns:
        The context, (B, L, N, H).
    """
    length, heads, head_size = query.shape[1:]
    size = blocks.size
    count = -(-length // size)
    there = ops.zeros((1, length), dtype=query.dtype) if bias is None else bias[:, 0, 0]
    there = filled(there, size, padded)  # (B or 1, n C)
    query, key, value = (filled(each, size) for each in (query, key, value))

    def ends(rows):
        """(B, n C, ...) -> (B, 2 C, ...): the first and the last block."""
        return ops.concatenate([rows[:, :size], rows[:, -size:]], axis=1)

    of_ends = attend(ends(query), key, value, there[:, None, None])  # (B, 2 C, N, H)

    def seen(rows, filler=0.0):
        """(B, n C, ...) -> (B, n - 2, 5 C, ...): of each block that is no end."""
        around = with_neighbours(rows, size, filler)[:, 1:-1]
        both = ops.repeat(ends(rows)[:, None], count - 2, axis=1)
        return ops.concatenate([both, around], axis=2)

    of_keys = seen(there, padded)  # (B or 1, n - 2, 5 C)
    counted, is_double = np.zeros((2, count - 2, 5 * size), "float32")
    counted[:, :size] = math.log1p(blocks.num_random)
    is_double[0, 2 * size : 3 * size] = 1  # beside block 1 and block n - 2 stand the ends again
    is_double[-1, 4 * size :] = 1
    of_keys = ops.where(is_double > 0, padded, of_keys + ops.cast(counted, query.dtype))
    if bias is None:
        of_keys = ops.tile(of_keys, (ops.shape(query)[0], 1, 1))
    of_keys = ops.reshape(of_keys, (-1, 1, 1, 5 * size))

    def in_rows(blocks):
        """(B, ..., N, H) -> (B (n - 2), C or 5 C, N, H)."""
        return ops.reshape(blocks, (-1, blocks.shape[-3], heads, head_size))

    inner = ops.reshape(query[:, size:-size], (-1, size, heads, head_size))
    of_inner = attend(inner, in_rows(seen(key)), in_rows(seen(value)), of_keys)
    of_inner = ops.reshape(of_inner, (-1, (count - 2) * size, heads, head_size))
    context = ops.concatenate([of_ends[:, :size], of_inner, of_ends[:, size:]], axis=1)
    return context[:, :length]
