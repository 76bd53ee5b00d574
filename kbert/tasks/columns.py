"""Tables (TSV) and lists of JSON objects, by the names of their columns."""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kbert.data.labelled.examples import Examples, Origin
from kbert.errors import KbertError, counted
from kbert.labels import composed
from kbert.tasks.files import lines_of, read_text
from kbert.tasks.task_set import Columns, TaskSet


def read_tsv(path: Path, task_set: TaskSet) -> Examples:
    """A table whose cells are parted by tabs.

    Raises:
        KbertError: if a row has another number of cells than the header, or is not of this set.
    """
    columns = _columns(task_set)
    lines, first = lines_of(path), 1
    header = list(columns.header)
    if not header:
        if not lines:
            raise KbertError(f"{path} is empty")
        header, first = lines[0].split("\t"), 2
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise KbertError(f"{path}: two columns are called {twice[0]!r}")

    def rows() -> Iterable[tuple[Origin, dict[str, Any]]]:
        where = str(path)
        for number, line in enumerate(lines[first - 1 :], first):
            cells = line.split("\t")
            if columns.quoted and '"' in line:
                cells = _unquoted(line, f"{where}, row {number}")
            if len(cells) != len(header):
                raise KbertError(
                    f"{where}, row {number}: {counted(len(cells), 'cell')}, where {header} are "
                    f"{len(header)}: {line!r:.100}"
                )
            yield Origin(where, number), dict(zip(header, cells, strict=True))

    return examples_of(rows(), header, str(path), task_set)


def read_json(path: Path, task_set: TaskSet) -> Examples:
    """A JSON list of objects, one an example.

    Raises:
        KbertError: if it is none, or not of this set.
    """
    objects = json_list(path)
    return examples_of(
        ((Origin(str(path), number), row) for number, row in enumerate(objects, 1)),
        _names(objects[0]),
        str(path),
        task_set,
    )


def read_dataset(dataset: Any, task_set: TaskSet) -> Examples:
    """A Dataset of Hugging Face's `datasets` with the columns of the official file.

    Its numbered labels become names by its own list of them: it may have another order.

    Raises:
        KbertError: if the set is no table, or the dataset is not of it.
    """
    names = {name: kind.names for name, kind in dataset.features.items() if hasattr(kind, "names")}

    def rows() -> Iterable[tuple[Origin, dict[str, Any]]]:
        for number, row in enumerate(dataset, 1):
            named = {
                name: of[row[name]] for name, of in names.items() if row[name] in range(len(of))
            }
            yield Origin("the dataset", number), {**row, **named}

    if not len(dataset):
        raise KbertError("the dataset has no examples")
    return examples_of(rows(), _names(dataset[0]), "the dataset", task_set)


