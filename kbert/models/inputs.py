"""What a model is called with: in every usual form a dict, looked at before a backend meets it.

Shapes: B batch, C choices, L length, P masked positions, G global tokens, W words, E embedding, K
extra vectors, F numbers of each.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from kbert.errors import KbertError, counted

WORDS = ("first_pieces", "last_pieces", "words", "heads")  # of a parser
VECTORS = ("inputs_embeds", "extra_embeddings")  # which are no whole numbers
_OF_EXTRA = ("extra_mask", "extra_positions")
INPUTS = (
    *("input_ids", "token_type_ids", "attention_mask", "lengths", "masked_lm_positions"),
    "masked_lm_ids",
    "global_positions",
    *WORDS,
    *VECTORS,
    *_OF_EXTRA,
)
_WHOLE = tuple(name for name in INPUTS if name not in ("attention_mask", "extra_mask", *VECTORS))


class Limits(NamedTuple):
    """What a model's inputs can be.

    Attributes:
        vocab_size: how many ids there are.
        num_segments: how many segments; with fewer than two they are not looked at.
        max_length: the longest L.
        axes: what the axes of `input_ids` are; the last is the length.
    """

    vocab_size: int
    num_segments: int
    max_length: int
    axes: tuple[str, ...] = ("batch", "length")


def as_inputs(inputs: Any) -> Any:
    """Inputs in one form: a dict, or the ids alone.

    A tokenizer's answer that is a mapping and no dict (transformers' BatchEncoding) becomes a dict,
    and rows of Python numbers become arrays.

    Raises:
        KbertError: if inputs are a list of arrays, which does not say which is which; texts, or
            labelled examples of text; or rows of several lengths.

    Example:
        >>> as_inputs([[2, 5, 3]]).tolist()
        [[2, 5, 3]]
    """
    check_no_examples(inputs)
    if isinstance(inputs, Mapping):
        return {
            name: _as_array(value, str(name)) if name in INPUTS else value
            for name, value in inputs.items()
        }
    if _is_text(inputs):
        raise KbertError(
            "a model takes ids, and this is text: call it with the tokenizer's answer, as "
            "model(model.tokenizer(texts)); to train, model.fit(kbert.LabelledBatches((texts, "
            "labels), model), shuffle=False); to ask, a pipeline, as "
            "kbert.TextClassifier(model)(texts)"
        )
    first = inputs[0] if isinstance(inputs, list | tuple) and inputs else inputs
    if isinstance(inputs, list | tuple) and not isinstance(first, list | tuple | int):
        raise KbertError(
            "a list does not say which array is which: pass a dict, as {'input_ids': ids, "
            "'attention_mask': mask, 'token_type_ids': segments}, or the ids alone"
        )
    return _as_array(inputs, "input_ids")


def check_no_examples(data: Any) -> None:
    """Raises KbertError if data are labelled examples, which have `texts` and `labels`."""
    if hasattr(data, "texts") and hasattr(data, "labels"):
        raise KbertError(
            "a model takes batches of ids, and these are examples, texts with labels: pass "
            "kbert.LabelledBatches(examples, model) in their place; to score, "
            "kbert.evaluate(model, examples) takes them as they are"
        )


def _is_text(value: Any) -> bool:
    """Whether it is text: a string, strings in lists, or an array or column of them."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    if isinstance(value, str | bytes):
        return True
    array = value if keras.ops.is_tensor(value) else as_numpy(value)  # tensors stay where they are
    if not isinstance(array, np.ndarray):
        return False
    return array.dtype.kind in "USO" and any(isinstance(each, str | bytes) for each in array.flat)


def _as_array(value: Any, name: str) -> Any:
    """A list as an array; an array as it is.

    Raises:
        KbertError: if it is neither.
    """
    if not isinstance(value, list | tuple):
        if value is not None and not hasattr(value, "shape"):
            raise KbertError(f"{name} is an array, not {value!r:.80}")
        return value
    try:
        return np.array(value)
    except ValueError as error:  # what numpy says of rows of several lengths
        raise KbertError(f"the rows of {name} are not of one length: pad them") from error


