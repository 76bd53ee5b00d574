"""Tables of labelled text -> Examples.

    file, DataFrame, Dataset or list of dicts -> columns -> checked row by row -> Examples

What a table holds is checked here, the same for all kinds of files.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from kbert.data.labelled.cautions import tell_of_rare_labels
from kbert.data.labelled.cells import (
    answers_in,
    choice_in,
    is_missing,
    is_number,
    label_in,
    spans_in,
    text_in,
)
from kbert.data.labelled.examples import Examples, Origin, Origins
from kbert.data.labelled.table_rows import table_rows
from kbert.errors import KbertError, counted, in_order
from kbert.labels import REGRESSION_LABELS, composed

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
    answer: str | None = None,
    choices: Sequence[str] | None = None,
    problem_type: str = "single_label_classification",
    separator: str = ",",
    labels: Sequence[str] | None = None,
    encoding: str | None = None,
    quotes: bool | None = None,
    drop_empty: bool = False,
) -> Examples:
    """Reads a table of labelled text.

    Names of columns and labels are compared and given in NFC, whichever form the table or the
    arguments have (macOS writes Hangul decomposed); texts stay as they are.

    A label that only one or two rows have, of 50 or more with ten for each label on average, may be
    a typo: a warning of the logger "kbert" names it, unless `labels` does.

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
        answer: instead of `label`: a column of the answers to questions, which are in `text`, from
            contexts, which are in `pair`. A cell holds a text, a list of them, or dicts of `text`
            and `answer_start`; an empty one is a question that has none.
        choices: the columns of texts of which `label` says which goes on from `text`: its number,
            from 0, or its column's name.
        problem_type: "single_label_classification", "multi_label_classification" (a list, or names
            with `separator` between them), or "regression" (a number).
        separator: between the names of several labels.
        labels: the names of all labels, in their order; None means those that occur, sorted.
        encoding: of a text file; None means UTF-8, or CP949 if it is not that. Excel's
            "유니코드 텍스트" is "utf-16", with `quotes=True`.
        quotes: whether quotation marks enclose fields; None means in `.csv` only: the Korean sets
            that are published as TSV have bare ones in their texts.
        drop_empty: whether to leave rows without text or label out, instead of refusing the table.

    Returns:
        Examples of "sequence-classification"; with `spans` of "token-classification", with
        `answer` of "question-answering", with `choices` of "multiple-choice".

    Raises:
        KbertError: naming file, row and value: if a column is missing or is there twice, a row has
            too few fields, a text is empty or none, a label is none of `labels`, a number or a span
            is none, an answer is not in its context, or there is only one label.

    Example:
        >>> rows = [{"리뷰": "재미있다", "감정": "긍정"}, {"리뷰": "지루하다", "감정": "부정"}]
        >>> examples = read_table(rows, text="리뷰", label="감정")
        >>> examples.labels, examples.label_names
        (['긍정', '부정'], ['긍정', '부정'])
    """
    if problem_type not in _PROBLEMS:
        raise KbertError(f"problem_type is one of {', '.join(_PROBLEMS)}, not {problem_type!r:.80}")
    text, label, pair, group = map(composed, (text, label, pair, group))
    spans, answer, choices = map(composed, (spans, answer, choices))
    _check_columns(text, label, pair, spans, answer, choices)
    where, rows = table_rows(source, encoding, quotes)
    columns = [each for each in (text, label, pair, group, spans, answer) if each is not None]
    columns += choices or ()
    seconds = choices or ([] if pair is None else [pair])  # the columns of second texts
    texts, pairs, found, groups = [], [], [], []
    numbers = array("q")
    empty: list[Origin] = []
    unlabelled: list[Origin] = []
    needed = None if problem_type == "multi_label_classification" else label  # [] is a label there
    seen: dict[str, str] = {}  # a row has a string of its own, though its label is another's
    for number, row in rows:
        origin = Origin(where, number)
        for name in columns:
            if name not in row:
                raise KbertError(f"{origin}: no column {name!r}; it has {[*row]!r:.300}")
        mine = text_in(row[text], text, origin)
        others = [text_in(row[name], name, origin) for name in seconds]
        if not all(each.strip() for each in (mine, *others)):
            empty.append(origin)
            continue
        if needed is not None and is_missing(row[needed]):
            unlabelled.append(origin)
            continue
        texts.append(mine)
        numbers.append(number)
        if others:
            pairs.append(others[0] if choices is None else others)
        if group is not None:
            groups.append(composed(str(row[group])))
        if spans is not None:
            found.append(spans_in(row[spans], mine, origin))
        elif answer is not None:
            found.append(answers_in(row[answer], others[0], origin))
        elif choices is not None and label is not None:
            found.append(choice_in(row[label], choices, label, origin))
        elif label is not None:
            value = label_in(row[label], label, problem_type, separator, origin)
            found.append(seen.setdefault(value, value) if isinstance(value, str) else value)
    for what, rows_without in (("text", empty), (f"label in {label!r}", unlabelled)):
        if rows_without and not drop_empty:
            raise KbertError(
                f"{counted(len(rows_without), 'row')} without {what}, the first {rows_without[0]}: "
                "fill them, or pass drop_empty=True to leave them out"
            )
    if not texts:
        raise KbertError(f"{where}: no rows with text{'' if needed is None else ' and label'}")
    labelled = any(column is not None for column in (label, spans, answer))
    examples = Examples(
        task=_task(spans, answer, choices),
        texts=texts,
        pairs=pairs or None,
        labels=found if labelled else None,
        problem_type=problem_type,
        groups=groups or (list(pairs) if answer is not None else None),  # a context stays whole
        origins=Origins(where, numbers),
    )
    if labelled and answer is None and choices is None:
        examples.label_names = _names(examples, labels)
        if labels is None:
            tell_of_rare_labels(examples)
    return examples


def _task(spans: str | None, answer: str | None, choices: Sequence[str] | None) -> str:
    if spans is not None:
        return "token-classification"
    if answer is not None:
        return "question-answering"
    return "sequence-classification" if choices is None else "multiple-choice"


def _check_columns(
    text: str,
    label: str | None,
    pair: str | None,
    spans: str | None,
    answer: str | None,
    choices: Sequence[str] | None,
) -> None:
    """Raises KbertError where columns are named that do not go together."""
    given = {"label": label, "spans": spans, "answer": answer}
    named = [name for name, column in given.items() if column is not None]
    if len(named) > 1:
        raise KbertError(
            "a table has labels of its texts, spans within them, or answers: name one column, not "
            f"{' and '.join(named)}"
        )
    said: dict[Any, str] = {}
    for name, column in {"text": text, "pair": pair, **given}.items():
        if column is not None and said.setdefault(column, name) != name:
            raise KbertError(
                f"{said[column]} and {name} are both the column {column!r:.80}: each has its own"
            )
    if answer is not None and pair is None:
        raise KbertError(f"answer={answer!r} needs pair=, the column of the contexts")
    if choices is None:
        return
    unordered = isinstance(choices, str | set | frozenset | Mapping)
    if unordered or len(choices) < 2 or len({*choices}) < len(choices):
        raise KbertError(
            f"choices are a list of the names of two columns or more, not {choices!r:.80}"
        )
    if pair is not None or spans is not None or answer is not None:
        raise KbertError("choices go with text and label: leave pair, spans and answer out")


def _names(examples: Examples, labels: Sequence[str] | None) -> list[str]:
    """The names of the labels: those that are given, which must be all, or those that occur."""
    assert examples.labels is not None
    if examples.task == "token-classification":
        entities = sorted({name for spans in examples.labels for _, _, name in spans})
        if not entities and labels is None:
            raise KbertError(f"no span in {counted(len(examples), 'row')}: there is nothing to tag")
        bio = ["O", *(f"{prefix}-{name}" for name in entities for prefix in "BI")]
        return _given(examples, labels, bio)
    if examples.problem_type == "regression":
        return list(REGRESSION_LABELS)
    if examples.problem_type == "multi_label_classification":
        occurring = sorted({name for names in examples.labels for name in names})
        if not occurring and labels is None:
            raise KbertError(f"no label in {counted(len(examples), 'row')}")
        return _given(examples, labels, occurring)
    occurring = sorted(set(examples.labels))
    if len(occurring) > MANY_LABELS and all(is_number(name) for name in occurring):
        raise KbertError(
            f"there are {len(occurring):,} labels, all numbers, as {occurring[0]!r}: for a "
            'quantity pass problem_type="regression"'
        )
    if len(occurring) == 1 and labels is None:
        raise KbertError(
            f"{occurring[0]!r} is the only label in {counted(len(examples), 'row')}: to be told "
            "apart it takes two or more"
        )
    if all(is_number(name) for name in occurring):
        occurring.sort(key=float)
    return _given(examples, labels, occurring)


def _given(examples: Examples, labels: Sequence[str] | None, occurring: list[str]) -> list[str]:
    if labels is None:
        return occurring
    names = [composed(name) for name in in_order("labels", labels)]
    if len(set(names)) < len(names):
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
