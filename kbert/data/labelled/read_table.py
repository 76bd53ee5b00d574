"""Tables of labelled text -> Examples.

    file, DataFrame, Dataset or list of dicts -> columns -> checked row by row -> Examples

What a table holds is checked here, the same for all kinds of files.
"""

import json
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, cast

from kbert.data.labelled.examples import Examples, Origin, Origins
from kbert.data.labelled.table_rows import table_rows
from kbert.errors import KbertError

MANY_LABELS = 100  # single labels of which there are more, all numbers, are a quantity
_PROBLEMS = ("single_label_classification", "multi_label_classification", "regression")


def read_table(
    source: Any,
    text: str,
    label: str | None = None,
    *,
    pair: str | None = None,
    group: str | None = None,
    spans: str | None = None,
    problem_type: str = "single_label_classification",
    separator: str = ",",
    labels: Sequence[str] | None = None,
    encoding: str | None = None,
    quotes: bool | None = None,
    drop_empty: bool = False,
) -> Examples:
    """Reads a table of labelled text.

    Args:
        source: a `.csv`, `.tsv` or `.txt` (tabs), `.jsonl`, `.parquet` or `.xlsx` file, whose first
            row names the columns; or a pandas DataFrame, a `datasets` Dataset, a list of dicts.
        text: the column of the texts.
        label: the column of the labels; None where there are none to be read.
        pair: the column of the second texts, for tasks of two.
        group: a column of which equal values must stay together when `split` divides the rows,
            such as an author or a document.
        spans: instead of `label`: a column of lists of (start, end, name), characters with the end
            exclusive, or of dicts of `start`, `end` and `label`, for tagging; in a file of text,
            such a list as JSON.
        problem_type: "single_label_classification", "multi_label_classification" (a list, or names
            with `separator` between them), or "regression" (a number).
        separator: between the names of several labels.
        labels: the names of all labels, in their order; None means those that occur, sorted.
        encoding: of a text file; None means UTF-8, or CP949 if it is not that.
        quotes: whether quotation marks enclose fields; None means in `.csv` only: the Korean sets
            that are published as TSV have bare ones in their texts.
        drop_empty: whether to leave rows without text out, instead of refusing the table.

    Returns:
        Examples of "sequence-classification", or of "token-classification" with `spans`.

    Raises:
        KbertError: naming file, row and value: if a column is missing or is there twice, a row has
            too few fields, a text is empty or none, a label is none of `labels`, a number or a span
            is none, or there is only one label.

    Example:
        >>> rows = [{"리뷰": "재미있다", "감정": "긍정"}, {"리뷰": "지루하다", "감정": "부정"}]
        >>> examples = read_table(rows, text="리뷰", label="감정")
        >>> examples.labels, examples.label_names
        (['긍정', '부정'], ['긍정', '부정'])
    """
    if problem_type not in _PROBLEMS:
        raise KbertError(f"problem_type is one of {', '.join(_PROBLEMS)}, not {problem_type!r:.80}")
    if spans is not None and label is not None:
        raise KbertError("a table has labels of its texts, or spans within them: name one column")
    where, rows = table_rows(source, encoding, quotes)
    columns = [name for name in (text, label, pair, group, spans) if name is not None]
    texts, pairs, found, groups = [], [], [], []
    numbers = array("q")
    empty: list[str] = []
    seen: dict[str, str] = {}  # a row has a string of its own, though its label is another's
    for number, row in rows:
        origin = Origin(where, number)
        for name in columns:
            if name not in row:
                raise KbertError(f"{origin}: no column {name!r}; it has {[*row]!r:.300}")
        mine = _text(row[text], text, origin)
        other = _text(row[pair], pair, origin) if pair is not None else None
        if not mine.strip() or (other is not None and not other.strip()):
            empty.append(str(origin))
            continue
        texts.append(mine)
        numbers.append(number)
        if pair is not None:
            pairs.append(other)
        if group is not None:
            groups.append(str(row[group]))
        if spans is not None:
            found.append(_spans(row[spans], mine, origin))
        elif label is not None:
            value = _label(row[label], label, problem_type, separator, origin)
            found.append(seen.setdefault(value, value) if isinstance(value, str) else value)
    if empty and not drop_empty:
        raise KbertError(
            f"{len(empty)} rows have no text, the first {empty[0]}: fill them, or pass "
            "drop_empty=True to leave them out"
        )
    if not texts:
        raise KbertError(f"{where}: no rows with text")
    is_tagging = spans is not None
    labelled = is_tagging or label is not None
    examples = Examples(
        task="token-classification" if is_tagging else "sequence-classification",
        texts=texts,
        pairs=pairs if pair is not None else None,
        labels=found if labelled else None,
        problem_type=problem_type,
        groups=groups if group is not None else None,
        origins=Origins(where, numbers),
    )
    if labelled:
        examples.label_names = _names(examples, labels)
    return examples