def as_numpy(value: Any) -> Any:
    """An array of any library as numpy's, where it can be had; else the value itself."""
    if value is None or isinstance(value, np.ndarray):
        return value
    if keras.ops.is_tensor(value):
        return keras.ops.convert_to_numpy(value)
    if hasattr(value, "__array__") and not isinstance(value, keras.KerasTensor):
        return np.asarray(value)
    return value


def input_ids_shape(inputs: Any) -> tuple[int | None, ...]:
    """(B, L) of a model's inputs: of its ids, or of the vectors in their place.

    Example:
        >>> input_ids_shape({"inputs_embeds": np.zeros((2, 7, 16))})
        (2, 7)
    """
    if not isinstance(inputs, dict):
        return tuple(inputs.shape)
    vectors = inputs.get("inputs_embeds")
    return tuple(inputs["input_ids"].shape if vectors is None else vectors.shape[:-1])


def as_whole_numbers(inputs: Any) -> Any:
    """Inputs whose ids are integers where a backend has them as floats.

    Keras's placeholders are floats unless they are told otherwise, and float inputs would be cast
    to 16 bits in mixed precision, in which ids above 256 are not exact.
    """
    if isinstance(inputs, dict):
        return {
            name: _as_whole(value) if name in _WHOLE else value for name, value in inputs.items()
        }
    return _as_whole(inputs)


def _as_whole(value: Any) -> Any:
    if keras.ops.is_tensor(value) and keras.backend.is_float_dtype(
        keras.backend.standardize_dtype(value.dtype)
    ):
        return keras.ops.cast(value, "int32")
    return value


def check_inputs(inputs: Any, limits: Limits) -> None:
    """Raises KbertError if inputs cannot be, as far as they are numpy arrays.

    Args:
        inputs: what a model is called with: a dict, or `input_ids` alone.
        limits: of the model.
    """
    given = inputs if isinstance(inputs, dict) else {"input_ids": inputs}
    ids, vectors = given.get("input_ids"), given.get("inputs_embeds")
    if ids is None and vectors is None:
        raise KbertError(
            f"a model takes a dict with 'input_ids', or the ids alone; received "
            f"{f'the keys {[*given]}' if isinstance(inputs, dict) else inputs}"
        )
    if ids is not None and vectors is not None:
        raise KbertError("inputs_embeds stand in the place of input_ids: pass the one or the other")
    vocab_size, num_segments, max_length, axes = limits
    _check_vectors(given, axes)
    rows = ids if vectors is None else vectors
    if not isinstance(rows, np.ndarray):
        return
    shape = input_ids_shape(given)
    if len(shape) != len(axes) or 0 in rows.shape:
        raise KbertError(f"input_ids are ({', '.join(axes)}), each 1 or more, not {shape}")
    length, words = rows.shape[len(axes) - 1], getattr(given.get("first_pieces"), "shape", ())
    _check_extra(given, len(rows), max_length)
    if length > max_length:
        raise KbertError(
            f"a row of {length} tokens is longer than the model's {max_length} positions; pass "
            "max_length to the tokenizer"
        )
    for name, least, end, what in (
        ("input_ids", 0, vocab_size, "ids of the vocabulary"),
        ("token_type_ids", 0, num_segments if num_segments > 1 else None, "segments of the model"),
        ("lengths", 0, length + 1, "lengths of a row's text"),
        ("masked_lm_positions", 0, length, "positions in a row"),
        ("masked_lm_ids", 0, vocab_size, "ids of the vocabulary"),
        ("global_positions", -1, length, "positions in a row, and -1 for none,"),
        ("first_pieces", 0, length, "positions in a row"),
        ("last_pieces", 0, length, "positions in a row"),
        ("heads", 0, 1 + words[-1] if words else None, "numbers of the root and the words"),
    ):
        numbers = given.get(name)
        if not isinstance(numbers, np.ndarray) or end is None:
            continue
        if numbers.dtype.kind not in "iu":
            raise KbertError(f"{name} are whole numbers, and these are {numbers.dtype}")
        if numbers.size and (numbers.min() < least or numbers.max() >= end):
            wrong = numbers[(numbers < least) | (numbers >= end)][0]
            raise KbertError(f"{name} holds {wrong}: the {what} go from {least} to {end - 1}")
    for name, shapes in (
        ("token_type_ids", [shape]),
        ("attention_mask", [shape, (*shape, length)]),
        ("lengths", [shape[:-1]]),
    ):
        array = given.get(name)
        if isinstance(array, np.ndarray) and array.shape not in shapes:
            right = " or ".join(map(str, shapes))
            raise KbertError(f"{name} is {right} with input_ids {shape}, not {array.shape}")
    positions = given.get("masked_lm_positions")
    if isinstance(positions, np.ndarray) and (positions.ndim != 2 or len(positions) != len(rows)):
        raise KbertError(
            f"masked_lm_positions is ({len(rows)}, masked positions) with input_ids {shape}, "
            f"not {positions.shape}"
        )
    _check_global(given.get("global_positions"), shape)
    replaced = given.get("masked_lm_ids")
    if (
        isinstance(replaced, np.ndarray)
        and isinstance(positions, np.ndarray)
        and replaced.shape != positions.shape
    ):
        raise KbertError(
            f"masked_lm_ids are the words at masked_lm_positions {positions.shape}, not "
            f"{replaced.shape}"
        )
    for name in WORDS:
        array = given.get(name)
        if not words or not isinstance(array, np.ndarray):
            continue
        if array.shape != words or array.shape[:-1] != shape[:-1]:
            raise KbertError(
                f"{name} is (batch, words) as first_pieces, which are {words} with input_ids "
                f"{shape}, not {array.shape}"
            )
    mask = given.get("attention_mask")
    if isinstance(mask, np.ndarray) and mask.dtype.kind not in "iubf":
        raise KbertError(f"attention_mask is 1 for a token and 0 for padding, not {mask.dtype}")


