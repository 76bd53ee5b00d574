"""Windowed attention: each position sees its neighbours, at a cost that grows with L, not L^2.

Queries go in blocks of C >= w, so that all keys of a block's windows are in it and in the two
beside it: (B, L) rows of attention over L keys become (B n, C) rows over 3 C.

Shapes: B batch, L length, N heads, H head size, w window, C queries of a block, n blocks, K keys of
one, G keys that all see.
Source: Beltagy et al. 2020, "Longformer", section 3.1.
"""

from keras import ops

from kbert.layers.kernels.free_lengths import places_of

_LEAST = 64  # queries of a block: smaller products waste more than they save


def block_size(window: int) -> int:
    """C."""
    return max(window, _LEAST)


def block_count(length, size: int):
    """n, how many blocks of `size` a row takes.

    Without a negative number: where L is free, an ONNX file divides those towards 0.

    Example:
        >>> block_count(64, 64), block_count(65, 64)
        (1, 2)
    """
    return (length + size - 1) // size


def band_bias(queries, keys, window: int, padded: float, first: int = 0):
    """What is added to scores so that a query sees its window only: (queries, keys) float32.

    Args:
        queries: how many.
        keys: how many.
        window: w, how many positions a query sees on either side.
        padded: what a key that it does not see gets.
        first: the key beside which query 0 stands.

    Example:
        >>> from keras import ops
        >>> ops.convert_to_numpy(band_bias(3, 3, window=1, padded=-9.0)).tolist()
        [[0.0, 0.0, -9.0], [0.0, 0.0, 0.0], [-9.0, 0.0, 0.0]]
    """
    rows, columns = (places_of(count) for count in (queries, keys))
    distances = rows[:, None] + first - columns
    return ops.where(ops.abs(distances) <= window, 0.0, padded)


def local_blocks(query, key, value, bias, window: int, padded: float):
    """Cuts rows into blocks of queries with the keys that they may see.

    Args:
        query: (B, L, N, H); L may be free on TensorFlow.
        key: (B, L, N, H).
        value: (B, L, N, H).
        bias: (B, 1, 1, L), or None.
        window: w, how many positions it may look at on either side.
        padded: what a bias says of keys that are not seen.

    Returns:
        Queries (B n, C, N, H), keys and values (B n, 3 C, N, H), and their bias (B n, 1, C, 3 C).
    """
    length, heads, head_size = query.shape[1:]
    length = length or ops.shape(query)[1]
    size = block_size(window)
    count = block_count(length, size)
    query = ops.reshape(filled(query, size), (-1, size, heads, head_size))  # (B n, C, N, H)
    key, value = (
        ops.reshape(with_neighbours(each, size), (-1, 3 * size, heads, head_size))
        for each in (key, value)
    )
    # A key that is not there counts as padded.
    there = ops.zeros((1, length), dtype=query.dtype) if bias is None else bias[:, 0, 0]
    of_keys = with_neighbours(there, size, padded)[:, :, None]  # (B or 1, n, 1, 3 C)
    of_places = band_bias(size, 3 * size, window, padded, first=size)  # (C, 3 C)
    of_both = ops.minimum(of_keys, ops.cast(of_places, query.dtype))  # (B or 1, n, C, 3 C)
    repeats = ops.shape(query)[0] // count if bias is None else 1
    of_both = ops.tile(of_both, (repeats, 1, 1, 1))
    return query, key, value, ops.reshape(of_both, (-1, 1, size, 3 * size))


def with_more_keys(key, value, bias, more, blocks=None):
    """Adds keys that all queries of a row see, also where the row is cut into blocks.

    Args:
        key: (B n, K, N, H).
        value: (B n, K, N, H).
        bias: (B n, 1, C, K).
        more: keys and values (B, G, N, H), and their bias (B, 1, 1 or C, G).
        blocks: n; None means 1.

    Returns:
        The first three with K + G keys.
    """
    more_keys, more_values, more_bias = (
        each if blocks is None else ops.repeat(each, blocks, axis=0) for each in more
    )
    more_bias = more_bias + ops.zeros_like(bias[..., :1])  # (B n, 1, C, G)
    return (
        ops.concatenate([key, more_keys], axis=1),
        ops.concatenate([value, more_values], axis=1),
        ops.concatenate([bias, more_bias], axis=3),
    )


def filled(rows, size: int, filler: float = 0.0, around: int = 0):
    """(B, L, ...) -> (B, n C, ...), and with some blocks around it (B, (n + 2 around) C, ...)."""
    length, *rest = rows.shape[1:]
    length = length or ops.shape(rows)[1]
    before = around * size
    behind = before + block_count(length, size) * size - length
    widths = ((0, 0), (before, behind), *((0, 0) for _ in rest))
    return ops.pad(rows, widths, constant_values=filler)


def with_neighbours(rows, size: int, filler: float = 0.0):
    """(B, L, ...) -> (B, n, 3 C, ...): each block between the one before it and the one behind."""
    length, *rest = rows.shape[1:]
    count = block_count(length or ops.shape(rows)[1], size)
    blocks = ops.reshape(filled(rows, size, filler, around=1), (-1, count + 2, size, *rest))
    return ops.concatenate([blocks[:, i : i + count] for i in range(3)], axis=2)


def joined(context, length):
    """(B n, C, N, H) -> (B, L, N, H)."""
    size, heads, head_size = context.shape[1:]
    count = block_count(length, size)
    return ops.reshape(context, (-1, count * size, heads, head_size))[:, :length]
