"""`read_task`: an official set, by its name, as `Examples`."""

from pathlib import Path
from typing import Any

from kbert.data.labelled.examples import Examples
from kbert.errors import KbertError
from kbert.tasks.columns import read_dataset
from kbert.tasks.files import find_file
from kbert.tasks.sets import SETS


def read_task(name: str, source: Any, part: str = "train") -> Examples:
    r"""A part of an official set, from the file in which it is published.

    Args:
        name: of the set: "nsmc", "klue-ner", ...; `kbert.tasks.sets.SETS` has all, with labels,
            scores and official settings.
        source: the folder of its files, by their official names (also packed as .xz); or a file;
            or a Dataset of Hugging Face's `datasets`, of sets whose files are tables of texts.
        part: "train", "dev" or "test", as far as the set has it.

    Raises:
        KbertError: if there is no such set, part or file; or if the file is damaged, or not of
            this set: then with file, row and value.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "ratings_test.txt"
        ...     _ = path.write_text("id\tdocument\tlabel\n1\t재미있다\t1\n", encoding="utf-8")
        ...     examples = read_task("nsmc", folder, "test")
        >>> examples.texts, examples.labels, examples.label_names
        (['재미있다'], ['positive'], ['negative', 'positive'])
    """
    if name not in SETS:
        raise KbertError(f"there is no set {name!r}; there are {', '.join(SETS)}")
    task_set = SETS[name]
    if part not in task_set.files:
        raise KbertError(f"{name} has the parts {', '.join(task_set.files)}, not {part!r}")
    if hasattr(source, "features") and hasattr(source, "column_names"):
        examples = read_dataset(source, task_set)
    else:
        path = Path(source)
        if not path.is_file():
            path = find_file(path, task_set.files[part])
        examples = task_set.reader(path, task_set)
    examples.set_name = name
    examples.part = next((p for p in ("train", "dev", "test") if part.startswith(p)), None)
    return examples
