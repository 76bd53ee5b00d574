"""A dense layer whose bias is added within the matrix product, where the backend has that.

y = activation(x W + b)
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kbert")
class Dense(keras.layers.Dense):
    """Keras's Dense, with one kernel in place of two on PyTorch.

    PyTorch runs eagerly, so a separate addition reads and writes the whole output once more; XLA
    joins the two by itself.
    """

    def call(self, inputs, training=None):
        """(..., in) -> (..., out)."""
        if keras.backend.backend() != "torch" or self.bias is None:
            return super().call(inputs, training=training)
        import torch

        inputs = ops.convert_to_tensor(inputs)
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        flat = inputs.reshape(-1, inputs.shape[-1])
        outputs = torch.addmm(bias, flat, kernel).reshape(*inputs.shape[:-1], -1)
        return outputs if self.activation is None else self.activation(outputs)
