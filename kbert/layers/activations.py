"""The bends between matrices, by the names that Hugging Face's configs use.

Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units".
"""

from keras import ops

ACTIVATIONS = {
    "gelu": lambda x: ops.gelu(x, approximate=False),  # x * Phi(x)
    "gelu_new": lambda x: ops.gelu(x, approximate=True),  # by a tanh, as in GPT-2 and BigBird
    "relu": ops.relu,
    "tanh": ops.tanh,
}


def activation(name: str, x):
    """Applies the activation of a name to a tensor of any shape.

    Example:
        >>> from keras import ops
        >>> ops.convert_to_numpy(activation("relu", ops.array([-1.0, 2.0]))).tolist()
        [0.0, 2.0]
    """
    return ACTIVATIONS[name](x)
