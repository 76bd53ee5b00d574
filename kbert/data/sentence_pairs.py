"""Documents into next-sentence instances.

Sentences of a document are collected until they fill a row; a random point splits them into a
first and a second text. Half the time the second text is thrown back and one from another
document takes its place. One row in ten is made short on purpose.

An instance is four offsets into the shard's ids and a label, so nothing is copied.

Source: Devlin et al. 2018, appendix A.2; google-research/bert, create_pretraining_data.py,
`create_instances_from_document`.
"""

import numpy as np

from kbert.data.shards import Shard
from kbert.errors import KbertError
from kbert.labels import IS_NEXT, IS_RANDOM

SPECIAL_TOKENS_IN_PAIR = 3  # [CLS] first [SEP] second [SEP]

INSTANCE = np.dtype(
    [(name, np.int64) for name in ("first_start", "first_end", "second_start", "second_end")]
    + [("label", np.int32)]
)


def plan_pairs(
    shard: Shard, sequence_length: int, rng: np.random.Generator, short_rate: float = 0.1
) -> np.ndarray:
    """Plans one pass over the documents.

    Args:
        shard: ids with at least two documents.
        sequence_length: the longest row, special tokens included.
        rng: numpy's generator; equal states give equal plans.
        short_rate: the share of rows, in [0, 1], that are shorter than they could be, so that
            the model meets short rows too.

    Returns:
        The instances in random order, an array of `INSTANCE`. Each has at least one token in
        either text and at most `sequence_length` - 3 in both.

    Raises:
        KbertError: if there is only one document, or the row is too short for a pair.
    """
    if shard.num_documents < 2:
        raise KbertError(
            "next-sentence prediction draws a random second text from another document, and the "
            "corpus has only one: put a blank line between documents, or add files"
        )
    room = sequence_length - SPECIAL_TOKENS_IN_PAIR
    if room < 2:
        raise KbertError(
            f"sequence_length {sequence_length} is too short for a pair: 5 at the least"
        )
    instances = []
    for document in range(shard.num_documents):
        instances += _document_pairs(shard, document, room, rng, short_rate)
    rng.shuffle(instances)
    return np.array(instances, INSTANCE)


def _document_pairs(
    shard: Shard, document: int, room: int, rng: np.random.Generator, short_rate: float
) -> list[tuple[int, int, int, int, int]]:
    starts = shard.sentence_starts
    begin, end = shard.document_starts[document], shard.document_starts[document + 1]
    instances, sentence = [], begin
    while sentence < end:
        target = room if rng.random() >= short_rate else int(rng.integers(2, room + 1))
        # The sentences of this row: as many as reach the target.
        reached = np.searchsorted(starts, starts[sentence] + target)
        stop = min(int(max(reached, sentence + 1)), int(end))
        split = sentence + 1 if stop - sentence < 3 else int(rng.integers(sentence + 1, stop))
        first = (int(starts[sentence]), int(starts[split]))
        if split == stop or rng.random() < 0.5:
            second, label = (
                _random_text(shard, document, target - (first[1] - first[0]), rng),
                IS_RANDOM,
            )
            sentence = split  # the sentences that were to be the second text are used again
        else:
            second, label = (int(starts[split]), int(starts[stop])), IS_NEXT
            sentence = stop
        instances.append((*_cut(first, second, target, rng), label))
    return instances


def _random_text(
    shard: Shard, document: int, target: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Sentences of another document, from a random one on, until there are `target` tokens.

    They are whole, as the true second text is, and cut to fit like it: else where a text is cut
    would give the label away.
    """
    other = int(rng.integers(shard.num_documents - 1))
    other += other >= document
    begin, end = shard.document_starts[other], shard.document_starts[other + 1]
    starts = shard.sentence_starts
    sentence = int(rng.integers(begin, end))
    reached = int(np.searchsorted(starts, starts[sentence] + target))
    return int(starts[sentence]), int(starts[min(max(reached, sentence + 1), end)])


def _cut(
    first: tuple[int, int], second: tuple[int, int], room: int, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Shortens the longer text, at a random end, until both fit."""
    (a, b), (c, d) = first, second
    excess = (b - a) + (d - c) - room
    if excess > 0:
        lengths = (b - a, d - c)
        # The longer gives first; when they are level, both give.
        gap = min(excess, abs(lengths[0] - lengths[1]))
        rest = excess - gap
        give = [rest - rest // 2, rest // 2]
        give[0 if lengths[0] > lengths[1] else 1] += gap
        front_a, front_c = (int(rng.binomial(n, 0.5)) for n in give)
        a, b = a + front_a, b - (give[0] - front_a)
        c, d = c + front_c, d - (give[1] - front_c)
    return a, b, c, d
