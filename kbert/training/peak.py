"""How fast the device is at best: the yardstick beside a run's tokens per second."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from kbert.cost import cost

_LEAST_SECONDS = 0.02  # of a product: less is mostly the cost of asking for it
_LARGEST = 8192
_OF_COST = (
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
    "max_position_embeddings type_vocab_size"
).split()


def tokens_at_peak(rate: float, config: Mapping[str, Any], rows: int, length: int) -> float:
    """The tokens a second of training at a rate that nothing reaches.

    Args:
        rate: operations a second, as `matmul_rate` measures them.
        config: of the `Bert` that is trained.
        rows: of a step.
        length: of a row, in tokens.

    Example:
        >>> from kbert.sizes import SIZES
        >>> config = {"vocab_size": 32000, "max_position_embeddings": 512, "type_vocab_size": 2}
        >>> round(tokens_at_peak(127e9, {**config, **SIZES["mini"]}, rows=32, length=128))
        4505
    """
    step = cost(**{name: config[name] for name in _OF_COST}, batch_size=rows, length=length)
    return rate * step.tokens / step.training_flops


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
