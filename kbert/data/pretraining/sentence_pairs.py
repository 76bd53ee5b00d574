"""Documents into next-sentence instances.

Sentences of a document are collected until they fill a row; a random point splits them into a
first and a second text. Half the time the second text is thrown back and one from another
document follows instead. One row in ten is made short on purpose.

Where the next row begins depends on what this one took, so google-research/bert goes through a
document row by row. Here the lots of every sentence are drawn at once, as if a row began there:
how far it reaches, where it splits, whether its second text is thrown back, and so where the next
row begins. What is left is to go from row to row, a look-up each; only the rows that are met count.

ALBERT asks for something harder: both texts are of one document, one behind the other, and half the
time they are swapped. What the texts are about gives nothing away then.

An instance is four offsets into the shard's ids and a label, so nothing is copied.

Shapes: S sentences of the documents, R rows.
Source: Devlin et al. 2018, appendix A.2; google-research/bert, create_pretraining_data.py,
`create_instances_from_document`; for order Lan et al. 2020 (ALBERT), section 3.1.
"""

from typing import Literal, get_args

import numpy as np

from kbert.data.shards.shards import Shard
from kbert.errors import KbertError
from kbert.labels import IS_IN_ORDER, IS_NEXT, IS_RANDOM, IS_SWAPPED

Negatives = Literal["random", "swapped"]
SPECIAL_TOKENS_IN_PAIR = 3  # [CLS] first [SEP] second [SEP]

PAIR = np.dtype(
    [(name, np.int64) for name in ("first_start", "first_end", "second_start", "second_end")]
    + [("label", np.int32)]
)


def plan_pairs(
    shard: Shard,
    sequence_length: int,
    rng: np.random.Generator,
    short_rate: float = 0.1,
    documents: tuple[int, int] | None = None,
    strangers: Shard | None = None,
    negatives: Negatives = "random",
) -> np.ndarray:
    """Plans one pass over documents.

    Args:
        shard: ids with at least two documents.
        sequence_length: the longest row, special tokens included.
        rng: numpy's generator; equal states give equal plans.
        short_rate: the share of rows, in [0, 1], that are shorter than they could be, so that
            the model meets short rows too.
        documents: the first of them, and the one behind the last; None means all.
        strangers: another shard, to take random second texts from; None takes them from the other
            documents of the same one, those outside of `documents` included.
        negatives: what the other half of the second texts is: "random", of another document
            (`IS_RANDOM`), or "swapped", where the two texts of a document are in the wrong order
            (`IS_SWAPPED`). Of a document's sentence that stands alone there is no such pair.

    Returns:
        (R,) the instances in random order, an array of `PAIR`. Each has at least one token in
        either text and at most `sequence_length` - 3 in both.

    Raises:
        KbertError: if there is only one document, the row is too short for a pair, or the share
            is none.

    Example:
        >>> starts = np.array([0, 4, 9, 12])  # two documents, of two sentences and of one
        >>> shard = Shard(np.zeros(12, np.uint16), starts, np.array([0, 2, 3]))
        >>> plan_pairs(shard, 64, np.random.default_rng(0), short_rate=0)
        array([(9, 12, 0, 9, 1), (0, 4, 4, 9, 0)], dtype=...)
    """
    if negatives not in get_args(Negatives):
        known = ", ".join(get_args(Negatives))
        raise KbertError(f"negatives is one of {known}, not {negatives!r:.80}")
    if negatives == "random" and strangers is None and shard.num_documents < 2:
        raise KbertError(
            "next-sentence prediction draws a random second text from another document, and the "
            "corpus has only one: put a blank line between documents, or add files"
        )
    room = sequence_length - SPECIAL_TOKENS_IN_PAIR
    if room < 2:
        raise KbertError(
            f"sequence_length {sequence_length} is too short for a pair: 5 at the least"
        )
    if not 0 <= short_rate <= 1:
        raise KbertError(f"short_rate is a share in [0, 1], not {short_rate}")
    begin, end = documents or (0, shard.num_documents)
    document_starts = np.asarray(shard.document_starts[begin : end + 1])
    offset = document_starts[0]
    starts = np.asarray(shard.sentence_starts[offset : document_starts[-1] + 1])
    document_starts = document_starts - offset  # from here on sentences are counted from 0
    document = np.repeat(np.arange(end - begin), np.diff(document_starts))  # (S,)

    # Every sentence's lots. A row's sentences are as many as reach the target.
    count = len(document)
    target = np.where(
        rng.random(count) >= short_rate, room, rng.integers(2, room + 1, count)
    )  # (S,)
    sentence = np.arange(count)
    stop = np.searchsorted(starts, starts[:-1] + target)
    stop = np.clip(stop, sentence + 1, document_starts[document + 1])
    split = sentence + 1 + (rng.random(count) * (stop - sentence - 1)).astype(np.int64)
    chosen = rng.random(count) < 0.5
    if negatives == "swapped":
        rows = walk_from_zero(stop)
        rows = rows[split[rows] < stop[rows]]  # (R,)
        plan = np.zeros(len(rows), PAIR)
        plan["first_start"], plan["first_end"] = starts[rows], starts[split[rows]]
        plan["second_start"], plan["second_end"] = starts[split[rows]], starts[stop[rows]]
        _cut(plan, target[rows], rng)
        return _half_swapped(plan, chosen[rows])[rng.permutation(len(plan))]
    is_random = (split == stop) | chosen
    # The sentences that were to be the second text are used again.
    rows = walk_from_zero(np.where(is_random, split, stop))  # (R,)

    target, split, stop, is_random = target[rows], split[rows], stop[rows], is_random[rows]
    plan = np.zeros(len(rows), PAIR)
    plan["first_start"], plan["first_end"] = starts[rows], starts[split]
    plan["second_start"], plan["second_end"] = starts[split], starts[stop]
    plan["label"] = np.where(is_random, IS_RANDOM, IS_NEXT)
    wanted = target - (plan["first_end"] - plan["first_start"])
    own = None if strangers else begin + document[rows[is_random]]
    start, stop = _random_texts(strangers or shard, own, wanted[is_random], rng)
    plan["second_start"][is_random], plan["second_end"][is_random] = start, stop
    _cut(plan, target, rng)
    return plan[rng.permutation(len(plan))]


