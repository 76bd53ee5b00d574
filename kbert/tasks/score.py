"""Predictions of a set or of one's own table -> its scores: one way for whoever asks.

What is predicted has the form of the labels (see `kbert.data.labelled.examples`):

    sequence-classification   a name; of "regression" a number; of several labels a list of names
    token-classification      spans, as [(start, end, "PS"), ...]
    question-answering        the answer's text; "" is no answer, None not answered
    multiple-choice           the number of a choice
    dependency-parsing        a (head, relation) for each word
"""

from collections.abc import Sequence
from typing import Any

from kbert.data.labelled.examples import Examples
from kbert.errors import KbertError
from kbert.tasks.metrics.answers import korquad
from kbert.tasks.metrics.dependencies import attachment
from kbert.tasks.metrics.entities import entities
from kbert.tasks.metrics.labels import classification, correlation, klue_re, multi_label
from kbert.tasks.sets import SETS
from kbert.text.tags import Span, character_tags, scheme_of

# What chooses the best weights where a set does not say it.
_BEST_BY = {
    "single_label_classification": "macro_f1",
    "multi_label_classification": "macro_f1",
    "regression": "pearson",
    "question-answering": "f1",
    "multiple-choice": "accuracy",
    "dependency-parsing": "las",
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
        Scores by name, in [0, 1] (correlations in [-1, 1]).

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
        raise KbertError(f"{len(gold)} examples, but {len(predicted)} predictions")
    metric = SETS[examples.set_name].metric if examples.set_name else None
    if examples.task == "token-classification":
        if scheme_of(examples.label_names) == "word":
            return classification(*_words(gold, predicted))
        tags = [characters(examples.texts, spans) for spans in (gold, predicted)]
        return metric(*tags) if metric else entities(*tags, examples.label_names)
    if examples.task == "question-answering":
        return (metric or korquad)([[text for _, text in each] for each in gold], predicted)
    if examples.task == "dependency-parsing":
        return (metric or attachment)(gold, predicted)
    if examples.problem_type == "regression":
        return (metric or correlation)(gold, predicted)
    if examples.problem_type == "multi_label_classification":
        return (metric or multi_label)(gold, predicted, examples.label_names)
    if metric is klue_re:
        return metric(gold, predicted, probabilities, examples.label_names)
    return (metric or classification)(gold, predicted)


def best_by(examples: Examples) -> str:
    """Which of the scores of `score` chooses the best weights.

    Example:
        >>> best_by(Examples("question-answering", ["수도는?"]))
        'f1'
    """
    if examples.set_name:
        return SETS[examples.set_name].best_by
    if examples.task == "token-classification":
        return "accuracy" if scheme_of(examples.label_names) == "word" else "entity_f1"
    if examples.task == "sequence-classification":
        return _BEST_BY[examples.problem_type]
    return _BEST_BY[examples.task]


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
        if [span[:2] for span in a] != [span[:2] for span in b]:
            raise KbertError(
                f"example {number} has the words {[tuple(span[:2]) for span in a]}, but tags are "
                f"predicted for {[tuple(span[:2]) for span in b]}"
            )
    tags = [[span[2] for spans in each for span in spans] for each in (gold, predicted)]
    return tags[0], tags[1]
