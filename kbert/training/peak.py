"""How fast the device is at best: the yardstick beside a run's tokens per second."""

import time

import numpy as np
from keras import ops

_LEAST_SECONDS = 0.02  # of a product: less is mostly the cost of asking for it
_LARGEST = 8192


def matmul_rate(dtype: str = "float32") -> float:
    """The operations a second of one large matrix product, measured on the backend's device.

    An N x N by N x N product takes 2 N^3 operations. N is doubled until the product is no longer
    short; the best of five counts. It takes a second or less.

    Args:
        dtype: of the matrices: that in which the model multiplies.
    """
    rng = np.random.default_rng(0)
    size = 512
    while True:
        matrix = ops.convert_to_tensor(rng.normal(size=(size, size)) / size**0.5, dtype=dtype)
        seconds = min(_seconds(matrix) for _ in range(5))
        if seconds > _LEAST_SECONDS or size == _LARGEST:
            return 2 * size**3 / seconds
        size *= 2


def _seconds(matrix) -> float:
    begin = time.perf_counter()
    product = ops.matmul(matrix, matrix)
    ops.convert_to_numpy(product[0, 0])  # waits for it
    return time.perf_counter() - begin
