"""Parsed sentences as numbers: where each word stands in its row, its head and its relation.

Shapes: N examples, T words of all examples, B rows of a batch, W words of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kbert.data.labelled.examples import Examples
from kbert.errors import KbertError, counted
from kbert.text.encoding.pieces import Pieces
from kbert.text.encoding.rows import ranges
from kbert.text.word_pieces import check_words, word_pieces, word_positions


@dataclass(frozen=True)
class ParsedRows:
    """The words of examples, one example behind the other.

    Attributes:
        starts: (N + 1,) int64: example i has the words starts[i] to starts[i + 1] - 1.
        columns: (T,) each: `first_pieces` and `last_pieces`, positions in the row; `heads`, from
            1, 0 the root; `relations`, numbers of labels; `weights`, 0 of a word that was cut off,
            or whose head was.
    """

    starts: np.ndarray
    columns: dict[str, np.ndarray]

    @property
    def lengths(self) -> np.ndarray:
        """(N,) how many words each example has."""
        return self.starts[1:] - self.starts[:-1]


def parsed_rows(
    examples: Examples, pieces: Pieces, kept: np.ndarray, label_names: Sequence[str]
) -> ParsedRows:
    """Labels (head, relation, ...) of words as numbers.

    Args:
        examples: of dependency parsing, with labels.
        pieces: of their texts, with offsets.
        kept: (N,) how many pieces of each text are in its row.
        label_names: the relations, in the order of the logits.

    Raises:
        KbertError: if a text has not as many words as labels, a head is none of its words, or a
            relation is none of the names.
    """
    ids = {name: number for number, name in enumerate(label_names)}
    offsets, starts = pieces.columns["offsets"], pieces.starts.tolist()
    positions, heads, relations, weights = [], [], [], []
    assert examples.labels is not None
    for i, (text, words) in enumerate(zip(examples.texts, examples.labels, strict=True)):
        found = word_pieces(text, offsets[starts[i] : starts[i + 1]])
        check_words(len(found), examples.where(i))
        if len(found) != len(words):
            raise KbertError(
                f"{examples.where(i)}: {counted(len(found), 'word')} between spaces, and labels "
                f"for {len(words)}: {text!r:.80}"
            )
        mine = [_head(word[0], len(words), examples, i) for word in words]
        is_there = (found[:, 0] >= 0) & (found[:, 0] < kept[i])
        positions.append(word_positions(found, int(kept[i])))
        heads.append(np.array(mine, np.int32))
        relations.append(np.array([_id(word[1], ids, examples, i) for word in words], np.int32))
        weights.append(is_there & np.append(True, is_there)[mine])  # the root is there
    joined = np.concatenate([np.zeros((0, 2), np.int32), *positions]).astype(np.int32)
    return ParsedRows(
        np.cumsum([0, *map(len, heads)]),
        {
            "first_pieces": joined[:, 0],
            "last_pieces": joined[:, 1],
            "heads": np.concatenate([np.zeros(0, np.int32), *heads]),
            "relations": np.concatenate([np.zeros(0, np.int32), *relations]),
            "weights": np.concatenate([np.zeros(0, bool), *weights]).astype(np.float32),
        },
    )


def fill_words(parsed: ParsedRows, rows: np.ndarray, width: int) -> dict[str, np.ndarray]:
    """Words as arrays (B, W), 0 at padding; `words` is 1 where there is one.

    Args:
        parsed: the words of examples.
        rows: (B,) which examples.
        width: W.

    Example:
        >>> parsed = ParsedRows(np.array([0, 2, 3]), {"heads": np.array([2, 0, 0])})
        >>> fill_words(parsed, np.array([0, 1]), 3)["heads"].tolist()
        [[2, 0, 0], [0, 0, 0]]
    """
    sizes = parsed.lengths[rows]
    is_word = np.arange(width) < sizes[:, None]  # (B, W)
    source = ranges(parsed.starts[rows], sizes)
    filled = {"words": is_word.astype(np.int32)}
    for name, column in parsed.columns.items():
        filled[name] = np.zeros(is_word.shape, column.dtype)
        filled[name][is_word] = column[source]
    return filled


def _head(head: int, count: int, examples: Examples, i: int) -> int:
    if not 0 <= head <= count:
        raise KbertError(
            f"{examples.where(i)}: the head {head!r} is none of {count} words, which are numbered "
            "from 1; the root's is 0"
        )
    return head


def _id(name: str, ids: dict[str, int], examples: Examples, i: int) -> int:
    if name not in ids:
        raise KbertError(f"{examples.where(i)}: the relation {name!r} is none of {[*ids]!r:.200}")
    return ids[name]
