"""Which row of a table of distances stands for which distance, in DeBERTa.

A distance has a row of its own up to half of the buckets, and beyond shares it with its neighbours,
the more of them the further away.

Source: He et al. 2021, "DeBERTaV3", and microsoft/DeBERTa; transformers, modeling_deberta_v2.py.
"""

import numpy as np


def buckets_of(distances: np.ndarray, position_buckets: int, max_relative_positions: int):
    """Which bucket a distance falls into.

        bucket(d) = d                                                           for |d| <= m
                    sign(d) (m + ceil(log(|d| / m) / log((M - 1) / m) (m - 1)))   beyond

    where m is half of the buckets and M the longest distance: M - 1 falls into the last one.

    Args:
        distances: integers of any shape.
        position_buckets: how many buckets there are on either side; 0 means one for each distance.
        max_relative_positions: M.

    Returns:
        Integers of the same shape.

    Example:
        >>> buckets_of(np.array([0, -2, 3, 4, 5, 11, 99]), 8, 12).tolist()
        [0, -2, 3, 4, 5, 7, 14]

    Source: transformers, modeling_deberta_v2.py, `make_log_bucket_position`, in float32 as there.
    """
    middle = position_buckets // 2
    far = np.maximum(np.abs(distances), 1)
    if not middle:
        return distances
    widest = np.log(np.float32((max_relative_positions - 1) / middle))
    logarithms = np.log(far.astype("float32") / np.float32(middle)) / widest
    beyond = np.ceil(logarithms * np.float32(middle - 1)).astype("int64") + middle
    return np.where(far <= middle, distances, np.sign(distances) * beyond)


def span_of(position_buckets: int, max_relative_positions: int) -> int:
    """How many rows a table of distances has on either side of distance 0.

    Without buckets what is further away than `max_relative_positions` counts as that far.
    """
    return position_buckets or max_relative_positions


def rows_of(length: int, position_buckets: int, max_relative_positions: int) -> np.ndarray:
    """Which row of the table each distance from -L to L has, (2 L + 1,).

    Example:
        >>> rows_of(5, 4, 9).tolist()
        [1, 1, 1, 2, 3, 4, 5, 6, 7, 7, 7]
    """
    span = span_of(position_buckets, max_relative_positions)
    distances = np.arange(-length, length + 1)
    buckets = buckets_of(distances, position_buckets, max_relative_positions)
    return np.clip(buckets + span, 0, 2 * span - 1).astype("int32")
