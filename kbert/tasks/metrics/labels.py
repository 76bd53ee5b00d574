"""One label, several labels or a number a text; relations."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from kbert.errors import KbertError
from kbert.tasks.label_names import NO_RELATION
from kbert.tasks.metrics.counts import (
    check_lengths,
    f1,
    numbered,
    occurring,
    right_predicted_gold,
)


def classification(gold: Sequence[Hashable], predicted: Sequence[Hashable]) -> dict[str, float]:
    """Accuracy, and the mean of the labels' F1 over those that occur in gold or prediction.

    Choices are labels, too: the number of each.

    Args:
        gold: (N,) labels.
        predicted: (N,) labels.

    Raises:
        KbertError: if they are not as many, or none.

    Example:
        >>> scores = classification([0, 0, 1, 1, 2], [0, 1, 1, 1, 1])
        >>> {name: round(score, 4) for name, score in scores.items()}
        {'accuracy': 0.6, 'macro_f1': 0.4444}

    Source: scikit-learn's `f1_score(average="macro")`, with which KLUE scores YNAT.
    """
    check_lengths(gold, predicted)
    a, b, names = numbered(gold, predicted)
    right, of_b, of_a = right_predicted_gold(a, b, len(names))
    return {
        "accuracy": float((a == b).mean()),
        "macro_f1": float(f1(right, of_b, of_a)[occurring(of_b, of_a)].mean()),
    }


def multi_label(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    label_names: Sequence[str] | None = None,
) -> dict[str, float]:
    """Several labels a text: F1 over all decisions, the mean over labels, texts all right.

    Args:
        gold: (N,) lists of labels; the empty list is none of them.
        predicted: the same.
        label_names: all labels that there are, to check the others by; None: any.

    Returns:
        "micro_f1"; "macro_f1", over the labels that occur in gold or prediction; "exact_match".

    Raises:
        KbertError: if they are not as many, or none, or a label is none of `label_names`.

    Example:
        >>> scores = multi_label([["기쁨"], ["기쁨", "놀람"], []], [["기쁨"], ["놀람"], ["슬픔"]])
        >>> {name: round(score, 4) for name, score in scores.items()}
        {'micro_f1': 0.6667, 'macro_f1': 0.5556, 'exact_match': 0.3333}
    """
    check_lengths(gold, predicted)
    wanted, given = [set(labels) for labels in gold], [set(labels) for labels in predicted]
    number = {name: i for i, name in enumerate(label_names or ())}
    for labels in (*gold, *predicted):
        for label in labels:
            if label_names is not None and label not in number:
                raise KbertError(f"the label {label!r} is none of {list(label_names)}")
            number.setdefault(label, len(number))
    counts = [
        np.bincount([number[label] for labels in lists for label in labels], minlength=len(number))
        for lists in ([a & b for a, b in zip(wanted, given, strict=True)], given, wanted)
    ]
    each, seen = f1(*counts), occurring(counts[1], counts[2])
    return {
        "micro_f1": float(f1(*(count.sum() for count in counts))),
        "macro_f1": float(each[seen].mean()) if seen.any() else 0.0,
        "exact_match": float(np.mean([a == b for a, b in zip(wanted, given, strict=True)])),
    }


def correlation(gold: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """Pearson's r, and Spearman's, which is Pearson's of the ranks (equal values share a rank).

    Args:
        gold: (N,) numbers.
        predicted: (N,) numbers.

    Returns:
        "pearson" and "spearman", in [-1, 1]; 0 where one side is the same number throughout, for
        which neither is defined.

    Raises:
        KbertError: if they are not as many, or none, or not finite.

    Example:
        >>> correlation([0, 1, 2.9, 3, 4.2, 5], [0.5, 1.2, 3.1, 2.8, 4, 4.9])
        {'pearson': 0.9958..., 'spearman': 0.9428...}
    """
    check_lengths(gold, predicted)
    a, b = np.asarray(gold, float), np.asarray(predicted, float)
    for name, values in (("gold", a), ("predicted", b)):
        if not np.isfinite(values).all():
            place = int(np.flatnonzero(~np.isfinite(values))[0])
            raise KbertError(f"{name}[{place}] is {values[place]}, which cannot be scored")
    return {"pearson": _pearson(a, b), "spearman": _pearson(_ranks(a), _ranks(b))}


def quantity(gold: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """Numbers of one's own unit: the correlations, and the mean absolute error in that unit.

    A model whose numbers are all ten times too large correlates as well as one that is right.

    Args:
        gold: (N,) numbers.
        predicted: (N,) numbers.

    Returns:
        "pearson" and "spearman", as `correlation`; "mae", in the unit of gold.

    Raises:
        KbertError: as `correlation`.

    Example:
        >>> quantity([50, 99, 70], [52, 96, 71])["mae"]
        2.0
    """
    scores = correlation(gold, predicted)
    errors = np.asarray(gold, float) - np.asarray(predicted, float)
    return {**scores, "mae": float(np.abs(errors).mean())}


def klue_sts(gold: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """KLUE-STS: Pearson's r, and the F1 of "means the same", which is 3.0 and above.

    Args:
        gold: (N,) means of the raters, 0 to 5.
        predicted: (N,) numbers as the model gives them, not cut to 0 to 5.

    Returns:
        "pearson" (official), "f1" (official), "spearman".

    Raises:
        KbertError: as `correlation`.

    Example:
        >>> scores = klue_sts([0, 1, 2.9, 3, 4.2, 5], [0.5, 1.2, 3.1, 2.8, 4, 4.9])
        >>> {name: round(score, 4) for name, score in scores.items()}
        {'pearson': 0.9959, 'f1': 0.6667, 'spearman': 0.9429}

    Source: KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py.
    """
    scores = correlation(gold, predicted)
    a, b = np.asarray(gold, float) >= 3, np.asarray(predicted, float) >= 3
    same = float(f1((a & b).sum(), b.sum(), a.sum()))
    return {"pearson": scores["pearson"], "f1": same, "spearman": scores["spearman"]}


def klue_re(
    gold: Sequence[str],
    predicted: Sequence[str],
    probabilities: Any = None,
    label_names: Sequence[str] | None = None,
) -> dict[str, float]:
    """KLUE-RE: micro F1 of the relations without no_relation, and the area under the curves.

    A relation predicted where there is none costs precision, and no_relation where there is one
    costs recall; no_relation that is right gives nothing.

    AUPRC is the mean, over all labels with no_relation, of the area under the curve of precision
    over recall, by trapezoids (so a bit above average precision). A label that gold does not have
    counts 0.5 there, as in scikit-learn 1.9.

    Args:
        gold: (N,) names of relations.
        predicted: (N,) names.
        probabilities: (N, labels) of each label, or None: then there is no "auprc".
        label_names: (labels,) whose probability each column is.

    Returns:
        "micro_f1" (official), "auprc" (official), "accuracy" (with no_relation).

    Raises:
        KbertError: if they are not as many, or none, or the probabilities have another shape.

    Example:
        >>> klue_re(["no_relation", "per:title"], ["per:title", "per:title"])["micro_f1"]
        0.6666666666666666

    Source: KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py.
    """
    check_lengths(gold, predicted)
    a, b, _ = numbered(gold, predicted, [NO_RELATION])
    scores = {
        "micro_f1": float(f1(((a == b) & (a > 0)).sum(), (b > 0).sum(), (a > 0).sum())),
        "accuracy": float((a == b).mean()),
    }
    if probabilities is None:
        return scores
    if label_names is None:
        raise KbertError("probabilities need label_names: which column is whose")
    table, names = np.asarray(probabilities, float), list(label_names)
    if table.shape != (len(gold), len(names)):
        raise KbertError(
            f"probabilities are {(len(gold), len(names))}: a row for each of gold, a column for "
            f"each of label_names; not {table.shape}"
        )
    unknown = set(gold) - set(names)
    if unknown:
        raise KbertError(f"the gold labels {sorted(unknown)} have no column of probabilities")
    number = {name: i for i, name in enumerate(names)}
    columns = np.array([number[name] for name in gold])
    areas = [_area(columns == i, table[:, i]) for i in range(len(names))]
    return {**scores, "auprc": float(np.mean(areas))}


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum()) * np.sqrt((b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _area(is_it: np.ndarray, probability: np.ndarray) -> float:
    """The area under precision over recall; the curve begins at recall 0 with precision 1."""
    order = np.argsort(-probability, kind="stable")
    is_it, probability = is_it[order], probability[order]
    last = np.append(probability[1:] != probability[:-1], True)  # of equal ones, all at once
    right, taken = np.cumsum(is_it)[last], np.flatnonzero(last) + 1
    precision = np.append(1.0, right / taken)
    recall = np.append(0.0, right / right[-1] if right[-1] else np.ones(len(right)))
    return float(((precision[1:] + precision[:-1]) / 2 * np.diff(recall)).sum())
