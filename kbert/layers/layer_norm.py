"""Layer normalisation, with gradients that XLA computes fast.

    y = n * gamma + beta        n = (x - mean(x)) / sqrt(var(x) + epsilon)

    dn = dy * gamma        dgamma = 1^T (dy * n)        dbeta = 1^T dy

Shapes: D features; M rows of them.
Source: Ba et al. 2016, "Layer Normalization".
"""

import keras
from keras import ops

from kbert.layers.dense import sum_of_rows, values


@keras.saving.register_keras_serializable("kbert")
class LayerNorm(keras.layers.LayerNormalization):
    """Keras's LayerNormalization over the last axis, with gradients spelled out for XLA.

    Left to itself, it sums those of gamma and beta column by column on a CPU.
    """

    def call(self, inputs, training=None):
        """(..., D) -> (..., D), computed in float32."""
        is_plain = self.scale and self.axis in (-1, [-1])
        if keras.backend.backend() == "torch" or not training or not is_plain:
            return super().call(inputs)
        normal = ops.layer_normalization(ops.cast(inputs, "float32"), epsilon=self.epsilon)
        weights = [self.gamma, self.beta] if self.center else [self.gamma]
        weights = values(*(ops.cast(weight, "float32") for weight in weights))
        return ops.cast(scale_and_shift(normal, *weights), self.compute_dtype)


@ops.custom_gradient
def scale_and_shift(normal, gamma, *beta):
    """(..., D) * (D,) + (D,), in training on XLA; without a beta the product alone."""

    def gradients(upstream):
        rows = ops.reshape(upstream, (-1, gamma.shape[0]))  # (M, D)
        scaled = rows * ops.reshape(normal, (-1, gamma.shape[0]))
        of_beta = [sum_of_rows(rows)] if beta else []
        return upstream * gamma, sum_of_rows(scaled), *of_beta

    scaled = normal * gamma
    return scaled + beta[0] if beta else scaled, gradients
