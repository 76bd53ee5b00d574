"""Named entities: F1 of whole entities and of single characters.

N tags, in one flat sequence over all sentences, as KLUE's own code has them.
"""

from collections.abc import Sequence

import numpy as np

from kbert.errors import KbertError
from kbert.tasks.label_names import NER
from kbert.tasks.metrics.counts import (
    check_lengths,
    f1,
    numbered,
    occurring,
    right_predicted_gold,
)


def klue_ner(gold_tags: Sequence[str], predicted_tags: Sequence[str]) -> dict[str, float]:
    """KLUE-NER's scores: `entities` with its 13 labels.

    The official code also counts what is predicted for [CLS] and for the last token of each row,
    beside an O. That is no character, so it is left out here; with it, char_f1 of a good model is
    0.00001 higher, and that of one that says O throughout 0.0677 instead of 0.0672 on dev.

    Args:
        gold_tags: (N,) the tags of the characters of all sentences one behind the other, without
            those of spaces.
        predicted_tags: (N,) tags.

    Returns:
        "entity_f1" (official), "char_f1" (official), and the others of `entities`.

    Raises:
        KbertError: if they are not as many, or none, or a tag is not of this set.

    Example:
        >>> gold = "O B-PS I-PS I-PS O B-LC I-LC O".split()
        >>> scores = klue_ner(gold, "O I-PS I-PS I-PS O B-LC I-LC O".split())
        >>> {name: round(score, 4) for name, score in scores.items()}
        {'entity_f1': 0.5, 'char_f1': 0.9077, 'char_f1_without_o': 0.7,
         'entity_micro_f1': 0.6667, 'entity_micro_f1_lenient': 1.0}

    Source: KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py; Ramshaw and Marcus
    1995 for IOB; hiroki-nakayama/seqeval for "strict".
    """
    return entities(gold_tags, predicted_tags, NER)


def entities(
    gold_tags: Sequence[str], predicted_tags: Sequence[str], label_names: Sequence[str]
) -> dict[str, float]:
    """F1 of entities (B-X, then I-X as long as they go on) and of single tags.

    An entity is right if its beginning, its end and its type are. Strict: it begins with a B-. An
    I-X without a B-X or I-X before it is no entity. Lenient: it begins one.

    Args:
        gold_tags: (N,) "B-X", "I-X" and "O", of characters or words.
        predicted_tags: (N,) the same.
        label_names: all tags that there are.

    Returns:
        entity_f1: strict, the mean over the types that occur in gold or prediction.
        char_f1: the mean over all of `label_names`, O too, and one that neither has counts 1, as
            KLUE computes it. O is nearly always right, so it flatters.
        char_f1_without_o: the mean over the tags that occur but for O.
        entity_micro_f1: strict, over all entities.
        entity_micro_f1_lenient: lenient, over all entities.

    Raises:
        KbertError: if they are not as many, or none, or a tag is none of `label_names`.
    """
    check_lengths(gold_tags, predicted_tags)
    a, b, names = numbered(gold_tags, predicted_tags, label_names)
    if len(names) > len(label_names):
        raise KbertError(f"the tag {names[len(label_names)]!r} is none of {list(label_names)}")
    types = sorted({str(name)[2:] for name in names if name != "O"})
    for name in names:
        if name != "O" and str(name)[:2] not in ("B-", "I-"):
            raise KbertError(f"a tag is 'O' or begins with 'B-' or 'I-', not {name!r}")
    kind = np.array([-1 if name == "O" else types.index(str(name)[2:]) for name in names])
    begins = np.array([str(name)[:2] == "B-" for name in names])

    right, of_b, of_a = right_predicted_gold(a, b, len(names))
    each, seen = f1(right, of_b, of_a, absent=1.0), occurring(of_b, of_a)
    seen &= kind >= 0  # not O
    strict = _counts(a, b, kind, begins, len(types), lenient=False)
    lenient = _counts(a, b, kind, begins, len(types), lenient=True)
    occur = occurring(strict[1], strict[2])
    return {
        "entity_f1": float(f1(*strict)[occur].mean()) if occur.any() else 0.0,
        "char_f1": float(each.mean()),
        "char_f1_without_o": float(each[seen].mean()) if seen.any() else 0.0,
        "entity_micro_f1": float(f1(*(count.sum() for count in strict))),
        "entity_micro_f1_lenient": float(f1(*(count.sum() for count in lenient))),
    }


def _counts(a, b, kind, begins, types: int, *, lenient: bool) -> list[np.ndarray]:
    """(types,) each: entities that both have, predicted ones, gold ones."""
    found = []
    for tags in (a, b):
        start, end, type_ = _entities(kind[tags], begins[tags], lenient)
        # One number an entity: a sequence of N tags has fewer than N starts and ends.
        found.append((((start * (len(tags) + 1)) + end) * max(types, 1) + type_, type_))
    (gold, of_gold), (predicted, of_predicted) = found
    both = of_gold[np.isin(gold, predicted, assume_unique=True)]
    return [np.bincount(each, minlength=types) for each in (both, of_predicted, of_gold)]


def _entities(kind: np.ndarray, begins: np.ndarray, lenient: bool):
    """(entities,) starts, ends (exclusive) and types of a sequence of tags."""
    before = np.append(-1, kind[:-1])
    goes_on = (kind >= 0) & ~begins & (kind == before)  # an I- of the type before it
    starts = np.flatnonzero((kind >= 0) & ~goes_on if lenient else begins)
    stops = np.append(np.flatnonzero(~goes_on), len(kind))
    ends = stops[np.searchsorted(stops, starts, side="right")]
    return starts, ends, kind[starts]
