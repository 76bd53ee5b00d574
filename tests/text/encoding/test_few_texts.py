"""A few texts in plain Python; tests/text/test_tokenizer.py holds them beside transformers."""

import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.text.encoding import few_texts

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 ##서 에 a ##b b . 漢 字".split()
ARRAYS = ("input_ids", "token_type_ids", "attention_mask")


def test_worked_by_hand():
    tokenizer = Tokenizer(WORDS)
    found = tokenizer.tokenize("국회에서  국회에. 에 뷁 ab漢字 [MASK]에 [MAS")
    assert found == (
        "국회 ##에 ##서 국회 ##에 . 에 [UNK] a ##b 漢 字 [MASK] 에 [UNK] [UNK]".split()
    )
    # What BERT's cleaning deletes glues, and what it takes for a space cuts.
    assert tokenizer.tokenize("a\x1cb a\u2028b a\tb a\u200bb a\xa0b\n") == (
        "a ##b a b a b a ##b a b".split()
    )


@pytest.mark.parametrize(("kept", "longest"), [(1 << 16, 24), (3, 24), (3, 0)])
def test_what_is_kept_does_not_show(monkeypatch, vocabulary, random_strings, kept, longest):
    strings = random_strings(300, seed=5)
    expected = Tokenizer(vocabulary).encode_pieces(strings, ["word_ids"])  # by numpy
    monkeypatch.setattr(few_texts, "MOST_KEPT", kept)
    monkeypatch.setattr(few_texts, "LONGEST_KEPT", longest)
    tokenizer = Tokenizer(vocabulary)
    for _ in range(2):
        found = [i for string in strings for i in tokenizer.encode([string])[0]]
        assert found == expected.ids.tolist()
        eojeols = tokenizer._encoder._few._eojeols
        assert len(eojeols) <= kept and len(eojeols._characters) <= max(kept, 10_000)
        assert max(map(len, eojeols), default=0) <= longest


def test_tokens_with_spaces_and_lines():
    words = [*WORDS, "두 말", "a\nb", "[M"]
    tokenizer = Tokenizer(words, added_tokens=["두 말", "a\nb", "[M"])
    assert tokenizer.tokenize("국회두 말에a\nb [MASK][M") == [
        *["국회", "두 말", "에", "a\nb", "[MASK]", "[M"],
    ]


SETTINGS = [
    {},
    {"max_length": 6},
    {"max_length": 7, "truncation": "only_second"},
    {"max_length": 30, "pad_to_multiple_of": 8},
    {"pad_to_length": 40},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("roberta_pairs", [False, True])
def test_same_rows_as_of_many(settings, roberta_pairs):
    tokenizer = Tokenizer(WORDS, roberta_pairs=roberta_pairs)
    texts = ["국회에서 a b ab .", "", "에", "a b a b a b a b a b a b", "[MASK]에"]
    seconds = ["국회", "a b a b a b", "", "b b b b b b b b b b b b b b", "에 에"]
    firsts = texts if settings.get("truncation") is None else ["a b", "", "b", "국회에", "."]
    for pair in (None, seconds):
        few = tokenizer(firsts, pair, **settings)
        many = tokenizer(firsts, pair, **settings, return_word_ids=True)
        for name in ARRAYS:
            np.testing.assert_array_equal(few[name], many[name])
            assert few[name].dtype == np.int32
    for texts in ([], "", [""]):
        few, many = tokenizer(texts, **settings), tokenizer(texts, **settings, return_offsets=True)
        assert [few[name].tolist() for name in ARRAYS] == [many[name].tolist() for name in ARRAYS]


@pytest.mark.parametrize("asked", [{}, {"return_offsets": True}])
def test_same_complaints_as_of_many(asked):
    tokenizer = Tokenizer(WORDS)
    for texts, settings, message in (
        (("a b a b", None), {"max_length": 5, "truncation": "never"}, "of 6 tokens.* the 5 that"),
        (("a b", "b"), {"max_length": 5, "truncation": "never"}, "of 6 tokens.* the 5 that"),
        (("a b", "b"), {"max_length": 5, "truncation": "only_second"}, "leaves the second no room"),
        (("a b", None), {"pad_to_length": 3}, "of 4 tokens does not fit"),
        (("a b", None), {"pad_to_multiple_of": 0}, "from 1, not 0"),
        (("a", "b"), {"max_length": 4}, "no room for text beside the 3"),
        (("국\ud800", None), {}, "surrogate"),
    ):
        with pytest.raises(KbertError, match=message):
            tokenizer(*texts, **settings, **asked)
    for wrong in (None, 3, b"a"):
        with pytest.raises(TypeError, match="expected a text"):
            tokenizer([wrong], **asked)
