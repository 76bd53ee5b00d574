"""A dense layer, by the fastest way that each backend has to compute it and its gradients.

    y = x W + b        dx = dy W^T        dW = x^T dy        db = 1^T dy

Shapes: M rows, I inputs, O outputs.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kbert")
class Dense(keras.layers.Dense):
    """Keras's Dense, computed by `linear`."""

    def call(self, inputs, training=None):
        """(..., I) -> (..., O)."""
        if self.bias is None or self.quantization_mode:
            return super().call(inputs, training=training)
        inputs = ops.convert_to_tensor(inputs)
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        outputs = linear(inputs, kernel, bias, training=training)
        return outputs if self.activation is None else self.activation(outputs)


def linear(inputs, kernel, bias, training=None):
    """Multiplies by a matrix and adds a bias.

    PyTorch runs eagerly, so a separate addition would read and write the whole output once more;
    it has one kernel for both. XLA joins the two by itself, but on a CPU it sums a bias's gradient
    column by column and copies the larger factor of a weight's gradient, fused with what computed
    it; so on JAX, in training, the gradients are spelled out.

    Args:
        inputs: (..., I).
        kernel: (I, O).
        bias: (O,).
        training: whether gradients will be asked for.

    Returns:
        (..., O).
    """
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        flat = inputs.reshape(-1, inputs.shape[-1])
        return torch.addmm(bias, flat, kernel).reshape(*inputs.shape[:-1], -1)
    if backend == "jax" and training:
        return _linear_with_gradients(inputs, kernel, bias)
    return ops.add(ops.matmul(inputs, kernel), bias)


@ops.custom_gradient
def _linear_with_gradients(inputs, kernel, bias):
    from jax.lax import optimization_barrier

    def gradients(upstream):
        rows = optimization_barrier(ops.reshape(upstream, (-1, upstream.shape[-1])))  # (M, O)
        flat = ops.reshape(inputs, (-1, inputs.shape[-1]))  # (M, I)
        if flat.shape[1] <= rows.shape[1]:  # the factor that is transposed is copied
            for_kernel = ops.matmul(ops.transpose(flat), rows)
        else:
            for_kernel = ops.transpose(ops.matmul(ops.transpose(rows), flat))
        for_bias = ops.matmul(ops.ones((1, flat.shape[0]), rows.dtype), rows)[0]
        for_inputs = ops.reshape(ops.matmul(rows, ops.transpose(kernel)), inputs.shape)
        return for_inputs, for_kernel, for_bias

    return ops.add(ops.matmul(inputs, kernel), bias), gradients
