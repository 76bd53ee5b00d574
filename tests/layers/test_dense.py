import keras
import numpy as np
import pytest
from keras import ops

from kbert.catalog import CATALOG
from kbert.layers.dense import Dense, linear
from kbert.models import TASKS


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


def test_every_dense_layer_of_a_model_is_this_one():
    small = {"vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    small |= {"intermediate_size": 4, "embedding_size": 2}
    for entry in CATALOG:
        labels = {"labels": ["O", "B-A", "I-A"]} if entry.takes_labels else {}
        model = TASKS[entry.task](**small, **labels)
        layers = [*model._flatten_layers()]
        dense = [layer for layer in layers if isinstance(layer, keras.layers.Dense)]
        assert len(dense) >= 5 and {type(layer) for layer in dense} == {Dense}, entry.class_name


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(2, 5, 3), (4, 11)])
def test_the_gradients(shape, use_bias):
    """By hand: dW = x^T dy, db = the sum of dy, for a loss whose dy is known."""
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=shape).astype("float32")
    truth = rng.normal(size=(*shape[:-1], 7)).astype("float32")
    layer = Dense(7, use_bias=use_bias)
    model = keras.Sequential([keras.Input(shape[1:]), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    kernel, *bias = (ops.convert_to_numpy(weight) for weight in layer.weights)
    model.train_on_batch(inputs, truth)
    upstream = 2 * (inputs @ kernel + sum(bias) - truth) / truth.size
    flat, rows = inputs.reshape(-1, shape[-1]), upstream.reshape(-1, 7)
    np.testing.assert_allclose(layer.get_weights()[0], kernel - flat.T @ rows, atol=1e-5)
    for trained, before in zip(layer.get_weights()[1:], bias, strict=True):
        np.testing.assert_allclose(trained, before - rows.sum(axis=0), atol=1e-5)


class ByTable(keras.layers.Layer):
    """Multiplies by a table (O, I), as the decoder does."""

    def build(self, input_shape):
        self.table = self.add_weight(shape=(7, input_shape[-1]), name="table")
        self.bias = self.add_weight(shape=(7,), initializer="zeros", name="bias")

    def call(self, inputs, training=None):
        table, bias = ops.convert_to_tensor(self.table), ops.convert_to_tensor(self.bias)
        return linear(inputs, table, bias, training, transposed=True)


def test_the_gradients_of_a_table_and_of_what_comes_before_it():
    """By hand: dT = dy^T x, and dx = dy T, which reaches the layer before."""
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(2, 5, 4)).astype("float32")
    truth = rng.normal(size=(2, 5, 7)).astype("float32")
    before, layer = Dense(3), ByTable()
    model = keras.Sequential([keras.Input((5, 4)), before, layer])
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    kernel, table = before.get_weights()[0], layer.get_weights()[0]
    hidden = inputs @ kernel
    upstream = 2 * (hidden @ table.T - truth) / truth.size
    np.testing.assert_allclose(model.predict_on_batch(inputs), hidden @ table.T, atol=1e-5)
    model.train_on_batch(inputs, truth)
    rows, flat = upstream.reshape(-1, 7), hidden.reshape(-1, 3)
    np.testing.assert_allclose(layer.get_weights()[0], table - rows.T @ flat, atol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[1], -rows.sum(axis=0), atol=1e-5)
    for_kernel = inputs.reshape(-1, 4).T @ (rows @ table)
    np.testing.assert_allclose(before.get_weights()[0], kernel - for_kernel, atol=1e-5)


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
