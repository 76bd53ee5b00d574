import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.dense import Dense
from kbert.layers.sparse import Sparse

X = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], "float32")
W = np.array([[0.5, -2.0], [0.1, 1.0], [-0.3, 0.2]], "float32")
S = np.array([[-1.0, 0.3], [0.2, 0.4], [0.0, -0.1]], "float32")
C = np.array([[1.0, -1.0], [2.0, 0.5]], "float32")
MASKS = {  # of half of the weights: the three largest |W|, the three largest S
    "magnitude": [[1, 1], [0, 1], [0, 0]],
    "movement": [[0, 1], [1, 1], [0, 0]],
}


def number(tensor) -> np.ndarray:
    return np.array(ops.convert_to_numpy(tensor))


def dense_for(by: str, dtype: str = "float32") -> Dense:
    layer = Dense(2, dtype=dtype)
    layer.build((2, 3))
    layer.set_weights([W, np.array([0.25, -0.5], "float32")])
    layer.sparse = Sparse(layer, by)
    if layer.sparse.scores is not None:
        layer.sparse.scores.assign(S)
    return layer


def gradients(layer: Dense, weights: list) -> list[np.ndarray]:
    """Of sum(C * y)."""

    def loss():
        return ops.sum(ops.multiply(C, layer(X, training=True)))

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        return [number(each) for each in tape.gradient(value, [w.value for w in weights])]
    if keras.backend.backend() == "jax":
        import jax

        def of_values(values):
            with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
                return loss()

        return [number(each) for each in jax.grad(of_values)([w.value for w in weights])]
    loss().backward()
    return [number(w.value.grad) for w in weights]


@pytest.mark.parametrize("by", MASKS)
def test_output_and_gradients_by_hand(by):
    """y = x (W M) + b; with G = x^T C: dL/dW = G M, and dL/dS = G W, also where M is 0."""
    layer, mask = dense_for(by), np.array(MASKS[by])
    sparse = layer.sparse
    assert sparse is not None
    np.testing.assert_allclose(number(layer(X)), X @ W + [0.25, -0.5], atol=1e-6)  # all are used
    sparse.use(0.5)
    for training in (False, True):
        expected = X @ (W * mask) + [0.25, -0.5]
        np.testing.assert_allclose(number(layer(X, training=training)), expected, atol=1e-6)
    upstream = X.T @ C  # [[2, -0.75], [2, -2], [5, 2.5]]
    weights = [layer._kernel, *([sparse.scores] if by == "movement" else [])]
    got = gradients(layer, weights)
    np.testing.assert_allclose(got[0], upstream * mask, atol=1e-6)
    if by == "movement":
        np.testing.assert_allclose(got[1], upstream * W, atol=1e-6)
    assert len(layer.trainable_weights) == (3 if by == "movement" else 2)
    assert sparse.threshold in layer.non_trainable_weights


def test_movement_keeps_what_moves_away_from_zero():
    """2 is moved towards 1.5 and 0.1 towards 0.5: the larger one falls, the smaller one rises."""
    chosen = {}
    for by in MASKS:
        layer = Dense(1, use_bias=False)
        model = keras.Sequential([keras.Input((2,)), layer])
        layer.set_weights([np.array([[2.0], [0.1]])])
        layer.sparse = Sparse(layer, by)
        model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True, jit_compile=False)
        for _ in range(3):
            model.train_on_batch(np.eye(2), np.array([[1.5], [0.5]]))
        weights, scores = np.array([2.0, 0.1]), np.zeros(2)
        for _ in range(3):  # the mean of two squares: its gradient is the difference itself
            upstream = weights - [1.5, 0.5]
            scores -= 0.1 * upstream * weights
            weights -= 0.1 * upstream
        np.testing.assert_allclose(number(layer._kernel)[:, 0], weights, atol=1e-6)
        if layer.sparse.scores is not None:
            np.testing.assert_allclose(number(layer.sparse.scores)[:, 0], scores, atol=1e-6)
        layer.sparse.use(0.5)
        chosen[by] = (number(layer.kernel)[:, 0] != 0).tolist()
    assert chosen == {"magnitude": [True, False], "movement": [False, True]}


def test_of_equals_all_are_used_until_it_is_for_good():
    layer = dense_for("movement")
    assert layer.sparse is not None and layer.sparse.scores is not None
    layer.sparse.scores.assign(np.zeros((3, 2)))
    layer.sparse.use(0.5)
    np.testing.assert_array_equal(number(layer.kernel), W)
    layer.sparse.use(0.5, for_good=True)
    assert np.count_nonzero(number(layer.kernel)) == 3


def test_one_weight_is_left():
    layer = dense_for("magnitude")
    assert layer.sparse is not None
    layer.sparse.use(0.01)
    np.testing.assert_array_equal(number(layer.kernel), [[0, -2], [0, 0], [0, 0]])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_in_16_bits_the_same_weights_are_used(policy):
    """1 and 1.001 are one number of bfloat16; it is float32 that is compared."""
    layer = dense_for("magnitude", policy)
    layer._kernel.assign([[1.0, 1.001], [1.002, 1.003], [1.004, 1.005]])
    assert layer.sparse is not None
    layer.sparse.use(0.5)
    identity = np.eye(3, dtype="float32")
    assert keras.backend.standardize_dtype(layer(identity).dtype) == policy[6:]
    got = number(ops.cast(layer(identity), "float32")) - [0.25, -0.5]
    assert (np.abs(got) > 0.9).tolist() == [[False, False], [False, True], [True, True]]
