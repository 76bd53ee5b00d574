"""A dense layer, by the fastest way that each backend has to compute it and its gradients.

    y = x W + b        dx = dy W^T        dW = x^T dy        db = 1^T dy

Every dense layer of kbert's is this one, in heads too; Keras's own is for models around kbert's.

Shapes: M rows, I inputs, O outputs.
"""

from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError
from kbert.layers.quantized import Quantized, quantized
from kbert.layers.sparse import Sparse


@keras.saving.register_keras_serializable("kbert")
class Dense(keras.layers.Dense):
    """Keras's Dense, computed by `linear`.

    Attributes:
        quantized: the kernel as whole numbers, a row for each output, where an encoder's `weights`
            say so; else None.
        sparse: the kernel of which a share is used, while single weights are pruned; else None.
    """

    quantized: Quantized | None = None
    sparse: Sparse | None = None
    bias: Any

    def build(self, input_shape):
        """Makes the kernel (I, O), and the bias if there is one."""
        self.quantized = quantized(self, (self.units, input_shape[-1]), "kernel")
        if self.quantized is None:
            super().build(input_shape)
            return
        self._kernel = self.quantized.values
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        self.built = True

    @property
    def kernel(self):
        """(I, O); with adapters, their change in it; what is used of it, while it is pruned."""
        if self.sparse is not None:  # as autocasting gives a variable
            return ops.cast(self.sparse.kernel(), self.compute_dtype)
        if self.quantized is None:
            return super().kernel
        kernel = ops.transpose(self.quantized.floats())
        if not self.lora_enabled:
            return kernel
        change = ops.matmul(self.lora_kernel_a, self.lora_kernel_b)
        return kernel + (self.lora_alpha / self.lora_rank) * change

    def call(self, inputs, training=None):
        """(..., I) -> (..., O)."""
        if self.quantized is None:
            kernel = self._kernel if self.sparse is None else self.kernel
            outputs = linear(inputs, kernel, self.bias, training=training)
        else:
            dtype = keras.backend.standardize_dtype(inputs.dtype)
            rows = self.quantized.floats(dtype=dtype)
            outputs = linear(inputs, rows, self.bias, training=training, transposed=True)
        if self.lora_enabled:  # by way of the r numbers between: W + A B is never made
            narrow = ops.matmul(inputs, ops.cast(self.lora_kernel_a, inputs.dtype))
            change = ops.matmul(narrow, ops.cast(self.lora_kernel_b, inputs.dtype))
            outputs += (self.lora_alpha / self.lora_rank) * change
        return outputs if self.activation is None else self.activation(outputs)

    def save_own_variables(self, store):
        """As Keras, of a kernel what is used of it; whole numbers, their scales, and then the bias.

        Raises:
            KbertError: if adapters (LoRA) stand beside whole numbers, which cannot take their sum.
        """
        if self.sparse is not None:
            kept = [self.sparse.kernel(), *([] if self.bias is None else [self.bias])]
            for place, weight in enumerate(kept):
                store[str(place)] = ops.convert_to_numpy(weight)
            return
        if self.quantized is None:
            super().save_own_variables(store)
            return
        if self.lora_enabled:
            raise KbertError(
                f"the model has adapters (LoRA) beside weights that are {self.quantized.weights}: "
                "save kbert.quantize(model, 'float32'), in which they are merged"
            )
        for place, weight in enumerate(self._own()):
            store[str(place)] = weight

    def load_own_variables(self, store):
        """What `save_own_variables` wrote."""
        if self.quantized is None:
            super().load_own_variables(store)
            return
        for place, weight in enumerate(self._own()):
            weight.assign(store[str(place)])

    def _own(self):
        assert self.quantized is not None
        own = [self.quantized.values, self.quantized.scale]
        return own if self.bias is None else [*own, self.bias]


def linear(inputs, kernel, bias, training=None, transposed=False):
    """Multiplies by a matrix and adds a bias, where there is one.

    PyTorch runs eagerly, so a separate addition would read and write the whole output once more;
    it has one kernel for both. XLA joins the two by itself, but on a CPU it sums a bias's gradient
    column by column and computes or copies the larger factor of a weight's gradient more than once,
    fused with what made it; so in training the gradients are spelled out.

    Args:
        inputs: (..., I).
        kernel: (I, O), or (O, I) if transposed; a tensor or a variable.
        bias: (O,), likewise; or None.
        training: whether gradients will be asked for.
        transposed: whether the kernel stands as an embedding table does, a row for each output.

    Returns:
        (..., O).
    """
    if keras.backend.backend() == "torch":
        import torch

        flat = inputs.reshape(-1, inputs.shape[-1])
        kernel = torch.t(kernel) if transposed else kernel
        rows = torch.mm(flat, kernel) if bias is None else torch.addmm(bias, flat, kernel)
        return rows.reshape(*inputs.shape[:-1], kernel.shape[1])
    weights = [kernel] if bias is None else [kernel, bias]
    inputs, *weights = map(ops.convert_to_tensor, (inputs, *weights))
    if training:
        return _with_gradients(transposed)(inputs, *values(*weights))
    outputs = ops.matmul(inputs, ops.transpose(weights[0]) if transposed else weights[0])
    return outputs if bias is None else ops.add(outputs, weights[1])


def values(*weights):
    """What weights hold: TensorFlow's `custom_gradient` takes tensors, and no variables."""
    if keras.backend.backend() != "tensorflow":
        return weights
    import tensorflow as tf

    return tuple(tf.convert_to_tensor(weight) for weight in weights)


def sum_of_rows(rows):
    """(M, O) -> (O,), by a product with ones.

    One row of them would do, and does behind JAX's barriers. On TensorFlow it takes eight: with one
    XLA sees no matrix product there, and computes the rows once more within the sum.
    """
    height = 1 if keras.backend.backend() == "jax" else 8
    ones = _as_it_is(ops.ones((height, ops.shape(rows)[0]), rows.dtype))
    return ops.matmul(ones, rows)[0]


def _with_gradients(transposed: bool):
    """(inputs, kernel, bias if there is one) -> (..., O), with gradients spelled out."""

    @ops.custom_gradient
    def run(inputs, kernel, *bias):
        matrix = ops.transpose(kernel) if transposed else kernel  # (I, O)

        def gradients(upstream):
            rows = _as_it_is(ops.reshape(upstream, (-1, matrix.shape[1])))  # (M, O)
            flat = ops.reshape(inputs, (-1, matrix.shape[0]))  # (M, I)
            if transposed or matrix.shape[0] > matrix.shape[1]:
                for_kernel = _as_it_is(ops.matmul(ops.transpose(rows), flat))  # (O, I)
                for_kernel = for_kernel if transposed else ops.transpose(for_kernel)
            else:  # what is transposed is copied, so let it be the smaller factor
                for_kernel = _as_it_is(ops.matmul(ops.transpose(flat), rows))  # (I, O)
            for_inputs = ops.reshape(ops.matmul(rows, ops.transpose(matrix)), ops.shape(inputs))
            return for_inputs, for_kernel, *([sum_of_rows(rows)] if bias else [])

        outputs = ops.matmul(inputs, matrix)
        return ops.add(outputs, bias[0]) if bias else outputs, gradients

    return run


def _as_it_is(tensor):
    """A tensor that XLA on JAX neither joins with others nor rearranges."""
    if keras.backend.backend() != "jax":
        return tensor
    from jax.lax import optimization_barrier

    return optimization_barrier(tensor)
