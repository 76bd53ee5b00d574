"""Syllables that a vocabulary lacks, spelt with jamo."""

import unicodedata
from collections import Counter

import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.text.korean.jamo import JAMO_TOKENS, SYLLABLES, spellings
from kbert.text.learning.vocabulary_trainer import train_vocabulary
from kbert.text.reports.vocabulary_report import vocabulary_report
from kbert.text.vocabulary import SPECIAL_TOKENS, ksx1001_syllables

WORDS = [*SPECIAL_TOKENS, "국", "##국", "국회", "##은", "한", ".", *JAMO_TOKENS, "##ᅰᆰ"]
EVERY = "".join(chr(0xAC00 + i) for i in range(SYLLABLES))


def test_spellings_are_unicodes_own():
    assert len(JAMO_TOKENS) == len(set(JAMO_TOKENS)) == 86
    found = spellings({"국", "##국", "한"})
    assert len(found) == SYLLABLES - 1
    assert all(jamo == unicodedata.normalize("NFD", chr(code)) for code, jamo in found.items())


@pytest.mark.parametrize("copies", [1, 3000])  # by the engine, and by numpy
def test_worked_by_hand(copies):
    tokenizer = Tokenizer(WORDS, jamo_fallback=True)
    text = f"뷁은 국뷁 국회 {unicodedata.normalize('NFD', '뷁')}. 한"
    batch = tokenizer([text] * copies, return_offsets=True, return_eojeol_ids=True)
    ids, spans = batch["input_ids"][-1].tolist(), batch["offsets"][-1].tolist()
    found = [(tokenizer.token(i), text[a:b]) for i, (a, b) in zip(ids, spans, strict=True)]
    nfd = unicodedata.normalize("NFD", "뷁")
    assert found[1:-1] == [
        # 은 is spelt too: the vocabulary lacks it at the beginning of words.
        *[("ᄇ", "뷁"), ("##ᅰᆰ", "뷁"), ("##ᄋ", "은"), ("##ᅳ", "은"), ("##ᆫ", "은")],
        *[("국", "국"), ("##ᄇ", "뷁"), ("##ᅰᆰ", "뷁"), ("국", "국"), ("##ᄒ", "회")],
        *[("##ᅬ", "회"), ("ᄇ", nfd), ("##ᅰᆰ", nfd), (".", "."), ("ᄒ", "한")],
        *[("##ᅡ", "한"), ("##ᆫ", "한")],
    ]
    assert batch["eojeol_ids"][-1].tolist() == [
        -1,
        *[0] * 5,
        *[1] * 3,
        *[2] * 3,
        *[3] * 3,
        *[4] * 3,
        -1,
    ]
    assert tokenizer.decode(ids) == "뷁은 국뷁 국회 뷁. 한"
    plain = Tokenizer(WORDS).tokenize("뷁 국뷁 국회")
    assert plain == ["[UNK]", "[UNK]", "국회"]


def test_every_syllable_comes_back():
    tokenizer = Tokenizer(WORDS, jamo_fallback=True)
    for text in (" ".join(EVERY), " ".join("국" + syllable for syllable in EVERY)):
        ids = tokenizer.encode([text])[0]  # by numpy
        assert tokenizer.unk_id not in ids
        assert tokenizer.decode(ids) == text
        words = text.split()
        assert [i for word in words for i in tokenizer.encode([word])[0]] == ids  # by the engine
    report = vocabulary_report(tokenizer, ["뷁"])
    assert (report["syllables"], report["unk_rate"]) == (SYLLABLES, 0)


def test_same_by_both_engines_on_random_strings(random_strings):
    tokenizer = Tokenizer(WORDS, jamo_fallback=True, rules=["width", "fillers"])
    texts = random_strings(800, seed=11)
    texts += [unicodedata.normalize("NFD", text) for text in texts]
    asked = {"return_offsets": True, "return_word_ids": True}
    whole = tokenizer(texts, **asked)
    for row, text in enumerate(texts):
        alone = tokenizer(text, **asked)
        for name, array in alone.items():
            np.testing.assert_array_equal(whole[name][row, : array.shape[1]], array[0])


def test_it_is_saved(tmp_path):
    Tokenizer(WORDS, jamo_fallback=True).save(tmp_path)
    again = Tokenizer.from_file(tmp_path)
    assert again.jamo_fallback and again.vocabulary == WORDS
    assert Tokenizer.from_file(tmp_path, jamo_fallback=False).tokenize("뷁") == ["[UNK]"]
    with pytest.raises(KbertError, match=r"cannot spell some .*Tokenizer\.save"):
        again.save_huggingface(tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_what_cannot_fall_back():
    with pytest.raises(KbertError, match="lacks 86: ᄀ ᄁ ᄂ; train it"):
        Tokenizer(WORDS[:11], jamo_fallback=True)
    with pytest.raises(KbertError, match=r"added tokens \['국회'\] have syllables"):
        Tokenizer(WORDS, jamo_fallback=True, added_tokens=["국회", "국"])
    with pytest.raises(KbertError, match="composed text"):
        Tokenizer(WORDS, jamo_fallback=True, form="NFKD")


def test_training_spells_what_is_beyond_the_alphabet():
    # The alphabet is 국 (9) and 회 (5); 뷁 is beyond it, and 漢. Pairs: (국, ##회) 5, then of those
    # that occur 4 times the one with the lowest ids, (국, ##ᄇ); then (##ᅰ, ##ᆰ), (국ᄇ, ##ᅰᆰ).
    words = Counter({"국회": 5, "국뷁": 4, "漢": 1})
    tokens = train_vocabulary(words, 99, limit_alphabet=2, jamo_fallback=True, min_frequency=4)
    initials, within = JAMO_TOKENS[:19], JAMO_TOKENS[19:]
    assert tokens[:5] == list(SPECIAL_TOKENS)
    assert tokens[5:95] == [*initials, "국", "회", *within, "##국", "##회"]
    spelt = "국" + unicodedata.normalize("NFD", "뷁")
    assert tokens[95:] == ["국회", "국ᄇ", "##ᅰᆰ", spelt]
    tokenizer = Tokenizer(tokens, jamo_fallback=True)
    assert tokenizer.tokenize("국회 국뷁") == ["국회", spelt]
    assert tokenizer.unk_id not in tokenizer.encode(["국뷁 찦차를 뙓"])[0]


def test_trained_text_is_cut_into_what_was_trained():
    """Syllables of the alphabet stay whole: what training merged is found again."""
    texts = ["국회에서 법률을 의결한다"] * 5 + ["뷁 햏햏 국햏"]
    settings = {"limit_alphabet": 12, "characters": ["가"], "jamo_fallback": True}
    tokenizer = Tokenizer.train(texts, 125, min_frequency=1, **settings)
    assert tokenizer.jamo_fallback and "가" in tokenizer.vocabulary
    assert tokenizer.tokenize("국회에서") == ["국회에서"]
    assert tokenizer.decode(tokenizer.encode(["뷁 햏햏 국햏 각 힣"])[0]) == "뷁 햏햏 국햏 각 힣"
    whole = Tokenizer.train(["국회"] * 3, 4792, characters=ksx1001_syllables(), jamo_fallback=True)
    assert len(whole) == 4792 and whole.tokenize("국회 뷁")[1] == "ᄇ"
