import numpy as np
import pytest

from kbert import KbertError
from kbert.data.pretraining.instances import INSTANCE, Instances, pair_planner, row_planner
from kbert.data.pretraining.packed_rows import pack_rows
from kbert.data.pretraining.sources import Source
from kbert.data.shards.shards import Shard
from kbert.labels import IS_RANDOM, NOT_A_PAIR

SMALL = {"block_sentences": 20, "group_blocks": 3, "seed": 5}


def a_shard(documents: int, seed: int) -> Shard:
    rng = np.random.default_rng(seed)
    lengths = [rng.integers(1, 21, rng.integers(1, 16)) for _ in range(documents)]
    starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    counts = np.concatenate([[0], np.cumsum([len(each) for each in lengths])])
    return Shard(np.arange(starts[-1], dtype=np.uint32), starts, counts)


@pytest.fixture
def source() -> Source:
    return Source([a_shard(30, 1), a_shard(1, 2), a_shard(17, 3)])


class Counted:
    """A planner that notes which runs of documents it was asked for."""

    def __init__(self, plan):
        self.plan, self.asked = plan, []

    def __call__(self, shards, index, documents, rng):
        self.asked.append((index, documents))
        return self.plan(shards, index, documents, rng)


def test_blocks_are_all_documents_once(source):
    plan = Counted(row_planner(32, "sentences"))
    len(Instances(source, plan, **SMALL))
    for index, shard in enumerate(source.shards):
        runs = sorted(documents for shard_index, documents in plan.asked if shard_index == index)
        assert [begin for begin, _ in runs] == [0, *(end for _, end in runs[:-1])]
        assert runs[-1][1] == shard.num_documents
        sentences = [np.diff(shard.document_starts[list(run)])[0] for run in runs]
        assert min(sentences[:-1], default=20) >= 6 and max(sentences) < 20 + 15


def test_every_full_row_comes_once_an_epoch(source):
    rows = Instances(source, row_planner(32, "sentences"), **SMALL)
    size = len(rows)
    plan = Counted(row_planner(32, "sentences"))
    len(Instances(source, plan, **SMALL))
    expected = sorted(
        (index, start, end)
        for index, run in plan.asked
        for start, end in pack_rows(source.shards[index], 32, "sentences", run)[
            ["start", "end"]
        ].tolist()
    )
    orders = []
    for epoch in range(3):
        found = rows[np.arange(epoch * size, (epoch + 1) * size)]
        assert sorted(found[["shard", "first_start", "first_end"]].tolist()) == expected
        assert (found["label"] == NOT_A_PAIR).all()
        orders.append(found["first_start"].tolist())
    assert orders[0] != orders[1] != orders[2] != sorted(orders[2])


def test_full_rows_are_cut_elsewhere_in_every_epoch(source):
    rows = Instances(source, row_planner(32, "tokens"), **SMALL)
    size, blocks = len(rows), len(rows.quotas)
    cuts = []
    for epoch in range(3):
        found = rows[np.arange(epoch * size, (epoch + 1) * size)]
        tokens = (found["first_end"] - found["first_start"]).sum()
        whole = sum(len(shard.ids) for shard in source.shards)
        # Of a block one row at most is left out, or comes twice.
        assert abs(int(tokens) - whole) <= (30 * blocks if epoch else 0)
        cuts.append({(shard, start) for shard, start in found[["shard", "first_start"]].tolist()})
    for one, two in ((cuts[0], cuts[1]), (cuts[1], cuts[2])):
        assert len(one & two) < blocks + 0.15 * size  # every block's beginning, and by chance


