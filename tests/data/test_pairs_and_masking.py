import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.data.baseline import unigram_loss
from kbert.data.masking import mask_tokens, max_masked, ordinary_ids
from kbert.data.sentence_pairs import INSTANCE, plan_pairs
from kbert.data.shards import Shard, encode_documents
from kbert.labels import IS_NEXT, IS_RANDOM

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", *(f"w{i}" for i in range(94))]


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


def test_encoding_keeps_the_boundaries():
    tokenizer = Tokenizer([*WORDS, "가", "##나"])
    shard = encode_documents([["가나 가", "\u200b", "가"], ["\u200b"], ["가나"]], tokenizer)
    assert shard.ids.tolist() == [100, 101, 100, 100, 100, 101]
    assert shard.sentence_starts.tolist() == [0, 3, 4, 6]  # what gives no token is left out
    assert shard.document_starts.tolist() == [0, 2, 3]
    assert shard.ids.dtype == np.uint16
    with pytest.raises(KbertError, match="empty"):
        encode_documents([["\u200b"]], tokenizer)


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
    signs = {name: ~np.isin(plan[name], starts) for name in INSTANCE.names if name != "label"}
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


def rows(tokenizer, count=400, length=64, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(6, len(tokenizer), (count, length)).astype("int32")
    ids[:, 0] = tokenizer.cls_id
    ids[:, 30] = tokenizer.sep_id
    for row, end in enumerate(rng.integers(32, length + 1, count)):
        ids[row, end - 1] = tokenizer.sep_id
        ids[row, end:] = tokenizer.pad_id
    return ids


def test_masking_shares_lie_within_binomial_bounds():
    tokenizer = Tokenizer(WORDS)
    ids = rows(tokenizer)
    masked = mask_tokens(ids, tokenizer, np.random.default_rng(1))
    real = masked.weights > 0
    index = np.arange(len(ids))[:, None]
    before, after = ids[index, masked.positions], masked.input_ids[index, masked.positions]

    # 15% of each row's ordinary tokens, rounded.
    ordinary = (ids >= 5).sum(axis=1)
    np.testing.assert_array_equal(real.sum(axis=1), np.rint(ordinary * 0.15))
    # Never a special token; the truth is kept; nothing else changes.
    assert not np.isin(before[real], tokenizer.special_ids).any()
    np.testing.assert_array_equal(masked.labels[real], before[real])
    changed = masked.input_ids != ids
    assert changed.sum() == (after != before)[real].sum()
    # 80% / 10% / 10%, four standard deviations. A random token equals the truth 1 time in 94.
    n = int(real.sum())
    as_mask = int((after[real] == tokenizer.mask_id).sum())
    kept = int((after[real] == before[real]).sum())
    replaced = n - as_mask - kept
    for got, share in ((as_mask, 0.8), (kept, 0.1 + 0.1 / 94), (replaced, 0.1 - 0.1 / 94)):
        assert abs(got - n * share) < 4 * np.sqrt(n * share * (1 - share))
    # A random token is ordinary, and all of them come up.
    others = after[real & (after != before) & (after != tokenizer.mask_id)]
    assert set(others.tolist()) <= set(range(6, 100))


def test_every_place_is_as_likely():
    tokenizer = Tokenizer(WORDS)
    ids = np.full((3000, 22), 7, "int32")
    ids[:, 0], ids[:, -1] = tokenizer.cls_id, tokenizer.sep_id  # 20 ordinary tokens, 3 masked
    masked = mask_tokens(ids, tokenizer, np.random.default_rng(1))
    counts = np.bincount(masked.positions[masked.weights > 0], minlength=22)
    assert counts[0] == counts[21] == 0
    assert np.abs(counts[1:21] - 3000 * 0.15).max() < 4 * np.sqrt(3000 * 0.15 * 0.85)
    assert (np.diff(masked.positions[:, :3]) > 0).all()  # in rising order


def test_rows_with_nothing_to_mask():
    tokenizer = Tokenizer(WORDS)
    ids = np.array([[2, 3, 0, 0], [2, 9, 3, 0]], "int32")
    masked = mask_tokens(ids, tokenizer, np.random.default_rng(1))
    assert masked.weights.tolist() == [[0.0], [1.0]]  # at least one, where there is one
    assert masked.input_ids[0].tolist() == ids[0].tolist()


def test_masks_repeat_and_rates_are_checked():
    tokenizer = Tokenizer(WORDS)
    ids = rows(tokenizer, 8)
    one, two = (mask_tokens(ids, tokenizer, np.random.default_rng([1, 2])) for _ in range(2))
    np.testing.assert_array_equal(one.input_ids, two.input_ids)
    assert (ids == rows(tokenizer, 8)).all()  # the input is left alone
    for bad in ({"rate": 0}, {"rate": 1.5}, {"mask_share": 0.9, "random_share": 0.2}):
        with pytest.raises(KbertError, match="rates must be"):
            mask_tokens(ids, tokenizer, np.random.default_rng(0), **bad)
    assert max_masked(128, 0.15) == 20 and max_masked(4, 0.15) == 1
    assert ordinary_ids(tokenizer).tolist() == list(range(6, 100))


def test_unigram_loss_by_hand():
    tokenizer = Tokenizer(WORDS)
    shard = encode_documents([["w0 w0 w0 w1 [SEP]"]], tokenizer)
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))  # [SEP] is never asked for
    assert unigram_loss(shard, tokenizer) == pytest.approx(expected)
