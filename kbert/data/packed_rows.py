"""Documents into full rows of running text, for masked LM without next-sentence prediction.

    [CLS] sentence sentence [SEP] sentence of the next document sentence ... [SEP]

Whole sentences, one behind the other, as many as fit: RoBERTa's FULL-SENTENCES. Where a row runs
into the next document, a [SEP] stands between the two. With `across_documents=False` a document's
last row ends with it: RoBERTa's DOC-SENTENCES. A sentence that is longer than a row is cut into
pieces of a row's length.

A row is two offsets into the shard's ids, so nothing is copied.

Shapes: U units (sentences, or pieces of long ones), R rows.
Source: Liu et al. 2019, "RoBERTa", section 4.2.
"""

import numpy as np

from kbert.data.sentence_pairs import visited
from kbert.data.shards import Shard
from kbert.errors import KbertError
from kbert.text.rows import ranges

SPECIAL_TOKENS_IN_ROW = 2  # [CLS] text [SEP]

PACKED = np.dtype(
    [(name, np.int64) for name in ("start", "end", "first_document", "last_document")]
)


def pack_sentences(
    shard: Shard,
    sequence_length: int,
    documents: tuple[int, int] | None = None,
    across_documents: bool = True,
) -> np.ndarray:
    """Packs documents into rows, without any chance in it.

    Args:
        shard: ids.
        sequence_length: the longest row, special tokens included.
        documents: the first of them, and the one behind the last; None means all.
        across_documents: whether a row may run into the next document.

    Returns:
        (R,) rows in the text's order, an array of `PACKED`: the ids from `start` to `end` - 1, and
        the documents of the first and the last of them. Every id is in one row.

    Raises:
        KbertError: if the row is too short for a token.

    Example:
        >>> starts = np.array([0, 4, 9, 12])  # two documents, of two sentences and of one
        >>> shard = Shard(np.zeros(12, np.uint16), starts, np.array([0, 2, 3]))
        >>> pack_sentences(shard, 15)[["start", "end"]].tolist()  # 9 + 3 would need a [SEP] more
        [(0, 12)]
        >>> pack_sentences(shard, 14)[["start", "end"]].tolist()
        [(0, 9), (9, 12)]
    """
    room = sequence_length - SPECIAL_TOKENS_IN_ROW
    if room < 1:
        raise KbertError(f"sequence_length {sequence_length} is too short for text: 3 at the least")
    begin, end = documents or (0, shard.num_documents)
    document_starts = np.asarray(shard.document_starts[begin : end + 1])
    starts = np.asarray(shard.sentence_starts[document_starts[0] : document_starts[-1] + 1])
    sizes = np.diff(starts)
    pieces = -(-sizes // room)  # of each sentence: 1, or more where it is too long
    units = np.repeat(starts[:-1], pieces) + room * ranges(np.zeros_like(pieces), pieces)  # (U,)
    document = np.repeat(np.repeat(np.arange(begin, end), np.diff(document_starts)), pieces)
    # With a separator before every document counted in, a row is a span of `room`.
    places = units + document
    ends = np.append(units[1:], starts[-1]) + document
    stop = np.searchsorted(ends, places + room, side="right")  # (U,) the unit behind the row
    if not across_documents:
        stop = np.minimum(stop, np.searchsorted(document, document, side="right"))
    rows = visited(stop)  # (R,)
    packed = np.zeros(len(rows), PACKED)
    packed["start"], packed["end"] = units[rows], np.append(units, starts[-1])[stop[rows]]
    packed["first_document"], packed["last_document"] = document[rows], document[stop[rows] - 1]
    return packed
