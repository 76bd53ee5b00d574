"""The losses and metrics of pretraining, as arguments of `compile`.

Shapes: B batch, P masked positions, V vocabulary.
"""

from typing import Any, Literal, get_args

import keras
from keras import ops

from kbert.errors import KbertError
from kbert.training.cross_entropy import cross_entropy

Objective = Literal["pretraining", "masked-lm", "causal", "next-sentence"]


@keras.saving.register_keras_serializable("kbert")
class CrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits with integer labels, averaged by sample weight.

        loss = sum(w (logsumexp(z) - z[label])) / sum(w)

    Labels and weights have the shape of the logits without the last axis. A weight of 0 takes an
    entry out of the sum and out of the count: a filling position costs nothing; but its label, too,
    is in [0, V). It is what Keras's SparseCategoricalCrossentropy computes, in less time and
    memory.

    Example:
        >>> import numpy as np
        >>> loss = CrossEntropy()
        >>> logits = np.log(np.array([[[0.5, 0.5], [0.1, 0.9]]], "float32"))
        >>> float(loss(np.array([[0, 0]]), logits, np.array([[1.0, 0.0]]))).__round__(4)
        0.6931
    """

    def __init__(
        self,
        name: str = "cross_entropy",
        reduction: str = "mean_with_sample_weight",
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        """(B, P), (B, P, V) -> (B, P); or (B, 1), (B, V) -> (B,)."""
        return cross_entropy(_labels(y_true, y_pred), ops.cast(y_pred, "float32"))


def is_right(y_true, y_pred):
    """1 where no label has a higher logit than the right one, else 0: (B, P), (B, P, V) -> (B, P).

    Of equal logits the right one counts as the highest. Finding the highest value takes XLA half
    the time that finding its place does.

    Example:
        >>> import numpy as np
        >>> float(is_right(np.array(1), np.array([0.2, 0.7, 0.1], "float32")))
        1.0
    """
    labels, logits = _labels(y_true, y_pred), ops.convert_to_tensor(y_pred)
    at_label = ops.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return ops.cast(at_label >= ops.max(logits, axis=-1), "float32")


def _labels(y_true, y_pred):
    """Labels as integers, without a last axis of 1 that the logits' would stand for."""
    labels = ops.cast(y_true, "int32")
    return ops.squeeze(labels, -1) if len(labels.shape) == len(y_pred.shape) else labels


def objective(task: Objective, micro_batches: int = 1) -> dict[str, Any]:
    """What to pass to `compile` beside the optimizer.

    Args:
        task: "pretraining" (both heads; the losses are summed), "masked-lm", "causal" (the next
            token at every place) or "next-sentence".
        micro_batches: in how many parts a step is computed. Where it is more than one, losses are
            sums, and the weights say how much each part counts (`kbert/training/stages.py`).

    Returns:
        `loss`, `weighted_metrics` and `jit_compile` (XLA, which Keras leaves off for TensorFlow
        on a CPU though it is faster there, too).

    Raises:
        KbertError: if there is no such task.

    Example:
        >>> sorted(objective("pretraining"))
        ['jit_compile', 'loss', 'weighted_metrics']
    """

    def accuracy(name: str = "accuracy"):
        return keras.metrics.MeanMetricWrapper(is_right, name=name)

    def loss_of_part():
        return CrossEntropy(reduction="sum") if micro_batches > 1 else CrossEntropy()

    if task not in get_args(Objective):
        raise KbertError(f"task is one of {', '.join(get_args(Objective))}, not {task!r}")
    jit_compile = keras.backend.backend() != "torch"
    if task == "pretraining":
        loss: Any = {part: loss_of_part() for part in ("mlm", "nsp")}
        metrics: Any = {part: [accuracy()] for part in ("mlm", "nsp")}
    else:  # one output, which has no name; what is told of it must say what was asked
        loss = loss_of_part()
        metrics = [accuracy("next_token_accuracy" if task == "causal" else "accuracy")]
    return {"loss": loss, "weighted_metrics": metrics, "jit_compile": jit_compile}
