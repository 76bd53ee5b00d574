"""A tensor in a file, known by its shape and read when it is wanted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MAX_TENSORS = 2_000  # of a file; BERT-large has 400


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a checkpoint.

    As an argument of `variable.assign` it is read where the backend makes its own array, so the
    largest tables are in memory once less.

    Args:
        shape: its shape.
        dtype: its type in the file, as the file's format names it.
        read: reads it: an array of its own, float32 whatever the file holds.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers: F32, BF16, float16 and so on."""
        return self.dtype.upper().startswith(("F", "BF"))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Reads it for numpy."""
        return self.read().astype(dtype or np.float32, copy=False)
