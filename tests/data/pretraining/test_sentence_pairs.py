from itertools import pairwise

import numpy as np
import pytest

from kbert import KbertError
from kbert.data.pretraining.sentence_pairs import PAIR, plan_pairs
from kbert.data.shards.shards import Shard
from kbert.labels import IS_IN_ORDER, IS_NEXT, IS_RANDOM, IS_SWAPPED


def a_shard(documents=40, seed=0) -> Shard:
    """Documents of 1 to 30 sentences of 1 to 40 tokens; a token tells its place: T is the id."""
    rng = np.random.default_rng(seed)
    lengths = [rng.integers(1, 41, rng.integers(1, 31)) for _ in range(documents)]
    sentences = np.concatenate(lengths)
    total = int(sentences.sum())
    return Shard(
        np.arange(total, dtype=np.uint32),
        np.concatenate([[0], np.cumsum(sentences)]),
        np.concatenate([[0], np.cumsum([len(each) for each in lengths])]),
    )


def document_of(shard: Shard, token: int) -> int:
    sentence = np.searchsorted(shard.sentence_starts, token, side="right") - 1
    return int(np.searchsorted(shard.document_starts, sentence, side="right") - 1)


@pytest.mark.parametrize("length", [5, 16, 64, 128])
def test_pairs_are_what_they_say(length):
    shard = a_shard()
    plan = plan_pairs(shard, length, np.random.default_rng(1))
    for a, b, c, d, label in plan.tolist():
        assert a < b and c < d and (b - a) + (d - c) <= length - 3
        first, second = document_of(shard, a), document_of(shard, c)
        assert document_of(shard, b - 1) == first and document_of(shard, d - 1) == second
        if label == IS_NEXT:
            assert first == second and b <= c
        else:
            assert label == IS_RANDOM and first != second


def test_the_second_text_begins_where_the_first_ended_unless_it_was_cut():
    shard = a_shard()
    plan = plan_pairs(shard, 10_000, np.random.default_rng(1), short_rate=0)  # nothing is cut
    following = plan[plan["label"] == IS_NEXT]
    assert len(following) > 10
    np.testing.assert_array_equal(following["first_end"], following["second_start"])
    np.testing.assert_array_equal(np.isin(following["first_end"], shard.sentence_starts), True)


def test_half_the_pairs_follow():
    # Long documents, so that nearly every row has two sentences and the coin decides.
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 9, 4000)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    shard = Shard(np.zeros(starts[-1], np.uint16), starts, np.arange(0, 4001, 1000))
    plan = plan_pairs(shard, 64, np.random.default_rng(2), short_rate=0)
    random = int((plan["label"] == IS_RANDOM).sum())
    bound = 4 * np.sqrt(len(plan) * 0.25)  # four standard deviations of the binomial
    assert abs(random - len(plan) / 2) < bound


def test_how_a_pair_was_cut_does_not_tell_its_label():
    """A true and a random pair must be as often full, and cut at the front of a text."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 40, 60_000)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    shard = Shard(np.zeros(starts[-1], np.uint16), starts, np.arange(0, 60_001, 600))
    plan = plan_pairs(shard, 64, np.random.default_rng(3))
    signs = {name: ~np.isin(plan[name], starts) for name in PAIR.names if name != "label"}
    tokens = plan["first_end"] - plan["first_start"] + plan["second_end"] - plan["second_start"]
    for name, sign in {**signs, "full": tokens == 61}.items():
        shares = [sign[plan["label"] == label].mean() for label in (IS_NEXT, IS_RANDOM)]
        # What is left is BERT's own: a document that ends, or one sentence that fills the row.
        assert abs(shares[0] - shares[1]) < 0.07, name
        assert min(shares) > 0.5  # there are enough of either to tell


def test_sentences_that_made_way_are_used_again():
    shard = a_shard()
    plan = plan_pairs(shard, 64, np.random.default_rng(1), short_rate=0)
    seen = np.zeros(len(shard.ids), bool)
    for a, b, c, d, label in plan.tolist():
        seen[a:b] = True
        if label == IS_NEXT:
            seen[c:d] = True
    assert seen.mean() > 0.8  # the rest was cut from rows that were too long
    assert set(map(int, plan["first_start"])) <= set(range(len(shard.ids)))
    documents = {document_of(shard, a) for a in plan["first_start"].tolist()}
    assert documents == set(range(shard.num_documents))


def test_plans_repeat():
    shard = a_shard()
    one, two = (plan_pairs(shard, 64, np.random.default_rng([7, 3])) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, plan_pairs(shard, 64, np.random.default_rng([7, 4])))


def test_no_pairs_from_one_document_or_too_short_a_row():
    with pytest.raises(KbertError, match="the corpus has only one"):
        plan_pairs(a_shard(documents=1), 64, np.random.default_rng(0))
    with pytest.raises(KbertError, match="5 at the least"):
        plan_pairs(a_shard(), 4, np.random.default_rng(0))


def test_the_ways_through_a_document_are_as_likely_as_bert_has_them():
    """Three sentences that fit one row, in many documents of a shard; worked by hand.

    From sentence 0 the split is before 1 or 2, one half each, and the pair follows in one half:
    then nothing is left. Else the next row begins at the split: at 2 it is the last; at 1 the pair
    (1, 2) follows in one half, and in the other 2 has a row of its own, which can only be random.
    So rows begin at 0: 1/2; at 0 and 2: 1/4; at 0 and 1: 1/8; at 0, 1 and 2: 1/8.
    """
    count = 8000
    starts, documents = np.arange(0, 6 * count + 1, 2), np.arange(0, 3 * count + 1, 3)
    shard = Shard(np.zeros(6 * count, np.uint16), starts, documents)
    plan = plan_pairs(shard, 64, np.random.default_rng(0), short_rate=0)
    begins = plan["first_start"] // 2
    ways = np.zeros(count, int)
    np.add.at(ways, begins // 3, 1 << begins % 3)
    for way, share in {0b001: 1 / 2, 0b101: 1 / 4, 0b011: 1 / 8, 0b111: 1 / 8}.items():
        bound = 4 * np.sqrt(count * share * (1 - share))
        assert abs((ways == way).sum() - count * share) < bound, way
    alone = plan[begins % 3 == 2]
    assert (alone["label"] == IS_RANDOM).all()


def begins_row_by_row(sentences: int, room: int, rng: np.random.Generator) -> list[int]:
    """BERT's own loop over a document whose sentences are one token each: where rows begin."""
    begins, sentence = [], 0
    while sentence < sentences:
        begins.append(sentence)
        target = room if rng.random() >= 0.1 else int(rng.integers(2, room + 1))
        stop = min(sentence + target, sentences)
        split = int(rng.integers(sentence + 1, max(stop, sentence + 2)))
        sentence = split if split == stop or rng.random() < 0.5 else stop
    return begins


