"""A tensor in a file, known by its shape and read when it is wanted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kbert.errors import KbertError

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
        """Reads it for numpy, as a weight."""
        array = self.read().astype(dtype or np.float32, copy=False)
        check_finite(array)
        return array


def check_finite(array: np.ndarray, name: str = "it") -> None:
    """Raises KbertError if a weight holds NaN or an infinity: its model would answer NaN."""
    with np.errstate(all="ignore"):
        total = array.sum(dtype=np.float64)  # finite where all are, and one pass
    if not np.isfinite(total) and not np.isfinite(array).all():
        raise KbertError(
            f"{name} holds NaN or infinity, which is no weight. (keras.models.load_model opens a "
            ".keras file as it is)"
        )
