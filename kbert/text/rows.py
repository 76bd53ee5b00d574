"""Pieces of one or two texts into a row, and rows into arrays.

    [CLS] first [SEP]    or    [CLS] first [SEP] second [SEP]

Shapes: B batch, L length in tokens, special tokens included.
Source: Devlin et al. 2018, figure 2.
"""

import numpy as np

from kbert.errors import KbertError

Span = tuple[int, int]  # (start, end) in the original text
Pieces = tuple[list[int], list[Span]]  # ids, and where each came from
Row = tuple[list[int], list[int], list[Span]]  # ids, segments, spans

_NOWHERE: Span = (0, 0)  # where a special token came from


def join_row(
    first: Pieces,
    second: Pieces | None,
    cls_id: int,
    sep_id: int,
    max_length: int | None,
    truncation: str,
) -> Row:
    """Cuts two texts to fit and joins them.

    Example:
        >>> join_row(([5, 6], [(0, 1), (1, 2)]), ([7], [(0, 1)]), 2, 3, 5, "longest_first")
        ([2, 5, 3, 7, 3], [0, 0, 0, 1, 1], [(0, 0), (0, 1), (0, 0), (0, 1), (0, 0)])
    """
    is_pair = second is not None
    (ids, spans), (more_ids, more_spans) = first, second or ([], [])
    keep, keep_more = len(ids), len(more_ids)
    if max_length is not None:
        room = max_length - (3 if is_pair else 2)
        keep, keep_more = fit_lengths(keep, keep_more, room, truncation, is_pair)
    row_ids = [cls_id, *ids[:keep], sep_id]
    row_spans = [_NOWHERE, *spans[:keep], _NOWHERE]
    segments = [0] * len(row_ids)
    if is_pair:
        row_ids += [*more_ids[:keep_more], sep_id]
        row_spans += [*more_spans[:keep_more], _NOWHERE]
        segments += [1] * (keep_more + 1)
    return row_ids, segments, row_spans


def fit_lengths(
    first: int, second: int, room: int, truncation: str, is_pair: bool
) -> tuple[int, int]:
    """How many tokens of two texts to keep so that both fit into the room.

    Raises:
        KbertError: if there is no room for text, or the truncation does not allow enough of it.
    """
    if room < (2 if is_pair else 1):
        raise KbertError("max_length leaves no room for text beside the special tokens")
    if first + second <= room:
        return first, second
    if truncation == "never":
        specials = 3 if is_pair else 2
        raise KbertError(
            f"a text of {first + second + specials} tokens, special tokens included, is longer "
            f"than the {room + specials} that fit; shorten it"
        )
    if truncation == "only_second":
        if first >= room:
            raise KbertError(
                f"the first text has {first} tokens and leaves the second no room in {room}; "
                "raise max_length, or use truncation='longest_first'"
            )
        return first, room - first
    if truncation != "longest_first":
        raise KbertError(
            f"truncation is 'longest_first', 'only_second' or 'never', not {truncation!r}"
        )
    if not is_pair:
        return room, 0
    # The shorter text keeps up to half; the longer takes the rest (as Hugging Face's tokenizers).
    short = min(first, second)
    if short <= room // 2:
        long = room - short
    else:
        short, long = room // 2, room - room // 2
    return (short, long) if first <= second else (long, short)


def pad_rows(rows: list[Row], length: int, pad_id: int) -> dict[str, np.ndarray]:
    """Rows as arrays of one length, padded on the right.

    Returns:
        `input_ids`, `token_type_ids` and `attention_mask` (B, L), and `offsets` (B, L, 2), int32.

    Raises:
        KbertError: if a row is longer.
    """
    input_ids = np.full((len(rows), length), pad_id, np.int32)  # (B, L)
    token_type_ids = np.zeros((len(rows), length), np.int32)
    attention_mask = np.zeros((len(rows), length), np.int32)
    offsets = np.zeros((len(rows), length, 2), np.int32)
    for i, (ids, segments, spans) in enumerate(rows):
        if len(ids) > length:
            raise KbertError(
                f"a row of {len(ids)} tokens does not fit into pad_to_length={length}; "
                f"set max_length={length} to cut it"
            )
        input_ids[i, : len(ids)] = ids
        token_type_ids[i, : len(ids)] = segments
        attention_mask[i, : len(ids)] = 1
        offsets[i, : len(ids)] = spans
    return {
        "input_ids": input_ids,
        "token_type_ids": token_type_ids,
        "attention_mask": attention_mask,
        "offsets": offsets,
    }
