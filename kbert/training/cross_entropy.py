"""Cross-entropy over a vocabulary: in passes over the logits, the largest array of a training step.

    loss = logsumexp(z) - z[label]        dloss/dz = softmax(z) - onehot(label)

The gradient is computed from the logits and their logsumexp, so that nothing of their size is kept
for it, no one-hot labels are made, and nothing is scattered.

Shapes: V vocabulary; an entry is a masked position, or a row.
"""

import keras
from keras import ops


def cross_entropy(labels, logits):
    """The loss of each entry.

    Args:
        labels: (...) integers in [0, V).
        logits: (..., V) float32.

    Returns:
        (...) float32.

    Example:
        >>> from keras import ops
        >>> logits = ops.log(ops.array([[0.5, 0.5], [0.1, 0.9]]))
        >>> [round(float(loss), 4) for loss in cross_entropy(ops.array([0, 1]), logits)]
        [0.6931, 0.1054]
    """
    if keras.backend.backend() == "torch":
        from kbert.training.torch_cross_entropy import TorchCrossEntropy

        return TorchCrossEntropy.apply(labels, logits)

    @ops.custom_gradient
    def loss(logits):
        places = ops.cast(labels, "int32")[..., None]  # (..., 1)
        log_sums = ops.logsumexp(logits, axis=-1, keepdims=True)  # (..., 1)
        at_label = ops.take_along_axis(logits, places, axis=-1)  # (..., 1)

        def gradient(upstream):
            size = logits.shape[-1] or ops.shape(logits)[-1]  # TensorFlow's may be of any length
            words = ops.arange(size, dtype="int32")  # (V,)
            one_hot = ops.cast(words == places, logits.dtype)  # never in memory: XLA fuses it
            return (ops.exp(logits - log_sums) - one_hot) * upstream[..., None]

        return (log_sums - at_label)[..., 0], gradient

    return loss(logits)
