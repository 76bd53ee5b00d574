"""MobileBERT's norm, which is none.

Shapes: D hidden.
Source: Sun et al. 2020, "MobileBERT: a Compact Task-Agnostic BERT for Resource-Limited Devices".
"""

import keras
from keras import ops

from kbert.layers.dense import values
from kbert.layers.layer_norm import scale_and_shift


@keras.saving.register_keras_serializable("kbert")
class NoNorm(keras.layers.Layer):
    """What stands in the place of a norm: y = x * gamma + beta, element by element.

    Example:
        >>> import numpy as np
        >>> norm = NoNorm()
        >>> norm.build((None, 2))
        >>> norm.set_weights([np.array([2.0, 1.0]), np.array([1.0, 0.0])])
        >>> ops.convert_to_numpy(norm(np.array([[3.0, 4.0]]))).tolist()
        [[7.0, 4.0]]

    Source: Sun et al. 2020, section 3.3, equation 2.
    """

    def build(self, input_shape):
        """Makes gamma and beta, (D,) each."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, initializer="ones", autocast=False, name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", autocast=False, name="beta")
        self.built = True

    def call(self, inputs, training=None):
        """(..., D) -> (..., D), computed in float32."""
        if keras.backend.backend() == "torch":  # in one step, of some two hundred in a model
            import torch

            moved = torch.addcmul(self.beta.value, inputs.float(), self.gamma.value)
            return moved if self.compute_dtype == "float32" else ops.cast(moved, self.compute_dtype)
        wide = ops.cast(inputs, "float32")
        if training:
            moved = scale_and_shift(wide, *values(self.gamma, self.beta))
        else:
            moved = wide * self.gamma + self.beta
        return ops.cast(moved, self.compute_dtype)
