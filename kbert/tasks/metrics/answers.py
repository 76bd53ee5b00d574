"""Answers to questions: KorQuAD's F1 of characters, and KLUE's longest common substring."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from kbert.tasks.metrics.counts import check_lengths

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_KORQUAD_MARKS = re.compile("['\"《》<>〈〉()‘’]")


def klue_mrc(gold: Sequence[Sequence[str]], predicted: Sequence[str]) -> dict[str, float]:
    """KLUE-MRC: exact match, and "ROUGE-W", which is the F1 of the longest common substring.

    Both sides are lower-cased, without ASCII punctuation, with single spaces; 《》 and ‘’ stay.
    Spaces count as characters. The best of the gold answers counts.

    Args:
        gold: (N,) lists of answers; the empty list is a question that has none.
        predicted: (N,) answers; "" is none.

    Returns:
        "em" and "rouge_w", both official.

    Raises:
        KbertError: if they are not as many, or none.

    Example:
        >>> klue_mrc([["한 달가량", "한 달"]], ["한 달간"])
        {'em': 0.0, 'rouge_w': 0.8571428571428571}

    Source: KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py.
    """
    return _best(gold, predicted, _klue_normal, _rouge_w, "rouge_w")


def korquad(gold: Sequence[Sequence[str]], predicted: Sequence[str | None]) -> dict[str, float]:
    """KorQuAD 1.0: exact match, and F1 of the characters, whose order does not count.

    Quotation marks and brackets become spaces, then as in KLUE. Exact match minds spaces, F1 does
    not.

    Args:
        gold: (N,) lists of answers; the empty list is a question that has none (KorQuAD has no
            such): there "" is right, as in SQuAD 2.0.
        predicted: (N,) answers; None, which is a question that was not answered, counts 0.

    Returns:
        "em" and "f1", both official.

    Raises:
        KbertError: if they are not as many, or none.

    Example:
        >>> korquad([["임종석"]], ["임종석이"])
        {'em': 0.0, 'f1': 0.8571428571428571}

    Source: korquad.github.io, evaluate-v1.0.py.
    """
    return _best(gold, predicted, _korquad_normal, _character_f1, "f1")


def _best(gold, predicted, normal, similarity, name: str) -> dict[str, float]:
    check_lengths(gold, predicted)
    exact, similar = np.zeros(len(gold)), np.zeros(len(gold))
    for i, (answers, answer) in enumerate(zip(gold, predicted, strict=True)):
        if answer is None:
            continue
        given = normal(answer)
        wanted = [normal(text) for text in answers] or [""]
        exact[i] = given in wanted
        # That there is no answer is right or wrong: it has no characters to be alike in.
        similar[i] = max(similarity(given, text) for text in wanted) if answers else exact[i]
    return {"em": float(exact.mean()), name: float(similar.mean())}


def _klue_normal(text: str) -> str:
    return " ".join(text.lower().translate(_NO_PUNCTUATION).split())


def _korquad_normal(text: str) -> str:
    return _klue_normal(_KORQUAD_MARKS.sub(" ", text))


def _rouge_w(given: str, wanted: str) -> float:
    if not given or not wanted:
        return float(given == wanted)
    longest = 0
    for start in range(len(given)):  # a longer one than so far, or nothing new
        while start + longest < len(given) and given[start : start + longest + 1] in wanted:
            longest += 1
    return 2 * longest / (len(given) + len(wanted))


def _character_f1(given: str, wanted: str) -> float:
    a, b = Counter(given.replace(" ", "")), Counter(wanted.replace(" ", ""))
    common = (a & b).total()
    return 2 * common / (a.total() + b.total()) if common else 0.0
