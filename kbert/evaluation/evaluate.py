"""`kbert.evaluate`: how much of what a model says is right, and what is not."""

from dataclasses import replace
from typing import Any

import numpy as np

from kbert.data.labelled.examples import Examples, as_examples
from kbert.errors import KbertError, whole_number
from kbert.evaluation.predictions import Predictions, predict_examples
from kbert.models.base import KbertModel
from kbert.models.in_training import ModelInTraining
from kbert.pipelines.encode import BATCH_SIZE
from kbert.tasks.score import score

_AS_THEY_ARE = ("mae", "mean_squared_error", "loss")  # neither rates nor correlations


class Evaluation(dict[str, float]):
    """Scores by name, with what they were computed from.

    Attributes:
        examples: what was asked, with the labels that the model has, in its order.
        predictions: what the model said.
    """

    def __init__(self, scores: dict[str, float], examples: Examples, predictions: Predictions):
        super().__init__(scores)
        self.examples, self.predictions = examples, predictions

    def errors(self, count: int | None = None) -> list[dict[str, Any]]:
        """What was wrong, the surest mistakes first: these are often errors of the labels.

        Args:
            count: how many to give; None means all.

        Returns:
            Dicts of `where` (file and row), `text`, `pair` (where there is one), `label`,
            `predicted`, and `score`, how likely the model thought it; of regression, how far off.
        """
        if count is not None:
            whole_number("count", count, 0)
        examples, predicted = self.examples, self.predictions
        assert examples.labels is not None
        found = []
        for i, (gold, said) in enumerate(zip(examples.labels, predicted.labels, strict=True)):
            score = _surety(examples, predicted, i)
            if not _is_right(examples, gold, said):
                each = {"where": examples.where(i), "text": examples.texts[i]}
                if examples.pairs is not None:
                    each["pair"] = examples.pairs[i]
                found.append({**each, "label": gold, "predicted": said, "score": score})
        return sorted(found, key=lambda each: -each["score"])[:count]

    def confusion(self) -> np.ndarray:
        """(C, C) how often each label (rows) was taken for each (columns), in the names' order.

        Raises:
            KbertError: if not every text has one of several labels.
        """
        examples = self.examples
        if not examples.is_single_label:
            raise KbertError("a confusion matrix is of texts that have one of several labels")
        assert examples.labels is not None
        place = {name: i for i, name in enumerate(examples.label_names)}
        table = np.zeros((len(place), len(place)), np.int64)
        gold = [place[name] for name in examples.labels]
        np.add.at(table, (gold, [place[name] for name in self.predictions.labels]), 1)
        return table

    def __str__(self) -> str:
        return "  ".join(f"{name} {shown(name, value)}" for name, value in self.items())


def evaluate(
    model: KbertModel, examples: Examples | tuple, batch_size: int = BATCH_SIZE
) -> Evaluation:
    """Scores a model on labelled examples, by the metrics of their set or task.

    Args:
        model: fine-tuned for the task; or one that is there to train such a model, as a
            `Distillation`, of which the student is asked.
        examples: from `read_task`, which are scored as their set officially is; from `read_table`;
            or (texts, labels), two lists.
        batch_size: the most rows that run together.

    Returns:
        The scores, a dict of rates in [0, 1], correlations in [-1, 1] and errors in the labels'
            unit, which also has what was wrong.

    Raises:
        KbertError: if the examples have no labels, or the model is for another task.

    Example:
        >>> from kbert import BertForSequenceClassification, Tokenizer
        >>> model = BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=8, hidden_size=4, num_hidden_layers=1,
        ...     num_attention_heads=1, intermediate_size=8)
        >>> model.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 재미 ##있다 ##없다".split())
        >>> sorted(evaluate(model, (["재미있다", "재미없다"], ["긍정", "부정"])))
        ['accuracy', 'macro_f1']
    """
    if isinstance(model, ModelInTraining):
        model = model.as_trained()
    examples = as_examples(examples, model)
    if examples.labels is None:
        raise KbertError("to be scored, examples need labels, and these have none")
    predictions = predict_examples(model, examples, batch_size)
    names = list(getattr(model, "labels", []))
    if names:  # it may say one that the examples lack, and its probabilities are in this order
        examples = replace(examples, label_names=names)
    scores = score(examples, predictions.labels, predictions.scores)
    return Evaluation(scores, examples, predictions)


def shown(name: str, value: float) -> str:
    """A score for people: rates and correlations in percent, errors in their own unit.

    Example:
        >>> shown("accuracy", 0.8432), shown("mean_squared_error", 0.5), shown("mae", 12.5)
        ('84.3%', '0.500', '12.500')
    """
    return f"{value:.3f}" if name in _AS_THEY_ARE else f"{100 * value:.1f}%"


def _is_right(examples: Examples, gold: Any, said: Any) -> bool:
    if examples.task == "question-answering":
        return said in [text for _, text in gold] if gold else said == ""
    if examples.problem_type == "regression":
        return False  # all have an error; the largest come first
    if examples.problem_type == "multi_label_classification":
        return set(gold) == set(said)
    if examples.task == "dependency-parsing":
        return [tuple(word[:2]) for word in gold] == [tuple(word) for word in said]
    if examples.task == "token-classification":
        return sorted(map(tuple, gold)) == said
    return gold == said


def _surety(examples: Examples, predictions: Predictions, index: int) -> float:
    """How likely the model thought what it said; of regression, how far it is off."""
    if examples.problem_type == "regression":
        assert examples.labels is not None
        return abs(predictions.labels[index] - float(examples.labels[index]))
    if predictions.scores is None:
        return 1.0
    return float(np.max(predictions.scores[index]))
