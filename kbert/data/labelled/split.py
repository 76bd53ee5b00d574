"""Examples in two parts that share no text: what is held out must not have been seen.

Rows that belong together go to one side: rows of one group (a premise, a context, an author), rows
whose texts are equal but for spaces, case and how Hangul is composed, and rows that share a long
sentence. Parts are drawn label by label, so that both have the labels in like shares.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

from kbert.errors import KbertError, counted
from kbert.text.korean.normalize import nfc

LONG = 20  # characters without spaces, from which on a sentence in two rows is no accident
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_NO_SPACES = str.maketrans("", "", " \t\r\n\u00a0\u3000")


def divide(
    texts: Iterable[Sequence[str]],
    groups: Sequence[str] | None,
    labels: Sequence[str] | None,
    share: float,
    seed: int,
) -> tuple[list[int], list[int]]:
    """The rows of either part; see `Examples.split`.

    Args:
        texts: the texts of each of N rows.
        groups: (N,) what must not be divided, or None.
        labels: (N,) of which both parts have like shares, or None.
        share: how much the second part has, in (0, 1).
        seed: equal seeds give equal parts.

    Raises:
        KbertError: if the share is none, or one part would be empty.

    Example:
        >>> divide([["가"], ["나"], ["가"], ["다"]], None, None, 0.5, seed=1)
        ([1, 3], [0, 2])
    """
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise KbertError(f"share is how much is held out, in (0, 1), not {share!r}")
    together = _together(texts, groups)  # (N,) the first row that each belongs to
    heads, sizes = np.unique(together, return_counts=True)
    size_of = dict(zip(heads.tolist(), sizes.tolist(), strict=True))
    by_label: dict[str, list[int]] = {}
    for head in np.random.default_rng(seed).permutation(heads).tolist():
        label = "" if labels is None else labels[int(head)]
        by_label.setdefault(label, []).append(head)
    chosen: list[int] = []
    for mine in by_label.values():
        wanted = share * sum(size_of[head] for head in mine)
        taken = 0.0
        for head in mine:
            # A group goes to the held-out part if that brings its size nearer to what is asked.
            if abs(taken + size_of[head] - wanted) < abs(taken - wanted):
                chosen.append(head)
                taken += size_of[head]
    held = np.isin(together, chosen)
    if held.all() or not held.any():
        raise KbertError(
            f"{counted(len(together), 'example')} in {counted(len(heads), 'group')} that share no "
            f"text cannot be divided with a share of {share}: one part would be empty"
        )
    return np.flatnonzero(~held).tolist(), np.flatnonzero(held).tolist()


def text_keys(text: str) -> Iterable[str]:
    """What a text is known by: itself composed, without spaces and case; its long sentences.

    Example:
        >>> list(text_keys("재미있다. 이 영화를 벌써 두 번 보았고 세 번째로 또 보러 간다."))[1]
        '이영화를벌써두번보았고세번째로또보러간다.'
    """
    yield _plain(text)
    sentences = _SENTENCE_END.split(text)
    if len(sentences) > 1:
        yield from (key for key in map(_plain, sentences) if len(key) >= LONG)


def _plain(text: str) -> str:
    return nfc(text).translate(_NO_SPACES).lower()


def _together(texts: Iterable[Sequence[str]], groups: Sequence[str] | None) -> np.ndarray:
    """(N,) for each row the first of those that it must stay with."""
    head = array("q")

    def find(row: int) -> int:
        while head[row] != row:
            head[row] = head[head[row]]
            row = head[row]
        return row

    with_text: dict[bytes, int] = {}  # the first row of each
    of_group: dict[str, int] = {}
    for row, mine in enumerate(texts):
        head.append(row)
        others = [with_text.setdefault(_digest(key), row) for t in mine for key in text_keys(t)]
        if groups is not None:
            others.append(of_group.setdefault(groups[row], row))
        for other in others:
            a, b = find(other), find(row)
            head[max(a, b)] = min(a, b)
    return np.array([find(row) for row in range(len(head))])


def _digest(key: str) -> bytes:
    """A key in 16 bytes: a long text need not be kept twice."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
