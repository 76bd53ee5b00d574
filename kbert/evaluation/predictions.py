"""What a model says of examples, in the form that their labels have.

Shapes: N examples, C labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kbert.data.labelled.batches import check_fit
from kbert.data.labelled.examples import Examples
from kbert.data.labelled.sentences import MOST_ALIKE
from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.pipelines.answer import QuestionAnswering
from kbert.pipelines.choose import MultipleChoice
from kbert.pipelines.classify import TextClassifier
from kbert.pipelines.encode import BATCH_SIZE, predict, to_rows, tokenizer_of
from kbert.pipelines.parse import DependencyParser
from kbert.pipelines.tag import TokenClassifier


@dataclass
class Predictions:
    """What a model says of N examples.

    Attributes:
        labels: as `Examples.labels`; of pairs of sentences 5 times the cosine of their vectors; of
            questions the answer's text, "" for none; of parsing the
            (head, relation) of each word, by the best tree.
        scores: how likely each label is, (N, C) float32, of classification and choices (where all
            have as many); else (N,) how likely what was said is (of parsing the mean of the words),
            or None.
    """

    labels: list[Any]
    scores: np.ndarray | None = None


def predict_examples(
    model: KbertModel, examples: Examples, batch_size: int = BATCH_SIZE
) -> Predictions:
    """What a model says of examples.

    Args:
        model: of the examples' task.
        examples: with or without labels.
        batch_size: the most rows that run together.

    Raises:
        KbertError: if the model is for another task, or has other labels.
    """
    check_fit(examples, model)
    return _OF_TASK[examples.task](model, examples, batch_size)


def _classified(model: Any, examples: Examples, batch_size: int) -> Predictions:
    scores = TextClassifier(model).scores(examples.texts, examples.pairs, batch_size=batch_size)
    if model.problem_type == "regression":
        return Predictions(scores[:, 0].tolist())
    if model.problem_type == "multi_label_classification":
        likely = [np.flatnonzero(row >= 0.5).tolist() for row in scores]
        return Predictions([[model.labels[i] for i in places] for places in likely], scores)
    return Predictions([model.labels[place] for place in scores.argmax(axis=1)], scores)


def _tagged(model: Any, examples: Examples, batch_size: int) -> Predictions:
    tagger = TokenClassifier(model)
    words = None
    if tagger.scheme == "word" and examples.labels is not None:  # tags are asked for, not words
        words = [[(start, end) for start, end, _ in spans] for spans in examples.labels]
    found = tagger(examples.texts, words=words, batch_size=batch_size)
    spans = [[(each["start"], each["end"], each["label"]) for each in mine] for mine in found]
    return Predictions(spans)


def _answered(model: Any, examples: Examples, batch_size: int) -> Predictions:
    none_is_possible = examples.labels is None or not all(examples.labels)
    answers = QuestionAnswering(model)(
        examples.texts, examples.pairs or [], no_answer=none_is_possible, batch_size=batch_size
    )
    scores = np.array([answer["score"] for answer in answers], np.float32)
    return Predictions([answer["answer"] for answer in answers], scores)


def _chosen(model: Any, examples: Examples, batch_size: int) -> Predictions:
    scores = MultipleChoice(model).scores(
        examples.texts, examples.pairs or [], batch_size=batch_size
    )
    as_many = len({len(each) for each in scores}) == 1
    return Predictions(
        [int(each.argmax()) for each in scores],
        np.array(scores if as_many else [each.max() for each in scores]),
    )


def _parsed(model: Any, examples: Examples, batch_size: int) -> Predictions:
    parses = DependencyParser(model).parse(examples.texts, batch_size=batch_size)
    return Predictions(
        [
            [
                (head, model.labels[relation])
                for head, relation in zip(words.heads.tolist(), words.relations, strict=True)
            ]
            for words in parses
        ],
        np.array([words.scores.mean() if len(words.scores) else 1.0 for words in parses]),
    )


def _alike(model: Any, examples: Examples, batch_size: int) -> Predictions:
    if examples.pairs is None or examples.problem_type != "regression":
        raise KbertError(
            "a sentence model is scored on pairs of texts with a number each, from 0 to 5, how "
            "alike they are: those of STS, or read_table(..., problem_type='regression')"
        )
    texts = list(dict.fromkeys([*examples.texts, *examples.pairs]))
    rows = to_rows(tokenizer_of(model), texts, max_length=model.max_length)

    def answer(vectors: Any, which: list[int]) -> list[np.ndarray]:
        return list(vectors[: len(which)])

    found = np.array(predict(model, rows, answer, batch_size))
    found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    place = {text: i for i, text in enumerate(texts)}
    first, second = ([place[text] for text in each] for each in (examples.texts, examples.pairs))
    cosines = (found[first] * found[second]).sum(axis=1)
    return Predictions((MOST_ALIKE * cosines).tolist())


_OF_TASK: dict[str, Callable[[Any, Examples, int], Predictions]] = {
    "sequence-classification": _classified,
    "token-classification": _tagged,
    "question-answering": _answered,
    "multiple-choice": _chosen,
    "dependency-parsing": _parsed,
    "sentence-embedding": _alike,
}
