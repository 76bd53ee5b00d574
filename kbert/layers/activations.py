"""The bends between matrices, by the names that Hugging Face's configs use.

Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units".
"""

import math

import keras
from keras import ops

from kbert.errors import KbertError


def gelu(x, training=None):
    """X * Phi(x), where Phi is the standard normal distribution.

    Phi by erf, as PyTorch has it: XLA on a CPU takes several times as long for the erfc that Keras
    uses. In training the gradient, Phi(x) + x * phi(x), is computed from x, which is all that is
    kept for it.

    Args:
        x: a tensor of any shape.
        training: whether gradients will be asked for.

    Returns:
        Of the shape and the type of x.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        return ops.gelu(x, approximate=False)
    wide = ops.cast(x, "float32")
    if training:
        y = _gelu_with_gradient(wide)
    elif backend == "jax" and not isinstance(x.shape[0], int):
        y = ops.gelu(wide, approximate=False)  # exported: TensorFlow cannot read JAX's erf
    else:
        y = wide * _phi(wide)
    return ops.cast(y, x.dtype)


@ops.custom_gradient
def _gelu_with_gradient(x):
    def gradient(upstream):
        density = ops.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return upstream * (_phi(x) + x * density)

    return x * _phi(x), gradient


def _phi(x):
    return 0.5 * (1.0 + ops.erf(x / math.sqrt(2)))


ACTIVATIONS = {
    "gelu": gelu,
    "gelu_new": lambda x, training=None: ops.gelu(x, approximate=True),  # tanh: GPT-2, BigBird
    "relu": lambda x, training=None: ops.relu(x),
    "tanh": lambda x, training=None: ops.tanh(x),
}


def activation(name: str, x, training=None):
    """Applies the activation of a name.

    Args:
        name: a key of ACTIVATIONS.
        x: a tensor of any shape.
        training: whether gradients will be asked for.

    Raises:
        KbertError: if there is no such activation.

    Example:
        >>> from keras import ops
        >>> ops.convert_to_numpy(activation("relu", ops.array([-1.0, 2.0]))).tolist()
        [0.0, 2.0]
    """
    if name not in ACTIVATIONS:
        raise KbertError(f"the activation is one of {', '.join(ACTIVATIONS)}, not {name!r:.80}")
    return ACTIVATIONS[name](x, training)
