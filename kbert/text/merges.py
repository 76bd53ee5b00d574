"""The merges of byte-level BPE: which two tokens become one, the most frequent first."""

from collections.abc import Iterable, Sequence
from typing import Any

from kbert.errors import KbertError

Merges = Sequence[tuple[str, str]]


def check_merges(merges: Any, where: str = "merges") -> list[tuple[str, str]]:
    """Merges as pairs of texts, which is all that is checked of them.

    Raises:
        KbertError: if they are none; `where` they stand is named.

    Example:
        >>> check_merges([["Ġ", "a"]])
        [('Ġ', 'a')]
    """
    if isinstance(merges, str | bytes) or not isinstance(merges, Iterable):
        raise KbertError(f"{where} is a list of pairs of tokens, not {merges!r:.80}")
    found = []
    for pair in merges:
        if not isinstance(pair, list | tuple) or [*map(type, pair)] != [str, str]:
            raise KbertError(f"{where}: a merge is a pair of tokens, not {pair!r:.80}")
        found.append((pair[0], pair[1]))
    return found