def json_list(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON list.

    Raises:
        KbertError: if the file is no JSON, or no list of objects, or empty.
    """
    objects = parse_json(path)
    if not isinstance(objects, list) or not objects:
        raise KbertError(f"{path}: a JSON list of objects is wanted, not {objects!r:.80}")
    for number, each in enumerate(objects, 1):
        if not isinstance(each, dict):
            raise KbertError(f"{path}, row {number}: an object is wanted, not {each!r:.80}")
    return objects


def parse_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        KbertError: if it is no JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, KbertError):
            raise
        raise KbertError(f"{path}: no JSON ({error})") from None


def examples_of(
    rows: Iterable[tuple[Origin, Mapping[str, Any]]],
    header: list[str],
    where: str,
    task_set: TaskSet,
) -> Examples:
    """Rows of named values, from whatever they were read, as examples.

    Args:
        rows: an (origin, values by name) for each.
        header: the names.
        where: what they were read from, named in errors.
        task_set: the set they are of.

    Raises:
        KbertError: if a column is missing, or a value is not what it can be.
    """
    columns = _columns(task_set)
    label = _column(columns, header)
    pair_names = [columns.pair] if isinstance(columns.pair, str) else list(columns.pair or ())
    asked = [columns.asked[0]] if columns.asked else []
    _check_header(where, header, [columns.text, *pair_names, *asked, *filter(None, [columns.id])])
    values = columns.values or tuple(task_set.label_names)
    names = {_key(name): name for name in task_set.label_names}
    names |= dict(zip(map(_key, values), task_set.label_names or range(len(values)), strict=True))

    texts, pairs, labels, groups, ids, origins = [], [], [], [], [], []
    for origin, row in rows:
        try:
            text = _string(row, columns.text)
            second = [_string(row, name) for name in pair_names]
            if not all(map(str.strip, (text, *second))):
                if columns.empty == "skip":
                    continue
                if columns.empty == "error":
                    raise KbertError(f"an empty text: {dict(row)!r:.100}")
            if label is not None:
                labels.append(_label(_field(row, label), names, task_set))
            if columns.asked:
                text = f"{text} {_asked(row, columns.asked)}"
        except KbertError as error:
            raise KbertError(f"{origin}: {error}") from None
        texts.append(text)
        pairs.append(second[0] if isinstance(columns.pair, str) else second)
        groups.append(_string(row, columns.group) if columns.group else text)
        ids.append(str(row[columns.id]) if columns.id else "")
        origins.append(origin)
    if not texts:
        raise KbertError(f"{where} has no examples")
    return Examples(
        task_set.task,
        texts,
        pairs if pair_names else None,
        labels if label is not None else None,
        list(task_set.label_names),
        task_set.problem_type,
        groups if columns.group else None,
        ids if columns.id else None,
        origins,
    )


def _columns(task_set: TaskSet) -> Columns:
    if task_set.columns is None:
        raise KbertError("this set is no table of columns: read it from its official files")
    return task_set.columns


def _column(columns: Columns, header: list[str]) -> str | None:
    """The first of the label's names that a table has."""
    return next((name for name in columns.label if name in header), None)


def _names(row: Mapping[str, Any]) -> list[str]:
    """The names of an object's values, and of those in it: "labels", "labels.label", ..."""
    inner = [(name, value) for name, value in row.items() if isinstance(value, Mapping)]
    return [*row, *(f"{name}.{key}" for name, value in inner for key in value)]


def _check_header(where: str, header: list[str], needed: list[str]) -> None:
    missing = [name for name in needed if name not in header]
    if missing:
        raise KbertError(
            f"{where}: no column {missing[0]!r}; a file of this set has {needed}, this one {header}"
        )


def _unquoted(line: str, where: str) -> list[str]:
    """The cells of a line in which some are quoted, as CSV does it."""
    try:
        (cells,) = csv.reader([line], delimiter="\t", strict=True)
    except (csv.Error, ValueError) as error:
        raise KbertError(f"{where}: stray quotation marks ({error}): {line!r:.100}") from None
    return cells


def _field(row: Mapping[str, Any], name: str) -> Any:
    """A value of a row; a dot in its name leads into an object."""
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise KbertError(f"no {name!r}, but {dict(row)!r:.100}")
        value = value[part]
    return value


def _string(row: Mapping[str, Any], name: str) -> str:
    value = _field(row, name)
    if not isinstance(value, str):
        raise KbertError(f"{name} is a text, not {value!r:.80}")
    return value


def _key(value: Any) -> str:
    return composed(str(value).strip()).casefold()


def _label(value: Any, names: dict[str, Any], task_set: TaskSet) -> Any:
    """A cell as the label that `Examples` describes."""
    if task_set.problem_type == "regression":
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise KbertError(f"the label is a finite number, not {value!r:.80}")
        return number
    several = task_set.problem_type == "multi_label_classification"
    found = []
    for part in str(value).split(",") if several else [value]:
        name = names.get(_key(part))
        if name is None:
            raise KbertError(f"the label {part!r:.80} is none of {list(names)}")
        found.append(name)
    if several:
        return found
    return found[0]


def _asked(row: Mapping[str, Any], asked: tuple[str, dict[str, str]]) -> str:
    name, texts = asked
    value = _string(row, name).strip()
    if value not in texts:
        raise KbertError(f"{name} is one of {list(texts)}, not {value!r:.80}")
    return texts[value]
