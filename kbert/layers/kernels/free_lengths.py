"""Operations on rows whose length may be free, as in a file that a model is exported to.

Where L is a symbol, jax2onnx takes a row of places from `lax` alone, and so a shape in which L
stands otherwise than in the shape before. With a number for L these are what `keras.ops` has.
"""

import keras
from keras import ops


def places_of(length):
    """0 to L - 1: (L,) int32.

    Example:
        >>> ops.convert_to_numpy(places_of(3)).tolist()
        [0, 1, 2]
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.lax.iota("int32", length)
    return ops.arange(length, dtype="int32")  # without a dtype PyTorch takes no symbol


def reshaped(numbers, shape):
    """`ops.reshape`, also to sizes as 2 L - 1.

    Example:
        >>> tuple(reshaped(ops.zeros((2, 6)), (-1, 4)).shape)
        (3, 4)
    """
    if keras.backend.backend() == "jax":
        return numbers.reshape(shape)  # which is `lax.reshape`
    return ops.reshape(numbers, shape)