def _check_vectors(given: Mapping[str, Any], axes: tuple[str, ...]) -> None:
    """Raises KbertError if vectors are given that are none, or that a model of such rows has not.

    How many numbers each has, the encoder asks.
    """
    for name, what in (("inputs_embeds", "length"), ("extra_embeddings", "extra vectors")):
        array = given.get(name)
        if array is None:
            continue
        if len(axes) > 2:
            raise KbertError(f"{name} is for a model of ({', '.join(axes[:1])}, length) rows")
        if not isinstance(array, np.ndarray):
            continue
        if array.dtype.kind != "f":
            raise KbertError(f"{name} are vectors of floats, and these are {array.dtype}")
        if array.ndim != 3 or not array.size:
            raise KbertError(f"{name} is (batch, {what}, numbers), not {array.shape}")


def _check_extra(given: Mapping[str, Any], rows: int, max_length: int) -> None:
    """Raises KbertError if what belongs to `extra_embeddings` does not fit them, or the rows."""
    extra = given.get("extra_embeddings")
    for name in _OF_EXTRA:
        array = given.get(name)
        if array is None:
            continue
        if extra is None:
            raise KbertError(f"{name} is of extra_embeddings, of which there are none")
        if isinstance(array, np.ndarray) and array.shape != tuple(extra.shape[:2]):
            raise KbertError(
                f"{name} is {tuple(extra.shape[:2])} with extra_embeddings {tuple(extra.shape)}, "
                f"not {array.shape}"
            )
        if not isinstance(array, np.ndarray) or name == "extra_mask":
            continue
        if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= max_length:
            strange = array[(array < 0) | (array >= max_length)]
            held = strange[0] if array.dtype.kind in "iu" else f"{array.dtype}"
            raise KbertError(
                f"extra_positions are whole numbers from 0 to {max_length - 1}, not {held}"
            )
    if isinstance(extra, np.ndarray) and len(extra) != rows:
        raise KbertError(
            f"extra_embeddings are of {counted(len(extra), 'row')}, and the texts of {rows}"
        )


def _check_global(places: Any, shape: tuple[int | None, ...]) -> None:
    """Raises KbertError if positions of global tokens, by numpy, are not (B, G), each once."""
    if not isinstance(places, np.ndarray):
        return
    if places.ndim != 2 or len(places) != shape[0] or not places.size:
        raise KbertError(
            f"global_positions is ({shape[0]}, 1 or more) with input_ids {shape}, not "
            f"{places.shape}"
        )
    ordered = np.sort(places, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        raise KbertError(
            f"global_positions names position {ordered[:, 1:][twice][0]} twice in a row of the "
            "batch; fill up with -1"
        )
