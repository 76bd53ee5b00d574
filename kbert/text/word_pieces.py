"""Which pieces each word between spaces (eojeol) begins and ends with.

Shapes: W words, T pieces of a text.
"""

import numpy as np

from kbert.errors import KbertError
from kbert.text.tags import eojeols

MOST_WORDS = 512  # of a sentence: a parser scores each of them with each


def word_pieces(text: str, offsets: np.ndarray) -> np.ndarray:
    """The first and the last piece of each word of a text.

    Args:
        text: the original string.
        offsets: (T, 2) where its pieces stand.

    Returns:
        (W, 2) int64; -1, -1 of a word of which the tokenizer leaves nothing.

    Example:
        >>> word_pieces("밥을 먹었다", np.array([[0, 1], [1, 2], [3, 6]])).tolist()
        [[0, 1], [2, 2]]
    """
    words = np.array(eojeols(text), np.int64).reshape(-1, 2)
    # The first piece that ends behind the word's start, and the last that begins before its end.
    first = np.searchsorted(offsets[:, 1], words[:, 0], "right")
    last = np.searchsorted(offsets[:, 0], words[:, 1], "left") - 1
    return np.where((first <= last)[:, None], np.stack([first, last], axis=1), -1)


def word_positions(pieces: np.ndarray, end: int) -> np.ndarray:
    """The positions of words in a row that has [CLS] before its pieces and [SEP] behind them.

    Args:
        pieces: (W, 2) from `word_pieces`.
        end: how many pieces of the text the row holds.

    Returns:
        (W, 2) int64 positions. A word of which nothing is in the row stands where [SEP] does.

    Example:
        >>> word_positions(np.array([[0, 1], [2, 4], [5, 5]]), end=4).tolist()
        [[1, 2], [3, 4], [5, 5]]
    """
    missing = ((pieces[:, 0] < 0) | (pieces[:, 0] >= end))[:, None]
    return np.where(missing, end + 1, np.minimum(pieces, end - 1) + 1)


def check_words(count: int, where: str) -> None:
    """Checks that a sentence is one, and no document.

    Raises:
        KbertError: if it has more than `MOST_WORDS` words.
    """
    if count > MOST_WORDS:
        raise KbertError(
            f"{where} has {count:,} words, and a parser takes {MOST_WORDS} at the most: parse "
            "sentence by sentence (kbert.text.korean.sentences.split_sentences)"
        )
