import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.dense import Dense


@pytest.mark.parametrize("activation", [None, "tanh"])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(2, 5, 3), (4, 3)])
def test_the_formula(shape, use_bias, activation):
    rng = np.random.default_rng(0)
    inputs, kernel, bias = rng.normal(size=shape), rng.normal(size=(3, 7)), rng.normal(size=7)
    layer = Dense(7, activation=activation, use_bias=use_bias)
    layer.build(shape)
    layer.set_weights([kernel, bias] if use_bias else [kernel])
    expected = inputs @ kernel + (bias if use_bias else 0)
    expected = np.tanh(expected) if activation else expected
    got = ops.convert_to_numpy(layer(inputs.astype("float32")))
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 5, 3), (4, 11)])
def test_the_gradients(shape):
    """By hand: dW = x^T dy, db = the sum of dy, for a loss whose dy is known."""
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=shape).astype("float32")
    truth = rng.normal(size=(*shape[:-1], 7)).astype("float32")
    layer = Dense(7)
    model = keras.Sequential([keras.Input(shape[1:]), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    kernel, bias = (ops.convert_to_numpy(weight) for weight in layer.weights)
    model.train_on_batch(inputs, truth)
    upstream = 2 * (inputs @ kernel + bias - truth) / truth.size
    flat, rows = inputs.reshape(-1, shape[-1]), upstream.reshape(-1, 7)
    np.testing.assert_allclose(layer.get_weights()[0], kernel - flat.T @ rows, atol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[1], bias - rows.sum(axis=0), atol=1e-5)


def test_bfloat16_and_low_rank_adapters_as_in_keras():
    """What Keras's own Dense does beside its formula, on the same weights."""
    inputs = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    ours, theirs = Dense(6, dtype="mixed_bfloat16"), keras.layers.Dense(6, dtype="mixed_bfloat16")
    for layer in (ours, theirs):
        layer.build(inputs.shape)
    theirs.set_weights(ours.get_weights())
    got = ours(inputs)
    assert keras.backend.standardize_dtype(got.dtype) == "bfloat16"
    got, expected = (ops.convert_to_numpy(ops.cast(y, "float32")) for y in (got, theirs(inputs)))
    np.testing.assert_allclose(got, expected, atol=0.02)  # the bias is rounded once, not twice

    layer = Dense(6)
    layer.build(inputs.shape)
    before = ops.convert_to_numpy(layer(inputs))
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones((2, 6)))
    change = inputs @ ops.convert_to_numpy(layer.lora_kernel_a) @ np.ones((2, 6))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(inputs)), before + change, atol=1e-5)
