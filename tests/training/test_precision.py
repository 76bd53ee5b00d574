"""Products in 16 bits; norms, softmax, losses and weights in 32."""

import keras
import numpy as np
import pytest
from keras import ops

from kbert import BertForPreTraining
from kbert.layers.attention import attention, attention_reference
from kbert.layers.heads import MaskedLMHead
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from tests.conftest import SMALL

ROWS, LENGTH, STEPS = 8, 12, 60
PRECISIONS = ["mixed_bfloat16", "mixed_float16"]


def compiled(precision, dropout=0.0):
    model = BertForPreTraining(
        **{
            **SMALL,
            "initializer_range": 0.1,
            "hidden_dropout_prob": dropout,
            "attention_probs_dropout_prob": dropout,
        },
        dtype=precision,
    )
    optimizer = adamw(1e-2, total_steps=10 * STEPS, warmup_steps=10)
    model.compile(optimizer, **objective("pretraining"))
    return model


def batch():
    rng = np.random.default_rng(0)
    x = {
        "input_ids": rng.integers(5, SMALL["vocab_size"], (ROWS, LENGTH)),
        "attention_mask": (np.arange(LENGTH) < rng.integers(8, 13, (ROWS, 1))).astype("int32"),
        "masked_lm_positions": np.array([[1, 3, 6]] * ROWS),
    }
    y = {
        "mlm": rng.integers(5, SMALL["vocab_size"], (ROWS, 3)),
        "nsp": rng.integers(0, 2, ROWS),
    }
    return x, y, {name: np.ones(array.shape, "float32") for name, array in y.items()}


def losses(model, steps=STEPS):
    data = batch()
    return [float(model.train_on_batch(*data, return_dict=True)["loss"]) for _ in range(steps)]


@pytest.fixture(scope="module")
def in_float32():
    return losses(compiled("float32"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_learns_as_in_float32(precision, in_float32):
    """A batch by heart: the loss falls to a tenth, and is near that of float32 all the way."""
    model = compiled(precision)
    found = losses(model)
    assert in_float32[-1] < 0.1 * in_float32[0]
    np.testing.assert_allclose(found, in_float32, atol=0.15)
    assert abs(found[-1] - in_float32[-1]) < 0.03
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")


def test_a_step_that_overflows_is_not_taken():
    """The scale halves until gradients are finite, and nothing else changes before."""
    model = compiled("mixed_float16")
    model.optimizer.initial_scale = 2.0**32
    model.optimizer.build(model.trainable_variables)
    before = [ops.convert_to_numpy(value) for value in model.trainable_variables]
    (first,) = losses(model, 1)
    for value, former in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(value), former)
    assert float(model.optimizer.dynamic_scale) == 2.0**31
    assert int(model.optimizer.iterations) == 0 and np.isfinite(first)
    found = losses(model)
    skipped = 32 - int(np.log2(float(model.optimizer.dynamic_scale)))
    assert 1 < skipped < 32 and found[: skipped - 1] == [first] * (skipped - 1)
    assert int(model.optimizer.iterations) == 1 + STEPS - skipped
    assert found[-1] < found[0]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_norms_are_computed_in_float32(precision):
    """Squares of 300 are beyond float16, and 1000 +- 1 is one number in bfloat16's variance."""
    model = compiled(precision)
    norm = model.bert.encoder_layers[0].attention_norm
    vectors = np.array([[300.0, -300.0] * 6, [1000.0, 1008.0] * 6], "float32")
    got = ops.convert_to_numpy(ops.cast(norm(ops.cast(vectors, norm.compute_dtype)), "float32"))
    assert norm.compute_dtype == precision.removeprefix("mixed_")
    np.testing.assert_allclose(got, [[1, -1] * 6, [-1, 1] * 6], atol=1e-2)


@pytest.mark.parametrize("function", [attention, attention_reference])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("length", [250, 1200])
def test_softmax_sums_in_float32(function, dtype, length):
    """In bfloat16 256 + 1 is 256: a sum of 1,200 equal weights would be wrong by a factor."""
    zeros, ones = (ops.ones((1, length, 1, 8), dtype) * number for number in (0, 1))
    got = function(zeros, zeros, ones)
    got = got[0] if isinstance(got, tuple) else got
    assert keras.backend.standardize_dtype(got.dtype) == dtype
    values = ops.convert_to_numpy(ops.cast(got, "float32"))
    np.testing.assert_allclose(values, 1, atol=1e-2)


def test_biases_of_words_are_not_rounded():
    """-5.013 would be -5 in bfloat16."""
    head = MaskedLMHead(3, dtype="mixed_bfloat16")
    head.build((None, None, 4))
    head.bias.assign([-5.013, 0.001, 3.337])
    logits = head(np.ones((1, 1, 4), "float32"), np.zeros((3, 4), "float32"))
    got = ops.convert_to_numpy(logits)[0, 0]
    np.testing.assert_allclose(got, [-5.013, 0.001, 3.337], rtol=1e-6)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_logits_and_losses_are_float32(precision):
    model = compiled(precision)
    x, y, weights = batch()
    logits = model(x)
    assert {keras.backend.standardize_dtype(each.dtype) for each in logits.values()} == {"float32"}
    loss = model.compute_loss(x, y, logits, weights)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    expected = 0.0
    for name, labels in y.items():
        scores = ops.convert_to_numpy(logits[name]).astype("float64")
        right = np.take_along_axis(scores, labels[..., None], -1)[..., 0]
        expected += (np.log(np.exp(scores).sum(-1)) - right).mean()
    assert float(ops.convert_to_numpy(loss)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the others update in place")
def test_a_step_gives_its_buffers_back():
    """JAX writes new weights and moments where the old ones were: they are not there twice."""
    model = compiled("float32")
    losses(model, 1)
    weights = [variable.value for variable in model.trainable_variables]
    moments = [variable.value for variable in model.optimizer.variables]
    losses(model, 1)
    assert all(value.is_deleted() for value in weights + moments)


@pytest.mark.parametrize("function", [attention, attention_reference])
def test_large_queries_and_keys_do_not_overflow(function):
    """40 x 40 x 64 is beyond float16; an eighth of it is not."""
    parts = [ops.full((1, 4, 1, 64), 40.0, "float16") for _ in range(2)]
    value = ops.ones((1, 4, 1, 64), "float16") * 3
    got = function(*parts, value)
    got = got[0] if isinstance(got, tuple) else got
    np.testing.assert_allclose(ops.convert_to_numpy(got).astype("float32"), 3, rtol=1e-2)
