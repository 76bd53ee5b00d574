"""A matrix of small whole numbers: a byte a weight, or half of one, in place of four.

    w = q s        q = round(w / s)        s = max |w| / 127, of a row; in int4 max |w| / 7, of a
                                           group of 64 numbers of a row

A row is what belongs to one output of a dense layer, or to one token of a table. Two numbers of
int4 are one byte, 16 a + b with -7 <= a, b <= 7, which is taken apart by rounding.

Shapes: R rows, I numbers of a row, G groups of a row.
Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 2.1, with a zero point of 0; Dettmers and Zettlemoyer
2023, "The case for 4-bit precision", for groups.
"""

import math
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from kbert.errors import KbertError

STORED = ("float32", "int8", "int4")  # what weights may be stored as
_LARGEST = {"int8": 127, "int4": 7}
_GROUP = 64  # numbers of a row that share a scale, in int4, where they divide it

_stored: ContextVar[str] = ContextVar("stored", default="float32")


@contextmanager
def stored_as(weights: str):
    """What is built within it stores its matrices so: "float32", "int8" or "int4"."""
    token = _stored.set(weights)
    try:
        yield
    finally:
        _stored.reset(token)


class Quantized:
    """A matrix (R, I) of a layer, as whole numbers and their scales.

    Both are weights of the layer, and not trained.

    Args:
        layer: whose weights they become.
        shape: (R, I).
        weights: "int8" or "int4".
        name: of the whole numbers; `_scale` is added to it for the scales.

    Attributes:
        shape: (R, I).
        values: (R, I) int8; in int4 (R, I / 2), the first half of a row beside the second.
        scale: (R, G) float32.

    Example:
        >>> layer = keras.layers.Layer()
        >>> matrix = Quantized(layer, (1, 4), "int8", "kernel")
        >>> matrix.assign(np.array([[0.5, -0.25, 0.0, 127 / 128]]))
        >>> ops.convert_to_numpy(matrix.values).tolist()
        [[64, -32, 0, 127]]
        >>> ops.convert_to_numpy(matrix.floats()).tolist()
        [[0.5, -0.25, 0.0, 0.9921875]]
    """

    def __init__(self, layer: keras.layers.Layer, shape: tuple[int, int], weights: str, name: str):
        rows, size = self.shape = shape
        self.weights = weights
        is_int4 = weights == "int4"
        self.groups = size // _GROUP if is_int4 and size % _GROUP == 0 else 1

        def add(columns: int, dtype: str, name: str) -> Any:
            return layer.add_weight(
                shape=(rows, columns),
                initializer="zeros",
                dtype=dtype,
                trainable=False,
                autocast=False,
                name=name,
            )

        self.values = add(math.ceil(size / 2) if is_int4 else size, "int8", name)
        self.scale = add(self.groups, "float32", f"{name}_scale")

    def assign(self, matrix: np.ndarray) -> None:
        """Takes the nearest whole numbers of a matrix (R, I).

        Raises:
            KbertError: if it holds NaN or infinity, which no whole number is near.
        """
        rows, size = self.shape
        groups = np.asarray(matrix, np.float32).reshape(rows, self.groups, -1)
        scale = np.abs(groups).max(-1) / _LARGEST[self.weights]  # (R, G)
        if not np.isfinite(scale).all():
            raise KbertError(
                f"{self.values.path} holds {np.asarray(matrix)[~np.isfinite(matrix)][0]}, of which "
                f"no {self.weights} is near: the model is broken, as by a training that diverged"
            )
        scale = np.where(scale > 0, scale, np.float32(1)).astype(np.float32)
        values = np.round(groups / scale[..., None]).reshape(rows, size).astype(np.int8)
        if self.weights == "int4":
            half = self.values.shape[1]
            second = np.zeros((rows, half), np.int8)
            second[:, : size - half] = values[:, half:]
            values = values[:, :half] + 16 * second
        self.values.assign(values)
        self.scale.assign(scale)

    def floats(self, rows=None, dtype: str = "float32"):
        """The matrix (R, I); or some of its rows, (..., I) of numbers of rows (...)."""
        values: Any = self.values if rows is None else ops.take(self.values, rows, axis=0)
        scale: Any = self.scale if rows is None else ops.take(self.scale, rows, axis=0)
        numbers = ops.cast(values, "float32")
        if self.weights == "int4":
            second = ops.round(numbers / 16)  # the first is less than half of 16
            numbers = ops.concatenate([numbers - 16 * second, second], axis=-1)
            numbers = numbers[..., : self.shape[1]]
        if self.groups == 1:
            return ops.cast(numbers * scale, dtype)
        grouped = ops.reshape(numbers, (-1, self.groups, self.shape[1] // self.groups))
        grouped = grouped * ops.reshape(scale, (-1, self.groups, 1))
        return ops.cast(ops.reshape(grouped, ops.shape(numbers)), dtype)


def quantized(layer: keras.layers.Layer, shape: tuple[int, int], name: str) -> Quantized | None:
    """A matrix of a layer, where it is to be stored as whole numbers; else None."""
    weights = _stored.get()
    return None if weights == "float32" else Quantized(layer, shape, weights, name)
