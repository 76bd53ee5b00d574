"""The numpy WordPiece and its trie; tests/text/test_tokenizer.py holds it beside transformers."""

import sys
import time
import unicodedata
from functools import partial

import numpy as np
import pytest

from kbert import Tokenizer
from kbert.text.encoding.numpy_wordpiece import BulkWordPiece
from kbert.text.encoding.pieces import in_blocks
from kbert.text.encoding.trie import Trie
from kbert.text.korean.normalize import may_compose


@pytest.mark.parametrize("draws", [50, 0])  # 0: nothing finds a place, so edges are searched
def test_trie_as_a_dict(monkeypatch, draws):
    monkeypatch.setattr("kbert.text.encoding.trie._MOST_DRAWS", draws)
    rng = np.random.default_rng(0)
    paths = {tuple(rng.integers(0, 30, rng.integers(1, 7)).tolist()) for _ in range(3000)}
    value_of = {path: number for number, path in enumerate(sorted(paths))}
    trie = Trie([list(path) for path in value_of], list(value_of.values()), 31)
    text = [*rng.integers(0, 30, 5000).tolist(), 30]
    values, lengths = trie.longest(np.array(text), np.arange(5001))
    assert len(trie._base) == (len(trie._parent) if draws else 0)
    for begin in range(5001):
        found = [
            length for length in range(1, 7) if tuple(text[begin : begin + length]) in value_of
        ]
        length = max(found, default=0)
        assert lengths[begin] == length
        assert values[begin] == value_of.get(tuple(text[begin : begin + length]), -1)


def test_whatever_composes_is_doubted():
    """A text without a doubtful character is in NFC, for every pair that Unicode composes."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if 0xD800 <= code < 0xE000 or 0xAC00 <= code < 0xD7A4:
            continue
        parts = unicodedata.normalize("NFD", character)
        assert parts == character or any(map(may_compose, parts)) or may_compose(character)
        assert may_compose(character) or not unicodedata.combining(character)
    assert all(may_compose(chr(code)) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)))
    assert not any(map(may_compose, "가힣aZ。漢字ㅋㅠé·"))


@pytest.mark.parametrize("size", [1, 700])
def test_blocks_do_not_show(monkeypatch, vocabulary, random_strings, size):
    tokenizer = Tokenizer(vocabulary)
    texts = ["", *random_strings(300, seed=3), "", ""]
    settings = {"return_offsets": True, "return_word_ids": True, "return_eojeol_ids": True}
    whole = tokenizer(texts, **settings)
    monkeypatch.setattr(
        "kbert.text.encoding.numpy_wordpiece.in_blocks", partial(in_blocks, size=size)
    )
    parts = tokenizer(texts, **settings)
    rows = [tokenizer(text, **settings) for text in texts]  # by the engine
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name])
        for row, alone in enumerate(rows):
            length = alone[name].shape[1]
            np.testing.assert_array_equal(array[row, :length], alone[name][0])


def test_a_vocabulary_with_oddities():
    """A blank line, `##` alone, and a piece that only continues."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "", "##", "##a", "a", "ab", "##bc", "#"]
    tokenizer = Tokenizer(words)
    texts = ["abc ab aa aabc a## b", "a" * 100, "a" * 101] * 2000
    assert "_bulk" not in vars(tokenizer._encoder)
    many = tokenizer.encode(texts)
    assert isinstance(tokenizer._encoder._bulk, BulkWordPiece)
    assert many[:3] == [tokenizer.encode([text])[0] for text in texts[:3]]
    assert many[:3] == [[1, 9, 8, 7, 8, 7, 10, 8, 11, 11, 1], [8] + [7] * 99, [1]]


def test_a_vocabulary_whose_nodes_are_crowded():
    """Three characters that each go on with any of 30,000: no place in a table for all."""
    letters = [chr(code) for code in range(0x3400, 0x3400 + 30_000) if chr(code).isalpha()]
    pairs = [first + second for first in "abc" for second in letters]
    tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pairs], split_cjk=False)
    start = time.process_time()
    assert tokenizer.encode([" ".join(pairs)])[0] == list(range(5, 5 + len(pairs)))
    assert time.process_time() - start < 10
