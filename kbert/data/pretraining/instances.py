"""The n-th instance of a source, found without those before it.

An instance is what one row is made of: offsets into shards. It is a pure function of (seed, n), in
memory that does not grow with the corpus:

    block   a run of documents of one shard, some 16,000 sentences, planned as a whole
    group   32 blocks from anywhere in the source, whose instances are shuffled together
    epoch   all blocks, dealt anew to groups

A block has a fixed number of instances in every epoch, its quota, so it is known where in an epoch
each group begins. The quota is how many the plan of the first epoch has. Later plans, with other
random numbers, differ by a few: of a longer one a random part is left out, and a shorter one is
filled up from a second plan.

Limits. Quotas are counted when they are first needed, for up to 512 blocks (8 million sentences,
some 1.3 GB of Korean text). Of a larger source 512 blocks spread over it are counted, the others
taken to have as many instances a token as those. Where this is wrong for a block, some of its
instances are missing from an epoch, or stand in it twice.

Shapes: K blocks, N instances.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np

from kbert.data.pretraining.packed_rows import Packing, pack_rows
from kbert.data.pretraining.sentence_pairs import Negatives, plan_pairs
from kbert.data.pretraining.sources import Source
from kbert.data.shards.shards import Shard
from kbert.errors import KbertError
from kbert.labels import IS_RANDOM, NOT_A_PAIR

# `shard` and `other` are the shards of the first and the second text, by index. A packed row has
# no second text; the documents of its first and last ids tell where others begin within.
INSTANCE = np.dtype(
    [("shard", np.int32), ("other", np.int32)]
    + [(name, np.int64) for name in ("first_start", "first_end", "second_start", "second_end")]
    + [(name, np.int32) for name in ("first_document", "last_document", "label")]
)
DEAL, PLAN, SHUFFLE, MASK = range(4)  # what random numbers are for, so that none serve twice

_NO_PAIRS = "no document has two sentences, so there are no pairs to swap: take negatives='random'"

# From shards, the index of one, a run of its documents, and a generator: the instances of the run,
# an array of INSTANCE in random order.
Planner = Callable[[Sequence[Shard], int, tuple[int, int], np.random.Generator], np.ndarray]


def pair_planner(
    sequence_length: int, short_rate: float, negatives: Negatives = "random"
) -> Planner:
    """Plans pairs, as `plan_pairs` does.

    Random second texts are from the same shard; only a shard of a single document borrows from
    the largest other one.
    """

    def plan(
        shards: Sequence[Shard], index: int, documents: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        other = index
        if negatives == "random" and shards[index].num_documents < 2:
            others = (i for i, shard in enumerate(shards) if i != index and shard.num_documents)
            other = max(others, key=lambda i: shards[i].num_documents, default=index)
        strangers = None if other == index else shards[other]
        pairs = plan_pairs(
            shards[index], sequence_length, rng, short_rate, documents, strangers, negatives
        )
        instances = np.zeros(len(pairs), INSTANCE)
        for name in pairs.dtype.names or ():
            instances[name] = pairs[name]
        is_random = (pairs["label"] == IS_RANDOM) & (negatives == "random")
        instances["shard"], instances["other"] = index, np.where(is_random, other, index)
        return instances

    return plan


def row_planner(sequence_length: int, packing: Packing) -> Planner:
    """Plans full rows of running text, as `pack_rows` does; the first row is of any length."""

    def plan(
        shards: Sequence[Shard], index: int, documents: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        first_row = int(rng.integers(3, max(sequence_length, 3) + 1))
        packed = pack_rows(shards[index], sequence_length, packing, documents, first_row)
        packed = packed[rng.permutation(len(packed))]
        instances = np.zeros(len(packed), INSTANCE)
        instances["shard"], instances["label"] = index, NOT_A_PAIR
        instances["first_start"], instances["first_end"] = packed["start"], packed["end"]
        for name in ("first_document", "last_document"):
            instances[name] = packed[name]
        return instances

    return plan


class Instances:
    """The instances of a source by number, one epoch behind the other.

    Args:
        source: the text.
        plan: makes the instances of a run of documents.
        seed: equal seeds give equal instances.
        index: of the source among those of a run, so that no two share their random numbers.
        block_sentences: how many sentences a block has at the least; it ends with a document.
        group_blocks: how many blocks are shuffled together.
        counted_blocks: the most blocks whose quota is counted.

    Raises:
        KbertError: if the source has no text.

    Example:
        >>> starts = np.array([0, 4, 9, 12])  # two documents, of two sentences and of one
        >>> shard = Shard(np.zeros(12, np.uint16), starts, np.array([0, 2, 3]))
        >>> rows = Instances(Source([shard]), row_planner(14, "sentences"), seed=0)
        >>> len(rows)
        2
        >>> rows[np.array([0, 1, 2])][["first_start", "first_end"]].tolist()
        [(0, 9), (9, 12), (9, 12)]
    """

    def __init__(
        self,
        source: Source,
        plan: Planner,
        *,
        seed: int,
        index: int = 0,
        block_sentences: int = 1 << 14,
        group_blocks: int = 32,
        counted_blocks: int = 512,
    ):
        self._shards, self._plan, self._seed, self._index = source.shards, plan, seed, index
        self._group_blocks, self._counted_blocks = group_blocks, counted_blocks
        blocks = [_blocks(shard, i, block_sentences) for i, shard in enumerate(source.shards)]
        self._blocks = np.concatenate([np.zeros((0, 4), np.int64), *blocks])  # (K, 4)
        if not len(self._blocks):
            raise KbertError(f"{source.name} is empty: it has no text to train on")
        self._dealt = lru_cache(maxsize=2)(self._deal)
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    @cached_property
    def quotas(self) -> np.ndarray:
        """(K,) how many instances each block has in an epoch."""
        count = len(self._blocks)
        counted = np.unique(np.linspace(0, count - 1, self._counted_blocks).astype(np.int64))
        found = np.array([len(self._plan_block(0, block, 0)) for block in counted.tolist()])
        tokens = self._blocks[:, 3]
        quotas = np.maximum(np.rint(tokens * found.sum() / tokens[counted].sum()), 1)
        quotas[counted] = found
        if not quotas.sum():
            raise KbertError(_NO_PAIRS)
        return quotas.astype(np.int64)

    def __len__(self) -> int:
        """How many instances an epoch has."""
        return int(self.quotas.sum())

    def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
        """The instances of given numbers, (N,) integers from 0 on: an array of INSTANCE."""
        instances = np.zeros(len(numbers), INSTANCE)
        epochs, indices = np.divmod(numbers, len(self))
        for epoch in np.unique(epochs).tolist():
            _, ends = self._dealt(epoch)
            groups = np.where(epochs == epoch, np.searchsorted(ends, indices, side="right"), -1)
            for group in np.unique(groups[groups >= 0]).tolist():
                here = groups == group
                begin = ends[group - 1] if group else 0
                instances[here] = self._shuffled(epoch, group)[indices[here] - begin]
        return instances

    def _rng(self, purpose: int, epoch: int, which: int, again: int = 0) -> np.random.Generator:
        return np.random.default_rng([self._seed, purpose, self._index, epoch, which, again])

    def _deal(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The blocks in the order of an epoch (K,), and where in it each group ends."""
        order = self._rng(DEAL, epoch, 0).permutation(len(self._blocks))
        last = np.append(np.arange(self._group_blocks - 1, len(order) - 1, self._group_blocks), -1)
        return order, np.cumsum(self.quotas[order])[last]

    def _shuffle(self, epoch: int, group: int) -> np.ndarray:
        """The instances of a group, in order."""
        begin = group * self._group_blocks
        blocks = self._dealt(epoch)[0][begin : begin + self._group_blocks]
        plans = []
        for block in blocks.tolist():
            missing, again = int(self.quotas[block]), 0
            while missing:
                plans.append(self._plan_block(epoch, block, again)[:missing])
                if not len(plans[-1]):
                    raise KbertError(_NO_PAIRS)
                missing, again = missing - len(plans[-1]), again + 1
        instances = np.concatenate(plans)
        return instances[self._rng(SHUFFLE, epoch, group).permutation(len(instances))]

    def _plan_block(self, epoch: int, block: int, again: int) -> np.ndarray:
        shard, begin, end, _ = self._blocks[block].tolist()
        return self._plan(self._shards, shard, (begin, end), self._rng(PLAN, epoch, block, again))


def _blocks(shard: Shard, index: int, sentences: int) -> np.ndarray:
    """The blocks of a shard, (K, 4): its index, the first document, the one behind, the tokens."""
    marks = np.arange(0, shard.num_sentences, sentences)
    first = np.unique(np.searchsorted(shard.document_starts[:-1], marks))
    first = first[first < shard.num_documents]
    bounds = np.append(first, shard.num_documents)
    tokens = np.diff(shard.sentence_starts[shard.document_starts[bounds]])
    return np.stack([np.full(len(first), index), first, bounds[1:], tokens], axis=1)
