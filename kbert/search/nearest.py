"""The nearest of many vectors by cosine: exact, a block of them at a time.

    block of stored vectors -> float32 -> cosines with all queries (one matrix product)
    -> those that may belong among the best -> their cosines in float64 -> the best so far

A product in float32 is off by a little, and by how much depends on where in its block a vector
stands. So it only says which vectors may be among the best, by the bound of its error; those are
computed again in float64, and order by that. The answer is what one gets of a float64 cosine with
every vector and a stable sort, whoever else is asked at the same time.

Shapes: Q queries, N stored vectors, E numbers of each, K wanted, R vectors of a block.
Source: Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.1 (the bound).
"""

import numpy as np

from kbert.errors import KbertError, whole_number
from kbert.search.precisions import decoded, lengths, unit

BLOCK_NUMBERS = 1 << 22  # of a block in float32: 16 MiB
QUERIES = 256  # at a time: 11 MiB of cosines for blocks of 384 numbers
_FLOAT32 = 2.0**-24  # the largest relative error of one operation


def nearest(
    queries: np.ndarray, stored: np.ndarray, top_k: int, *, are_unit: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The stored vectors with the largest cosines.

    Args:
        queries: (Q, E) floats, finite. The cosine of a vector of zeros is 0.
        stored: (N, E) vectors in any precision, or (N, E / 8) of bits; may be mapped from a disk.
        top_k: K; where there are fewer, all of them come.
        are_unit: whether the stored vectors are known to have length 1 (float32 only).

    Returns:
        (Q, K) cosines in float32, the largest first, and (Q, K) int64, whose they are; of equal
        ones the first comes first.

    Raises:
        KbertError: if a dimension is another, `top_k` is less than 1, or a stored vector has NaN or
            infinity.

    Example:
        >>> stored = np.array([[0.0, 2.0], [1.0, 1.0], [3.0, 0.0], [4.0, 0.0]], np.float32)
        >>> scores, indices = nearest(np.array([[1.0, 0.0]]), stored, 3)
        >>> indices.tolist(), scores.round(3).tolist()
        ([[2, 3, 1]], [[1.0, 1.0, 0.7070000171661377]])
    """
    count = min(whole_number("top_k", top_k, 1), len(stored))
    exact = unit(queries.astype(np.float64))  # (Q, E)
    found = [
        _nearest(exact[start : start + QUERIES], stored, count, are_unit)
        for start in range(0, len(exact), QUERIES)
    ]
    scores = np.concatenate([np.empty((0, count)), *(scores for scores, _ in found)])
    indices = np.concatenate([np.empty((0, count), np.int64), *(indices for _, indices in found)])
    return scores.astype(np.float32), indices


def _nearest(
    queries: np.ndarray, stored: np.ndarray, count: int, are_unit: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(Q, K) cosines in float64, and whose they are."""
    dimension = queries.shape[1]
    short = queries.astype(np.float32)
    error = 2 * (dimension + 16) * _FLOAT32  # of a product, and of the vectors' lengths
    scores = np.full((len(queries), count), -np.inf)
    indices = np.full((len(queries), count), -1, np.int64)
    rows = max(1, BLOCK_NUMBERS // dimension)
    for start in range(0, len(stored), rows):
        block = stored[start : start + rows]
        ready = decoded(block, dimension)
        products = short @ ready.T  # (Q, R)
        if not are_unit:
            products *= (1 / lengths(ready)).astype(np.float32)
        best = products.max(axis=1)
        if not np.isfinite(best).all():
            raise KbertError(
                f"of the vectors from {start:,} to {start + len(block):,} some hold NaN or infinity"
            )
        for query in np.flatnonzero(best >= scores[:, -1] - error):
            places = _candidates(products[query], count, scores[query, -1], error)
            cosines = unit(decoded(block[places], dimension).astype(np.float64)) * queries[query]
            both = np.concatenate([scores[query], cosines.sum(axis=1)])
            whose = np.concatenate([indices[query], places + start])
            order = np.argsort(-both, kind="stable")[:count]
            scores[query], indices[query] = both[order], whose[order]
    return scores, indices


def _candidates(products: np.ndarray, count: int, least: float, error: float) -> np.ndarray:
    """The places in a block of what may be among the `count` best, in their order."""
    places = np.flatnonzero(products >= least - error)
    if len(places) > count:
        # `count` of them are at least that large but for the error, and the others, too.
        nth = np.partition(products[places], -count)[-count]
        places = places[products[places] >= nth - 2 * error]
    return places
