"""How fast the device is at best: the yardstick beside a run's tokens per second."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from kbert.sizes.cost import cost
from kbert.training.distribution import num_devices
from kbert.training.stages import Stage

_LEAST_SECONDS = 0.02  # of a product: less is mostly the cost of asking for it
_LARGEST = 8192
_EVERY_SECONDS = 30  # how often the rate is measured, at the most
_OF_COST = (
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
    "max_position_embeddings type_vocab_size attention_window global_attention block_size "
    "num_random_blocks embedding_size num_hidden_groups inner_group_num architecture layer_types "
    "local_attention position_buckets max_relative_positions share_att_key intra_bottleneck_size "
    "use_bottleneck_attention num_feedforward_networks classifier_activation"
).split()


class Peak:
    """The tokens a second that a run would train if its devices did nothing but matrix products.

        rate of one large product * tokens of a step / operations of a step

    A device that others use too is slower at times, and a rate that is measured then would be no
    peak. So it is measured again while the run lasts, and the highest counts.

    Args:
        config: of the model that is trained.
        stages: the run's.
        dtype: of the products.
        scored: the share of a row's positions whose tokens are told: the mask rate, or 1.
        beside: of a model that is trained in the same steps, and tells no tokens.

    Attributes:
        rate: operations a second of the product, on all devices; 0 until it is measured.

    Example:
        >>> from kbert.sizes import SIZES
        >>> config = {"vocab_size": 32000, "max_position_embeddings": 512, "type_vocab_size": 2,
        ...           "attention_window": None, **SIZES["mini"]}
        >>> peak = Peak(config, [Stage(None, 9, rows=32, sequence_length=128)])
        >>> peak.rate = 127e9  # as if `measure` had found it
        >>> round(peak.tokens_per_second(0))
        4505
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        stages: Sequence[Stage],
        dtype: str = "float32",
        scored: float = 0.15,
        beside: Mapping[str, Any] | None = None,
    ):
        self.rate, self._dtype, self._measured = 0.0, dtype, -math.inf
        self._operations_per_token = []
        for _, _, rows, length in stages:
            operations = 0.0
            for each, share in ((config, scored), (beside, 0.0)):
                if each is not None:
                    sizes = {name: each[name] for name in _OF_COST if name in each}
                    masked = math.ceil(share * length)
                    step = cost(**sizes, batch_size=rows, length=length, masked=masked)
                    operations += step.training_flops / step.tokens
            self._operations_per_token.append(operations)

    def measure(self) -> None:
        """Measures the rate, unless that was done a moment ago; it takes a second or less."""
        if time.monotonic() - self._measured > _EVERY_SECONDS:
            self.rate = max(self.rate, num_devices() * matmul_rate(self._dtype))
            self._measured = time.monotonic()

    def tokens_per_second(self, stage: int) -> float:
        """Of a stage, counted from 0, at the highest rate so far."""
        return self.rate / self._operations_per_token[stage]


def matmul_rate(dtype: str = "float32") -> float:
    """The operations a second of one large matrix product, measured on the backend's device.

    An N x N by N x N product takes 2 N^3 operations. N is doubled until the product is no longer
    short; the best of five counts. It takes a second or less.

    Args:
        dtype: of the matrices: that in which the model multiplies.
    """
    size = 512
    while True:
        matrix = ops.cast(keras.random.normal((size, size), stddev=size**-0.5, seed=0), dtype)
        seconds = min(_seconds(matrix) for _ in range(5))
        if seconds > _LEAST_SECONDS or size == _LARGEST:
            return 2 * size**3 / seconds
        size *= 2


def _seconds(matrix) -> float:
    begin = time.perf_counter()
    product = ops.matmul(matrix, matrix)
    ops.convert_to_numpy(product[0, 0])  # waits for it
    return time.perf_counter() - begin
