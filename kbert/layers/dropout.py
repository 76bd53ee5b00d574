"""Dropout whose random numbers are cheap, and the same on every backend.

An element's number is a hash of its place, of the layer's seed and of how often the layer has
drawn: a few integer operations, which XLA computes where the number is used. The backends' own
generators are loops of their own, on a CPU a tenth of a small model's step.

Source: Srivastava et al. 2014, "Dropout". The hash is of the kind of MurmurHash3's finalizer
(Appleby 2011), with a key added at the start and another half-way.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
from keras import ops

from kbert.errors import number_from_zero

_FIRST, _SECOND, _STEP = (np.uint32(number) for number in (0x7FEB352D, 0x846CA68B, 0x9E3779B9))
_AT_ONCE = 1 << 16  # elements that numpy hashes together: few enough for the processor's cache


@keras.saving.register_keras_serializable("kbert")
class Dropout(keras.layers.Layer):
    """Sets elements to 0 at a rate in training, and scales the others by 1 / (1 - rate).

    The rate is rounded to a multiple of 2^-16.

    Args:
        rate: in [0, 1).
        seed: equal seeds drop the same elements, on every backend; on a GPU PyTorch draws its own.

    Raises:
        KbertError: if the rate is none.

    Example:
        >>> import numpy as np
        >>> dropout = Dropout(0.5, seed=1)
        >>> dropped = dropout(np.ones((1000, 1000), "float32"), training=True)
        >>> round(float(ops.mean(dropped)), 2), float(ops.max(dropped))
        (1.0, 2.0)
    """

    def __init__(self, rate: float, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.rate = number_from_zero("rate", rate, end=1)
        self.seed = seed
        with _on_the_host():
            self.seed_generator = keras.random.SeedGenerator(seed) if rate > 0 else None
        self.built = True

    def draw(self):
        """What the next call's numbers come from, (2,) integers: the seed, and a count that rises.

        None where nothing is dropped. A layer that is computed twice (remat) draws once.
        """
        if self.seed_generator is None:
            return None
        with _on_the_host():
            return self.seed_generator.next()

    def call(self, inputs, training=None, draw=None):
        """Drops elements of a tensor of any shape; by a `draw()` of its own unless given one."""
        if self.seed_generator is None or not training:
            return inputs
        draw = self.draw() if draw is None else draw
        if keras.backend.backend() == "torch":
            if inputs.device.type == "cuda":
                from torch.nn.functional import dropout

                with drawn_by_cuda(draw, inputs.device):
                    return dropout(inputs, self.rate)
            if inputs.device.type != "cpu":
                return keras.random.dropout(inputs, self.rate, seed=_one_seed(draw))
            kept = ops.convert_to_tensor(self.kept_by_numpy(draw, tuple(inputs.shape)))
        else:
            kept = _kept(ops.shape(inputs), self.rate, draw)
        return self._scaled_where(kept, inputs)

    @property
    def scale(self) -> float:
        """What the elements that stay are multiplied by."""
        return 2**16 / (2**16 - _least(self.rate))

    def drop_rows(self, inputs, rows, draw):
        """Drops, from some rows of a larger tensor, what `call` would drop from all of it.

        For JAX and TensorFlow.

        Args:
            inputs: (..., L).
            rows: (...) integers: which of the larger tensor's rows of L elements each one is.
            draw: as for `call`.
        """
        length = inputs.shape[-1]
        within = ops.cast(ops.arange(length, dtype="int32"), "uint32")
        places = ops.cast(rows, "uint32")[..., None] * np.uint32(length) + within
        return self._scaled_where(_kept_at(places, self.rate, draw), inputs)

    def kept_by_numpy(self, draw, shape: tuple[int, ...], first: int = 0) -> np.ndarray:
        """Which elements of a shape stay, if they are those from `first` on of a larger tensor.

        For PyTorch on a CPU, which would run each operation of the hash over all elements.
        """
        seed, count = np.array(draw.tolist(), np.uint32)
        return _kept_by_numpy(shape, self.rate, seed, count, first)

    def _scaled_where(self, kept, inputs):
        scaled = inputs * ops.cast(self.scale, inputs.dtype)
        return ops.where(kept, scaled, ops.zeros((), inputs.dtype))

    def compute_output_shape(self, input_shape):
        """The shape does not change."""
        return input_shape


def uniform_numbers(draw, shape):
    """Numbers in [0, 1) of a shape, float32, by a draw: the same on every backend and device.

    They are multiples of 2^-24, so each is exact.

    Args:
        draw: (2,) integers, as `Dropout.draw` gives them: a seed, and a count.
        shape: whole numbers; on TensorFlow one may be a tensor.
    """
    if keras.backend.backend() == "torch":  # on the host, whatever the device: they are few
        seed, count = np.array(draw.tolist(), np.uint32)
        with np.errstate(over="ignore"):
            key, second_key = _keys(seed, count, _mix_by_numpy)
            places = np.arange(np.prod(shape), dtype=np.uint32)
            numbers = _mix_by_numpy(places * _STEP + key, second_key)
        halves = (numbers >> np.uint32(8)).astype(np.float32).reshape(shape)
        return ops.convert_to_tensor(halves * np.float32(2**-24))
    seed, count = ops.unstack(ops.cast(draw, "uint32"), 2)
    key, second_key = _keys(seed, count, _mix)
    size = 1
    for length in shape:
        size = size * length
    places = ops.cast(ops.arange(size, dtype="int32"), "uint32")
    numbers = _mix(places * _STEP + key, second_key)
    halves = ops.cast(ops.right_shift(numbers, np.uint32(8)), "int32")
    return ops.reshape(ops.cast(halves, "float32") * np.float32(2**-24), shape)


def _least(rate: float) -> int:
    """The least number of 16 bits that is kept."""
    return min(round(rate * 2**16), 2**16 - 1)


def _on_the_host() -> AbstractContextManager[Any]:
    """Where PyTorch counts draws: to read a count off a GPU is to wait for all of its work."""
    return keras.device("cpu") if keras.backend.backend() == "torch" else nullcontext()


@contextmanager
def drawn_by_cuda(draw, device) -> Iterator[None]:
    """A block in which PyTorch's kernels on a GPU drop by a draw.

    They draw from the process's generator, which is put back afterwards.
    """
    import torch

    with torch.random.fork_rng([device], device_type="cuda"):
        torch.cuda.manual_seed(_one_seed(draw))
        yield


def _one_seed(draw) -> int:
    """One seed for a generator of PyTorch's, from what a layer drew."""
    seed, count = np.array(draw.tolist(), np.uint32)
    with np.errstate(over="ignore"):
        (key,), _ = _keys(seed, count, _mix_by_numpy)
    return int(key) >> 1


