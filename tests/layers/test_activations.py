import math

import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.activations import activation

# x * Phi(x) and its derivative Phi(x) + x * phi(x), by math.erfc in float64
X = np.concatenate([np.linspace(-6, 6, 241), [0.0, 1e-4, -30.0, 30.0]])
PHI = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in X])
SLOPE = PHI + X * np.exp(-X * X / 2) / math.sqrt(2 * math.pi)


class Gelu(keras.layers.Layer):
    """A layer, so that the call's `training` comes from Keras."""

    def call(self, inputs, training=None):
        return activation("gelu", inputs, training)


@pytest.mark.parametrize("training", [False, True])
def test_gelu(training):
    got = ops.convert_to_numpy(Gelu()(X.astype("float32"), training=training))
    np.testing.assert_allclose(got, X * PHI, atol=1e-6, rtol=1e-6)


def test_the_gradient_of_gelu():
    """A step of SGD at rate 1 from the table X, where the loss is y . ones, takes off the slope."""
    table = keras.layers.Embedding(len(X), 1)
    model = keras.Sequential([keras.Input((), dtype="int32"), table, Gelu()])
    model.set_weights([X[:, None]])
    model.compile(keras.optimizers.SGD(1.0), lambda _, y: len(X) * y, jit_compile=False)
    model.train_on_batch(np.arange(len(X)), np.zeros((len(X), 1)))
    moved = X - ops.convert_to_numpy(table.get_weights()[0])[:, 0]
    np.testing.assert_allclose(moved, SLOPE, atol=5e-6)


def test_gelu_of_bfloat16_is_computed_in_float32():
    x = ops.cast(X.astype("float32"), "bfloat16")
    rounded = ops.convert_to_numpy(ops.cast(x, "float32")).astype("float64")
    expected = rounded * [0.5 * math.erfc(-each / math.sqrt(2)) for each in rounded]
    y = activation("gelu", x)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    got = ops.convert_to_numpy(ops.cast(y, "float32"))
    np.testing.assert_allclose(got, expected, rtol=2**-8, atol=1e-5)