def test_rows_begin_as_often_as_in_berts_loop():
    """Sentences of one token each, so nothing is cut and a row begins where its sentence does."""
    sizes, room, rounds = [1, 2, 3, 8, 20, 40], 7, 1500
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    shard = Shard(np.zeros(offsets[-1], np.uint16), np.arange(offsets[-1] + 1), offsets)
    rng = np.random.default_rng(0)
    ours, theirs = np.zeros((2, offsets[-1]))
    for _ in range(rounds):
        ours[plan_pairs(shard, room + 3, rng)["first_start"]] += 1
        for offset, size in zip(offsets, sizes, strict=False):
            theirs[offset + np.array(begins_row_by_row(size, room, rng))] += 1
    assert (ours[offsets[:-1]] == rounds).all()
    share = (ours + theirs) / (2 * rounds)
    deviation = np.sqrt(2 * rounds * share * (1 - share))  # of a difference of two binomials
    assert (np.abs(ours - theirs) <= 4.5 * deviation).all()
    assert ((share > 0.1) & (share < 0.9)).sum() > 50  # there is something to tell


def test_a_run_of_documents():
    shard = a_shard()
    begin, end = 10, 17
    plan = plan_pairs(shard, 64, np.random.default_rng(1), documents=(begin, end))
    first = {document_of(shard, a) for a in plan["first_start"].tolist()}
    assert first == set(range(begin, end))
    partners = [document_of(shard, c) for c in plan["second_start"][plan["label"] == IS_RANDOM]]
    assert min(partners) < begin and max(partners) >= end  # from anywhere
    assert len(plan) < len(plan_pairs(shard, 64, np.random.default_rng(1))) / 2


def test_a_shard_of_one_document_borrows_its_random_texts():
    book, others = a_shard(documents=1), a_shard(documents=5, seed=1)
    plan = plan_pairs(book, 64, np.random.default_rng(1), strangers=others)
    random = plan[plan["label"] == IS_RANDOM]
    assert 0 < len(random) < len(plan)
    assert (random["second_end"] <= len(others.ids)).all()
    begins = set(others.sentence_starts.tolist())
    whole = random["second_end"] - random["second_start"] < 20  # some of these were not cut
    assert begins & set(random["second_start"][whole].tolist())


# Sentence order.


@pytest.mark.parametrize("length", [5, 16, 128])
def test_swapped_pairs_are_of_one_document_and_stand_as_they_say(length):
    shard = a_shard()
    plan = plan_pairs(shard, length, np.random.default_rng(1), negatives="swapped")
    assert set(plan["label"].tolist()) == {IS_IN_ORDER, IS_SWAPPED}
    for a, b, c, d, label in plan.tolist():
        assert a < b and c < d and (b - a) + (d - c) <= length - 3
        assert len({document_of(shard, place) for place in (a, b - 1, c, d - 1)}) == 1
        assert b <= c if label == IS_IN_ORDER else d <= a


def test_half_the_pairs_are_swapped_and_every_sentence_is_used_once():
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(rng.integers(3, 9, 4000))])
    shard = Shard(np.zeros(starts[-1], np.uint16), starts, np.arange(0, 4001, 1000))
    plan = plan_pairs(shard, 64, np.random.default_rng(2), short_rate=0, negatives="swapped")
    swapped = int((plan["label"] == IS_SWAPPED).sum())
    assert abs(swapped - len(plan) / 2) < 4 * np.sqrt(len(plan) * 0.25)
    # Nothing goes back, so no token stands in two pairs.
    spans = [(a, b) for a, b, *_ in plan.tolist()] + [(c, d) for _, _, c, d, _ in plan.tolist()]
    spans.sort()
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert sum(end - begin for begin, end in spans) > 0.85 * starts[-1]


def test_one_document_has_an_order_and_one_sentence_has_none():
    starts = np.array([0, 4, 9, 12])  # two documents, of two sentences and of one
    shard = Shard(np.zeros(12, np.uint16), starts, np.array([0, 2, 3]))
    plan = plan_pairs(shard, 64, np.random.default_rng(0), short_rate=0, negatives="swapped")
    assert [sorted([(a, b), (c, d)]) for a, b, c, d, _ in plan.tolist()] == [[(0, 4), (4, 9)]]
    alone = Shard(np.zeros(9, np.uint16), np.array([0, 4, 9]), np.array([0, 2]))
    assert len(plan_pairs(alone, 64, np.random.default_rng(0), negatives="swapped")) == 1
    with pytest.raises(KbertError, match="negatives is one of random, swapped, not 'other'"):
        plan_pairs(shard, 64, np.random.default_rng(0), negatives="other")
