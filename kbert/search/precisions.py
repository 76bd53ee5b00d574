"""Vectors in fewer bytes, and back.

    precision   array                   bytes of 384 numbers
    float32     (N, E) float32          1,536
    float16     (N, E) float16            768
    int8        (N, E) int8               384   127 x / max |x|, rounded
    binary      (N, E / 8) uint8           48   a bit for each number: is it more than 0

Of int8 and binary only the direction is kept, and a cosine looks at nothing else. No vector depends
on those beside it, so what was made in two calls can be compared.

Shapes: N vectors, E numbers of each.
"""

from typing import Any, Literal, get_args

import numpy as np

from kbert.errors import KbertError, counted

Precision = Literal["float32", "float16", "int8", "binary"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
DTYPES = {"float32": "<f4", "float16": "<f2", "int8": "i1", "binary": "u1"}
_MOST_INT8 = 127
# Between them a sum of squares in float32 loses nothing to numbers too small or large for it.
_LEAST_SQUARE, _MOST_SQUARE = 1e-20, 1e30


def checked_precision(precision: str, dimension: int) -> str:
    """The precision, if vectors of E numbers can have it.

    Raises:
        KbertError: if there is none of that name, or E bits are no whole bytes.
    """
    if precision not in PRECISIONS:
        raise KbertError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r:.80}")
    if precision == "binary" and dimension % 8:
        raise KbertError(
            f"binary vectors are whole bytes, and {dimension} numbers are none: choose float32, "
            "float16 or int8"
        )
    return precision


def width(precision: str, dimension: int) -> int:
    """How many elements of its array a vector of E numbers has."""
    return dimension // 8 if precision == "binary" else dimension


def vector_bytes(precision: str, dimension: int) -> int:
    """How many bytes a vector of E numbers takes."""
    return width(precision, dimension) * np.dtype(DTYPES[precision]).itemsize


def in_precision(vectors: np.ndarray, precision: str) -> np.ndarray:
    """Vectors of floats, (N, E), in a precision.

    Raises:
        KbertError: if there is no such precision, or a number is too large for it.

    Example:
        >>> in_precision(np.array([[0.5, -1.0, 0.25, 0, 2, 0, 0, 3]]), "int8").tolist()
        [[21, -42, 11, 0, 85, 0, 0, 127]]
        >>> in_precision(np.array([[0.5, -1.0, 0.25, 0, 2, 0, 0, 3]]), "binary").tolist()
        [[169]]
    """
    checked_precision(precision, vectors.shape[1])
    if precision == "binary":
        return np.packbits(vectors > 0, axis=1)
    if precision == "int8":
        largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
        scale = _MOST_INT8 / np.where(largest > 0, largest, 1)
        return np.rint(vectors * scale).astype(np.int8)
    with np.errstate(over="ignore"):
        made = vectors.astype(DTYPES[precision])
    if not np.isfinite(made).all():
        raise KbertError(
            f"a vector has the number {np.abs(vectors).max():.3g}, which {precision} cannot hold: "
            "normalize the vectors"
        )
    return made


def decoded(vectors: np.ndarray, dimension: int) -> np.ndarray:
    """Vectors of any precision as float32, (N, E); bits as 1 and -1.

    Raises:
        KbertError: if they are no such array, have not E numbers, or hold NaN or infinity.

    Example:
        >>> decoded(np.array([[169]], np.uint8), 8).tolist()
        [[1.0, -1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0]]
    """
    if vectors.dtype == np.uint8:
        _check_width(vectors, dimension // 8 if dimension % 8 == 0 else -1, dimension)
        bits = np.unpackbits(vectors, axis=1).astype(np.float32)
        bits *= 2  # in place: on the way to each search of such an index
        bits -= 1
        return bits
    _check_width(vectors, dimension, dimension)
    if vectors.dtype.kind != "f" and vectors.dtype != np.int8:
        raise KbertError(
            f"vectors are float, int8, or uint8 for bits, as encode gives them, not {vectors.dtype}"
        )
    return vectors.astype(np.float32, copy=False)


def _check_width(vectors: np.ndarray, wanted: int, dimension: int) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != wanted:
        shape = tuple(vectors.shape)
        raise KbertError(
            f"expected vectors of {dimension} numbers, (N, {dimension}), and got an array "
            f"{shape} of {vectors.dtype}: are they of another model?"
        )


def checked(name: str, vectors: Any, dimension: int, first: int = 0) -> np.ndarray:
    """Vectors that somebody gave, decoded, (N, E); a single one may be (E,).

    Args:
        name: what they are called in an error.
        vectors: the vectors.
        dimension: E.
        first: the number of the first of them, in an error.

    Raises:
        KbertError: if they are none, are of another dimension, or hold NaN or infinity.
    """
    try:
        array = np.asarray(vectors)
    except ValueError as error:
        raise KbertError(f"{name} is no array of vectors, (N, {dimension}): {error}") from None
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise KbertError(f"{name} is no array of vectors, (N, {dimension}): {vectors!r:.80}")
    made = decoded(array, dimension)
    wrong = np.flatnonzero(~np.isfinite(made).all(axis=1))
    if len(wrong):
        more = f", and so do {counted(len(wrong) - 1, 'other')}" if len(wrong) > 1 else ""
        raise KbertError(f"{name}[{first + wrong[0]}] holds NaN or infinity{more}")
    return made


def lengths(vectors: np.ndarray) -> np.ndarray:
    """The lengths of vectors, (N,) float64; 1 where one is zeros, so that one can divide by it.

    Example:
        >>> lengths(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [5.0, 1.0]
    """
    with np.errstate(over="ignore"):
        squares = np.einsum("ij,ij->i", vectors, vectors)
    odd = (squares < _LEAST_SQUARE) | (squares > _MOST_SQUARE)
    squares = squares.astype(np.float64)
    squares[odd] = np.square(vectors[odd].astype(np.float64)).sum(axis=1)
    return np.where(squares > 0, np.sqrt(squares), 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1, (N, E), in the same type; zeros stay zeros.

    Example:
        >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    return (vectors / lengths(vectors)[:, None]).astype(vectors.dtype)
