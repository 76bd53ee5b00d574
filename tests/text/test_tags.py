import unicodedata

import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.text.tags import character_tags, eojeols, piece_labels, spans_of, tags_from_pieces

IDS = {name: i for i, name in enumerate(["O", "B-PS", "I-PS", "B-LC", "I-LC"])}
NAMES = list(IDS)


def labels_of(text, spans, offsets, scheme="BIO", ids=IDS):
    return piece_labels(text, spans, np.array(offsets), scheme, ids).tolist()


def back(text, labels, offsets):
    return tags_from_pieces(text, [NAMES[i] for i in labels], np.array(offsets))


def test_a_particle_within_the_eojeol_stays_outside():
    text, spans, offsets = "유희열이 서울 시에", [(0, 3, "PS"), (5, 9, "LC")], None
    offsets = [(0, 3), (3, 4), (5, 7), (8, 9), (9, 10)]
    labels = labels_of(text, spans, offsets)
    assert [NAMES[i] for i in labels] == ["B-PS", "O", "B-LC", "I-LC", "O"]
    assert spans_of(back(text, labels, offsets)) == spans  # the space within is the entity's


def test_two_entities_side_by_side_stay_two():
    text, spans, offsets = "서울부산", [(0, 2, "LC"), (2, 4, "LC")], [(0, 2), (2, 4)]
    labels = labels_of(text, spans, offsets)
    assert [NAMES[i] for i in labels] == ["B-LC", "B-LC"]
    assert spans_of(back(text, labels, offsets)) == spans


def test_an_entity_that_begins_within_a_piece_begins_with_the_next_piece():
    text, spans, offsets = "그유희열이", [(1, 4, "PS")], [(0, 2), (2, 4), (4, 5)]
    labels = labels_of(text, spans, offsets)
    assert [NAMES[i] for i in labels] == ["O", "B-PS", "O"]
    assert spans_of(back(text, labels, offsets)) == [(2, 4, "PS")]  # what the pieces cost


def test_words_are_labelled_at_their_first_piece():
    ids = {"NNG": 0, "VV": 1}
    spans = [(0, 3, "NNG"), (4, 6, "VV")]
    assert labels_of("국회가 연다", spans, [(0, 2), (2, 3), (4, 6)], "word", ids) == [0, -1, 1]


@pytest.mark.parametrize("span", [(0, 0, "PS"), (-1, 2, "PS"), (0, 99, "PS"), (2, 1, "PS")])
def test_spans_outside_the_text_are_refused(span):
    with pytest.raises(KbertError, match="is empty or outside"):
        character_tags("유희열이", [span])


def test_spans_that_overlap_and_labels_without_a_number_are_refused():
    with pytest.raises(KbertError, match="overlaps another"):
        character_tags("유희열이", [(0, 2, "PS"), (1, 3, "PS")])
    with pytest.raises(KbertError, match="'B-OG', which is none of"):
        labels_of("유희열이", [(0, 2, "OG")], [(0, 2), (2, 4)])


def test_decomposed_text_unknown_signs_and_emoji_keep_their_offsets():
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] 유희 ##열 ##이 왔 ##다".split()
    name = unicodedata.normalize("NFD", "유희열")  # eight jamo
    text, end = f"{name}이 🎉 왔다", len(name)
    pieces = Tokenizer(words).encode_pieces([text], ["offsets"])
    offsets = pieces.columns["offsets"]
    labels = piece_labels(text, [(0, end, "PS")], offsets, "BIO", IDS)
    spans = spans_of(tags_from_pieces(text, [NAMES[i] for i in labels], offsets))
    assert [text[start:stop] for start, stop, _ in spans] == [name]


def test_characters_and_pieces_and_back_on_random_spans():
    rng = np.random.default_rng(0)
    for _ in range(200):
        words = ["가" * int(size) for size in rng.integers(1, 5, 6)]
        text = " ".join(words)
        offsets = [(start, start + 1) for start in range(len(text)) if text[start] != " "]
        cuts = sorted(rng.choice(len(text) + 1, 4, replace=False).tolist())
        spans = [(cuts[0], cuts[1], "PS"), (cuts[2], cuts[3], "LC")]
        # A piece a character: nothing is lost but spaces at an entity's ends.
        kept = []
        for start, end, name in spans:
            while start < end and text[start] == " ":
                start += 1
            while start < end and text[end - 1] == " ":
                end -= 1
            kept += [(start, end, name)] if start < end else []
        labels = labels_of(text, spans, offsets)
        assert spans_of(back(text, labels, offsets)) == kept


def test_eojeols_are_what_stands_between_any_spaces():
    assert eojeols("국회는\u3000 연다\n") == [(0, 3), (5, 7)]
    assert eojeols("  ") == []
