import numpy as np
import pytest

from kbert import KbertError
from kbert.data.pretraining.packed_rows import pack_rows
from kbert.data.shards.shards import Shard


def a_shard(*documents: list[int]) -> Shard:
    """Documents, as the lengths of their sentences; a token is its place."""
    sentences = np.concatenate([[0], *documents])
    counts = [0, *map(len, documents)]
    starts = np.cumsum(sentences)
    return Shard(np.arange(starts[-1], dtype=np.uint32), starts, np.cumsum(counts))


def test_full_sentences_by_hand():
    """Rows of 10 have room for 8; a [SEP] between documents takes one."""
    shard = a_shard([3, 5, 2], [3, 1], [20], [4])
    rows = pack_rows(shard, 10, "sentences")
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
    fits = pack_rows(shard, 11, "sentences")["end"]
    assert fits.tolist() == [8, 14, 23, 32, 38]  # 2 [SEP] 4 fits now
    within = pack_rows(shard, 10, "documents")
    assert within["end"].tolist() == [8, 10, 14, 22, 30, 34, 38]
    assert (within["first_document"] == within["last_document"]).all()
    part = pack_rows(shard, 10, "sentences", (1, 3))
    assert part.tolist() == [(10, 14, 1, 1), (14, 22, 2, 2), (22, 30, 2, 2), (30, 34, 2, 2)]


def test_full_rows_by_hand():
    """The stream is 10 tokens, [SEP], 4, [SEP], 20, [SEP], 4; a row has room for 8 of it."""
    shard = a_shard([3, 5, 2], [3, 1], [20], [4])
    rows = pack_rows(shard, 10, "tokens")
    assert rows.tolist() == [
        (0, 8, 0, 0),
        (8, 14, 0, 1),  # 2 [SEP] 4, and the [SEP] that ends the row anyway
        (14, 22, 2, 2),
        (22, 30, 2, 2),
        (30, 37, 2, 3),  # 4 [SEP] 3
        (37, 38, 3, 3),
    ]
    shifted = pack_rows(
        shard, 10, "tokens", first_row=7
    )  # 5 tokens; then 5 [SEP] 2, 2 [SEP] 5, ...
    assert shifted["end"].tolist() == [5, 12, 19, 27, 34, 38]
    assert pack_rows(shard, 10, "tokens", (1, 2), 5).tolist() == [(10, 13, 1, 1), (13, 14, 1, 1)]
    alone = pack_rows(shard, 3, "tokens")  # room for one token, and none for a [SEP]
    assert alone["start"].tolist() == list(range(38))


@pytest.mark.parametrize("first_row", [None, 3, 9])
@pytest.mark.parametrize("length", [9, 40])
def test_full_rows_are_full(length, first_row):
    rng = np.random.default_rng(length)
    shard = a_shard(*[rng.integers(1, 20, rng.integers(1, 9)).tolist() for _ in range(60)])
    rows = pack_rows(shard, length, "tokens", first_row=first_row)
    assert rows["start"][0] == 0 and rows["end"][-1] == len(shard.ids)
    np.testing.assert_array_equal(rows["start"][1:], rows["end"][:-1])
    filled = rows["end"] - rows["start"] + rows["last_document"] - rows["first_document"]
    assert filled[0] == (first_row or length) - 2
    document_starts = shard.sentence_starts[shard.document_starts]
    # One place less where a [SEP] would have stood at the beginning or the end.
    at_edge = np.isin(rows["start"], document_starts).astype(int) + np.isin(
        rows["end"], document_starts
    )
    assert (filled <= length - 2).all()
    assert (filled[1:-1] >= length - 2 - at_edge[1:-1]).all()


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("length", [3, 9, 40])
def test_every_token_is_in_one_row_and_no_row_could_take_more(length, across):
    rng = np.random.default_rng(length)
    documents = [rng.integers(1, 20, rng.integers(1, 9)).tolist() for _ in range(60)]
    shard = a_shard(*documents)
    rows = pack_rows(shard, length, "sentences" if across else "documents")
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
        pack_rows(a_shard([2]), 2)
