"""Words in arrays: texts cut and counted without a Python object a word.

A word is a run of code points in an array, and is told from others by a hash of 64 bits; to count
is to sort hashes. Two of n different words have one hash with a probability of about n^2 / 2^65:
one in four million for three million words.
"""

from typing import NamedTuple

import numpy as np

from kbert.text.encoding.characters import written_out
from kbert.text.encoding.rust import wordpiece_engine

# What BERT's cleaning and cutting make of a character.
_SPACE, _LETTER, _ALONE, _GONE, _SEVERAL, _UNKNOWN = range(6)
# A word's hash: the sum of a number for each character times a power for its position, mod 2^64.
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
    """Cuts texts into words as BERT's tokenizer does: cleaned, at spaces and punctuation.

    What becomes of a character is asked of the engine that will cut texts in use, once each.
    """

    def __init__(self, lowercase: bool):
        settings = {"lowercase": lowercase, "strip_accents": False, "split_cjk": True}
        self._engine = wordpiece_engine({"[UNK]": 0}, "[UNK]", **settings)
        self._kinds = np.full(0x110000, _UNKNOWN, np.uint8)  # filled as characters turn up
        self._become = np.zeros(0x110000, np.uint32)  # the code of what each becomes
        self._several: dict[int, str] = {}  # what becomes of those that become several (İ)
        self._numbers = np.random.default_rng(0).integers(1 << 63, size=0x110000, dtype=np.uint64)

    def words(self, text: str) -> Words:
        """Counts the words of a text (NFC)."""
        codes = self._met(text)
        if (self._kinds[codes] == _SEVERAL).any():
            codes = self._met(text.translate(self._several))
        kinds = self._kinds[codes]
        codes = self._become[codes]
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
        positions = np.arange(len(codes)) - np.repeat(starts, lengths)
        powers = np.full(lengths.max(), _BASE, np.uint64)
        powers[0] = 1
        products = self._numbers[codes] * np.cumprod(powers)[positions]
        return grouped(np.add.reduceat(products, starts), None, lengths, codes)

    def _met(self, text: str) -> np.ndarray:
        """(C,) the code points of a text, all of which the engine has been asked about."""
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        new = np.unique(codes[self._kinds[codes] == _UNKNOWN]).tolist()
        for character, written in written_out(self._engine, map(chr, new)).items():
            code, word = ord(character), written.strip(" ")
            if len(word) > 1:
                self._kinds[code], self._several[code] = _SEVERAL, word
            elif not word:
                self._kinds[code] = _SPACE if written else _GONE
            else:
                self._kinds[code] = _LETTER if written == word else _ALONE
                self._become[code] = ord(word)
        return codes
