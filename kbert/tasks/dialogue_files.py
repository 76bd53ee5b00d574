"""Wizard of Seoul (KLUE-DST): dialogues with what the user has asked for after each turn.

kbert has no model for it; this is for one's own.
"""

from pathlib import Path

from kbert.data.labelled.examples import Examples, Origin
from kbert.errors import KbertError
from kbert.tasks.columns import json_list
from kbert.tasks.task_set import TaskSet


def read_dialogues(path: Path, task_set: TaskSet) -> Examples:
    """An example for each turn of the user: what was said, what before, and the state after it.

    `texts` are the user's turns, `pairs` the lists of all turns before (the user's and the
    system's in turn), `labels` the sorted "domain-slot-value"; a value may have a - in it, so
    `state.split("-", 2)`. A row is the number of the dialogue.

    Raises:
        KbertError: if the file is not in this format.
    """
    texts, before, labels, ids, groups, origins = [], [], [], [], [], []
    for number, dialogue in enumerate(json_list(path), 1):
        origin, said = Origin(str(path), number), []
        try:
            for turn in dialogue["dialogue"]:
                if turn["role"] == "user":
                    state = sorted(turn["state"])
                    wrong = [each for each in state if each.count("-") < 2]
                    if wrong:
                        raise KbertError(f"{origin}: no domain-slot-value, but {wrong[0]!r:.60}")
                    texts.append(turn["text"])
                    before.append(list(said))
                    labels.append(state)
                    ids.append(f"{dialogue['guid']}-{len(said) // 2}")
                    groups.append(dialogue["guid"])
                    origins.append(origin)
                said.append(turn["text"])
        except (KeyError, TypeError, AttributeError) as error:
            raise KbertError(f"{origin}: not a dialogue of this format ({error})") from None
    return Examples(task_set.task, texts, before, labels, groups=groups, ids=ids, origins=origins)
