"""Texts of any length as rows that a model takes: windows that share some tokens.

Shapes: L length.
"""

from typing import NamedTuple

import numpy as np

from kbert.pipelines.encode import TEXTS_AT_A_TIME, Row
from kbert.text.tokenizer import Tokenizer

STRIDE = 128  # tokens that two windows share, or a quarter of shorter ones


class Window(NamedTuple):
    """A row of a text.

    Attributes:
        row: what the model takes, without padding.
        text: which text it is of.
        offsets: (L, 2) where each token stands in its own text; (0, 0) of special tokens.
    """

    row: Row
    text: int
    offsets: np.ndarray

    @property
    def is_text(self) -> np.ndarray:
        """(L,) which tokens are pieces of a text, and not special."""
        return self.offsets[:, 1] > self.offsets[:, 0]


def to_windows(
    tokenizer: Tokenizer, texts: list[str], pairs: list[str] | None, max_length: int
) -> list[Window]:
    """Texts as one row each, or several where they are longer; of pairs the second is divided.

    Example:
        >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "국회", "##는"]
        >>> windows = to_windows(Tokenizer(tokens), ["국회는", "국회 국회 국회"], None, 4)
        >>> [(window.text, window.row["input_ids"].tolist()) for window in windows]
        [(0, [2, 5, 6, 3]), (1, [2, 5, 5, 3]), (1, [2, 5, 3])]
    """
    room = max_length - 2 if pairs is None else max_length - 2 - tokenizer.separators
    windows = []
    for start in range(0, len(texts), TEXTS_AT_A_TIME):
        part = slice(start, start + TEXTS_AT_A_TIME)
        inputs = tokenizer(
            texts[part],
            None if pairs is None else pairs[part],
            max_length=max_length,
            truncation="longest_first" if pairs is None else "only_second",
            stride=min(STRIDE, room // 4),
            return_offsets=True,
        )
        lengths = inputs.pop("attention_mask").sum(axis=1)
        index, offsets = inputs.pop("text_index") + start, inputs.pop("offsets")
        windows += [
            Window(
                {name: array[i, :length].copy() for name, array in inputs.items()},
                int(index[i]),
                offsets[i, :length].copy(),
            )
            for i, length in enumerate(lengths)
        ]
    return windows
