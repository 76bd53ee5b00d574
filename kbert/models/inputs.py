"""A look at a model's inputs, before a backend meets what they cannot be.

Shapes: B batch, L length, P masked positions.
"""

from typing import Any

import numpy as np

from kbert.errors import KbertError


def check_inputs(inputs: Any, vocab_size: int, num_segments: int) -> None:
    """Raises KbertError if inputs cannot be, as far as they are numpy arrays.

    Args:
        inputs: what a model is called with: a dict, or `input_ids` alone.
        vocab_size: how many ids there are.
        num_segments: how many segments there are; with fewer than two they are not looked at.
    """
    given = inputs if isinstance(inputs, dict) else {"input_ids": inputs}
    ids = given.get("input_ids")
    if ids is None:
        raise KbertError(
            f"a model takes a dict with 'input_ids', or the ids alone; received "
            f"{f'the keys {[*given]}' if isinstance(inputs, dict) else inputs}"
        )
    if not isinstance(ids, np.ndarray):
        return
    if ids.ndim != 2 or not ids.size:
        raise KbertError(f"input_ids are (batch, length), each 1 or more, not {ids.shape}")
    batch, length = ids.shape
    for name, least, end, what in (
        ("input_ids", 0, vocab_size, "ids of the vocabulary"),
        ("token_type_ids", 0, num_segments if num_segments > 1 else None, "segments of the model"),
        ("masked_lm_positions", 0, length, "positions in a row"),
    ):
        numbers = given.get(name)
        if not isinstance(numbers, np.ndarray) or end is None:
            continue
        wrong = numbers[(numbers < least) | (numbers >= end)]
        if wrong.size:
            raise KbertError(f"{name} holds {wrong[0]}: the {what} go from {least} to {end - 1}")
    for name, shapes in (
        ("token_type_ids", [(batch, length)]),
        ("attention_mask", [(batch, length), (batch, length, length)]),
        ("lengths", [(batch,)]),
    ):
        array = given.get(name)
        if isinstance(array, np.ndarray) and array.shape not in shapes:
            right = " or ".join(map(str, shapes))
            raise KbertError(f"{name} is {right} with input_ids {ids.shape}, not {array.shape}")
