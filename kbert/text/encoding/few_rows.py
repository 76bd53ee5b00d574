"""Rows of a few texts, in plain Python: the same arrays as `rows.py`, without numpy's start."""

from itertools import chain

import numpy as np

from kbert.text.encoding.rows import RowForm, fit


def make_few_rows(
    form: RowForm, first: list[list[int]], second: list[list[int]] | None
) -> dict[str, np.ndarray]:
    """Ids of texts as a batch of rows, without windows.

    Args:
        form: the rows' form, without a stride.
        first: the ids of the first texts.
        second: those of the second texts, or None.

    Returns:
        `input_ids`, `token_type_ids` and `attention_mask`, (R, L) int32.

    Raises:
        KbertError: if a row that may not be cut is longer than it may be.
    """
    rows, begins = join_rows(form, first, second)
    length = form.padded_length(max(map(len, rows), default=0))
    return pad_rows(rows, begins if form.segments else [], length, form.pad_id)


def join_rows(
    form: RowForm, first: list[list[int]], second: list[list[int]] | None
) -> tuple[list[list[int]], list[int]]:
    """Rows with special tokens, not padded yet, and the place in each where the second text begins.

    Raises:
        KbertError: as `fit`.
    """
    begin, end, room = form.cls_id, form.sep_id, form.room
    specials, truncation = form.specials, form.truncation
    if second is None:
        rows = [[begin, *ids, end] for ids in first]
        if room is not None:
            for row in rows:
                if len(row) > room + 2:
                    kept, _ = fit(len(row) - 2, 0, room, specials, truncation, is_pair=False)
                    row[kept + 1 :] = [end]
        return rows, []
    rows, begins, between = [], [], [end] * form.separators
    for one, two in zip(first, second, strict=True):
        if room is not None and len(one) + len(two) > room:
            kept, rest = fit(len(one), len(two), room, specials, truncation, is_pair=True)
            one, two = one[:kept], two[:rest]
        rows.append([begin, *one, *between, *two, end])
        begins.append(1 + len(one) + len(between))
    return rows, begins


def pad_rows(
    rows: list[list[int]], begins: list[int], length: int, pad_id: int
) -> dict[str, np.ndarray]:
    """Rows as arrays of one length, padded on the right.

    Args:
        rows: R rows of at most `length` ids.
        begins: from where on a row's tokens have type 1; empty is nowhere.
        length: L.
        pad_id: what fills a row up.

    Returns:
        `input_ids`, `token_type_ids` and `attention_mask`, (R, L) int32.

    Example:
        >>> batch = pad_rows([[2, 5, 3, 6, 3], [2, 3]], [3, 2], 5, 0)
        >>> batch["token_type_ids"].tolist(), batch["attention_mask"].tolist()
        ([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    """
    lengths = [len(row) for row in rows]
    padded = [row + [pad_id] * (length - len(row)) for row in rows]
    input_ids = np.array([*chain.from_iterable(padded)], np.int32).reshape(len(rows), length)
    token_type_ids = np.zeros(input_ids.shape, np.int32)
    attention_mask = np.zeros(input_ids.shape, np.int32)
    for row, size in enumerate(lengths):
        attention_mask[row, :size] = 1
    for row, begin in enumerate(begins):
        token_type_ids[row, begin : lengths[row]] = 1
    return {
        "input_ids": input_ids,
        "token_type_ids": token_type_ids,
        "attention_mask": attention_mask,
    }
