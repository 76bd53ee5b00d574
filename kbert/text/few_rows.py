"""Rows of a few texts, in plain Python: the same arrays as `rows.py`, without numpy's start."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from kbert.text.rows import fit


def join_rows(
    first: list[list[int]],
    second: list[list[int]] | None,
    *,
    room: int | None,
    truncation: str,
    cls_id: int,
    separators: Sequence[int],
    sep_id: int,
) -> tuple[list[list[int]], list[int]]:
    """Rows with special tokens, not padded yet.

    Args:
        first: the ids of the first texts.
        second: those of the second texts, or None.
        room: the most ids of text in a row; None is no limit.
        truncation: as in `plan_rows`.
        cls_id: what begins a row.
        separators: what stands between two texts.
        sep_id: what ends a row.

    Returns:
        The rows, and the place in each where the second text begins.

    Raises:
        KbertError: as `fit`.

    Example:
        >>> settings = {"truncation": "longest_first", "cls_id": 2, "sep_id": 3}
        >>> join_rows([[5, 6]], [[7, 8, 9]], room=4, separators=[3], **settings)
        ([[2, 5, 6, 3, 7, 8, 3]], [4])
    """
    if second is None:
        rows = [[cls_id, *ids, sep_id] for ids in first]
        if room is not None:
            for row in rows:
                if len(row) > room + 2:
                    kept, _ = fit(len(row) - 2, 0, room, 2, truncation, is_pair=False)
                    row[kept + 1 :] = [sep_id]
        return rows, []
    rows, begins, specials = [], [], 2 + len(separators)
    for one, two in zip(first, second, strict=True):
        if room is not None and len(one) + len(two) > room:
            kept, rest = fit(len(one), len(two), room, specials, truncation, is_pair=True)
            one, two = one[:kept], two[:rest]
        rows.append([cls_id, *one, *separators, *two, sep_id])
        begins.append(1 + len(one) + len(separators))
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
