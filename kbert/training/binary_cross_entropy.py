"""The loss of labels that each hold or not, and which labels count how much.

Shapes: B batch, C labels.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kbert.errors import number_from_zero
from kbert.labels import IGNORED


@keras.saving.register_keras_serializable("kbert")
class BinaryCrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits with labels that hold or not, each for itself, averaged by weight.

        loss = sum(w (log(1 + exp(z)) - y z)) / sum(w)

    Labels are (B, C) numbers in [0, 1]; a label of -100 does not count. A weight is a row's, (B,),
    which its labels share, or a label's, (B, C).

    Args:
        name: of the loss.
        reduction: as Keras has it.
        label_smoothing: e in [0, 1): a label y counts as (1 - e) y + e / 2.
        class_weights: a number for each label, by which w is multiplied; None means 1.
        **kwargs: Keras's.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[0.0, 20.0]], "float32")
        >>> float(BinaryCrossEntropy()(np.array([[1.0, 1.0]]), logits)).__round__(4)
        0.3466
    """

    def __init__(
        self,
        name: str = "binary_cross_entropy",
        reduction: str = "mean_with_sample_weight",
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.label_smoothing = number_from_zero("label_smoothing", label_smoothing, end=1)
        self.class_weights = None if class_weights is None else [*map(float, class_weights)]

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss; see the class."""
        labels = ops.cast(y_true, "float32")
        weights = weights_of(labels, sample_weight)
        if sample_weight is None or len(ops.shape(sample_weight)) < 2:
            weights = weights / labels.shape[-1]  # a row's, shared
        if self.class_weights is not None:
            weights = weights * ops.convert_to_tensor(self.class_weights, "float32")  # (C,)
        return super().__call__(labels, y_pred, weights)

    def call(self, y_true, y_pred):
        """(B, C), (B, C) -> (B, C)."""
        labels, logits = ops.maximum(ops.cast(y_true, "float32"), 0), ops.cast(y_pred, "float32")
        labels = (1 - self.label_smoothing) * labels + self.label_smoothing / 2
        return ops.softplus(logits) - labels * logits

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"label_smoothing": self.label_smoothing, "class_weights": self.class_weights}
        return {**super().get_config(), **own}


def weights_of(labels, sample_weight):
    """A weight for each label: what was given, and 0 where the label is -100.

    Args:
        labels: a tensor of any shape.
        sample_weight: of that shape, or of its first axes only; or None, which means 1.

    Example:
        >>> weights = weights_of(ops.array([[3, -100], [7, 8]]), ops.array([2.0, 5.0]))
        >>> ops.convert_to_numpy(weights).tolist()
        [[2.0, 0.0], [5.0, 5.0]]
    """
    counted = ops.cast(ops.not_equal(labels, IGNORED), "float32")
    if sample_weight is None:
        return counted
    weights = ops.cast(sample_weight, "float32")
    while len(weights.shape) < len(labels.shape):  # a row's, for all that is in it
        weights = weights[..., None]
    return counted * (weights if len(weights.shape) == len(labels.shape) else weights[..., 0])
