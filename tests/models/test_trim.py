import numpy as np
import pytest
from keras import ops
from tokenizers.pre_tokenizers import ByteLevel

import kbert
from kbert import Bert, BertForMaskedLM, KbertError, Tokenizer, trim_vocabulary
from kbert.text.korean.jamo import JAMO_TOKENS

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 정부 국 ##회 국회 ##의 ##ab 법 한 한글 ##a".split()
TEXTS = ["국회의 국", "법 정부", "한글a"]


def number(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


def with_tokenizer(small, words, tied=True, **settings):
    model = BertForMaskedLM(**{**small, "vocab_size": len(words) + 3, "tie_word_embeddings": tied})
    model.tokenizer = Tokenizer(words, **settings)
    model.mlm.bias.assign(np.arange(len(words) + 3))
    return model


@pytest.mark.parametrize("tied", [True, False])
def test_what_texts_use_stays_and_gives_the_same(small, tied, tmp_path):
    model = with_tokenizer(small, WORDS, tied)
    smaller = trim_vocabulary(model, iter(TEXTS))
    kept = [0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 13, 14]
    assert smaller.tokenizer.vocabulary == [WORDS[i] for i in kept]
    assert smaller.vocab_size == 12  # the three rows without a token are gone, too
    smaller.save(tmp_path / "smaller.keras")
    smaller = kbert.load(tmp_path / "smaller.keras")
    for text in TEXTS:
        before, after = (each(each.tokenizer(f"{text} [MASK]")) for each in (model, smaller))
        np.testing.assert_allclose(number(after), number(before)[..., kept], atol=1e-6)
    np.testing.assert_array_equal(number(smaller.mlm.bias), kept)
    assert model.vocab_size == 18 and model.tokenizer.vocabulary == WORDS


def test_a_word_that_is_unknown_stays_unknown(small):
    """한글 is tried and then nothing fits; without it 한 ##글 would be found."""
    words = [*WORDS, "##글다"]
    model = with_tokenizer(small, words)
    assert model.tokenizer.tokenize("한글다") == ["[UNK]"]
    smaller = trim_vocabulary(model, ["한글다 한"])
    assert smaller.tokenizer.tokenize("한글다 한") == ["[UNK]", "한"]
    assert smaller.tokenizer.vocabulary[5:] == ["한", "한글"]


def test_characters_for_words_to_come(small):
    smaller = trim_vocabulary(with_tokenizer(small, WORDS), TEXTS, characters=True)
    assert smaller.tokenizer.vocabulary[5:] == [word for word in WORDS[5:] if word != "##ab"]


def test_added_tokens_and_settings_stay(small):
    model = with_tokenizer(small, WORDS, lowercase=True, added_tokens=["정부"])
    smaller = trim_vocabulary(model, ["법A"])
    assert smaller.tokenizer.vocabulary[5:] == ["정부", "법", "##a"]
    assert smaller.tokenizer.settings == model.tokenizer.settings


def test_syllables_that_are_spelt(small):
    """The letters stay, and the syllables that are not to be spelt."""
    words = list(dict.fromkeys([*WORDS, "##국", *JAMO_TOKENS]))
    model = with_tokenizer(small, words, jamo_fallback=True)
    texts = ["국국 뷁", "국회"]
    smaller = trim_vocabulary(model, texts)
    assert len(smaller.tokenizer) < len(words)
    assert [smaller.tokenizer.tokenize(each) for each in texts] == [
        model.tokenizer.tokenize(each) for each in texts
    ]


def random_texts(letters: str, rng) -> list[str]:
    return [
        " ".join("".join(rng.choice([*letters], rng.integers(1, 8))) for _ in range(4))
        for _ in range(40)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_wordpiece_cuts_as_before(small, seed):
    rng = np.random.default_rng(seed)
    pieces = {"".join(rng.choice([*"가나다라"], rng.integers(1, 4))) for _ in range(25)}
    words = [*WORDS[:5], *sorted(pieces), *(f"##{piece}" for piece in sorted(pieces)[::2])]
    check_cuts(with_tokenizer(small, words), random_texts("가나다라", rng), rng)


def test_a_unigram_model_cuts_as_before(small):
    """Its unknown letters cost what they did: the token of the lowest score is kept."""
    pieces = ["<pad>", "<unk>", "<s>", "</s>", "<mask>", "▁", "▁가나", "가", "나", "가나", "다가"]
    scores = [0, 0, 0, 0, 0, -2, -3.5, -4, -4.5, -6, -30]
    model = Bert(**{**small, "vocab_size": 11, "position_offset": 2})
    model.tokenizer = Tokenizer(
        pieces,
        scores=scores,
        special_tokens=dict(zip(("pad", "unk", "cls", "sep", "mask"), pieces[:5], strict=True)),
    )
    smaller = trim_vocabulary(model, ["가나 라가나"])
    assert "다가" in smaller.tokenizer.vocabulary and len(smaller.tokenizer) < 11
    assert smaller.tokenizer.pad_id == model.tokenizer.pad_id
    check_cuts(model, random_texts("가나다라", np.random.default_rng(0)), np.random.default_rng(0))


def test_byte_level_merges_are_left_where_they_are_made(small):
    alphabet = sorted(ByteLevel.alphabet())
    merges = [("a", "b"), ("c", "d"), ("ab", "cd"), ("b", "c"), ("e", "f")]
    words = [*WORDS[:5], *alphabet, *map("".join, merges)]
    model = with_tokenizer(small, words, merges=merges)
    smaller = trim_vocabulary(model, ["abcd"])
    assert smaller.tokenizer.merges == [("a", "b"), ("c", "d"), ("ab", "cd")]
    assert smaller.tokenizer.tokenize("abcd ef")[0] == "abcd"
    check_cuts(model, random_texts("abcdef", np.random.default_rng(0)), np.random.default_rng(0))


def check_cuts(model, texts, rng):
    """Trimmed to some texts, the tokenizer cuts these as before, few or many of them."""
    some = [texts[i] for i in rng.integers(0, len(texts), 12)]
    smaller = trim_vocabulary(model, some)
    expected = [model.tokenizer.tokenize(text) for text in some]
    assert [smaller.tokenizer.tokenize(text) for text in some] == expected
    many = smaller.tokenizer.encode(some * 50)[: len(some)]
    assert [[smaller.tokenizer.token(i) for i in ids] for ids in many] == expected


def test_what_cannot_be_trimmed(small):
    with pytest.raises(KbertError, match="no tokenizer"):
        trim_vocabulary(Bert(**small), TEXTS)
    model = with_tokenizer(small, WORDS)
    for texts, message in (
        ("국회", "list of texts"),
        (None, "list of texts"),
        ([], "no token at all"),
        (["", " "], "no token at all"),
    ):
        with pytest.raises(KbertError, match=message):
            trim_vocabulary(model, texts)
    with pytest.raises(TypeError, match="expected a text"):
        trim_vocabulary(model, [None])
    with pytest.raises(KbertError, match="characters is True or False"):
        trim_vocabulary(model, TEXTS, characters="yes")
    kbert.add_lora(model)
    with pytest.raises(KbertError, match="has adapters"):
        trim_vocabulary(model, TEXTS)
