"""What labels may be, by task: looked at before anything is made of them, or a model is asked."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np

from kbert.data.labelled.examples import Examples
from kbert.errors import KbertError, counted
from kbert.text.tags import scheme_of


def check_labels(examples: Examples, label_names: Sequence[str]) -> None:
    """Checks that examples have the second texts that their task has, and labels that can be.

    Labels of parsing are checked with their words (`parses.py`), and where an answer stands with
    its context (`rows.py`).

    Args:
        examples: with labels, or without.
        label_names: those that a label may be; none where labels are no names.

    Raises:
        KbertError: naming the example and its label.

    Example:
        >>> check_labels(Examples("sequence-classification", ["가"], labels=["나"]), ["다", "라"])
        Traceback (most recent call last):
        kbert.errors.KbertError: example 0: the label '나' is none of ['다', '라']
    """
    _check_pairs(examples)
    if examples.labels is None:
        return
    if len(examples.labels) != len(examples):
        raise KbertError(
            f"{counted(len(examples), 'text')} and {counted(len(examples.labels), 'label')} do not "
            "go together"
        )
    what = examples.problem_type if examples.task == "sequence-classification" else examples.task
    if examples.task == "sentence-embedding" and examples.problem_type == "regression":
        what = "alike"
    elif examples.task == "sentence-embedding" and label_names:
        what = examples.problem_type
    check = _OF.get(what)
    for i, label in enumerate(examples.labels if check else ()):
        problem = check(label, examples, i, label_names) if check else ""
        if problem:
            raise KbertError(f"{examples.where(i)}: {problem}")


def _check_pairs(examples: Examples) -> None:
    pairs = examples.pairs
    if pairs is None:
        if examples.task == "question-answering":
            raise KbertError(
                "examples of questions have their contexts in pairs, a text each: "
                'Examples("question-answering", questions, pairs=contexts, labels=...)'
            )
        return
    if len(pairs) != len(examples):
        raise KbertError(
            f"{counted(len(examples), 'first text')} and {counted(len(pairs), 'second text')} do "
            "not pair"
        )
    if examples.task == "multiple-choice":  # whose choices are checked as they become rows
        return
    for i, text in enumerate(pairs):
        texts = text if isinstance(text, list | tuple) and text else [text]
        several = len(texts) > 1 and examples.task != "sentence-embedding"
        if several or not all(isinstance(each, str) for each in texts):
            raise KbertError(f"{examples.where(i)}: the second text is {text!r:.80}, no text")


def _name(label: Any, examples: Examples, i: int, names: Sequence[str]) -> str:
    if isinstance(label, str) and label in names:
        return ""
    return f"the label {label!r:.80} is none of {[*names]!r:.300}"


def _names(label: Any, examples: Examples, i: int, names: Sequence[str]) -> str:
    if isinstance(label, str) or not isinstance(label, Sequence):
        return f"of several labels at once a label is a list of names, not {label!r:.80}"
    return next(filter(None, (_name(each, examples, i, names) for each in label)), "")


def _number(label: Any, examples: Examples, i: int, names: Sequence[str]) -> str:
    try:
        finite = math.isfinite(float(label))
    except (TypeError, ValueError):
        finite = False
    return "" if finite else f"a label of regression is a finite number, not {label!r:.80}"


def _alike(label: Any, examples: Examples, i: int, names: Sequence[str]) -> str:
    problem = _number(label, examples, i, names)
    if not problem and 0 <= float(label) <= 5:
        return ""
    return f"how alike two texts are is a number from 0 to 5, not {label!r:.80}"


def _spans(label: Any, examples: Examples, i: int, names: Sequence[str]) -> str:
    text = examples.texts[i]
    triples = [] if not isinstance(label, Sequence) or isinstance(label, str) else [*label]
    for span in triples or ([] if label == [] else [label]):
        is_triple = isinstance(span, Sequence) and not isinstance(span, str) and len(span) == 3
        start, end, name = cast(Any, span if is_triple else (None, None, None))
        are_offsets = all(_is_whole(each) for each in (start, end))
        if not are_offsets or not isinstance(name, str):
            return f"labels of tagging are spans, as [(0, 3, 'PS')], not {label!r:.80}"
        if not 0 <= start < end <= len(text):
            return (
                f"the span ({start}, {end}, {name!r}) is empty or outside its text of {len(text)} "
                f"characters, {text!r:.60}"
            )
        of_span = [name] if scheme_of(names) == "word" else [f"B-{name}", f"I-{name}"]
        missing = [each for each in of_span if each not in names]
        if missing:
            return f"the label {missing[0]!r} is none of {[*names]!r:.300}"
    for (_, end, name), following in pairwise(sorted(triples)):
        if following[0] < end:
            return f"the span {tuple(following)!r:.80} overlaps the {name!r} that ends at {end}"
    return ""


def _answers(label: Any, examples: Examples, i: int, names: Sequence[str]) -> str:
    is_list = isinstance(label, Sequence) and not isinstance(label, str)
    if is_list and all(
        isinstance(each, Sequence)
        and len(each) == 2
        and _is_whole(each[0])
        and isinstance(each[1], str)
        for each in label
    ):
        return ""
    return f"labels of questions are answers, as [(4, '서울')], and [] of none, not {label!r:.80}"


def _choice(label: Any, examples: Examples, i: int, names: Sequence[str]) -> str:
    choices = examples.pairs[i] if examples.pairs is not None else None
    if not isinstance(choices, Sequence) or (_is_whole(label) and 0 <= label < len(choices)):
        return ""
    return f"a label is which choice is right, from 0, not {label!r:.80}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


_OF: dict[str, Callable[[Any, Examples, int, Sequence[str]], str]] = {
    "single_label_classification": _name,
    "multi_label_classification": _names,
    "regression": _number,
    "alike": _alike,
    "token-classification": _spans,
    "question-answering": _answers,
    "multiple-choice": _choice,
}
