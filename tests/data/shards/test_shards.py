import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.data.shards.shards import EOJEOL, MORPHEME, encode_documents
from kbert.text.korean.morphemes import Morphemes

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 ##서 나 ##는 간다 .".split()


def test_encoding_keeps_the_boundaries():
    tokenizer = Tokenizer([*TOKENS, "가", "##나"])
    shard = encode_documents([["가나 가", "\u200b", "가"], ["\u200b"], ["가나"]], tokenizer)
    assert shard.ids.tolist() == [12, 13, 12, 12, 12, 13]
    assert shard.sentence_starts.tolist() == [0, 3, 4, 6]  # what gives no token is left out
    assert shard.document_starts.tolist() == [0, 2, 3]
    assert shard.ids.dtype == np.uint16
    with pytest.raises(KbertError, match="empty"):
        encode_documents([["\u200b"]], tokenizer)


def test_marks_of_eojeols_and_morphemes():
    tokenizer = Tokenizer(TOKENS)
    documents = [["국회에서 나는", "\u200b"], [" 국회에서\u200b 나는  간다."]]
    # What an analyser finds: 국회 에서 나 는 간다 .
    found = {"국회에서": ["국회", "에서"], "나는": ["나", "는"], "간다.": ["간다", "."]}

    def analyse(text):
        words = (word.strip("\u200b") for word in text.split())
        return [morpheme for word in words if word for morpheme in found[word]]

    shard = encode_documents(documents, tokenizer, eojeols=True, morphemes=Morphemes(analyse))
    both = EOJEOL | MORPHEME
    first = [both, MORPHEME, 0, both, MORPHEME]  # 국회 ##에 ##서 나 ##는
    assert shard.marks is not None and shard.marks.dtype == np.uint8
    assert shard.marks.tolist() == [*first, *first, both, MORPHEME]
    only = encode_documents(documents, tokenizer, morphemes=Morphemes(analyse)).marks
    assert only is not None and only.tolist() == [mark & MORPHEME for mark in shard.marks]
    assert encode_documents(documents, tokenizer).marks is None


def test_marks_of_a_unigram_model():
    tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] ▁ ▁가 나 다".split()
    tokenizer = Tokenizer(tokens, scores=[0, 0, 0, 0, 0, -2, -1, -2, -2])
    shard = encode_documents([["가나 다나"]], tokenizer, eojeols=True)
    assert [tokenizer.token(int(i)) for i in shard.ids] == ["▁가", "나", "▁", "다", "나"]
    assert shard.marks is not None and shard.marks.tolist() == [1, 0, 1, 0, 0]


@pytest.mark.parametrize("size", [1, 3000])  # by the Rust engine, and by numpy's
def test_eojeol_ids_are_those_of_str_split(size):
    tokenizer = Tokenizer(TOKENS)
    texts = ["국회에\t나는\u3000나", "", "  나\n나는 . ", "\u200b 나"] * size
    pieces = tokenizer.encode_pieces(texts, ["eojeol_ids", "offsets"])
    for text, start, end in zip(texts, pieces.starts, pieces.starts[1:], strict=False):
        begins = pieces.columns["offsets"][start:end, 0].tolist()
        # as many words as stand before, with the one that begins here
        expected = [len((text[:begin] + "x").split()) - 1 for begin in begins]
        assert pieces.columns["eojeol_ids"][start:end].tolist() == expected
