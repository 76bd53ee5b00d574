"""The way back from a composed or decomposed text to the text itself."""

import random
import sys
import unicodedata

import numpy as np
import pytest

from kbert import Tokenizer
from kbert.text.encoding.alignment import alignment
from kbert.text.korean.normalize import FORMS, nfc, normalize


def test_alignment_of_decomposed_syllables():
    text = unicodedata.normalize("NFD", "넢씉é") + "a"
    # 넢 = ᄂ ᅥ ᇁ, 씉 = ᄊ ᅳ ᇀ, é = e + accent
    assert alignment(text).tolist() == [[0, 3], [3, 6], [6, 8], [8, 9]]


def test_alignment_is_the_identity_on_composed_text():
    assert alignment("한글 a").tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert alignment("").shape == (0, 2)


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
    composed, places = nfc(text), alignment(text).tolist()
    assert len(places) == len(composed)
    assert places[0][0] == 0 and places[-1][1] == len(text)
    for character, (start, end) in zip(composed, places, strict=True):
        assert character in unicodedata.normalize("NFC", text[start:end])


def test_decomposed_jamo_point_to_their_syllable():
    assert normalize("한ㅋ", "NFKD") == "\u1112\u1161\u11ab\u110f"
    assert alignment("한ㅋ", "NFKD").tolist() == [[0, 1], [0, 1], [0, 1], [1, 2]]


def test_alignment_of_random_text(random_strings):
    """A character is made of what it points to, and nothing is left over."""
    for text in random_strings(300, seed=2):
        for form in FORMS:
            places = alignment(text, form).tolist()
            changed = unicodedata.normalize(form, text)
            assert len(places) == len(changed)
            for character, (start, end) in zip(changed, places, strict=True):
                assert character in unicodedata.normalize(form, text[start:end])
            covered = {i for start, end in places for i in range(start, end)}
            assert covered == set(range(len(text)))


def one_by_one(text: str, form: str) -> list[list[int]]:
    """The alignment by its meaning: a character joins where it changes what is before it.

    A mark joins whatever it may reorder with, but for white space.
    """
    starts = [0]
    for index in range(1, len(text)):
        before, character = text[starts[-1] : index], text[index]
        apart = unicodedata.normalize(form, before) + unicodedata.normalize(form, character)
        first = unicodedata.normalize("NFD" if form == "NFC" else form, character)[0]
        joins = unicodedata.normalize(form, before + character) != apart
        if not joins and (not unicodedata.combining(first) or text[index - 1].isspace()):
            starts.append(index)
    places = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        changed = unicodedata.normalize(form, text[start:end])
        if changed == text[start:end]:
            places += [[i, i + 1] for i in range(start, end)]
        else:
            places += [[start, end]] * len(changed)
    return places


@pytest.mark.parametrize("form", FORMS)
def test_units_are_what_composes(form):
    """All of what may compose, at random, beside the definition."""
    rng = random.Random(0)
    parts = [unicodedata.decomposition(chr(code)).split() for code in range(sys.maxunicode + 1)]
    pairs = [pair for pair in parts if len(pair) == 2 and pair[0][0] != "<"]
    pools = [
        [chr(int(pair[0], 16)) for pair in pairs],
        [chr(int(pair[1], 16)) for pair in pairs],
        [chr(code) for code in (*range(0x1100, 0x1200), *range(0xAC00, 0xAC40))],
        [chr(code) for code in range(0x20000) if unicodedata.combining(chr(code))],
        [*"ae \n\r\u0cc6\u0cc2\u0cd5\u0f73\uff9e\u212b\uf900\U0002f800\u1161\u11a8"],
    ]
    for _ in range(4000):
        text = "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randrange(1, 20)))
        assert alignment(text, form).tolist() == one_by_one(text, form), ascii(text)


@pytest.mark.parametrize("form", FORMS)
def test_texts_together_as_each_alone(random_strings, vocabulary, form):
    tokenizer = Tokenizer(vocabulary, form=form)
    texts = [unicodedata.normalize("NFD", text) for text in random_strings(200, seed=9)]
    texts += [
        "",
        "\u0301\u0323가",
        "e\u0301\n",
        "\n\u0301\u0323",
        "\u1161\u11a8",
        "\u0f73a",
        "\uff9ea",
    ]
    asked = {"return_offsets": True, "return_eojeol_ids": True}
    many = tokenizer(texts, **asked)
    for row, text in enumerate(texts):
        for name, array in tokenizer(text, **asked).items():
            np.testing.assert_array_equal(many[name][row, : array.shape[1]], array[0])
