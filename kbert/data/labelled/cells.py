"""What a cell of a table may hold: a text, a label, spans, answers.

Each of these takes what the cell holds and `origin`, where it stands, and raises KbertError, naming
it, where that cannot be.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, cast

from kbert.data.labelled.examples import Origin
from kbert.errors import KbertError
from kbert.labels import composed


def text_in(value: Any, column: str, origin: Origin) -> str:
    """A text; "" where there is none."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    raise KbertError(f"{origin}: the column {column!r} holds {value!r:.80}, which is no text")


def label_in(value: Any, column: str, problem_type: str, separator: str, origin: Origin) -> Any:
    """A name, a number or a list of names, by `problem_type`; [] of several where none is."""
    if isinstance(value, str):
        value = value.strip()
    if problem_type == "regression":
        if not is_number(value):
            raise KbertError(f"{origin}: {value!r:.80} in {column!r} is no number")
        return float(value)
    if problem_type == "multi_label_classification":
        if is_missing(value):
            return []
        if isinstance(value, str):
            value = [name.strip() for name in value.split(separator)]
        if not isinstance(value, Iterable):
            raise KbertError(f"{origin}: {value!r:.80} in {column!r} is no list of labels")
        names = [composed(str(name)) for name in value if str(name)]
        if len(set(names)) < len(names):
            raise KbertError(f"{origin}: {value!r:.80} in {column!r} names a label twice")
        return names
    if isinstance(value, float) and value.is_integer():  # pandas makes 1.0 of 1 beside blanks
        value = int(value)
    return composed(str(value))


def spans_in(value: Any, text: str, origin: Origin) -> list[tuple[int, int, str]]:
    """(start, end, name), sorted; `text` is what they are within."""
    value = _from_json(value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise KbertError(f"{origin}: spans are a list, as [[0, 3, 'PS']], not {value!r:.80}")
    spans = []
    for span in value:
        if isinstance(span, Mapping):
            span = [span.get(key) for key in ("start", "end", "label")]
        is_triple = isinstance(span, Sequence) and len(span) == 3
        start, end, name = cast(Any, span) if is_triple else cast(Any, (None, None, None))
        numbers = type(start) is int and type(end) is int and isinstance(name, str)
        if not numbers or not 0 <= start < end <= len(text):
            raise KbertError(
                f"{origin}: the span {span!r:.80} is no (start, end, name) within the "
                f"{len(text)} characters of {text!r:.60}"
            )
        spans.append((start, end, composed(name)))
    spans.sort()
    for (_, end, name), following in pairwise(spans):
        if following[0] < end:
            raise KbertError(
                f"{origin}: the span {following!r:.80} overlaps the {name!r} that ends at {end}"
            )
    return spans


def answers_in(value: Any, context: str, origin: Origin) -> list[tuple[int, str]]:
    """The answers to a question, as (start, text) in its context; none where the cell is empty.

    A cell holds a text, a list of texts, or dicts of `text` and `answer_start` as SQuAD has them
    (also one dict of two lists, as `datasets` has them).

    Example:
        >>> answers_in("서울", "수도는 서울이다.", Origin("표.csv", 2))
        [(4, '서울')]
    """
    if isinstance(value, str) and value.strip() and value in context:  # also where it is "[1]"
        return [(place_of(value, None, context, origin), value)]
    value = _from_json(value)
    if is_missing(value):
        return []
    if isinstance(value, Mapping):
        texts, starts = value.get("text"), value.get("answer_start")
        if isinstance(texts, Sequence) and not isinstance(texts, str):
            starts = [None] * len(texts) if starts is None else starts
            pairs = zip(texts, starts, strict=False)
            value = [{"text": text, "answer_start": start} for text, start in pairs]
        else:
            value = [value]
    answers = []
    for each in [value] if isinstance(value, str) or not isinstance(value, Sequence) else value:
        is_dict = isinstance(each, Mapping)
        text, start = (each.get("text"), each.get("answer_start")) if is_dict else (each, None)
        if not isinstance(text, str) or not text.strip():
            raise KbertError(f"{origin}: an answer is a text in its context, not {each!r:.80}")
        if start is not None and type(start) is not int:
            raise KbertError(f"{origin}: answer_start is a whole number, not {start!r:.80}")
        answers.append((place_of(text, start, context, origin), text))
    return answers


def place_of(answer: str, start: int | None, context: str, origin: Origin) -> int:
    """Where an answer stands in its context: at `start`, or the place that is nearest to it."""
    if start is not None and context[max(0, start) : max(0, start) + len(answer)] == answer:
        return max(0, start)
    places, place = [], context.find(answer)
    while place >= 0:
        places.append(place)
        place = context.find(answer, place + 1)
    if not places:
        raise KbertError(
            f"{origin}: the answer {answer!r:.60} is not in its context, {context!r:.60}"
        )
    return min(places, key=lambda each: abs(each - (start or 0)))


def choice_in(value: Any, choices: Sequence[str], column: str, origin: Origin) -> int:
    """Which of the choices is right, from 0: its number, or the name of its column.

    A column's name counts first, so that a table whose columns are called 1 and 2 says the same
    where its cells are numbers (Excel) as where they are text (CSV).
    """
    whole = isinstance(value, float) and value.is_integer()
    name = composed(str(int(value) if whole else value).strip())
    if name in choices:
        return [*choices].index(name)
    if is_number(value) and float(value) in range(len(choices)):
        return int(float(value))
    raise KbertError(
        f"{origin}: {value!r:.80} in {column!r} is not which choice is right: a number from 0 to "
        f"{len(choices) - 1}, or one of {[*choices]!r:.200}"
    )


def _from_json(value: Any) -> Any:
    """A list or an object that stands as JSON in a cell of text; else the cell as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, pandas's NaN, or a text of spaces."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, or a text that says one."""
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