def test_an_instance_is_found_alone(source):
    """By number, in any order, by any object: equal to what a whole pass gives."""
    pairs = pair_planner(48, 0.1)
    whole = Instances(source, pairs, **SMALL)
    size = len(whole)
    passed = whole[np.arange(3 * size)]
    for number in (0, size - 1, size, 2 * size + 7, 3 * size - 1):
        alone = Instances(source, pairs, **SMALL)[np.array([number])]
        assert alone.tolist() == [passed[number].tolist()]
    backwards = Instances(source, pairs, **SMALL)[np.arange(3 * size)[::-1]]
    np.testing.assert_array_equal(backwards[::-1], passed)
    for change in ({"seed": 6}, {"index": 1}):
        other = Instances(source, pairs, **{**SMALL, **change})
        assert not np.array_equal(other[np.arange(10)], passed[:10])


def test_an_instance_far_out_needs_one_group_only(source):
    plan = Counted(row_planner(32, "sentences"))
    rows = Instances(source, plan, **SMALL)
    blocks = len(rows.quotas)
    assert blocks > 12 and len(plan.asked) == blocks  # counted, once
    plan.asked.clear()
    rows[np.array([1_000_000 * len(rows) + 3])]
    assert len(plan.asked) == 3  # the blocks of its group


def test_epochs_of_pairs_have_one_size_and_all_documents(source):
    """A later plan is cut to the quota, or filled up from a second plan; nobody is left out."""
    pairs = Instances(source, pair_planner(48, 0.1), **SMALL)
    size = len(pairs)
    for epoch in range(4):
        found = pairs[np.arange(epoch * size, (epoch + 1) * size)]
        assert found.dtype == INSTANCE
        for index, shard in enumerate(source.shards):
            begins = found["first_start"][found["shard"] == index]
            touched = np.searchsorted(shard.sentence_starts, begins, side="right") - 1
            documents = np.searchsorted(shard.document_starts, touched, side="right") - 1
            assert len(np.unique(documents)) > 0.9 * shard.num_documents
    # The single document's random texts come from the largest other shard.
    lonely = found[(found["shard"] == 1) & (found["label"] == IS_RANDOM)]
    assert len(lonely) and (lonely["other"] == 0).all()
    others = found[found["shard"] != 1]
    assert (others["other"] == others["shard"]).all()


def test_quotas_of_a_large_source_are_estimated(source):
    counted = Instances(source, pair_planner(48, 0.1), **SMALL)
    guessed = Instances(source, pair_planner(48, 0.1), **SMALL, counted_blocks=4)
    assert guessed.quotas[[0, -1]].tolist() == counted.quotas[[0, -1]].tolist()
    assert 0.8 < len(guessed) / len(counted) < 1.25
    assert not np.array_equal(guessed.quotas, counted.quotas)
    size = len(guessed)
    found = guessed[np.arange(size)]  # what a plan lacks comes from a second one, and differs
    assert len(np.unique(found)) > 0.98 * size


def test_no_text_and_no_second_document():
    with pytest.raises(KbertError, match="comments is empty"):
        Instances(Source([], name="comments"), row_planner(32, "sentences"), seed=0)
    with pytest.raises(KbertError, match="only one"):
        len(Instances(Source([a_shard(1, 0)]), pair_planner(48, 0.1), seed=0))
    nothing = Shard(np.zeros(0, np.uint16), np.zeros(1, np.int64), np.zeros(1, np.int64))
    with pytest.raises(KbertError, match="the corpus is empty"):
        Instances(Source([nothing]), pair_planner(48, 0.1), seed=0)
    with pytest.raises(KbertError, match="only one"):
        len(Instances(Source([a_shard(1, 0), nothing]), pair_planner(48, 0.1), seed=0))


def test_an_empty_shard_among_others_changes_nothing():
    nothing = Shard(np.zeros(0, np.uint16), np.zeros(1, np.int64), np.zeros(1, np.int64))
    text = a_shard(9, 1)
    with_it = Instances(Source([text, nothing]), pair_planner(48, 0.1), seed=0)
    without = Instances(Source([text]), pair_planner(48, 0.1), seed=0)
    numbers = np.arange(2 * len(without))
    np.testing.assert_array_equal(with_it[numbers], without[numbers])
