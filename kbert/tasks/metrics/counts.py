"""What all metrics of labels count: how often each label is right, predicted, and there."""

from collections.abc import Hashable, Sequence

import numpy as np

from kbert.errors import KbertError, counted


def check_lengths(gold: Sequence, predicted: Sequence) -> None:
    """That there is something to score, and a prediction for each.

    Raises:
        KbertError: if not.
    """
    if len(gold) != len(predicted):
        raise KbertError(
            f"{counted(len(gold), 'gold label')}, but {counted(len(predicted), 'prediction')}"
        )
    if not len(gold):
        raise KbertError("there is nothing to score: no gold labels")


def numbered(
    gold: Sequence[Hashable], predicted: Sequence[Hashable], names: Sequence[Hashable] = ()
) -> tuple[np.ndarray, np.ndarray, list[Hashable]]:
    """Labels as numbers: those of `names` first, then others in the order in which they come.

    Returns:
        (N,) gold and (N,) predicted, int64, and the label of each number.
    """
    number = {name: i for i, name in enumerate(names)}
    for labels in (gold, predicted):
        for label in dict.fromkeys(labels):
            number.setdefault(label, len(number))
    find = number.__getitem__
    return (
        np.fromiter(map(find, gold), np.int64, len(gold)),
        np.fromiter(map(find, predicted), np.int64, len(predicted)),
        list(number),
    )


def right_predicted_gold(
    gold: np.ndarray, predicted: np.ndarray, labels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each label: how often it was predicted rightly, predicted at all, and right.

    Args:
        gold: (N,) numbers below `labels`.
        predicted: the same.
        labels: how many there are.

    Returns:
        Three times (labels,) int64.
    """
    right = np.bincount(gold[gold == predicted], minlength=labels)
    return right, np.bincount(predicted, minlength=labels), np.bincount(gold, minlength=labels)


def f1(right, predicted, gold, *, absent: float = 0.0) -> np.ndarray:
    """2 right / (predicted + gold), elementwise; `absent` where both are 0.

    Example:
        >>> f1([1, 2, 0], [1, 4, 0], [2, 2, 0]).round(2).tolist()
        [0.67, 0.67, 0.0]
    """
    right, both = np.asarray(right, float), np.asarray(predicted, float) + np.asarray(gold, float)
    return np.where(both > 0, 2 * right / np.maximum(both, 1e-300), absent)


def occurring(predicted: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Which labels are in gold or prediction: those that scikit-learn's macro F1 averages over."""
    return (predicted + gold) > 0
