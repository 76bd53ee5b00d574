"""The fates are those of pretraining's own function."""

import numpy as np
import pytest

import kbert
from kbert.data.pretraining.masking import mask_tokens
from kbert.explain import masking

TEXT = "국회에 나 법률을 우리 국민의 의결한다 너 경기"


def test_what_is_shown_is_what_pretraining_shows(tokenizer):
    ids = tokenizer(TEXT)["input_ids"]
    for seed in range(20):
        masked = mask_tokens(ids, tokenizer, np.random.default_rng(seed), rate=0.5)
        seen = masking(tokenizer, TEXT, seed, rate=0.5)
        assert seen.shown == [tokenizer.token(i) for i in masked.input_ids[0]]
        asked = [i for i, fate in enumerate(seen.fates) if fate in ("mask", "random", "kept")]
        assert asked == masked.positions[0][masked.weights[0] > 0].tolist()
        for piece, shown, fate in zip(seen.pieces, seen.shown, seen.fates, strict=True):
            assert (fate == "mask") == (shown == "[MASK]")
            assert (fate == "random") == (shown not in ("[MASK]", piece))


def test_80_10_10(tokenizer):
    fates = [f for seed in range(300) for f in masking(tokenizer, TEXT, seed, rate=0.5).fates]
    asked = sum(map(fates.count, ("mask", "random", "kept")))
    assert asked == 300 * 6  # half of 12 ordinary tokens
    shares = [fates.count(fate) / asked for fate in ("mask", "random", "kept")]
    # A random token is the same one in 1 of 24 draws, and then counts as kept.
    np.testing.assert_allclose(shares, [0.8, 0.1 * 23 / 24, 0.1 + 0.1 / 24], atol=0.03)


@pytest.mark.parametrize("unit", ["eojeol", "morpheme"])
def test_units_are_masked_whole(tokenizer, unit):
    def by_syllables(text):  # 의결한다 is two of them, every other eojeol one
        return text.replace("의결한다", "의결 한다").split()

    seen = masking(tokenizer, TEXT, 0, unit, analyser=by_syllables)
    begins = [piece for piece, start in zip(seen.pieces, seen.starts, strict=True) if start]
    parted = ["##한다"] if unit == "morpheme" else []
    words = ["국회", "나", "법률", "우리", "국민", "의결", *parted, "너", "경기"]
    assert begins == ["[CLS]", *words, "[SEP]"]
    for seed in range(30):
        seen = masking(tokenizer, TEXT, seed, unit, rate=0.4, analyser=by_syllables)
        asked = np.isin(seen.fates, ["mask", "random", "kept"])
        of = np.cumsum(seen.starts)
        assert all(len(set(asked[of == word].tolist())) == 1 for word in set(of.tolist()))


def test_no_such_unit(tokenizer):
    with pytest.raises(kbert.KbertError, match="token, eojeol, morpheme, not '어절'"):
        masking(tokenizer, TEXT, 0, "어절")  # pyright: ignore[reportArgumentType]
