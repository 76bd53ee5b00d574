"""KLUE-NER's files: a line for each character, with its tag.

    ## klue-ner-v1_dev_00000-wikitree<TAB><경찰:OG>은 ...
    경<TAB>B-OG
    찰<TAB>I-OG

The text is made of the characters: the line with ## differs from them in places.
"""

from pathlib import Path

from kbert.data.labelled.examples import Examples, Origin
from kbert.errors import KbertError
from kbert.tasks.files import lines_of
from kbert.tasks.task_set import TaskSet
from kbert.text.tags import spans_of


def read_character_tags(path: Path, task_set: TaskSet) -> Examples:
    """Sentences with a tag for each character, as texts with spans.

    Args:
        path: the file.
        task_set: its `label_names` are the tags that there are.

    Raises:
        KbertError: if a line is no character with a tag of this set.
    """
    texts, labels, ids, origins = [], [], [], []
    known, where = set(task_set.label_names), str(path)
    characters: list[str] = []
    tags: list[str] = []
    name, row = "", 0

    def close() -> None:
        if characters:
            texts.append("".join(characters))
            labels.append(spans_of(tags))
            ids.append(name)
            origins.append(Origin(where, row))
            characters.clear()
            tags.clear()

    for number, line in enumerate(lines_of(path), 1):
        if line.startswith("##"):  # a character that is # has a tab behind it
            close()
            name, row = line[2:].split("\t")[0].strip(), number
            continue
        if line in ("", "\t"):
            close()
            continue
        character, _, tag = line.partition("\t")
        if len(character) != 1 or tag not in known:
            raise KbertError(
                f"{where}, row {number}: a character, a tab and one of {task_set.label_names} are "
                f"wanted, not {line!r:.60}"
            )
        characters.append(character)
        tags.append(tag)
    close()
    if not texts:
        raise KbertError(f"{path} has no sentences")
    return Examples(
        task_set.task,
        texts,
        labels=labels,
        label_names=list(task_set.label_names),
        ids=ids,
        origins=origins,
    )
