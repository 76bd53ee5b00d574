"""Words in arrays: texts cut and counted without a Python object a word.

A word is a run of code points in an array, and is told from others by a hash of 64 bits; to count
is to sort hashes. Two of n different words have one hash with a probability of about n^2 / 2^65:
one in four million for three million words.
"""

import unicodedata
from typing import NamedTuple

import numpy as np

# What BERT's cleaning and cutting make of a character.
_SPACE, _LETTER, _ALONE, _GONE, _UNKNOWN = range(5)
# A word's hash: the sum of a number for each character times a power for each place, modulo 2^64.
_BASE = 0x9E3779B97F4A7C13


class Words(NamedTuple):
    """Different words, in the order of their hashes."""

    hashes: np.ndarray  # (W,) uint64, W words
    counts: np.ndarray  # (W,) int64
    lengths: np.ndarray  # (W,) int32
    codes: np.ndarray  # (sum of the lengths,) uint32: their code points, end to end


def grouped(
    hashes: np.ndarray, counts: np.ndarray | None, lengths: np.ndarray, codes: np.ndarray
) -> Words:
    """Takes each word once, of words that may come more than once (counts None: each counts 1)."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    first = np.ones(len(order), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(first)
    if counts is None:
        sums = np.diff(np.append(starts, len(order)))
    else:
        sums = np.add.reduceat(counts[order], starts) if len(starts) else counts
    chosen = order[starts]
    begins = np.cumsum(lengths) - lengths
    lengths = lengths[chosen]
    ends = np.cumsum(lengths)
    within = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    return Words(ordered[starts], sums, lengths, codes[np.repeat(begins[chosen], lengths) + within])


def summed(runs: list[Words]) -> Words:
    """Adds the counts of words that are in several runs; there is one run at least."""
    return grouped(*(np.concatenate(arrays) for arrays in zip(*runs, strict=True)))


class Cutter:
    """Cuts texts into words as BERT's tokenizer does: cleaned, at spaces and punctuation."""

    def __init__(self, lowercase: bool):
        self._lowercase = lowercase
        self._kinds = np.full(0x110000, _UNKNOWN, np.uint8)  # filled as characters turn up
        self._numbers = np.random.default_rng(0).integers(1 << 63, size=0x110000, dtype=np.uint64)

    def words(self, text: str) -> Words:
        """Counts the words of a text (NFC)."""
        if self._lowercase:
            text = text.replace("Σ", "σ").lower()  # alone, as BERT does it, Σ has one small form
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        kinds = self._kinds[codes]
        if (kinds == _UNKNOWN).any():
            for code in np.unique(codes[kinds == _UNKNOWN]).tolist():
                self._kinds[code] = _kind(code)
            kinds = self._kinds[codes]
        if (kinds == _GONE).any():
            codes, kinds = codes[kinds != _GONE], kinds[kinds != _GONE]
        begins = kinds == _ALONE
        begins[:1] |= kinds[:1] == _LETTER
        begins[1:] |= (kinds[1:] == _LETTER) & (kinds[:-1] != _LETTER)
        inside = kinds != _SPACE
        codes, starts = codes[inside], np.flatnonzero(begins[inside])
        if not len(starts):
            return Words(
                *(np.zeros(0, kind) for kind in (np.uint64, np.int64, np.int32, np.uint32))
            )

        lengths = np.diff(np.append(starts, len(codes))).astype(np.int32)
        places = np.arange(len(codes)) - np.repeat(starts, lengths)
        powers = np.full(lengths.max(), _BASE, np.uint64)
        powers[0] = 1
        products = self._numbers[codes] * np.cumprod(powers)[places]
        return grouped(np.add.reduceat(products, starts), None, lengths, codes)


def _kind(code: int) -> int:
    character = chr(code)
    category = unicodedata.category(character)
    if character in "\t\n\r":
        return _SPACE
    if category in ("Cc", "Cf", "Co") or character == "\ufffd":
        return _GONE
    if category[0] == "P" or (code < 128 and category[0] == "S") or _is_cjk(code):
        return _ALONE
    return _SPACE if character.isspace() else _LETTER


def _is_cjk(code: int) -> bool:
    """Whether BERT makes a word of the character: hanja, but neither Hangul nor kana."""
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2A6DF
        or 0x2A700 <= code <= 0x2B73F
        or 0x2B740 <= code <= 0x2B81F
        or 0x2B920 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
        or 0x2F800 <= code <= 0x2FA1F
    )