def _kept(shape, rate: float, draw):
    """Which elements stay: booleans of a shape."""
    size = 1
    for length in shape:
        size = size * length
    places = ops.cast(ops.arange(size, dtype="int32"), "uint32")
    return ops.reshape(_kept_at(places, rate, draw), shape)


def _kept_at(places, rate: float, draw):
    """Which elements stay, by their places, uint32.

    A hash has 32 bits, and serves two neighbours.
    """
    seed, count = ops.unstack(ops.cast(draw, "uint32"), 2)
    key, second_key = _keys(seed, count, _mix)
    one = np.uint32(1)
    numbers = _mix(ops.right_shift(places, one) * _STEP + key, second_key)
    half = ops.left_shift(ops.bitwise_and(places, one), np.uint32(4))  # 0 or 16
    number = ops.bitwise_and(ops.right_shift(numbers, half), np.uint32(0xFFFF))
    return number >= np.uint32(_least(rate))


def _mix(number, key=None):
    """Turns uint32 numbers into others, each bit of which depends on all that was given."""
    number = ops.bitwise_xor(number, ops.right_shift(number, np.uint32(16))) * _FIRST
    if key is not None:
        number = ops.bitwise_xor(number, key)
    number = ops.bitwise_xor(number, ops.right_shift(number, np.uint32(15))) * _SECOND
    return ops.bitwise_xor(number, ops.right_shift(number, np.uint32(16)))


def _keys(seed, count, mix):
    """Two keys from a seed and a count."""
    key = mix(mix(count) + seed)
    return key, mix(key + _STEP)


def _kept_by_numpy(shape, rate: float, seed: np.uint32, count: np.uint32, first: int) -> np.ndarray:
    """What `_kept` gives, from a place on."""
    first %= 2**32  # places are counted in 32 bits
    odd = first % 2
    with np.errstate(over="ignore"):
        key, second_key = _keys(seed, count, _mix_by_numpy)
        kept = np.empty(int(np.prod(shape)) + odd, bool)
        steps = np.arange(_AT_ONCE // 2, dtype=np.uint32) * _STEP
        for start in range(0, len(kept), _AT_ONCE):
            part = kept[start : start + _AT_ONCE]
            place = np.uint32((first + start) // 2)
            numbers = steps[: -(-len(part) // 2)] + (place * _STEP + key)
            numbers = _mix_by_numpy(numbers, second_key)
            halves = numbers.astype("<u4", copy=False).view("<u2")[: len(part)]
            np.greater_equal(halves, np.uint16(_least(rate)), out=part)
    return kept[odd:].reshape(shape)


def _mix_by_numpy(number, key=None):
    """`_mix` of a numpy array, which is overwritten, or of a scalar."""
    number = np.atleast_1d(number)
    shifted = np.right_shift(number, np.uint32(16))
    number ^= shifted
    number *= _FIRST
    if key is not None:
        number ^= key
    np.right_shift(number, np.uint32(15), out=shifted)
    number ^= shifted
    number *= _SECOND
    np.right_shift(number, np.uint32(16), out=shifted)
    number ^= shifted
    return number
