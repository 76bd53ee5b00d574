"""Data on its way to `fit`, `evaluate` and `predict`, looked at before Keras hands it to a backend.

    arrays             whole, before anything begins
    batches, as they   each when its turn comes (PyDataset, generator)
    others             not (tf.data, DataLoader): their numbers are a backend's own already

There an id that cannot be is a page of "Graph execution error" on TensorFlow, an IndexError on
PyTorch, and not-a-number for ever on JAX.

Shapes: L length.
"""

from collections.abc import Callable, Iterator, Mapping
from types import GeneratorType
from typing import Any

import keras
import numpy as np

from kbert.errors import KbertError
from kbert.labels import IGNORED
from kbert.models.inputs import (
    Limits,
    as_inputs,
    as_numpy,
    check_inputs,
    check_no_examples,
    input_ids_shape,
)

# What labels can be: numbers from 0 to below a number, or below L; by the name of the output, or
# under None where there is one; None of numbers that can be any. What is not here is not looked at.
LabelLimits = Mapping[str | None, int | str | None]
LENGTH = "length"


class Watch:
    """Looks at data, and keeps the first error that came of it.

    TensorFlow makes a text of an error within a batch, so the error itself is kept here.

    Args:
        limits: of the model's inputs.
        labels: of its labels.
    """

    def __init__(self, limits: Limits, labels: LabelLimits):
        self.limits, self.labels = limits, labels
        self.error: Exception | None = None

    def data(self, x: Any, y: Any = None, shuffle: bool = False) -> Any:
        """Arrays, checked; or batches that will be, on TensorFlow in another order if asked."""
        if isinstance(x, keras.utils.PyDataset):
            batches = _WatchedBatches(x, self)
            if keras.backend.backend() == "tensorflow":
                return _of_any_shape(batches, shuffle)
            return batches
        if isinstance(x, GeneratorType):
            return self._each(x)
        if isinstance(x, Mapping | list | tuple | str) or x is None or hasattr(x, "shape"):
            return self._arrays(x, y)
        check_no_examples(x)
        return x

    def batch(self, make: Callable[[], Any]) -> Any:
        """A batch as it is made: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
        try:
            batch = make()
            if not isinstance(batch, list | tuple):
                return self._arrays(batch)
            return (self._arrays(*batch[:2]), *batch[1:])
        except StopIteration:
            raise
        except Exception as error:
            self.error = self.error or error
            raise

    def _each(self, generator: Iterator[Any]) -> Iterator[Any]:
        while True:
            try:
                batch = self.batch(lambda: next(generator))
            except StopIteration:
                return
            yield batch

    def _arrays(self, x: Any, y: Any = None) -> Any:
        inputs = as_inputs(x)
        if isinstance(inputs, dict):
            at_hand: Any = {name: as_numpy(value) for name, value in inputs.items()}
        else:
            at_hand = as_numpy(inputs)
        check_inputs(at_hand, self.limits)
        length = input_ids_shape(at_hand)[-1]
        if length is not None:
            check_labels(y, self.labels, length)
        return inputs


class _WatchedBatches(keras.utils.PyDataset):
    """Another's batches, looked at as they come."""

    def __init__(self, batches: keras.utils.PyDataset, watch: Watch):
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self._batches, self._watch = batches, watch

    @property
    def num_batches(self) -> int | None:
        return self._batches.num_batches

    def __getitem__(self, index: int) -> Any:
        return self._watch.batch(lambda: self._batches[index])

    def on_epoch_begin(self) -> None:
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()


def _of_any_shape(batches: _WatchedBatches, shuffle: bool) -> Any:
    """Batches as a TensorFlow dataset in which every axis may have any length.

    Keras reads off the first two batches which axes do, and fails at the first that is longer where
    these happened to be alike.
    """
    import tensorflow as tf

    count = batches.num_batches
    if not count:
        return batches  # without an end, or empty: Keras says what is wrong

    def epoch() -> Iterator[Any]:
        batches.on_epoch_begin()
        order = np.random.permutation(count) if shuffle else np.arange(count)  # as Keras does
        for index in order.tolist():
            yield _standard(batches[index])
        batches.on_epoch_end()

    def spec(array: np.ndarray) -> Any:
        return tf.TensorSpec([None] * array.ndim, array.dtype)

    signature = keras.tree.map_structure(spec, _standard(batches[0]))
    dataset = tf.data.Dataset.from_generator(epoch, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)


def _standard(batch: Any) -> Any:
    """A batch as a tuple of arrays, as tf.data takes it."""
    parts = batch if isinstance(batch, list | tuple) else (batch,)
    return tuple(keras.tree.map_structure(np.asarray, part) for part in parts if part is not None)


def check_labels(y: Any, limits: LabelLimits, length: int) -> None:
    """Raises KbertError if labels at hand are none of those that a model scores.

    A label of `IGNORED` (-100) is one that does not count.
    """
    for name, end in limits.items():
        is_dict = isinstance(y, Mapping)
        if name not in y if is_dict else name is not None and hasattr(y, "shape"):
            right = "one array" if name is None else f"a dict with {', '.join(map(repr, limits))}"
            these = f"a dict with {', '.join(map(repr, y))}" if is_dict else "one array"
            raise KbertError(
                f"the model's labels are {right}, and these are {these}: kbert.LabelledBatches("
                "examples, model) gives the model's own, or kbert.PretrainingBatches of its "
                "objective; for a student kbert.DistillationBatches(batches, model) around them"
            )
        if end is None:
            continue
        given = y.get(name) if is_dict else y if name is None else None
        numbers = as_numpy(np.array(given) if isinstance(given, list) else given)
        if not isinstance(numbers, np.ndarray) or not numbers.size:
            continue
        of = f"the labels of {name!r}" if name else "the labels"
        if numbers.dtype.kind in "UO":
            raise KbertError(
                f"{of} are numbers, each the index of a name in model.labels, not "
                f"{str(numbers.flat[0])!r:.40}"
            )
        stop = length if end == LENGTH else int(end)
        if numbers.min() >= 0 and numbers.max() < stop:
            continue
        wrong = numbers[((numbers < 0) & (numbers != IGNORED)) | (numbers >= stop)]
        if wrong.size:
            raise KbertError(
                f"{of} hold {wrong[0]}: they go from 0 to {stop - 1}, and {IGNORED} does not count"
            )
