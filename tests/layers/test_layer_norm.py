import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.layer_norm import LayerNorm


def formula(x, gamma, beta, epsilon):
    centered = x - x.mean(axis=-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + epsilon) * gamma + beta


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_values_and_gradients(jit_compile, center):
    """Gradients by differences of the formula in float64, for a loss sum((y - truth)^2) / size."""
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("PyTorch runs eagerly")
    rng = np.random.default_rng(0)
    x, truth = rng.normal(1, 2, (6, 5)), rng.normal(size=(3, 4, 5))
    gamma, beta = rng.normal(size=5), rng.normal(size=5) if center else np.zeros(5)
    places = rng.integers(0, 6, (3, 4))
    table, norm = keras.layers.Embedding(6, 5), LayerNorm(epsilon=0.01, center=center)
    model = keras.Sequential([keras.Input((4,), dtype="int32"), table, norm])
    model.set_weights([x, gamma, beta] if center else [x, gamma])
    np.testing.assert_allclose(
        model.predict(places, verbose=0), formula(x[places], gamma, beta, 0.01), atol=1e-5
    )
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=jit_compile)
    model.train_on_batch(places, truth)

    given = [x, gamma, beta]
    for which, trained in enumerate(model.get_weights()):
        slopes = np.zeros_like(given[which])
        for place in np.ndindex(slopes.shape):
            losses = []
            for step in (1e-5, -1e-5):
                moved = [array.copy() for array in given]
                moved[which][place] += step
                y = formula(moved[0][places], *moved[1:], 0.01)
                losses.append(((y - truth) ** 2).mean())
            slopes[place] = (losses[0] - losses[1]) / 2e-5
        np.testing.assert_allclose(given[which] - trained, slopes, atol=2e-5)


def test_half_precision_is_normalised_in_float32():
    """Numbers near 300: their squares are beyond float16."""
    x = 300 + np.random.default_rng(0).normal(size=(2, 64))
    layer = LayerNorm(epsilon=1e-12, dtype="mixed_float16")
    for training in (False, True):
        y = layer(x.astype("float16"), training=training)
        assert keras.backend.standardize_dtype(y.dtype) == "float16"
        expected = formula(x.astype("float16").astype("float64"), 1, 0, 1e-12)
        np.testing.assert_allclose(ops.convert_to_numpy(y), expected, atol=2e-3)


@pytest.mark.parametrize("options", [{"axis": 1}, {"scale": False}, {"center": False}])
def test_options_that_are_keras_own(options):
    if "axis" in options and keras.backend.backend() == "torch":
        pytest.skip("Keras has the last axis only on PyTorch")
    x = np.random.default_rng(1).normal(2, 3, (4, 5, 6)).astype("float32")
    ours, theirs = LayerNorm(**options), keras.layers.LayerNormalization(**options)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours(x, training=True)), ops.convert_to_numpy(theirs(x)), atol=1e-6
    )
