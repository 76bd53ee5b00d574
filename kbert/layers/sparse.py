"""A kernel of which a share is used, and the rest is 0: which share, is learned with the weights.

    W' = W * M        M is 1 where a measure of the weight is at least the threshold, else 0

    magnitude         |W|, with dL/dW = dL/dW' * M
    movement          a score S, 0 at first, with dL/dS = dL/dW' * W, as if M were S itself

A score rises while its weight moves away from 0, and falls while it moves towards it; also that of
a weight that is not used, which so can come back.

The threshold is a number that is set from outside (`kbert.PruneWeights`), so that what a step
computes goes weight by weight and is compiled once.

Source: Zhu and Gupta 2017, "To prune, or not to prune", section 3; Sanh et al. 2020, "Movement
Pruning", sections 3 and 4.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

MEASURES = ("magnitude", "movement")
_ALL = float(np.finfo(np.float32).min)  # a threshold that every measure is above


class Sparse:
    """A dense layer's kernel, of which a share is used.

    Args:
        layer: built, and with weights that are floats. It gets a threshold, and by movement the
            scores, as weights; `save` writes neither.
        by: one of `MEASURES`.

    Attributes:
        threshold: () float32.
        scores: S, (I, O) float32; None by magnitude.

    Example:
        >>> layer = keras.layers.Dense(1, use_bias=False)
        >>> layer.build((None, 4))
        >>> layer.set_weights([np.array([[0.5], [-2.0], [0.1], [1.0]])])
        >>> sparse = Sparse(layer, "magnitude")
        >>> sparse.use(0.5)
        >>> ops.convert_to_numpy(sparse.kernel()).ravel().tolist()
        [0.0, -2.0, 0.0, 1.0]
    """

    def __init__(self, layer: Any, by: str):
        self._kernel = layer._kernel
        # In 16 bits it would be rounded, and others would be above the threshold.
        self._kernel._autocast = False
        settings: dict[str, Any] = {"dtype": "float32", "autocast": False}
        layer._tracker.unlock()  # as Keras's `enable_lora` does
        self.threshold = layer.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(_ALL),
            trainable=False,
            name="pruning_threshold",
            **settings,
        )
        self.scores = None
        if by == "movement":
            self.scores = layer.add_weight(
                shape=self._kernel.shape, initializer="zeros", name="pruning_scores", **settings
            )
        layer._tracker.lock()

    def kernel(self):
        """W', (I, O) of the kernel's own dtype."""
        kernel = ops.convert_to_tensor(self._kernel)
        if self.scores is None:
            measure, straight_through = ops.abs(ops.cast(kernel, "float32")), None
        else:
            measure = ops.convert_to_tensor(self.scores)
            straight_through = measure - ops.stop_gradient(measure)  # 0
        mask = ops.cast(ops.stop_gradient(measure) >= self.threshold, kernel.dtype)
        if straight_through is not None:
            mask += ops.cast(straight_through, kernel.dtype)
        return kernel * mask

    def use(self, share: float, for_good: bool = False) -> None:
        """Sets the threshold, so that a share of the weights is used, and one at least.

        Args:
            share: of the kernel's weights, in (0, 1].
            for_good: whether the others become 0 in W itself. Then exactly that share is left also
                where several are equal to the threshold.
        """
        kernel = self._kernel if self.scores is None else self.scores
        measure = ops.convert_to_numpy(kernel).astype(np.float32).ravel()
        if self.scores is None:
            measure = np.abs(measure)
        first = measure.size - max(1, round(share * measure.size))
        if not for_good:
            self.threshold.assign(np.partition(measure, first)[first] if first else _ALL)
            return
        order = np.argpartition(measure, first)
        self.threshold.assign(measure[order[first]])
        left = np.array(ops.convert_to_numpy(self._kernel))  # (I, O)
        left.reshape(-1)[order[:first]] = 0
        self._kernel.assign(left)
