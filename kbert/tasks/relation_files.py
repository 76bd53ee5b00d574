"""KLUE-RE's files: a sentence with two entities, and how the second is related to the first.

The entities are marked in the text as the official code marks them, without spaces:
`<subj>이순신</subj>은 <obj>조선</obj>의 장군이다.` The four marks should be tokens of their
own: add MARKS to the vocabulary (`extend_vocabulary`), or they fall into pieces and use up the row.

The official code also writes "##" in front of a particle behind a mark, so that its WordPiece reads
it as the rest of a word. That is left to the tokenizer here.
"""

from pathlib import Path
from typing import Any

from kbert.data.labelled.examples import Examples, Origin
from kbert.errors import KbertError
from kbert.tasks.columns import json_list
from kbert.tasks.task_set import TaskSet

MARKS = ["<subj>", "</subj>", "<obj>", "</obj>"]


def read_relations(path: Path, task_set: TaskSet) -> Examples:
    """Sentences with their entities marked, and the relation.

    Raises:
        KbertError: if an entity is not where the file says, or a relation is not of this set.
    """
    texts, labels, ids, groups, origins = [], [], [], [], []
    known = set(task_set.label_names)
    for number, row in enumerate(json_list(path), 1):
        origin = Origin(str(path), number)
        try:
            texts.append(marked(row["sentence"], row["subject_entity"], row["object_entity"]))
            groups.append(row["sentence"])
            labels.append(row.get("label"))
            ids.append(str(row.get("guid", "")))
        except KbertError as error:
            raise KbertError(f"{origin}: {error}") from None
        except (KeyError, TypeError) as error:
            raise KbertError(f"{origin}: no {error} of a sentence: {row!r:.100}") from None
        if labels[-1] not in known and not (labels[-1] is None and labels[0] is None):
            raise KbertError(f"{origin}: {labels[-1]!r:.60} is no relation of KLUE-RE")
        origins.append(origin)
    return Examples(
        task_set.task,
        texts,
        labels=None if labels[0] is None else labels,
        label_names=list(task_set.label_names),
        groups=groups,
        ids=ids,
        origins=origins,
    )


def marked(sentence: str, subject: dict[str, Any], object_: dict[str, Any]) -> str:
    """A sentence with marks around its two entities.

    Args:
        sentence: the text.
        subject: {"word", "start_idx", "end_idx"}; characters from 0, the last one inclusive.
        object_: the same.

    Raises:
        KbertError: if an entity's word is not there, or the two overlap.

    Example:
        >>> marked("이순신은 조선의 장군", {"word": "이순신", "start_idx": 0, "end_idx": 2},
        ...        {"word": "조선", "start_idx": 5, "end_idx": 6})
        '<subj>이순신</subj>은 <obj>조선</obj>의 장군'
    """
    spans = []
    for entity, marks in ((subject, MARKS[:2]), (object_, MARKS[2:])):
        start, end = entity["start_idx"], entity["end_idx"] + 1
        if not 0 <= start < end or sentence[start:end] != entity["word"]:
            raise KbertError(
                f"characters {start} to {end - 1} are {sentence[start:end]!r}, not the entity "
                f"{entity['word']!r}"
            )
        spans.append((start, end, *marks))
    (start, end, *first), (start2, end2, *second) = sorted(spans)
    if start2 < end:
        raise KbertError(f"the entities {subject['word']!r} and {object_['word']!r} overlap")
    before, between, behind = sentence[:start], sentence[end:start2], sentence[end2:]
    one, two = sentence[start:end], sentence[start2:end2]
    return f"{before}{first[0]}{one}{first[1]}{between}{second[0]}{two}{second[1]}{behind}"