def _half_swapped(plan: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """The same pairs, those that were chosen the other way round."""
    turned = plan.copy()
    for end in ("start", "end"):
        first, second = plan[f"first_{end}"], plan[f"second_{end}"]
        turned[f"first_{end}"] = np.where(swapped, second, first)
        turned[f"second_{end}"] = np.where(swapped, first, second)
    turned["label"] = np.where(swapped, IS_SWAPPED, IS_IN_ORDER)
    return turned


def walk_from_zero(following: np.ndarray) -> np.ndarray:
    """The indices that one comes through, from 0 on, if `following[i]` is where one goes from i.

    Args:
        following: (S,) integers, each above its index; S or more is the end.

    Example:
        >>> walk_from_zero(np.array([2, 2, 3, 5, 5])).tolist()
        [0, 2, 3]
    """
    indices, index, steps = [], 0, following.tolist()
    while index < len(steps):
        indices.append(index)
        index = steps[index]
    return np.array(indices, np.int64)


def _random_texts(
    shard: Shard, own: np.ndarray | None, wanted: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """For each row, sentences of a document that is not its own, until there are enough tokens.

    They begin anywhere in it, and are whole, as the true second text is, and cut to fit like it:
    else where a text is cut would give the label away.
    """
    count = len(wanted)
    if own is None:
        other = rng.integers(shard.num_documents, size=count)
    else:
        other = rng.integers(shard.num_documents - 1, size=count)
        other += other >= own
    begin, end = shard.document_starts[other], shard.document_starts[other + 1]
    first = begin + (rng.random(count) * (end - begin)).astype(np.int64)
    start = shard.sentence_starts[first]
    reached = np.searchsorted(shard.sentence_starts, start + wanted)
    return start, shard.sentence_starts[np.clip(reached, first + 1, end)]


def _cut(plan: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> None:
    """Shortens the longer text of each row, at random ends, until both fit its room."""
    first = plan["first_end"] - plan["first_start"]
    second = plan["second_end"] - plan["second_start"]
    excess = np.maximum(first + second - room, 0)
    # The longer gives first; when they are level, both give.
    gap = np.minimum(excess, np.abs(first - second))
    rest = excess - gap
    of_first = rest - rest // 2 + np.where(first > second, gap, 0)
    of_second = rest // 2 + np.where(first > second, 0, gap)
    for part, give in (("first", of_first), ("second", of_second)):
        front = rng.binomial(give, 0.5)
        plan[f"{part}_start"] += front
        plan[f"{part}_end"] -= give - front
