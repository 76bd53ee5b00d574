"""Predictions of a set or of one's own table -> its scores: one way for whoever asks.

What is predicted has the form of the labels (see `kbert.data.labelled.examples`):

    sequence-classification   a name; of "regression" a number; of several labels a list of names
    token-classification      spans, as [(start, end, "PS"), ...]
    question-answering        the answer's text; "" is no answer, None not answered
    multiple-choice           the number of a choice
    dependency-parsing        a (head, relation) for each word
    sentence-embedding        a number, how alike two texts are, on any scale: ranks are scored
"""

from collections.abc import Callable, Sequence
from typing import Any

from kbert.data.labelled.examples import Examples
from kbert.errors import KbertError, counted
from kbert.tasks.metrics.answers import korquad
from kbert.tasks.metrics.dependencies import attachment
from kbert.tasks.metrics.entities import entities
from kbert.tasks.metrics.labels import (
    classification,
    correlation,
    klue_re,
    multi_label,
    quantity,
)
from kbert.tasks.sets import SETS
from kbert.text.tags import Span, character_tags, scheme_of

Metric = Callable[..., dict[str, float]]

# What is usual for a task: the metric, and the score that chooses the best weights.
_USUAL: dict[str, tuple[Metric, str]] = {
    "single_label_classification": (classification, "macro_f1"),
    "multi_label_classification": (multi_label, "macro_f1"),
    "regression": (quantity, "pearson"),
    "entities": (entities, "entity_f1"),
    "words": (classification, "accuracy"),
    "question-answering": (korquad, "f1"),
    "multiple-choice": (classification, "accuracy"),
    "dependency-parsing": (attachment, "las"),
    "sentence-embedding": (correlation, "spearman"),
}


def score(
    examples: Examples, predicted: Sequence[Any], probabilities: Any = None
) -> dict[str, float]:
    """The scores of predictions: by the set's own metric, or by what is usual for the task.

    Args:
        examples: with their labels.
        predicted: (N,) in the form of the labels, see above.
        probabilities: (N, labels) in the order of `label_names`, where a metric uses them (that of
            KLUE-RE does), or None.

    Returns:
        Scores by name, in [0, 1] (correlations in [-1, 1], "mae" in the unit of the labels).

    Raises:
        KbertError: if the examples have no labels, or there are not as many predictions.

    Example:
        >>> reviews = Examples("sequence-classification", ["재미있다", "지루하다"],
        ...                    labels=["긍정", "부정"], label_names=["부정", "긍정"])
        >>> score(reviews, ["긍정", "긍정"])
        {'accuracy': 0.5, 'macro_f1': 0.333...}
    """
    gold = examples.labels
    if gold is None:
        raise KbertError("these examples have no labels, so nothing can be scored")
    if len(gold) != len(predicted):
        raise KbertError(
            f"{counted(len(gold), 'example')}, but {counted(len(predicted), 'prediction')}"
        )
    metric, _ = _metric(examples)
    kind = _kind(examples)
    if kind == "words":
        return metric(*_words(gold, predicted))
    if kind == "entities":
        tags = [characters(examples.texts, spans) for spans in (gold, predicted)]
        return metric(*tags, examples.label_names) if metric is entities else metric(*tags)
    if kind == "question-answering":
        return metric([[text for _, text in each] for each in gold], predicted)
    if metric is multi_label:
        return metric(gold, predicted, examples.label_names)
    if metric is klue_re:
        return metric(gold, predicted, probabilities, examples.label_names)
    return metric(gold, predicted)


def best_by(examples: Examples) -> str:
    """Which of the scores of `score` chooses the best weights.

    Example:
        >>> best_by(Examples("question-answering", ["수도는?"]))
        'f1'
    """
    return _metric(examples)[1]


def _metric(examples: Examples) -> tuple[Metric, str]:
    # Of a set, too: where it is scored as classes or at 3.0, cosines are not on its scale.
    if examples.set_name is None or examples.task == "sentence-embedding":
        return _USUAL[_kind(examples)]
    task_set = SETS[examples.set_name]
    return task_set.metric, task_set.best_by


def _kind(examples: Examples) -> str:
    """What is scored: the task, divided where it is scored in several ways."""
    if examples.task == "token-classification":
        return "words" if scheme_of(examples.label_names) == "word" else "entities"
    return examples.problem_type if examples.task == "sequence-classification" else examples.task


def characters(texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[str]:
    """The tags of all texts' characters but spaces, one text behind the other, as KLUE has them.

    An entity that begins with a space loses its B- here, and with it, in strict IOB, itself; two of
    KLUE-NER's dev set do.

    Example:
        >>> characters(["이 순신", "나"], [[(0, 4, "PS")], []])
        ['B-PS', 'I-PS', 'I-PS', 'O']
    """
    flat = []
    for text, mine in zip(texts, spans, strict=True):
        tags = character_tags(text, mine)
        flat += [tag for character, tag in zip(text, tags, strict=True) if character != " "]
    return flat


def _words(gold: Sequence, predicted: Sequence) -> tuple[list[str], list[str]]:
    """The tags of all words, of spans that are the same words."""
    for number, (a, b) in enumerate(zip(gold, predicted, strict=True)):
        if [tuple(span[:2]) for span in a] != [tuple(span[:2]) for span in b]:
            raise KbertError(
                f"example {number} has the words {[tuple(span[:2]) for span in a]}, but tags are "
                f"predicted for {[tuple(span[:2]) for span in b]}"
            )
    tags = [[span[2] for spans in each for span in spans] for each in (gold, predicted)]
    return tags[0], tags[1]
