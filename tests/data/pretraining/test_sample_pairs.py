import pytest

from kbert import KbertError
from kbert.data.pretraining.sample_pairs import sample_pairs
from kbert.data.shards.shards import encode_documents

DOCUMENTS = [
    ["국회에 국민의 법률을 의결한다.", "축구는 정말 재미있다.", "나 너 우리."],
    ["우리 국민의 경기에 우리.", "국회는 법률을 의결한다.", "경기 는다."],
    ["너 우리 나 축구.", "정말 국회에게 너."],
]


def pairs_of(tokenizer, length, seed=0, count=20):
    shard = encode_documents(DOCUMENTS, tokenizer)
    return sample_pairs(shard, tokenizer, sequence_length=length, seed=seed, count=count)


def of_document(text: str) -> int:
    """Which document a text is of; the spans here are long enough to tell."""
    plain = text.replace("...", "").replace(" ", "")
    found = [i for i, each in enumerate(DOCUMENTS) if plain in "".join(each).replace(" ", "")]
    return found[0] if len(found) == 1 else -1


def test_pairs_follow_or_are_of_two_documents(tokenizer):
    pairs = pairs_of(tokenizer, 16)
    assert [pair.follows for pair in pairs] == sorted((p.follows for p in pairs), reverse=True)
    assert sum(pair.follows for pair in pairs) >= 5 <= sum(not pair.follows for pair in pairs)
    told = 0
    for pair in pairs:
        documents = of_document(pair.first), of_document(pair.second)
        if min(documents) >= 0:
            told += 1
            assert (documents[0] == documents[1]) == pair.follows
    assert told >= len(pairs) / 2
    seen = {pair.input_ids.tobytes() for pair in pairs}
    assert len(seen) == len(pairs)
    assert {p.input_ids.tobytes() for p in pairs_of(tokenizer, 16, seed=1)} != seen


def test_rows_hold_what_is_shown(tokenizer):
    for length in (8, 12, 16):
        for pair in pairs_of(tokenizer, length):
            ids = pair.input_ids.tolist()
            assert len(ids) <= length and ids[0] == tokenizer.cls_id and ids[-1] == tokenizer.sep_id
            sep = ids.index(tokenizer.sep_id)
            spans = [tokenizer.decode(span) for span in (ids[1:sep], ids[sep + 1 : -1])]
            shown = [part.replace("...", "") for part in (pair.first, pair.second)]
            assert [span.removeprefix("##") for span in spans] == shown
            assert pair.token_type_ids.tolist() == [int(i > sep) for i in range(len(ids))]


def test_dots_where_a_text_was_cut(tokenizer):
    pairs = pairs_of(tokenizer, 8) + pairs_of(tokenizer, 40)
    texts = [text for pair in pairs for text in (pair.first, pair.second)]
    sentences = [sentence for document in DOCUMENTS for sentence in document]
    begins, ends = ({s[:3] for s in sentences}, {s[-3:] for s in sentences})
    seen = set()
    for text in texts:
        seen |= {text.startswith("..."), text.endswith("...") + 2}
        assert text.startswith("...") or text[:3] in begins
        assert text.endswith("...") or text[-3:] in ends
    assert seen == {False, True, 2, 3}


def test_where_there_are_no_pairs(tokenizer):
    shard = encode_documents(DOCUMENTS[:1], tokenizer)
    with pytest.raises(KbertError, match="has only one"):
        sample_pairs(shard, tokenizer, sequence_length=16, seed=0)
