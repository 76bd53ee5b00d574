"""What a metric is asked: gold labels beside predictions, in the form that it takes.

The metric is that of the examples' set (`kbert/tasks/sets.py`), or of their task where they are of
none.
"""

from collections.abc import Callable
from functools import partial

from kbert.data.labelled.examples import Examples
from kbert.evaluation.predictions import Predictions
from kbert.tasks.metrics.answers import korquad
from kbert.tasks.metrics.dependencies import attachment
from kbert.tasks.metrics.entities import entities
from kbert.tasks.metrics.labels import classification, correlation, klue_re, multi_label
from kbert.tasks.sets import SETS
from kbert.text.tags import character_tags, scheme_of

Metric = Callable[..., dict[str, float]]

# The metric of examples that are of no set, and the score that chooses the best weights.
_OF_TASK: dict[str, tuple[Metric, str]] = {
    "single_label_classification": (classification, "accuracy"),
    "multi_label_classification": (multi_label, "micro_f1"),
    "regression": (correlation, "spearman"),
    "entities": (entities, "entity_micro_f1"),
    "words": (classification, "accuracy"),
    "question-answering": (korquad, "f1"),
    "multiple-choice": (classification, "accuracy"),
    "dependency-parsing": (attachment, "las"),
}


def score(examples: Examples, predictions: Predictions) -> dict[str, float]:
    """How much of what was predicted is right, as rates in [0, 1] or correlations.

    Args:
        examples: with labels.
        predictions: of the same examples.
    """
    metric, _ = _metric(examples)
    gold = examples.labels
    assert gold is not None
    if examples.task == "token-classification":
        if _kind(examples) == "words":
            names = [[name for _, _, name in spans] for spans in gold]
            return metric(_flat(names), _flat(predictions.labels))
        tags = [character_tags(*each) for each in zip(examples.texts, gold, strict=True)]
        pair = (_without_spaces(examples.texts, each) for each in (tags, predictions.labels))
        return metric(*pair)
    if examples.task == "question-answering":
        return metric([[text for _, text in answers] for answers in gold], predictions.labels)
    if metric is multi_label:
        return metric(gold, predictions.labels, examples.label_names)
    if metric is klue_re:
        return metric(gold, predictions.labels, predictions.scores, examples.label_names)
    return metric(gold, predictions.labels)


def best_by(examples: Examples) -> str:
    """The score that chooses the best weights."""
    return _metric(examples)[1]


def _metric(examples: Examples) -> tuple[Metric, str]:
    if examples.set_name is not None:
        task_set = SETS[examples.set_name]
        return task_set.metric, task_set.best_by
    metric, best = _OF_TASK[_kind(examples)]
    if metric is entities:
        metric = partial(entities, label_names=examples.label_names)
    return metric, best


def _kind(examples: Examples) -> str:
    if examples.task == "token-classification":
        return "entities" if scheme_of(examples.label_names) == "BIO" else "words"
    return examples.problem_type if examples.task == "sequence-classification" else examples.task


def _without_spaces(texts: list[str], tags: list[list[str]]) -> list[str]:
    """The tags of all texts' characters but spaces, one text behind the other, as KLUE has them."""
    return [
        tag
        for text, mine in zip(texts, tags, strict=True)
        for character, tag in zip(text, mine, strict=True)
        if character != " "
    ]


def _flat(lists: list[list[str]]) -> list[str]:
    return [each for one in lists for each in one]
