"""Dialogue states: what the user has asked for so far, as "domain-slot-value"."""

from collections.abc import Sequence

import numpy as np

from kbert.tasks.metrics.counts import check_lengths


def klue_wos(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, float]:
    """Wizard of Seoul: states that are all right, and F1 of the slots.

    Args:
        gold: (N,) for each turn the "domain-slot-value" that hold.
        predicted: the same.

    Returns:
        joint_goal_accuracy: the share of turns whose whole state is right (official).
        slot_f1: the mean over turns of each turn's F1, 1 where both states are empty (official,
            where it is called slot micro F1).

    Raises:
        KbertError: if they are not as many, or none.

    Example:
        >>> klue_wos([[], ["숙소-지역-강남"]], [[], ["숙소-지역-강남", "숙소-종류-호텔"]])
        {'joint_goal_accuracy': 0.5, 'slot_f1': 0.8333333333333333}

    Source: KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py.
    """
    check_lengths(gold, predicted)
    turns = [(set(a), set(b)) for a, b in zip(gold, predicted, strict=True)]
    slots = [2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0 for a, b in turns]
    return {
        "joint_goal_accuracy": float(np.mean([a == b for a, b in turns])),
        "slot_f1": float(np.mean(slots)),
    }
