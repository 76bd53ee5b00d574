"""Random starting weights that are the same on every backend.

Keras's initializers draw from the backend's own generator, so one seed gives three different
models on three backends. Here numpy draws, and one seed gives one model.
"""

import zlib
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np


def sub_seed(seed: int, name: str) -> int:
    """A seed of its own for a named part, so that no two parts start with equal numbers.

    Example:
        >>> sub_seed(0, "query") != sub_seed(0, "key")
        True
    """
    return zlib.crc32(f"{seed}/{name}".encode()) >> 1  # Keras keeps seeds in 31 bits


_loading: ContextVar[bool] = ContextVar("loading", default=False)
_skip_drawing: ContextVar[bool] = ContextVar("skip_drawing", default=False)


@contextmanager
def starting_at_zero(*, heads: bool = False):
    """Within it encoders start at zero: they are about to be read from a file.

    To draw the 110 million numbers of a base model takes longer than to read them. Heads and
    poolers are drawn all the same, as a file may not have them.

    Args:
        heads: whether heads and poolers start at zero, too, where all of them are about to come.
    """
    loading, skip = _loading.set(True), _skip_drawing.set(heads)
    try:
        yield
    finally:
        _loading.reset(loading)
        _skip_drawing.reset(skip)


@contextmanager
def read_from_files():
    """What an encoder builds within it starts at zero if it is being loaded."""
    token = _skip_drawing.set(_loading.get())
    try:
        yield
    finally:
        _skip_drawing.reset(token)


class TruncatedNormal(keras.initializers.Initializer):
    """Normal numbers, those beyond two standard deviations drawn again.

    Args:
        stddev: the standard deviation before the cut.
        seed: equal seeds give equal numbers, on every backend.

    Source: google-research/bert, modeling.py, `create_initializer`.
    """

    def __init__(self, stddev: float = 0.02, *, seed: int):
        self.stddev, self.seed = stddev, seed

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None):
        """Returns a tensor of a shape."""
        if _skip_drawing.get():
            return keras.ops.zeros(shape, dtype=dtype)
        rng = np.random.default_rng(self.seed)
        numbers = rng.standard_normal(shape, "float32")
        beyond = np.flatnonzero(np.abs(numbers) > 2)
        while len(beyond):
            again = rng.standard_normal(len(beyond), "float32")
            numbers.flat[beyond] = again
            beyond = beyond[np.abs(again) > 2]
        return keras.ops.convert_to_tensor(numbers * np.float32(self.stddev), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"stddev": self.stddev, "seed": self.seed}
