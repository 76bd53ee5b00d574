import unicodedata

import pytest

from kbert import KbertError
from kbert.text.normalize import FORMS, alignment, nfc, normalize, replacements_of


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


def test_decomposed_jamo_point_to_their_syllable():
    assert normalize("한ㅋ", "NFKD") == "\u1112\u1161\u11ab\u110f"
    assert alignment("한ㅋ", "NFKD") == [(0, 1), (0, 1), (0, 1), (1, 2)]


def test_alignment_of_random_text(random_strings):
    """A character is made of what it points to, and nothing is left over."""
    for text in random_strings(300, seed=2):
        for form in FORMS:
            places = alignment(text, form)
            changed = unicodedata.normalize(form, text)
            assert len(places) == len(changed)
            for character, (start, end) in zip(changed, places, strict=True):
                assert character in unicodedata.normalize(form, text[start:end])
            covered = {i for start, end in places for i in range(start, end)}
            assert covered == set(range(len(text)))


def test_endless_marks_do_not_hang():
    """Python sorts n marks in n * n steps: 200,000 would take minutes."""
    text = "한" + "\u0301\u0323" * 100_000
    assert normalize(text) is text
    usual = "한" + "\u0301\u0323" * 50
    assert normalize(usual) == unicodedata.normalize("NFC", usual) != usual


def test_width_is_unicodes():
    table = replacements_of(("width",))
    assert "ＡＢｃ１！ﾡￜ".translate(table) == "ABc1!ㄱㅣ"
    for code, character in table.items():
        assert unicodedata.normalize("NFKC", chr(code)) == unicodedata.normalize("NFKC", character)
