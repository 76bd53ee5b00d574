"""Which texts a model reads only the beginning of, since they are longer than its rows."""

import logging

import numpy as np

from kbert.pipelines.encode import Row
from kbert.text.tokenizer import Tokenizer

_log = logging.getLogger("kbert")


def warn_of_cut_texts(
    tokenizer: Tokenizer,
    rows: list[Row],
    texts: list[str],
    pairs: list[str] | None,
    max_length: int,
) -> None:
    """A warning of the logger "kbert" that says how many texts are cut, if there are any.

    Only texts whose rows are full are read once more, to tell those that just fit.

    Args:
        tokenizer: the model's.
        rows: made of the texts.
        texts: the texts, or the first texts of pairs.
        pairs: the second texts, or None.
        max_length: the most tokens that the model takes.
    """
    full = [i for i, row in enumerate(rows) if len(row["input_ids"]) >= max_length]
    if not full:
        return
    lengths: np.ndarray = 2 + tokenizer.encode_pieces([texts[i] for i in full]).lengths
    if pairs is not None:
        seconds = tokenizer.encode_pieces([pairs[i] for i in full]).lengths
        lengths = lengths + seconds + tokenizer.separators
    cut = (lengths > max_length).sum()
    if cut:
        _log.warning(
            "%s of more than %s tokens are cut off at the end: %s of %s, the longest of %s; the "
            "model reads no more",
            "texts" if pairs is None else "pairs of texts",
            *(f"{number:,}" for number in (max_length, cut, len(rows), lengths.max())),
        )
