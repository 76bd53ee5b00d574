"""The stages of a run: so many steps of rows of one length, then of another.

BERT takes nine tenths of its steps with rows of 128 tokens, and the last tenth with 512, since
attention's cost grows with the square of the length, and only far positions need long rows.

Shapes: B rows of a step, L length.
Source: Devlin et al. 2018, appendix A.2.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import keras
import numpy as np

from kbert.errors import KbertError, counted
from kbert.training.distribution import of_each_host


class Stage(NamedTuple):
    """Some steps with batches of one shape.

    Attributes:
        batches: batch i is that of the stage's step i; a pure function of i, whatever was asked
            for before.
        steps: how many of them are taken.
        rows: B.
        sequence_length: L, in tokens, special tokens included.
    """

    batches: keras.utils.PyDataset
    steps: int
    rows: int
    sequence_length: int

    @property
    def tokens_per_step(self) -> int:
        """B L, padding included."""
        return self.rows * self.sequence_length


def stage_shape(text: str) -> tuple[int, int, int]:
    """Reads LENGTH:BATCH:STEPS, as a command line has it.

    Raises:
        KbertError: if it is no such text, or a number is not above 0.

    Example:
        >>> stage_shape("128:256:900000")
        (128, 256, 900000)
    """
    parts = text.split(":")
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in parts]
    if len(numbers) != 3 or min(numbers) < 1:
        raise KbertError(f"a stage is LENGTH:BATCH:STEPS, as 128:256:900000, not {text!r:.40}")
    return numbers[0], numbers[1], numbers[2]


def locate(stages: Sequence[Stage], step: int) -> tuple[int, int]:
    """The stage of a step, and which of the stage's steps it is; all are counted from 0.

    Example:
        >>> stages = [Stage(None, 90, 8, 128), Stage(None, 10, 2, 512)]
        >>> locate(stages, 0), locate(stages, 89), locate(stages, 90)
        ((0, 0), (0, 89), (1, 0))
    """
    for index, stage in enumerate(stages):
        if step < stage.steps:
            return index, step
        step -= stage.steps
    raise IndexError(f"the stages have {step} steps less")


class Interval(keras.utils.PyDataset):
    """Some consecutive steps of a stage, for one call of `fit`.

    A step can be computed in micro-batches, which need less memory: its rows are cut into equal
    parts, and each weight is multiplied by (micro-batches / sum of the whole step's weights, on all
    hosts). With losses that are summed (`objective(..., micro_batches=k)`) and an optimizer that
    averages the gradients of k micro-batches (`adamw(..., micro_batches=k)`), the step is that of
    one large batch: every masked token counts the same, wherever it fell.

    Args:
        batches: those of the stage.
        first_step: the first of the steps, in the stage.
        steps: how many.
        micro_batches: in how many parts a step is computed.
    """

    def __init__(
        self,
        batches: keras.utils.PyDataset,
        first_step: int,
        steps: int,
        micro_batches: int = 1,
    ):
        super().__init__(workers=1)
        self.first_step, self.steps, self.micro_batches = first_step, steps, micro_batches
        self._batches, self._batch = batches, lru_cache(maxsize=2)(self._take)
        self._thread, self._ahead = ThreadPoolExecutor(1), dict[int, Future[Any]]()

    def __len__(self) -> int:
        return self.steps * self.micro_batches

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        """Micro-batch `index`: `(x, y, sample_weight)`."""
        step, part = divmod(index, self.micro_batches)
        if not 0 <= step < self.steps:
            raise IndexError(f"micro-batch {index} of {len(self)}")
        batch = self._batch(self.first_step + step)
        rows = len(keras.tree.flatten(batch)[0])
        if rows % self.micro_batches:
            raise KbertError(
                f"{counted(rows, 'row')} cannot be cut into {self.micro_batches} micro-batches of "
                "one size"
            )
        begin = part * rows // self.micro_batches
        cut = slice(begin, begin + rows // self.micro_batches)
        return keras.tree.map_structure(lambda array: array[cut], batch)

    def _take(self, step: int) -> tuple[Any, Any, Any]:
        """The batch of a step. A thread makes the next one while a device computes this one."""
        coming = self._ahead.pop(step, None) or self._make(step)
        if step + 1 < self.first_step + self.steps:
            self._ahead[step + 1] = self._make(step + 1)
        x, y, weights = coming.result()
        return x, y, weights if self.micro_batches == 1 else _shares(weights, self.micro_batches)

    def _make(self, step: int) -> "Future[Any]":
        return self._thread.submit(self._batches.__getitem__, step)


def _shares(weights: Any, parts: int) -> Any:
    """Each weight times (parts / sum of the weights of all hosts)."""
    sums = np.array([weight.sum() for weight in keras.tree.flatten(weights)])
    totals = of_each_host(sums).sum(axis=0)
    factors = iter(np.float32(parts) / np.where(totals == 0, np.float32(1), totals))
    return keras.tree.map_structure(lambda weight: weight * next(factors), weights)
