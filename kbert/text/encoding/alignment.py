"""The way back from a Unicode form of a text to the text itself, in numpy.

A unit is a run of characters that compose or reorder together: a decomposed syllable, a letter and
its accents, or accents behind white space, which composes with nothing. To normalise a text is to
normalise its units, so all are normalised at once, each on a line of its own, and what came out of
each is counted.

Shapes: C characters of the text, U units, K characters of the form.
Source: Unicode, section 3.11 (normalization forms), 3.12 (conjoining jamo behavior).
"""

import unicodedata
from functools import cache

import numpy as np

from kbert.text.encoding.pieces import ranges
from kbert.text.korean.jamo import FIRST_SYLLABLE, SYLLABLES
from kbert.text.korean.normalize import Form, decomposes_into_marks

_BREAK, _INERT = 0xA, 0xD  # line breaks, to which nothing is joined
_CODES = 0x20000  # what joins others lies before
_STARTER, _MARK, _VOWEL, _FINAL, _SECOND = range(5)
_IS_SPACE = np.array([chr(code).isspace() for code in range(0x3002)])  # none stands behind U+3000


def is_space(codes: np.ndarray) -> np.ndarray:
    """Whether each code point is white space.

    Example:
        >>> is_space(np.array([0x20, 0x3000, 0xAC00])).tolist()
        [True, True, False]
    """
    return _IS_SPACE[np.minimum(codes, len(_IS_SPACE) - 1)]


def alignment(text: str, form: Form = "NFC") -> np.ndarray:
    """For each character of the form, the (start, end) of what it was made of in `text`.

    Whatever comes out of a unit that changes points to the whole of it.

    Args:
        text: any text without more than MOST_MARKS marks in a row (`normalize.py`).
        form: "NFC" or "NFKD".

    Returns:
        (K, 2) int32.

    Example:
        >>> alignment("a\u1112\u1161\u11ab").tolist()
        [[0, 1], [1, 4]]
    """
    codes = np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint32)
    codes[codes == _BREAK] = _INERT
    starts = np.flatnonzero(~_joins(codes, form))  # (U,)
    sizes = np.diff(starts, append=len(codes))
    units = np.flatnonzero((sizes > 1) | _changes(form)[np.minimum(codes[starts], _CODES - 1)])
    begins, many = starts[units], sizes[units]
    counts = np.ones(len(starts), np.int64)  # what comes out of each
    counts[units], same = _written(codes[ranges(begins, many)], many, form)
    spans = np.stack([starts, starts + sizes], axis=1).astype(np.int32)
    offsets = np.repeat(spans, counts, axis=0)  # (K, 2)
    kept = units[same]  # each character is its own
    index = ranges((np.cumsum(counts) - counts)[kept], sizes[kept])
    own = ranges(starts[kept], sizes[kept])
    offsets[index] = np.stack([own, own + 1], axis=1)
    return offsets


def _written(codes: np.ndarray, sizes: np.ndarray, form: Form) -> tuple[np.ndarray, np.ndarray]:
    """What becomes of units.

    Args:
        codes: their characters, one unit behind the other.
        sizes: how many each has.
        form: "NFC" or "NFKD".

    Returns:
        How many characters come out of each, and whether they are the same as before.
    """
    heads = np.cumsum(sizes) - sizes
    apart = np.insert(codes, heads, np.uint32(_BREAK))
    written = unicodedata.normalize(form, apart.tobytes().decode("utf-32-le"))
    after = np.frombuffer(written.encode("utf-32-le"), "<u4")
    breaks = np.flatnonzero(after == _BREAK)
    counts = np.diff(breaks, append=len(after)) - 1
    same = counts == sizes
    unit = np.repeat(np.flatnonzero(same), sizes[same])
    differs = (
        codes[ranges(heads[same], sizes[same])] != after[ranges(breaks[same] + 1, counts[same])]
    )
    same[unit[differs]] = False
    return counts, same


def _joins(codes: np.ndarray, form: Form) -> np.ndarray:
    """(C,) whether each character belongs to the unit of the one before it."""
    kinds = _kinds(form)[np.minimum(codes, _CODES - 1)]
    joins = kinds == _MARK
    joins[1:] &= ~is_space(codes[:-1])
    for kind in (_VOWEL, _SECOND):
        at = np.flatnonzero(kinds[1:] == kind) + 1
        joins[at] = _composes(codes[at - 1], codes[at], kind)
    at = np.flatnonzero(kinds[1:] == _FINAL) + 1
    syllable = codes[at - 1] - np.uint32(FIRST_SYLLABLE)  # wraps round below the first
    is_open = (syllable < SYLLABLES) & (syllable % 28 == 0)
    joins[at] = is_open | (joins[at - 1] & (kinds[at - 1] == _VOWEL))
    # ೆ + ೂ + ೕ: the only three that compose and are no marks.
    at = np.flatnonzero((codes[2:] == 0xCD5) & (codes[1:-1] == 0xCC2) & (codes[:-2] == 0xCC6)) + 2
    joins[at[kinds[at] == _SECOND]] = True
    joins[:1] = False
    return joins


def _composes(before: np.ndarray, codes: np.ndarray, kind: int) -> np.ndarray:
    """Whether each character composes with that before it."""
    if kind == _VOWEL:
        return (before >= 0x1100) & (before <= 0x1112)
    return np.isin((before.astype(np.int64) << 32) | codes, _pairs())


@cache
def _kinds(form: Form) -> np.ndarray:
    """(_CODES,) how each character may join the one before it."""
    characters = [chr(code) for code in range(_CODES)]
    kinds = (np.frombuffer(bytes(map(unicodedata.combining, characters)), np.uint8) > 0).astype(
        np.uint8
    )
    kinds[[*decomposes_into_marks(form)]] = _MARK
    if form == "NFC":
        kinds[0x1161:0x1176], kinds[0x11A8:0x11C3] = _VOWEL, _FINAL
        seconds = np.unique(_pairs() & 0xFFFFFFFF)
        kinds[seconds[kinds[seconds] == _STARTER]] = _SECOND
    return kinds


@cache
def _changes(form: Form) -> np.ndarray:
    """(_CODES,) whether a character may change by itself; the last stands for all behind it."""
    found = [not unicodedata.is_normalized(form, chr(code)) for code in range(_CODES)]
    return np.array([*found[:-1], True])


@cache
def _pairs() -> np.ndarray:
    """What composes, each pair as first << 32 | second."""
    found = []
    for code in range(_CODES):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            first, second = (int(part, 16) for part in parts)
            if unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(code):
                found.append((first << 32) | second)
    return np.array(found, np.int64)
