"""What a set is: its files, its labels, how it is scored and how others trained on it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kbert.data.labelled.examples import Examples


class Columns(NamedTuple):
    """Which columns of a table, or fields of a JSON object, are what.

    Of several names for the same thing the first that a file has counts; a dot leads into an
    object: "labels.real-label".

    Attributes:
        text: the first text.
        pair: the second, or the choices.
        label: the label; a file without it has no labels (the parts of a contest).
        values: what stands in the file for each of the set's labels; None: the names themselves.
        group: what must not be divided between parts (see `Examples.groups`).
        id: the set's own name of an example.
        header: the columns of a file that does not name them.
        quoted: whether a cell may be quoted as in CSV; if not, quotation marks are text.
        asked: a column and, for its values, what is put behind the text.
        empty: whether a row with an empty text is an "error", or kept ("keep") or left out
            ("skip").
    """

    text: str
    pair: str | tuple[str, ...] | None = None
    label: tuple[str, ...] = ("label",)
    values: tuple[str, ...] | None = None
    group: str | None = None
    id: str | None = None
    header: tuple[str, ...] = ()
    quoted: bool = True
    asked: tuple[str, dict[str, str]] | None = None
    empty: str = "error"


class TaskSet(NamedTuple):
    """A set: what `read_task` and `evaluate` need to know of it.

    Attributes:
        task: as `kbert.load` takes it.
        files: for each part the patterns of its file's name, the official one first; each also
            with ".xz" behind it.
        reader: (path, this set) -> Examples.
        label_names: in the order of the official code.
        metric: from gold and predicted labels to a dict of scores; kbert/tasks/score.py has
            how each task's is called.
        best_by: the score that chooses the best weights.
        batches: the official lengths, sizes of batches and epochs, as `LabelledBatches` takes them.
        optimizer: the official learning rate, weight decay and share of steps that warm up.
        sizes: how many examples each official part has, of those that are published.
        problem_type: of "sequence-classification".
        columns: of a table.
        note: what one should know before using it.
    """

    task: str
    files: dict[str, tuple[str, ...]]
    reader: Callable[[Path, "TaskSet"], Examples]
    label_names: Sequence[str]
    metric: Callable[..., dict[str, float]]
    best_by: str
    batches: dict[str, Any]
    optimizer: dict[str, Any]
    sizes: dict[str, int]
    problem_type: str = "single_label_classification"
    columns: Columns | None = None
    note: str = ""
