"""Documents into full rows of running text, for masked LM without next-sentence prediction.

    [CLS] text [SEP] text of the next document [SEP]

The documents are one stream, with a [SEP] between two. Where it is cut into rows is a choice:

    tokens      where a row is full, within a sentence as well: no padding
    sentences   before the first sentence that does not fit: RoBERTa's FULL-SENTENCES
    documents   so, and where a document ends: RoBERTa's DOC-SENTENCES

On Korean Wikipedia "sentences" leaves 18% of a row of 128 tokens to padding, and 5% of one of 512.
A row is two offsets into the shard's ids, so nothing is copied.

Shapes: U units (sentences, or pieces of long ones), R rows.
Source: Liu et al. 2019, "RoBERTa", section 4.2.
"""

from typing import Literal

import numpy as np

from kbert.data.pretraining.sentence_pairs import walk_from_zero
from kbert.data.shards.shards import Shard
from kbert.errors import KbertError
from kbert.text.encoding.pieces import ranges

SPECIAL_TOKENS_IN_ROW = 2  # [CLS] text [SEP]

Packing = Literal["tokens", "sentences", "documents"]
PACKED = np.dtype(
    [(name, np.int64) for name in ("start", "end", "first_document", "last_document")]
)


def pack_rows(
    shard: Shard,
    sequence_length: int,
    packing: Packing = "tokens",
    documents: tuple[int, int] | None = None,
    first_row: int | None = None,
) -> np.ndarray:
    """Packs documents into rows.

    Args:
        shard: ids.
        sequence_length: the longest row, special tokens included.
        packing: where a row ends, as above. A sentence longer than a row is cut in any case.
        documents: the first of them, and the one behind the last; None means all.
        first_row: the length of the first row, special tokens included, from 3 on, so that "tokens"
            cuts elsewhere in every epoch; other packings have no use for it. None is a full row.

    Returns:
        (R,) rows in the text's order, an array of `PACKED`: the ids from `start` to `end` - 1, and
        the documents of the first and the last of them. Every id is in one row.

    Raises:
        KbertError: if the row is too short for a token.

    Example:
        >>> starts = np.array([0, 4, 9, 12])  # two documents, of two sentences and of one
        >>> shard = Shard(np.zeros(12, np.uint16), starts, np.array([0, 2, 3]))
        >>> for packing in ("tokens", "sentences", "documents"):
        ...     print(pack_rows(shard, 9, packing)[["start", "end"]].tolist())
        [(0, 7), (7, 12)]
        [(0, 4), (4, 9), (9, 12)]
        [(0, 4), (4, 9), (9, 12)]
    """
    room = sequence_length - SPECIAL_TOKENS_IN_ROW
    if room < 1:
        raise KbertError(f"sequence_length {sequence_length} is too short for text: 3 at the least")
    begin, end = documents or (0, shard.num_documents)
    sentences = np.asarray(shard.document_starts[begin : end + 1])
    starts = np.asarray(shard.sentence_starts[sentences[0] : sentences[-1] + 1])
    document_starts = starts[sentences - sentences[0]]  # in ids
    if packing == "tokens":
        first = room if first_row is None else first_row - SPECIAL_TOKENS_IN_ROW
        bounds = _full(document_starts, room, first)
    else:
        bounds = _whole_sentences(starts, document_starts, room, packing == "documents")
    packed = np.zeros(len(bounds) - 1, PACKED)
    packed["start"], packed["end"] = bounds[:-1], bounds[1:]
    for name, ids in (("first_document", bounds[:-1]), ("last_document", bounds[1:] - 1)):
        packed[name] = begin + np.searchsorted(document_starts, ids, side="right") - 1
    return packed


def _full(document_starts: np.ndarray, room: int, first: int) -> np.ndarray:
    """(R + 1,) the ids that rows begin with, and the end, where all rows but two are full."""
    # A token's position in the stream is its own, and one for each separator before.
    positions = document_starts[:-1] + np.arange(len(document_starts) - 1)
    end = document_starts[-1] + len(positions) - 1
    begins = np.append(positions[0], np.arange(positions[0] + first, end, room))
    # Where a row would begin with a separator, it begins behind it.
    ids = begins - (np.searchsorted(positions, begins, side="right") - 1)
    return np.unique(np.append(ids, document_starts[-1]))


def _whole_sentences(
    starts: np.ndarray, document_starts: np.ndarray, room: int, apart: bool
) -> np.ndarray:
    """(R + 1,) the same, where rows hold whole sentences, and documents may be kept apart."""
    sizes = np.diff(starts)
    pieces = -(-sizes // room)  # of each sentence: 1, or more where it is too long
    units = np.repeat(starts[:-1], pieces) + room * ranges(np.zeros_like(pieces), pieces)  # (U,)
    document = np.searchsorted(document_starts, units, side="right") - 1  # of each unit
    # With a separator before every document counted in, a row is a span of `room`.
    ends = np.append(units[1:], starts[-1]) + document
    stop = np.searchsorted(ends, units + document + room, side="right")  # the unit behind the row
    if apart:
        stop = np.minimum(stop, np.searchsorted(document, document, side="right"))
    return np.append(units[walk_from_zero(stop)], starts[-1])
