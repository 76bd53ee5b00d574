import unicodedata

import pytest

from kbert import KbertError
from kbert.text.normalize import alignment, nfc


def test_nfc_leaves_compatibility_jamo_alone():
    assert nfc("ㅋㅋ ㅠㅠ") == "ㅋㅋ ㅠㅠ"  # NFKC would rewrite them


def test_alignment_of_decomposed_syllables():
    text = unicodedata.normalize("NFD", "넢씉é") + "a"
    # 넢 = ᄂ ᅥ ᇁ, 씉 = ᄊ ᅳ ᇀ, é = e + accent
    assert alignment(text) == [(0, 3), (3, 6), (6, 8), (8, 9)]


def test_alignment_is_the_identity_on_composed_text():
    assert alignment("한글 a") == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert alignment("") == []


@pytest.mark.parametrize(
    "text",
    [
        "e\u0301\u0323x",  # accents that reorder
        "\u1100\u1161\u11a8\u11a8",  # a second final consonant stays alone
        "\uac00\u11a8",  # a syllable without, and a final consonant
        "\u0344\u0958ﬁ",  # characters that NFC decomposes
        "\u200b한\ufeff글",
    ],
)
def test_alignment_covers_the_text(text):
    composed, places = nfc(text), alignment(text)
    assert len(places) == len(composed)
    assert places[0][0] == 0 and places[-1][1] == len(text)
    for character, (start, end) in zip(composed, places, strict=True):
        assert character in unicodedata.normalize("NFC", text[start:end])


def test_bad_texts():
    with pytest.raises(TypeError, match="NoneType"):
        nfc(None)
    with pytest.raises(KbertError, match=r"surrogate .* at character 1"):
        nfc("a\ud800")
