"""Dropout whose random numbers are cheap, and the same on every backend.

An element's number is a hash of its place, of the layer's seed and of how often the layer has
drawn: a few integer operations, which XLA computes where the number is used. The backends' own
generators are loops of their own, on a CPU a tenth of a small model's step.

Source: Srivastava et al. 2014, "Dropout". The hash is of the kind of MurmurHash3's finalizer
(Appleby 2011), with a key added at the start and another half-way.
"""

import keras
import numpy as np
from keras import ops

_FIRST, _SECOND, _STEP = (np.uint32(number) for number in (0x7FEB352D, 0x846CA68B, 0x9E3779B9))
_AT_ONCE = 1 << 16  # elements that numpy hashes together: few enough for the processor's cache


@keras.saving.register_keras_serializable("kbert")
class Dropout(keras.layers.Layer):
    """Sets elements to 0 at a rate in training, and scales the others by 1 / (1 - rate).

    The rate is rounded to a multiple of 2^-16.

    Args:
        rate: in [0, 1).
        seed: equal seeds drop the same elements, on every backend; on a GPU PyTorch draws its own.

    Example:
        >>> import numpy as np
        >>> dropout = Dropout(0.5, seed=1)
        >>> dropped = dropout(np.ones((1000, 1000), "float32"), training=True)
        >>> round(float(ops.mean(dropped)), 2), float(ops.max(dropped))
        (1.0, 2.0)
    """

    def __init__(self, rate: float, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if rate > 0 else None
        self.built = True

    def draw(self):
        """What the next call's numbers come from, (2,) integers: the seed, and a count that rises.

        None where nothing is dropped. A layer that is computed twice (remat) draws once.
        """
        return None if self.seed_generator is None else self.seed_generator.next()

    def call(self, inputs, training=None, draw=None):
        """Drops elements of a tensor of any shape; by a `draw()` of its own unless given one."""
        if self.seed_generator is None or not training:
            return inputs
        seed_and_count = self.seed_generator.next() if draw is None else draw
        if keras.backend.backend() == "torch":
            seed, count = np.array(seed_and_count.tolist(), np.uint32)
            if inputs.device.type != "cpu":
                with np.errstate(over="ignore"):
                    (key,), _ = _keys(seed, count, _mix_by_numpy)
                return keras.random.dropout(inputs, self.rate, seed=int(key) >> 1)
            kept = ops.convert_to_tensor(_kept_by_numpy(inputs.shape, self.rate, seed, count))
        else:
            seed, count = ops.unstack(ops.cast(seed_and_count, "uint32"), 2)
            kept = _kept(ops.shape(inputs), self.rate, seed, count)
        scaled = inputs * ops.cast(2**16 / (2**16 - _least(self.rate)), inputs.dtype)
        return ops.where(kept, scaled, ops.zeros((), inputs.dtype))

    def compute_output_shape(self, input_shape):
        """The shape does not change."""
        return input_shape


def _least(rate: float) -> int:
    """The least number of 16 bits that is kept."""
    return min(round(rate * 2**16), 2**16 - 1)


def _kept(shape, rate: float, seed, count):
    """Which elements stay: booleans of a shape, from two uint32 scalars.

    A hash has 32 bits, and serves two neighbours.
    """
    key, second_key = _keys(seed, count, _mix)
    size = 1
    for length in shape:
        size = size * length
    places = ops.cast(ops.arange(size, dtype="int32"), "uint32")
    one = np.uint32(1)
    numbers = _mix(ops.right_shift(places, one) * _STEP + key, second_key)
    half = ops.left_shift(ops.bitwise_and(places, one), np.uint32(4))  # 0 or 16
    number = ops.bitwise_and(ops.right_shift(numbers, half), np.uint32(0xFFFF))
    return ops.reshape(number >= np.uint32(_least(rate)), shape)


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


def _kept_by_numpy(shape, rate: float, seed: np.uint32, count: np.uint32) -> np.ndarray:
    """What `_kept` gives, by numpy: PyTorch on a CPU would run each operation over all elements."""
    with np.errstate(over="ignore"):
        key, second_key = _keys(seed, count, _mix_by_numpy)
        kept = np.empty(int(np.prod(shape)), bool)
        steps = np.arange(_AT_ONCE // 2, dtype=np.uint32) * _STEP
        for start in range(0, len(kept), _AT_ONCE):
            part = kept[start : start + _AT_ONCE]
            numbers = _mix_by_numpy(steps + (np.uint32(start // 2) * _STEP + key), second_key)
            halves = numbers.astype("<u4", copy=False).view("<u2")[: len(part)]
            np.greater_equal(halves, np.uint16(_least(rate)), out=part)
    return kept.reshape(shape)


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