def _names(examples: Examples, labels: Sequence[str] | None) -> list[str]:
    """The names of the labels: those that are given, which must be all, or those that occur."""
    assert examples.labels is not None
    if examples.task == "token-classification":
        entities = sorted({name for spans in examples.labels for _, _, name in spans})
        if not entities and labels is None:
            raise KbertError(f"none of {len(examples):,} rows has a span: there is nothing to tag")
        bio = ["O", *(f"{prefix}-{name}" for name in entities for prefix in "BI")]
        return _given(examples, labels, bio)
    if examples.problem_type == "regression":
        return ["score"]
    if examples.problem_type == "multi_label_classification":
        occurring = sorted({name for names in examples.labels for name in names})
        if not occurring and labels is None:
            raise KbertError(f"none of {len(examples):,} rows has a label")
        return _given(examples, labels, occurring)
    occurring = sorted(set(examples.labels))
    if len(occurring) > MANY_LABELS and all(_is_number(name) for name in occurring):
        raise KbertError(
            f"there are {len(occurring):,} labels, all numbers, as {occurring[0]!r}: for a "
            'quantity pass problem_type="regression"'
        )
    if len(occurring) == 1 and labels is None:
        raise KbertError(f"all {len(examples):,} rows have the label {occurring[0]!r}: two or more")
    if all(_is_number(name) for name in occurring):
        occurring.sort(key=float)
    return _given(examples, labels, occurring)


def _given(examples: Examples, labels: Sequence[str] | None, occurring: list[str]) -> list[str]:
    if labels is None:
        return occurring
    names = list(labels)
    if isinstance(labels, str) or len(set(names)) < len(names):
        raise KbertError(
            f'labels are names that each stand once, as ["부정", "긍정"], not {labels!r:.80}'
        )
    assert examples.labels is not None
    for index, label in enumerate(examples.labels):
        if examples.task == "token-classification":
            mine = [f"B-{name}" for _, _, name in label]
        else:
            mine = label if isinstance(label, list) else [label]
        for name in mine:
            if name not in names:
                raise KbertError(
                    f"{examples.where(index)}: the label {name!r:.80} is none of {names!r:.300}"
                )
    return names


def _text(value: Any, column: str, origin: Origin) -> str:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    raise KbertError(f"{origin}: the column {column!r} holds {value!r:.80}, which is no text")


def _label(value: Any, column: str, problem_type: str, separator: str, origin: Origin) -> Any:
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        if problem_type == "multi_label_classification" and value == "":
            return []
        raise KbertError(f"{origin}: the column {column!r} has no label")
    if problem_type == "regression":
        if not _is_number(value):
            raise KbertError(f"{origin}: {value!r:.80} in {column!r} is no number")
        return float(value)
    if problem_type == "multi_label_classification":
        if isinstance(value, str):
            value = [name.strip() for name in value.split(separator)]
        if not isinstance(value, Iterable):
            raise KbertError(f"{origin}: {value!r:.80} in {column!r} is no list of labels")
        names = [str(name) for name in value if str(name)]
        if len(set(names)) < len(names):
            raise KbertError(f"{origin}: {value!r:.80} in {column!r} names a label twice")
        return names
    if isinstance(value, float) and value.is_integer():  # pandas makes 1.0 of 1 beside blanks
        value = int(value)
    return str(value)


def _spans(value: Any, text: str, origin: Origin) -> list[tuple[int, int, str]]:
    if isinstance(value, str):  # a cell of a CSV
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise KbertError(f"{origin}: spans are a list, as [[0, 3, 'PS']], not {value!r:.80}")
    spans = []
    for span in value:
        if isinstance(span, Mapping):
            span = [span.get(key) for key in ("start", "end", "label")]
        is_triple = isinstance(span, Sequence) and len(span) == 3
        start, end, name = cast(Any, span) if is_triple else cast(Any, (None, None, None))
        numbers = isinstance(start, int) and isinstance(end, int) and isinstance(name, str)
        if not numbers or not 0 <= start < end <= len(text):
            raise KbertError(
                f"{origin}: the span {span!r:.80} is no (start, end, name) within the "
                f"{len(text)} characters of {text!r:.60}"
            )
        spans.append((start, end, name))
    spans.sort()
    for (_, end, name), following in pairwise(spans):
        if following[0] < end:
            raise KbertError(
                f"{origin}: the span {following!r:.80} overlaps the {name!r} that ends at {end}"
            )
    return spans


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
