"""SQuAD's format, in which KorQuAD 1.0 and KLUE-MRC come."""

from pathlib import Path
from typing import Any

from kbert.data.labelled.cells import place_of
from kbert.data.labelled.examples import Examples, Origin
from kbert.errors import KbertError
from kbert.tasks.columns import parse_json
from kbert.tasks.task_set import TaskSet


def read_squad(path: Path, task_set: TaskSet) -> Examples:
    """Questions with their context; a label is a list of (start, answer), empty if there is none.

    A row is the number of a question in the file. Where an answer does not stand at its
    `answer_start`, the place nearest to it where it does stand is taken.

    Raises:
        KbertError: if the file is not in this format, or an answer is not in its context.
    """
    texts, contexts, labels, ids, origins = [], [], [], [], []
    try:
        for article in parse_json(path)["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    origin = Origin(str(path), len(texts) + 1)
                    texts.append(question["question"])
                    contexts.append(paragraph["context"])
                    labels.append(_answers(question, paragraph["context"], origin))
                    ids.append(str(question["guid"] if "guid" in question else question["id"]))
                    origins.append(origin)
    except (KeyError, TypeError) as error:
        raise KbertError(
            f"{path}: not SQuAD's format, in which data, paragraphs, qas hold questions with "
            f"answers; at question {len(texts) + 1}: {error}"
        ) from None
    if not texts:
        raise KbertError(f"{path} has no questions")
    twice = {name for name in ids if ids.count(name) > 1} if len(set(ids)) < len(ids) else ()
    if twice:
        raise KbertError(f"{path}: two questions have the id {sorted(twice)[0]!r}")
    return Examples(
        task_set.task,
        texts,
        contexts,
        labels,
        groups=list(contexts),
        ids=ids,
        origins=origins,
    )


def _answers(question: dict[str, Any], context: str, origin: Origin) -> list[tuple[int, str]]:
    if question.get("is_impossible"):
        return []
    found = []
    for answer in question["answers"]:
        text, start = answer["text"], answer["answer_start"]
        if not text.strip():
            raise KbertError(f"{origin}: an empty answer to {question['question']!r:.60}")
        found.append((place_of(text, start, context, origin), text))
    return found
