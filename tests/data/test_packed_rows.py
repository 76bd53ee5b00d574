import numpy as np
import pytest

from kbert import KbertError
from kbert.data.packed_rows import pack_sentences
from kbert.data.shards import Shard


def a_shard(*documents: list[int]) -> Shard:
    """Documents, as the lengths of their sentences; a token is its place."""
    sentences = np.concatenate([[0], *documents])
    counts = [0, *map(len, documents)]
    starts = np.cumsum(sentences)
    return Shard(np.arange(starts[-1], dtype=np.uint32), starts, np.cumsum(counts))


def test_full_sentences_by_hand():
    """Rows of 10 have room for 8; a [SEP] between documents takes one."""
    shard = a_shard([3, 5, 2], [3, 1], [20], [4])
    rows = pack_sentences(shard, 10)
    assert rows[["start", "end"]].tolist() == [
        (0, 8),  # 3 + 5
        (8, 14),  # 2 [SEP] 3 + 1 = 7, and no [SEP] and 8 more
        (14, 22),  # 20 is cut to 8, 8
        (22, 30),
        (30, 34),  # and 4; [SEP] 4 would be 9
        (34, 38),
    ]
    assert rows["first_document"].tolist() == [0, 0, 2, 2, 2, 3]
    assert rows["last_document"].tolist() == [0, 1, 2, 2, 2, 3]
    assert pack_sentences(shard, 11)["end"].tolist() == [8, 14, 23, 32, 38]  # 2 [SEP] 4 fits now
    within = pack_sentences(shard, 10, across_documents=False)
    assert within["end"].tolist() == [8, 10, 14, 22, 30, 34, 38]
    assert (within["first_document"] == within["last_document"]).all()
    part = pack_sentences(shard, 10, (1, 3))
    assert part.tolist() == [(10, 14, 1, 1), (14, 22, 2, 2), (22, 30, 2, 2), (30, 34, 2, 2)]


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("length", [3, 9, 40])
def test_every_token_is_in_one_row_and_no_row_could_take_more(length, across):
    rng = np.random.default_rng(length)
    documents = [rng.integers(1, 20, rng.integers(1, 9)).tolist() for _ in range(60)]
    shard = a_shard(*documents)
    rows = pack_sentences(shard, length, across_documents=across)
    assert rows["start"][0] == 0 and rows["end"][-1] == len(shard.ids)
    np.testing.assert_array_equal(rows["start"][1:], rows["end"][:-1])
    ends = set(shard.sentence_starts.tolist())
    document_starts = shard.sentence_starts[shard.document_starts].tolist()
    room = length - 2
    for start, end, first, last in rows.tolist():
        separators = sum(start < each < end for each in document_starts)
        assert last - first == separators and (across or not separators)
        assert end - start + separators <= room
        if end < len(shard.ids) and end in ends:
            following = min(each for each in ends if each > end) - end
            is_new = end in document_starts
            more = following + is_new
            too_long = following > room and end - start + separators + is_new + room > room
            assert (is_new and not across) or too_long or end - start + separators + more > room
        elif end < len(shard.ids):
            assert end - start == room  # a piece of a long sentence fills its row


def test_no_room_for_a_token():
    with pytest.raises(KbertError, match="3 at the least"):
        pack_sentences(a_shard([2]), 2)
