"""Dependency parsing: heads and relations.

A sentence is a list of words, a word a (head, relation, ...): the head's number from 1, 0 for the
root; what follows is not looked at.
"""

from collections.abc import Sequence

import numpy as np

from kbert.errors import KbertError, counted
from kbert.tasks.label_names import DEPENDENCIES
from kbert.tasks.metrics.counts import (
    check_lengths,
    f1,
    numbered,
    occurring,
    right_predicted_gold,
)

_OTHER = 15  # from VP_CMP on all relations are one in KLUE's LAS


def attachment(gold: Sequence[Sequence], predicted: Sequence[Sequence]) -> dict[str, float]:
    """The share of words with the right head (UAS), and with the right head and relation (LAS).

    Args:
        gold: sentences.
        predicted: the same sentences.

    Returns:
        "uas" and "las", over all words with punctuation.

    Raises:
        KbertError: if there are not as many sentences or words, or none.

    Example:
        >>> attachment([[(2, "nsubj"), (0, "root")]], [[(2, "obj"), (0, "root")]])
        {'uas': 1.0, 'las': 0.5}
    """
    words = _words(gold, predicted)
    return {
        "uas": float(np.mean([a[0] == b[0] for a, b in words])),
        "las": float(np.mean([a[:2] == b[:2] for a, b in words])),
    }


def klue_dp(gold: Sequence[Sequence], predicted: Sequence[Sequence]) -> dict[str, float]:
    """KLUE-DP: its two macro F1, and UAS and LAS as everyone else defines them.

    - KLUE's UAS is the macro F1 of the heads' numbers, as if "word 7" were a class.
    - KLUE's LAS is the macro F1 of the relations, the last 23 of the 38 made one class, where a
      word with a wrong head gets a class of its own that gold never has. It occurs as soon as one
      head of the whole set is wrong, and its F1 is 0: then 16 of 17 classes, 94.12, is the most.

    Args:
        gold: sentences.
        predicted: the same sentences.

    Returns:
        "uas_macro_f1" and "las_macro_f1" (official); "uas_micro" and "las_micro": shares of words.

    Raises:
        KbertError: if there are not as many sentences or words, or none, or a relation is not of
            this set.

    Example:
        >>> gold = [[(2, "NP_SBJ"), (3, "NP_OBJ"), (0, "VP"), (2, "NP_SBJ"), (0, "VP")]]
        >>> last_head_wrong = [[*gold[0][:4], (1, "VP")]]
        >>> scores = klue_dp(gold, last_head_wrong)
        >>> {name: round(score, 4) for name, score in scores.items()}
        {'uas_macro_f1': 0.6667, 'las_macro_f1': 0.6667, 'uas_micro': 0.8, 'las_micro': 0.8}

    Source: KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py.
    """
    words = _words(gold, predicted)
    number = {name: min(i, _OTHER) for i, name in enumerate(DEPENDENCIES)}
    try:
        relations = [(number[a[1]], number[b[1]]) for a, b in words]
    except KeyError as error:
        raise KbertError(f"the relation {error.args[0]!r} is none of KLUE-DP's") from None
    wrong = -2
    given = [
        relation if a[0] == b[0] else wrong
        for (_, relation), (a, b) in zip(relations, words, strict=True)
    ]
    micro = attachment(gold, predicted)
    return {
        "uas_macro_f1": _macro_f1([a[0] for a, _ in words], [b[0] for _, b in words]),
        "las_macro_f1": _macro_f1([a for a, _ in relations], given),
        "uas_micro": micro["uas"],
        "las_micro": micro["las"],
    }


def _words(gold: Sequence[Sequence], predicted: Sequence[Sequence]) -> list[tuple]:
    """(gold, predicted) of each word of all sentences."""
    check_lengths(gold, predicted)
    for i, (a, b) in enumerate(zip(gold, predicted, strict=True)):
        if len(a) != len(b):
            raise KbertError(
                f"gold[{i}] has {counted(len(a), 'word')}, and predicted[{i}] {len(b)}"
            )
    words = [
        (tuple(x), tuple(y))
        for a, b in zip(gold, predicted, strict=True)
        for x, y in zip(a, b, strict=True)
    ]
    if not words:
        raise KbertError("there is nothing to score: no sentence has a word")
    return words


def _macro_f1(gold: list, predicted: list) -> float:
    a, b, names = numbered(gold, predicted)
    right, of_b, of_a = right_predicted_gold(a, b, len(names))
    return float(f1(right, of_b, of_a)[occurring(of_b, of_a)].mean())
