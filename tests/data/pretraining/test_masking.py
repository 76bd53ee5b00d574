import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.data.pretraining.masking import (
    _starts_of_runs,
    draws_per_row,
    mask_tokens,
    max_masked,
    ordinary_ids,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", *(f"w{i}" for i in range(94))]


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


def as_words(ids, sizes):
    """Marks where words begin, if the ordinary tokens of each row are words of given sizes."""
    marks = np.zeros(ids.shape, bool)
    for row, ordinary in enumerate(ids >= 5):
        places, begins = np.flatnonzero(ordinary), np.cumsum(sizes[row]) - sizes[row]
        marks[row, places[begins[begins < len(places)]]] = True
    return marks


def words_of(ids, marks, special):
    """[(row, begin, end)] of each word, read token by token."""
    words = []
    for row, tokens in enumerate(ids.tolist()):
        inside = False
        for place, token in enumerate(tokens):
            if token in special:
                inside = False
            elif marks[row, place] or not inside:
                words.append([row, place, place + 1])
                inside = True
            else:
                words[-1][2] = place + 1
    return words


def masked_rows(masked):
    real = masked.weights > 0
    return [set(row[keep].tolist()) for row, keep in zip(masked.positions, real, strict=True)]


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_whole_words_are_masked_by_the_rule(rate):
    """Against the rule taken literally: words by lot; what does not fit is passed over."""
    tokenizer = Tokenizer(WORDS)
    ids = rows(tokenizer)
    sizes = np.random.default_rng(4).integers(1, 6, (len(ids), 64))
    marks = as_words(ids, sizes)
    masked = mask_tokens(ids, tokenizer, np.random.default_rng(1), word_starts=marks, rate=rate)
    numbers = np.random.default_rng(1).integers(
        2**64, size=(len(ids), draws_per_row(64, rate)), dtype=np.uint64
    )
    lots = numbers[:, :32].copy().view(np.uint32)  # of each token; a word has its first token's
    words: list[list[tuple[int, int, int]]] = [[] for _ in ids]
    for row, begin, end in words_of(ids, marks, tokenizer.special_ids):
        words[row].append((lots[row, begin], begin, end))
    shares = []
    for row, got in enumerate(masked_rows(masked)):
        left = wanted = int(np.rint((ids[row] >= 5).sum() * rate))
        expected: set[int] = set()
        for _, begin, end in sorted(words[row]):
            if end - begin <= left:
                expected |= set(range(begin, end))
                left -= end - begin
        assert got == expected
        shares.append(len(expected) / wanted)
    assert np.mean(shares) > 0.99  # passed over words are made up for by shorter ones


def test_a_row_of_long_words_has_one_masked_all_the_same():
    tokenizer = Tokenizer(WORDS)
    ids = np.array([[2, 9, 9, 9, 9, 9, 9, 3], [2, 9, 9, 9, 9, 9, 3, 0], [2, 3, 0, 0, 0, 0, 0, 0]])
    marks = np.zeros(ids.shape, bool)
    marks[0, 4] = True  # row 0: two words of three; row 1: one of five; row 2: none
    ids, settings = ids.astype("int32"), {"word_starts": marks, "rate": 0.3}  # 2 of 6 and 5; P is 3
    for seed in range(20):
        masked = mask_tokens(
            ids.astype("int32"), tokenizer, np.random.default_rng(seed), **settings
        )
        first, second, third = masked_rows(masked)
        assert first in ({1, 2, 3}, {4, 5, 6})
        assert second == {1, 2, 3} and not third  # cut to the places that there are


def test_words_of_one_token_are_masked_as_often_as_tokens():
    tokenizer = Tokenizer(WORDS)
    ids = rows(tokenizer)
    alone = np.ones(ids.shape, bool)
    by_word = mask_tokens(ids, tokenizer, np.random.default_rng(1), word_starts=alone)
    by_token = mask_tokens(ids, tokenizer, np.random.default_rng(1))
    np.testing.assert_array_equal(by_word.weights, by_token.weights)


def test_words_of_a_size_are_as_likely_at_every_place():
    tokenizer = Tokenizer(WORDS)
    ids = np.full((4000, 42), 7, "int32")
    ids[:, 0], ids[:, -1] = tokenizer.cls_id, tokenizer.sep_id  # 40 tokens, 6 masked
    marks = np.zeros(ids.shape, bool)
    marks[:, 1::2] = True  # 20 words of two tokens, 3 masked
    masked = mask_tokens(ids, tokenizer, np.random.default_rng(1), word_starts=marks)
    counts = np.bincount(masked.positions[masked.weights > 0], minlength=42)[1:41]
    np.testing.assert_array_equal(counts[::2], counts[1::2])
    assert np.abs(counts - 4000 * 0.15).max() < 4 * np.sqrt(4000 * 0.15 * 0.85)


@pytest.mark.parametrize("length", [63, 64])
@pytest.mark.parametrize("by_word", [False, True])
def test_rows_can_be_masked_apart(length, by_word):
    """The rows of a host, from a generator that was advanced past those of the hosts before."""
    tokenizer = Tokenizer(WORDS)
    ids = rows(tokenizer, 20)[:, :length]
    marks = np.random.default_rng(0).random(ids.shape) < 0.4 if by_word else None
    whole = mask_tokens(ids, tokenizer, np.random.Generator(np.random.PCG64(3)), word_starts=marks)
    for begin, end in ((0, 7), (7, 20)):
        bits = np.random.PCG64(3)
        bits.advance(begin * draws_per_row(length, 0.15))
        part = mask_tokens(
            ids[begin:end],
            tokenizer,
            np.random.Generator(bits),
            word_starts=None if marks is None else marks[begin:end],
        )
        for name in ("input_ids", "positions", "labels", "weights"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[begin:end])


def test_all_tokens_and_rows_without_special_ones():
    tokenizer = Tokenizer(WORDS)
    ids = np.full((3, 9), 8, "int32")
    settings = {"rate": 1, "random_share": 0}
    for marks in (None, np.zeros(ids.shape, bool), np.ones(ids.shape, bool)):
        rng = np.random.default_rng(0)
        masked = mask_tokens(ids, tokenizer, rng, word_starts=marks, mask_share=1, **settings)
        assert (masked.input_ids == tokenizer.mask_id).all() and (masked.weights == 1).all()
        assert masked.positions.tolist() == [list(range(9))] * 3
    shown = mask_tokens(ids, tokenizer, np.random.default_rng(0), mask_share=0, **settings)
    assert (shown.input_ids == ids).all() and (shown.labels == 8).all()


@pytest.mark.parametrize("by_word", [False, True])
def test_runs_of_words(by_word):
    """Never more than the row's share, never a special token, and whole words only."""
    tokenizer = Tokenizer(WORDS)
    ids = rows(tokenizer, count=3000)
    words = np.random.default_rng(5).random(ids.shape) < 0.6 if by_word else None
    masked = mask_tokens(
        ids, tokenizer, np.random.default_rng(1), word_starts=words, ngram=3, rate=0.1
    )
    real = masked.weights > 0
    ordinary = (ids >= 5).sum(axis=1)
    assert (real.sum(axis=1) <= np.maximum(np.rint(ordinary * 0.1), 1)).all()
    assert real.sum() > 0.9 * np.rint(ordinary * 0.1).sum()
    is_masked = np.zeros(ids.shape, bool)
    row = np.broadcast_to(np.arange(len(ids))[:, None], real.shape)[real]
    is_masked[row, masked.positions[real]] = True
    assert not np.isin(ids[is_masked], tokenizer.special_ids).any()
    if words is not None:  # a masked piece within a word has the one before it masked, too
        within = is_masked[:, 1:] & ~words[:, 1:] & (ids[:, :-1] >= 5)
        assert is_masked[:, :-1][within].all()


def test_how_long_runs_are():
    """Of 1, 2 and 3 words as 6 to 3 to 2; a special token ends one."""
    keys = np.random.default_rng(0).integers(2**32, size=(1, 60_000), dtype=np.uint32)
    ordinary = np.ones(keys.shape, bool)
    starts = _starts_of_runs(keys, ordinary, ordinary, 3)
    sizes = np.diff(np.flatnonzero(starts))
    counts = np.bincount(sizes, minlength=4)[1:]
    assert len(counts) == 3
    for count, share in zip(counts, (6 / 11, 3 / 11, 2 / 11), strict=True):
        assert abs(count - len(sizes) * share) < 4 * np.sqrt(len(sizes) * share * (1 - share))
    # The length does not tell the order in which runs are taken.
    first = keys.ravel()[np.flatnonzero(starts)[:-1]] < 2**29
    assert abs(sizes[first].mean() - sizes.mean()) < 0.05
    ordinary[0, ::4] = False
    starts = _starts_of_runs(keys, ordinary, np.ones_like(ordinary), 3)
    assert starts[0, 1::4].all() and not starts[0, ::4].any()


def test_runs_are_the_same_for_a_row_alone():
    """A row's masks hang on its own numbers, as several hosts need it."""
    tokenizer = Tokenizer(WORDS)
    ids = rows(tokenizer, count=4)
    whole = mask_tokens(ids, tokenizer, np.random.default_rng(3), ngram=3)
    bits = np.random.PCG64(3)
    bits.advance(2 * draws_per_row(64, 0.15))
    last = mask_tokens(ids[2:], tokenizer, np.random.Generator(bits), ngram=3)
    np.testing.assert_array_equal(whole.input_ids[2:], last.input_ids)
