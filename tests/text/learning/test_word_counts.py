import random
from collections import Counter

import pytest
import tokenizers

from kbert import KbertError
from kbert.text.learning import word_counts
from kbert.text.learning.word_counts import count_words

TEXTS = [
    "국회ㆍ정부, 국회·정부(國會)에 GDP는 1.6조다. ‘법률’이다",
    "\u1112\u1161\u11ab\u1100\u1173\u11af ＡＢ",
    "漢字\u200b가 a\x1cb c\x85d é ÀÉ $5 ±5 \ufffd끝\u3000 İΣ",
    "국회 국회에 국회에서 국회",
    "",
]


def as_bert(texts: list[str], lowercase: bool = False) -> Counter[str]:
    """The words as tokenizers' BERT normalizer and pre-tokenizer cut them."""
    from unicodedata import normalize

    normalizer = tokenizers.normalizers.BertNormalizer(strip_accents=False, lowercase=lowercase)
    cut = tokenizers.pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    return Counter(
        word for text in texts for word, _ in cut(normalizer.normalize_str(normalize("NFC", text)))
    )


@pytest.mark.parametrize("lowercase", [False, True])
def test_words_are_those_of_bert(lowercase):
    assert count_words(TEXTS, lowercase=lowercase) == as_bert(TEXTS, lowercase)


@pytest.mark.parametrize("lowercase", [False, True])
def test_each_character_is_treated_as_bert_treats_it(lowercase):
    """All that Unicode has assigned, and some of what is private: the engine says what each is."""
    codes = [*range(0xD800), *range(0xE000, 0x33500), *range(0xE0000, 0xE0200)]
    codes += [*range(0xEFF00, 0xF0100), *range(0x10FF00, 0x110000)]
    text = "\n".join(f"가{chr(code)}나" for code in codes)
    assert count_words([text], lowercase=lowercase) == as_bert([text], lowercase)


def test_the_same_whoever_counts(monkeypatch):
    rng = random.Random(0)
    texts = [" ".join(rng.choices("국회 에서 는, 을 (법) 률 다.".split(), k=9)) for _ in range(500)]
    expected = as_bert(texts)
    monkeypatch.setattr(word_counts, "_BLOCK", 200)
    monkeypatch.setattr(word_counts, "_MOST_WORDS", 5)  # every process spills many times
    assert count_words(texts) == expected
    rng.shuffle(texts)
    assert count_words(iter(texts), processes=2) == expected


def test_rare_words_are_left_out_count_by_count():
    words = ["가 " * 5, "나 " * 3, "다 " * 3, "라 " * 2, "마"]
    assert count_words(words, min_count=3) == {"가": 5, "나": 3, "다": 3}
    assert count_words(words, max_words=4) == {"가": 5, "나": 3, "다": 3, "라": 2}
    assert count_words(words, max_words=2) == {"가": 5}  # 나 and 다 go together
    assert count_words(words, max_words=2, min_count=4) == {"가": 5}


def split_syllables(text: str) -> list[str]:
    return list("".join(text.split()))


def test_morphemes_are_the_words():
    counted = count_words(["국회는 갔다."], morphemes=split_syllables)
    assert counted == Counter("국회는갔다.")
    pytest.importorskip("mecab")
    assert count_words(["국회는 갔다."], morphemes="mecab", processes=2) == Counter(
        "국회 는 갔 다 .".split()
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_bad_texts(processes):
    with pytest.raises(TypeError, match="got int: 7"):
        count_words(["가", 7], processes=processes)
    with pytest.raises(KbertError, match="lone surrogate"):
        count_words(["가", "\ud800"], processes=processes)
    with pytest.raises(KbertError, match="no morpheme analyser 'x'"):
        count_words(["가"], morphemes="x", processes=processes)


def test_bad_settings():
    with pytest.raises(KbertError, match="processes is a number from 1, not 0"):
        count_words(["가"], processes=0)
    assert count_words([]) == Counter()
