import unicodedata

import numpy as np
import pytest

from kbert import Tokenizer
from kbert.text.tags import eojeols
from kbert.text.word_pieces import word_pieces, word_positions

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] 나 ##는 밥 ##을 먹 ##었 ##다 . ##. ##한다".split()


def words_of(tokenizer, text):
    """Each word with its first and last token."""
    pieces = tokenizer.encode_pieces([text], ["offsets"])
    tokens = [tokenizer.vocabulary[index] for index in pieces.ids]
    found = word_pieces(text, pieces.columns["offsets"])
    return [
        (text[start:end], *(tokens[i] if i >= 0 else None for i in places))
        for (start, end), places in zip(eojeols(text), found.tolist(), strict=True)
    ]


def test_a_word_begins_with_its_stem_and_ends_with_its_particle_or_full_stop():
    words = words_of(Tokenizer(TOKENS), " 나는\t밥을  먹었다.")
    assert words == [("나는", "나", "##는"), ("밥을", "밥", "##을"), ("먹었다.", "먹", ".")]


def test_decomposed_text_and_words_that_are_unknown():
    text = unicodedata.normalize("NFD", "나는 쀍 먹었다")
    words = words_of(Tokenizer(TOKENS), text)
    assert [word[1:] for word in words] == [("나", "##는"), ("[UNK]", "[UNK]"), ("먹", "##다")]


def test_a_word_of_which_nothing_is_left_has_no_pieces():
    words = words_of(Tokenizer(TOKENS), "나는 \u200b\u0007 먹었다")
    assert [word[1:] for word in words] == [("나", "##는"), (None, None), ("먹", "##다")]


def test_unigram_pieces(train_sentencepiece, tmp_path):
    (tmp_path / "sentencepiece.bpe.model").write_bytes(train_sentencepiece())
    tokenizer = Tokenizer.from_file(tmp_path)
    text = "국회에서 정부를 사람은"
    pieces = tokenizer.encode_pieces([text], ["offsets"])
    offsets = pieces.columns["offsets"]
    found = word_pieces(text, offsets)
    for (start, end), (first, last) in zip(eojeols(text), found, strict=True):
        assert offsets[first, 0] in (start, start - 1) and offsets[last, 1] == end
    assert found[0, 0] == 0 and found[-1, 1] == len(pieces.ids) - 1
    assert (found[1:, 0] > found[:-1, 1]).all()


@pytest.mark.parametrize(
    ("end", "expected"), [(6, [[1, 2], [3, 5], [6, 6]]), (4, [[1, 2], [3, 4], [5, 5]])]
)
def test_what_a_row_does_not_hold_stands_at_its_end(end, expected):
    places = np.array([[0, 1], [2, 4], [5, 5]])
    assert word_positions(places, end).tolist() == expected
    assert word_positions(np.array([[-1, -1]]), end).tolist() == [[end + 1, end + 1]]
