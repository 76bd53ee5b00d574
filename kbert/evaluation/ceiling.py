"""The best score that a vocabulary allows: what would be scored if a model said all of it rightly.

A model labels pieces. Where an entity or an answer begins or ends within a piece, no model gets it
right, and a score of 97 may be all that there is to be had.
"""

from typing import Any

import numpy as np

from kbert.data.labelled.examples import Examples
from kbert.errors import KbertError
from kbert.tasks.score import score
from kbert.text.tags import OUTSIDE, piece_labels, scheme_of, spans_of, tags_from_pieces
from kbert.text.tokenizer import Tokenizer


def ceiling(examples: Examples, tokenizer: Tokenizer) -> dict[str, float]:
    """Scores of the labels themselves, to pieces and back.

    Args:
        examples: of entities or of questions, with labels.
        tokenizer: whose pieces.

    Raises:
        KbertError: if the examples are of another task, of which pieces limit nothing.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 서울 ##에 부산에".split())
        >>> examples = Examples("token-classification", ["서울에", "부산에"],
        ...     labels=[[(0, 2, "LC")], [(0, 2, "LC")]], label_names=["O", "B-LC", "I-LC"])
        >>> ceiling(examples, tokenizer)["entity_f1"]
        0.5
    """
    is_bio = scheme_of(examples.label_names) == "BIO"
    if examples.labels is None or not (
        examples.task == "question-answering"
        or (examples.task == "token-classification" and is_bio)
    ):
        raise KbertError("a ceiling is of entities or answers, with their labels")
    is_answers = examples.task == "question-answering"
    texts = (examples.pairs or []) if is_answers else examples.texts
    pieces = tokenizer.encode_pieces(texts, ["offsets"])
    offsets, starts = pieces.columns["offsets"], pieces.starts.tolist()
    said: list[Any] = []
    for i, (text, label) in enumerate(zip(texts, examples.labels, strict=True)):
        mine = offsets[starts[i] : starts[i + 1]]
        if is_answers:
            said.append(_answer(text, label, mine))
            continue
        names = [OUTSIDE, *(f"{prefix}-{name}" for _, _, name in label for prefix in "BI")]
        ids = {name: number for number, name in enumerate(dict.fromkeys(names))}
        by_id = [*ids]
        labels = piece_labels(text, label, mine, "BIO", ids)
        said.append(spans_of(tags_from_pieces(text, [by_id[number] for number in labels], mine)))
    return score(examples, said)


def _answer(context: str, answers: list[tuple[int, str]], offsets: np.ndarray) -> str:
    """The first answer, from the piece that it begins in to the piece that it ends in."""
    if not answers:
        return ""
    start, text = answers[0]
    inside = (offsets[:, 1] > start) & (offsets[:, 0] < start + len(text))
    if not inside.any():
        return ""
    first, last = np.flatnonzero(inside)[[0, -1]]
    return context[offsets[first, 0] : offsets[last, 1]]
