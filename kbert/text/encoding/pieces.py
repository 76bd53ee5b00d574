"""The pieces of many texts, as arrays: what encoders give and rows are filled with.

Shapes: N texts, T pieces of all texts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Pieces:
    """The pieces of texts, one text behind the other, without special tokens.

    Attributes:
        ids: (T,) int32.
        starts: (N + 1,) int64: text i has the pieces starts[i] to starts[i + 1] - 1.
        columns: what else was asked for, by name: `offsets` (T, 2), `word_ids` or `eojeol_ids`
            (T,), int32.
    """

    ids: np.ndarray
    starts: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) how many pieces each text has."""
        return self.starts[1:] - self.starts[:-1]


def in_blocks(texts: list[str], size: int = 1 << 19) -> Iterator[list[str]]:
    """Texts in lists of at least `size` characters together; the last may have fewer.

    Example:
        >>> [*in_blocks(["국회", "정부", "나"], 3)]
        [['국회', '정부'], ['나']]
    """
    block, characters = [], 0
    for text in texts:
        block.append(text)
        characters += len(text) if isinstance(text, str) else 0  # what is none is found elsewhere
        if characters >= size:
            yield block
            block, characters = [], 0
    if block:
        yield block


def concatenate(blocks: list[Pieces]) -> Pieces:
    """The pieces of several lists of texts, one list behind the other."""
    if len(blocks) == 1:
        return blocks[0]
    lengths = [np.zeros(1, np.int64), *(block.lengths for block in blocks)]
    names = blocks[0].columns if blocks else ()
    return Pieces(
        np.concatenate([np.zeros(0, np.int32), *(block.ids for block in blocks)]),
        np.cumsum(np.concatenate(lengths)),
        {name: np.concatenate([block.columns[name] for block in blocks]) for name in names},
    )


def taken(pieces: Pieces, texts: np.ndarray) -> Pieces:
    """The pieces of some texts, in the order in which these are named.

    Args:
        pieces: of any number of texts.
        texts: (M,) which.

    Example:
        >>> both = Pieces(np.array([5, 6, 7]), np.array([0, 2, 3]))
        >>> taken(both, np.array([1, 0])).ids.tolist()
        [7, 5, 6]
    """
    sizes = pieces.lengths[texts]
    order = ranges(pieces.starts[texts], sizes)
    columns = {name: column[order] for name, column in pieces.columns.items()}
    return Pieces(pieces.ids[order], np.concatenate([[0], np.cumsum(sizes)]), columns)


def ranges(begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The numbers of several ranges, one behind the other.

    Example:
        >>> ranges(np.array([3, 10]), np.array([2, 3])).tolist()
        [3, 4, 10, 11, 12]
    """
    before = np.cumsum(sizes) - sizes
    return np.repeat(begins - before, sizes) + np.arange(int(sizes.sum()))
