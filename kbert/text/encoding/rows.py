"""Pieces of one or two texts into rows of equal length.

    [CLS] first [SEP]    or    [CLS] first [SEP] second [SEP]
    <s> first </s>       or    <s> first </s></s> second </s>        (RoBERTa's own)

Which pieces a row takes is planned first, as numbers; then all rows are filled at once.

Shapes: N texts, T pieces of all texts, R rows, L length in tokens, special tokens included.
Source: Devlin et al. 2018, figure 2.
"""

from dataclasses import dataclass, field

import numpy as np

from kbert.errors import KbertError, whole_number
from kbert.text.encoding.pieces import Pieces, ranges

TRUNCATIONS = ("longest_first", "only_second", "never")


@dataclass(slots=True)
class RowForm:
    """What a row is made of beside the pieces, and how long it may be.

    Attributes:
        cls_id: what begins a row.
        sep_id: what ends each text.
        pad_id: what fills a row up.
        is_pair: whether a row has two texts.
        separators: how many `sep_id` stand between them.
        segments: whether tokens of the second text have type 1.
        max_length: the most tokens of a row, special tokens included; None is no limit.
        truncation: one of TRUNCATIONS.
        stride: None cuts what does not fit; a number makes windows of it, see `plan_rows`.
        pad_to_multiple_of: what L is rounded up to, within `max_length`.
        pad_to_length: L itself, or None.
        specials: how many special tokens a row has.
        room: the most pieces of text that it may have; None is no limit.

    Raises:
        KbertError: if there is no room for text, or the settings do not go together.
    """

    cls_id: int
    sep_id: int
    pad_id: int
    is_pair: bool
    separators: int
    segments: bool
    max_length: int | None
    truncation: str
    stride: int | None
    pad_to_multiple_of: int
    pad_to_length: int | None
    specials: int = field(init=False)
    room: int | None = field(init=False)

    def __post_init__(self):
        for name, least in (("max_length", 1), ("stride", 0), ("pad_to_length", 1)):
            if getattr(self, name) is not None:
                whole_number(f"{name}, if it is not None,", getattr(self, name), least)
        whole_number("pad_to_multiple_of", self.pad_to_multiple_of, 1)
        self.specials = 2 + self.separators if self.is_pair else 2
        self.room = None if self.max_length is None else self.max_length - self.specials
        stride, room = self.stride, self.room
        if self.truncation not in TRUNCATIONS:
            raise KbertError(
                "truncation is 'longest_first' (what is done where nothing is said), 'only_second' "
                f"or 'never', not {self.truncation!r}"
            )
        if stride is not None and room is None:
            raise KbertError("a stride needs a max_length: windows are for texts that are longer")
        if room is not None and room < (2 if self.is_pair else 1):
            raise KbertError(
                f"max_length {self.max_length} leaves no room for text beside the "
                f"{self.specials} special tokens"
            )
        if stride is not None and self.is_pair and self.truncation != "only_second":
            raise KbertError(
                "windows of a pair slide over the second text: truncation='only_second'"
            )

    def padded_length(self, longest: int) -> int:
        """L, for the length of the longest row.

        Raises:
            KbertError: if that does not fit into `pad_to_length`.
        """
        if self.pad_to_length is None:
            length = -(-longest // self.pad_to_multiple_of) * self.pad_to_multiple_of
            return length if self.max_length is None else min(length, self.max_length)
        if longest > self.pad_to_length:
            raise KbertError(
                f"a row of {longest} tokens does not fit into pad_to_length={self.pad_to_length}; "
                f"set max_length={self.pad_to_length} to cut it"
            )
        return self.pad_to_length


def make_rows(form: RowForm, first: Pieces, second: Pieces | None) -> dict[str, np.ndarray]:
    """Pieces as a batch of rows.

    Returns:
        What `fill_rows` does; with a stride also `text_index` (R,), which text each row is of.
    """
    plan = plan_rows(
        first.lengths,
        None if second is None else second.lengths,
        room=form.room,
        specials=form.specials,
        truncation=form.truncation,
        stride=form.stride,
    )
    longest = int(row_lengths(plan, form.specials).max(initial=0))
    batch = fill_rows(
        plan,
        first,
        second,
        length=form.padded_length(longest),
        pad_id=form.pad_id,
        cls_id=form.cls_id,
        sep_id=form.sep_id,
        separators=form.separators,
        segments=form.segments,
    )
    if form.stride is not None:
        batch["text_index"] = plan["text"].astype(np.int32)
    return batch


ROW = np.dtype(
    [(name, np.int64) for name in ("text", "first", "first_end", "second", "second_end")]
)


def plan_rows(
    first: np.ndarray,
    second: np.ndarray | None,
    *,
    room: int | None,
    specials: int,
    truncation: str,
    stride: int | None = None,
) -> np.ndarray:
    """Which pieces each row takes.

    Args:
        first: (N,) how many pieces the first texts have.
        second: (N,) the same of the second texts, or None.
        room: the most pieces a row may have; None is no limit.
        specials: how many special tokens a row has beside them.
        truncation: one of TRUNCATIONS.
        stride: None cuts what does not fit. A number makes further rows (windows) of it, each
            beginning with the last `stride` pieces of the one before.

    Returns:
        An array of ROW: the text's index, and its pieces from `first` to `first_end` - 1 and from
        `second` to `second_end` - 1, counted within the text.

    Raises:
        KbertError: as `fit`.

    Example:
        >>> five = np.array([5])
        >>> settings = {"room": 3, "specials": 2, "truncation": "longest_first"}
        >>> plan_rows(five, None, **settings).tolist()
        [(0, 0, 3, 0, 0)]
        >>> plan_rows(five, None, **settings, stride=1).tolist()
        [(0, 0, 3, 0, 0), (0, 2, 5, 0, 0)]
    """
    is_pair = second is not None
    more = np.zeros_like(first) if second is None else second
    plan = np.zeros(len(first), ROW)
    plan["text"] = np.arange(len(first))
    plan["first_end"], plan["second_end"] = first, more
    if room is None:
        return plan
    too_long = np.flatnonzero(first + more > room)
    if stride is None or truncation == "never":
        for i in too_long.tolist():
            kept = fit(int(first[i]), int(more[i]), room, specials, truncation, is_pair)
            plan["first_end"][i], plan["second_end"][i] = kept
        return plan
    rows: list = []
    longer = set(too_long.tolist())
    for i, row in enumerate(plan.tolist()):
        rows += _windows(tuple(row), room, stride, is_pair) if i in longer else [row]
    return np.array(rows, ROW)


def fit(
    first: int, second: int, room: int, specials: int, truncation: str, is_pair: bool
) -> tuple[int, int]:
    """How many pieces of two texts to keep, where both together are too many.

    Raises:
        KbertError: if the truncation does not allow enough of it.
    """
    if truncation == "never":
        raise KbertError(
            f"a text of {first + second + specials} tokens, special tokens included, is longer "
            f"than the {room + specials} that fit; shorten it"
        )
    if truncation == "only_second" and not is_pair:
        raise KbertError(
            f"a text of {first} tokens does not fit into {room}, and truncation='only_second' "
            "cuts none that has no second: pass 'longest_first'"
        )
    if truncation == "only_second":
        return first, room - _room_of_first(first, room)
    if not is_pair:
        return room, 0
    # The shorter text keeps up to half; the longer takes the rest (as Hugging Face's tokenizers).
    short = min(first, second)
    if short <= room // 2:
        long = room - short
    else:
        short, long = room // 2, room - room // 2
    return (short, long) if first <= second else (long, short)


def _room_of_first(first: int, room: int) -> int:
    if first >= room:
        raise KbertError(
            f"the first text has {first} tokens and leaves the second no room in {room}; "
            "raise max_length, or use truncation='longest_first'"
        )
    return first


def _windows(row: tuple, room: int, stride: int, is_pair: bool) -> list[tuple]:
    """The rows of a text, or of the second text of a pair, that is too long for one."""
    text, _, first_end, _, second_end = row
    size = room - _room_of_first(first_end, room) if is_pair else room
    length = second_end if is_pair else first_end
    if not 0 <= stride < size:
        raise KbertError(
            f"stride is how many tokens windows share: from 0 to {size - 1} here, not {stride}"
        )
    starts = range(0, max(length - stride, 1), size - stride)
    windows = [(start, min(start + size, length)) for start in starts]
    if is_pair:
        return [(text, 0, first_end, start, end) for start, end in windows]
    return [(text, start, end, 0, 0) for start, end in windows]


def fill_rows(
    plan: np.ndarray,
    first: Pieces,
    second: Pieces | None,
    *,
    length: int,
    pad_id: int,
    cls_id: int,
    sep_id: int,
    separators: int = 1,
    segments: bool = True,
) -> dict[str, np.ndarray]:
    """Rows as arrays of one length, padded on the right.

    Args:
        plan: (R,) the rows, from `plan_rows`.
        first: the pieces of the first texts.
        second: those of the second texts, or None.
        length: L.
        pad_id: what fills a row up.
        cls_id: what begins it.
        sep_id: what ends each text.
        separators: how many stand between two texts.
        segments: whether tokens of the second text have type 1.

    Returns:
        `input_ids`, `token_type_ids` and `attention_mask` (R, L), and the pieces' columns (R, L)
        or (R, L, 2); int32. At special tokens and padding offsets are 0 and the others -1.
    """
    counts = plan["first_end"] - plan["first"]  # (R,)
    more = plan["second_end"] - plan["second"]
    ends = row_lengths(plan, 2 if second is None else 2 + separators)
    position = np.arange(length)  # (L,)
    is_token = position < ends[:, None]  # (R, L)
    is_first = (position >= 1) & (position < counts[:, None] + 1)
    input_ids = np.where(is_token, np.int32(sep_id), np.int32(pad_id))
    input_ids[:, :1] = cls_id
    parts = [(is_first, first, plan["first"], counts)]
    token_type_ids = np.zeros_like(input_ids)
    if second is not None:
        begin = counts[:, None] + 1 + separators
        is_second = (position >= begin) & (position < begin + more[:, None])
        parts.append((is_second, second, plan["second"], more))
        if segments:
            token_type_ids[is_token & (position >= begin)] = 1
    batch = {
        "input_ids": input_ids,
        "token_type_ids": token_type_ids,
        "attention_mask": is_token.astype(np.int32),
    }
    for name, column in first.columns.items():
        nowhere = 0 if name == "offsets" else -1
        batch[name] = np.full((*input_ids.shape, *column.shape[1:]), nowhere, np.int32)
    for where, pieces, begins, sizes in parts:
        source = ranges(pieces.starts[plan["text"]] + begins, sizes)
        input_ids[where] = pieces.ids[source]
        for name, column in pieces.columns.items():
            batch[name][where] = column[source]
    return batch


def row_lengths(plan: np.ndarray, specials: int) -> np.ndarray:
    """(R,) how many tokens each row has, special tokens included."""
    return plan["first_end"] - plan["first"] + plan["second_end"] - plan["second"] + specials
