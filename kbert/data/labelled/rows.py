"""Examples as rows of ids, each with what a model is to say of it.

    texts -> pieces, once -> rows and windows, as a plan -> targets, by task

All pieces stay in one array, and a row is five numbers that point into it
(`text/encoding/rows.py`), so a million reviews take some hundred megabytes.

Shapes: N examples, R rows (more than N where long texts become windows, or each choice is a row),
T pieces, C labels or choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kbert.data.labelled.examples import Examples
from kbert.data.labelled.parses import ParsedRows, parsed_rows
from kbert.data.labelled.sentences import sentence_rows
from kbert.errors import KbertError
from kbert.text.encoding.pieces import Pieces
from kbert.text.encoding.rows import plan_rows, row_lengths
from kbert.text.tags import piece_labels, scheme_of
from kbert.text.tokenizer import Tokenizer

STRIDE = 128  # tokens that two windows of a long text share, or a quarter of shorter windows


@dataclass(frozen=True)
class LabelledRows:
    """Rows of examples.

    Attributes:
        first: the pieces of the first texts.
        second: those of the second texts, or None.
        plan: (R,) the pieces of each row; `plan["text"]` is its example, or where `choices` is
            more than 1, `choices` times its example and more.
        lengths: (R,) tokens, special tokens included.
        uncut: the tokens that texts would have with nothing cut off, one number for each that are
            not windows.
        choices: how many rows an example has, one for each choice.
        targets: what is asked of each row or example, by name; none where labels are not known.
        parsed: the words of each row, where it is parsed.
    """

    first: Pieces
    second: Pieces | None
    plan: np.ndarray
    lengths: np.ndarray
    uncut: np.ndarray
    choices: int = 1
    targets: dict[str, np.ndarray] = field(default_factory=dict)
    parsed: ParsedRows | None = None


def label_rows(
    examples: Examples,
    tokenizer: Tokenizer,
    label_names: Sequence[str],
    max_length: int,
    objective: str | None = None,
) -> LabelledRows:
    """Texts as rows, with their targets.

    Long texts are cut, the longer of a pair first; where every part of a text counts (tags and
    answers) they become windows instead, which share `STRIDE` tokens.

    Args:
        examples: the texts; labels as their task has them, checked (`check_labels`), or None.
        tokenizer: of the model.
        label_names: in the order of the model's logits.
        max_length: the most tokens a row may have, special tokens included.
        objective: what a sentence model learns by; see `sentences.py`.

    Returns:
        Rows with the targets: of classification `label` (N,) int32, or (N,) and (N, C) float32 of
        regression and of several labels; of tagging `labels`, a label for each of T pieces, in
        `first.columns`; of questions `start` and `end` (R,) int32, 0 ([CLS]) where a row does not
        hold the whole answer; of choices `label` (N,) int32; of sentences `label`, by objective; of
        parsing the words, in `parsed`.

    Raises:
        KbertError: if a parse or an answer does not fit its text, or a question leaves no room.
    """
    task = examples.task
    texts, pairs, choices = examples.texts, examples.pairs, 1
    targets: dict[str, np.ndarray] = {}
    if task == "multiple-choice":
        texts, pairs, choices = _one_row_a_choice(examples)
    elif task == "sentence-embedding":
        texts, choices, asked = sentence_rows(examples, objective or "vectors", label_names)
        pairs, targets = None, {} if asked is None else {"label": asked}
    finds_spans = task in ("token-classification", "question-answering")
    names = ("offsets",) if finds_spans else ()
    is_parsed = task == "dependency-parsing"
    of_first = ("offsets",) if task == "token-classification" or is_parsed else ()
    first = tokenizer.encode_pieces(texts, of_first)
    second = None if pairs is None else tokenizer.encode_pieces(pairs, names)
    specials = 2 if second is None else 2 + tokenizer.separators
    room = max_length - specials
    plan = plan_rows(
        first.lengths,
        None if second is None else second.lengths,
        room=room,
        specials=specials,
        truncation="only_second" if task == "question-answering" else "longest_first",
        stride=min(STRIDE, room // 4) if finds_spans else None,
    )
    parsed = None
    if is_parsed and examples.labels is not None:
        parsed = parsed_rows(examples, first, plan["first_end"], label_names)
    lengths = row_lengths(plan, specials)
    uncut = first.lengths + specials + (0 if second is None else second.lengths)
    if finds_spans:  # what is too long becomes windows
        uncut = np.zeros(0, np.int64)
    rows = LabelledRows(first, second, plan, lengths, uncut, choices, targets, parsed)
    if examples.labels is not None and not is_parsed and task != "sentence-embedding":
        _set_targets(rows, examples, label_names, tokenizer)
    for pieces in (first, second):
        if pieces is not None:
            pieces.columns.pop("offsets", None)  # not asked any more
    return rows


def question_positions(plan: np.ndarray, width: int) -> np.ndarray:
    """Where [CLS] and the first text stand in rows: (R, G), each row filled up with -1.

    Longformer's global tokens, where an answer is looked for.

    Args:
        plan: of R rows.
        width: G.
    """
    places = np.arange(width, dtype=np.int32)
    return np.where(places <= (plan["first_end"] - plan["first"])[:, None], places, -1)


def _one_row_a_choice(examples: Examples) -> tuple[list[str], list[str], int]:
    if examples.pairs is None:
        raise KbertError("examples of multiple choice have their choices in pairs, a list each")
    count = len(examples.pairs[0]) if _are_choices(examples.pairs[0]) else 0
    for i, choices in enumerate(examples.pairs):
        if not _are_choices(choices) or len(choices) != count or count < 2:
            raise KbertError(
                f"{examples.where(i)}: every example has a list of the same number of choices, "
                f"2 or more; this has {choices!r:.80}, and the first has {count}"
            )
    texts = [text for text in examples.texts for _ in range(count)]
    return texts, [choice for choices in examples.pairs for choice in choices], count


def _are_choices(given: object) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)


def _set_targets(
    rows: LabelledRows, examples: Examples, label_names: Sequence[str], tokenizer: Tokenizer
) -> None:
    labels = examples.labels
    assert labels is not None
    ids = {name: number for number, name in enumerate(label_names)}
    if examples.task == "token-classification":
        rows.first.columns["labels"] = _tag_targets(rows.first, examples, ids)
    elif examples.task == "question-answering":
        rows.targets.update(_answer_targets(rows, examples, tokenizer))
    elif examples.task == "multiple-choice":
        rows.targets["label"] = np.array(labels, np.int32)
    elif examples.problem_type == "regression":
        rows.targets["label"] = np.array([float(each) for each in labels], np.float32)
    elif examples.problem_type == "multi_label_classification":
        several = np.zeros((len(labels), len(ids)), np.float32)
        for i, names in enumerate(labels):
            several[i, [ids[name] for name in names]] = 1
        rows.targets["label"] = several
    else:
        rows.targets["label"] = np.array([ids[name] for name in labels], np.int32)


def _tag_targets(pieces: Pieces, examples: Examples, ids: dict[str, int]) -> np.ndarray:
    scheme = scheme_of([*ids])
    offsets, starts = pieces.columns["offsets"], pieces.starts.tolist()
    assert examples.labels is not None
    parts = [
        piece_labels(text, spans, offsets[starts[i] : starts[i + 1]], scheme, ids)
        for i, (text, spans) in enumerate(zip(examples.texts, examples.labels, strict=True))
    ]
    return np.concatenate([np.zeros(0, np.int32), *parts])


def _answer_targets(
    rows: LabelledRows, examples: Examples, tokenizer: Tokenizer
) -> dict[str, np.ndarray]:
    """The token that an answer begins in and the one that it ends in, for each row."""
    second, labels = rows.second, examples.labels
    assert second is not None and labels is not None and examples.pairs is not None
    answers = np.array(
        [_answer(each, examples.pairs[i], examples.where(i)) for i, each in enumerate(labels)]
    )
    # The first piece that ends behind the answer's start, and the last that begins before its end.
    pieces = np.full((len(labels), 2), -1)
    for i in np.flatnonzero(answers[:, 0] >= 0):
        offsets = second.columns["offsets"][second.starts[i] : second.starts[i + 1]]
        first = int(np.searchsorted(offsets[:, 1], answers[i, 0], "right"))
        last = int(np.searchsorted(offsets[:, 0], answers[i, 1], "left")) - 1
        if first <= last:
            pieces[i] = first, last
    plan = rows.plan
    begin, end = pieces[plan["text"], 0], pieces[plan["text"], 1]
    whole = (begin >= plan["second"]) & (end < plan["second_end"]) & (begin >= 0)
    before = 1 + (plan["first_end"] - plan["first"]) + tokenizer.separators - plan["second"]
    return {
        "start": np.where(whole, begin + before, 0).astype(np.int32),
        "end": np.where(whole, end + before, 0).astype(np.int32),
    }


def _answer(answers: list[tuple[int, str]], context: str, where: str) -> tuple[int, int]:
    """Where the first answer begins and ends; (-1, -1) of none."""
    if not answers:
        return -1, -1
    start, text = answers[0]
    found = context[start : start + len(text)] if start >= 0 else ""
    if not text or found != text:
        raise KbertError(
            f"{where}: the answer {text!r:.80} does not stand at character {start} of its "
            f"context, where {found!r:.80} is"
        )
    return start, start + len(text)
