"""AdamW as it is fine-tuned with: rates by layer, Keras's callbacks, the end of the schedule."""

import logging

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.training.layerwise_rates import layer_scales
from kbert.training.losses import objective
from kbert.training.optimizers import AdamW, adamw
from kbert.training.schedules import LinearWarmupDecay, WarmupStableDecay

IDS = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], "int32")
LABELS = np.array([0, 1])


def uncompiled(arguments):
    """For TensorFlow, which takes long to compile a step."""
    if keras.backend.backend() == "tensorflow":
        return arguments | {"run_eagerly": True}
    return arguments


@pytest.fixture
def model(small):
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return kbert.BertForSequenceClassification(labels=["가", "나"], **{**small, **rates})


def test_the_settings_of_adamw():
    optimizer = adamw(1e-4, total_steps=9)
    found = (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon, optimizer.global_clipnorm)
    assert (*found, optimizer.weight_decay) == (0.9, 0.999, 1e-6, 1.0, 0.01)


def test_rates_by_layer():
    names = [
        "bert/embeddings/token_table",
        "bert/embeddings/layer_norm/gamma",
        "bert/encoder_layer_0/feed_forward/widen/kernel",
        "bert/encoder_layer_10/feed_forward/widen/kernel",
        "bert/encoder_layer_11/feed_forward/widen/kernel",
        "bert/pooler/dense/kernel",
        "classifier/dense/kernel",
        "mlm/bias",
    ]
    expected = [0.9**12, 0.9**12, 0.9**11, 0.9, 1, 1, 1, 1]
    assert layer_scales(names, 0.9) == pytest.approx(expected)
    with pytest.raises(KbertError, match="there are none"):
        layer_scales(["dense/kernel"], 0.9)
    for bad in (0, 1.5, -1, "x"):
        with pytest.raises(KbertError, match="layerwise_decay is a number"):
            adamw(1e-3, 9, layerwise_decay=bad)
    again = AdamW.from_config(adamw(1e-3, 9, layerwise_decay=0.8).get_config())
    assert again.layerwise_decay == 0.8


@pytest.mark.parametrize("amsgrad", [False, True])
def test_a_step_with_rates_by_layer(model, amsgrad):
    """Adam's first step is the rate times the gradient's sign; and decay is by the same rate."""
    rate, decay = 0.01, 0.5

    def step(layerwise_decay):
        twin = type(model).from_config(model.get_config())
        optimizer = AdamW(
            rate,
            weight_decay=0.3,
            epsilon=1e-12,
            amsgrad=amsgrad,
            layerwise_decay=layerwise_decay,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        twin.compile(optimizer, **uncompiled(objective(twin)))
        before = twin.get_weights()
        twin.train_on_batch(IDS, LABELS)
        moved = [new - old for old, new in zip(before, twin.get_weights(), strict=True)]
        return dict(zip([weight.path for weight in twin.weights], moved, strict=True))

    # Layers 1 and 2 of 2, and the embeddings below them.
    scales = {"embeddings/": 0.25, "encoder_layer_0/": 0.5, "encoder_layer_1/": 1.0}
    plain, scaled = step(None), step(decay)
    assert plain.keys() == scaled.keys()
    for path, whole in plain.items():
        (scale,) = [s for name, s in scales.items() if name in path] or [1.0]
        counts = np.ones(whole.shape, bool)
        if path.endswith("query_key_value/bias"):  # that of keys changes no weight of attention:
            counts[len(whole) // 3 : 2 * len(whole) // 3] = False  # its gradient is rounding
        np.testing.assert_allclose(
            scaled[path][counts], scale * whole[counts], atol=2e-6, err_msg=path
        )
    assert np.abs(plain["classifier/dense/kernel"]).max() > 0.9 * rate


def test_rates_by_layer_are_the_same_everywhere(model):
    """Three steps on a weight of each layer. Adam makes as much of a gradient that is rounding."""
    model.compile(adamw(1e-2, 10, layerwise_decay=0.6), **objective(model))  # compiled everywhere
    for _ in range(3):
        model.train_on_batch(IDS, LABELS)
    bert = model.bert
    found = [
        float(ops.convert_to_numpy(ops.sum(ops.abs(weight))))
        for weight in (
            bert.embeddings.token_table,
            bert.encoder_layers[0].feed_forward.widen.kernel,
            bert.encoder_layers[1].feed_forward.widen.kernel,
            model.classifier.dense.kernel,
        )
    ]
    np.testing.assert_allclose(found, SUMS, rtol=1e-4)


# Regression values: as kbert computed them on PyTorch, by the fused kernel.
SUMS = [106.562263, 53.951981, 51.782684, 5.193651]


@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9, factor=0.5),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 1e-3 / 2**epoch),
    ],
)
def test_callbacks_that_set_the_rate(model, callback):
    model.compile(adamw(1e-3, 100), **uncompiled(objective(model)))
    with pytest.raises(KbertError, match="sets the learning rate, and the optimizer's follows a"):
        model.fit(IDS, LABELS, callbacks=[callback], verbose=0)
    with pytest.raises(KbertError, match=r"take adamw\(learning_rate, total_steps=None\)"):
        model.optimizer.learning_rate = 1e-4
    model.optimizer.learning_rate = LinearWarmupDecay(1e-4, 0, 100)  # another schedule may come
    model.compile(adamw(1e-3, total_steps=None), **uncompiled(objective(model)))
    model.fit(IDS, LABELS, epochs=3, callbacks=[callback], verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3 / 4)
    with pytest.raises(KbertError, match="warmup_steps 5 need total_steps, which is None"):
        adamw(1e-3, total_steps=None, warmup_steps=5)


def test_steps_that_change_nothing_are_told_of_once(model, caplog):
    model.compile(adamw(1e-3, 3), **uncompiled(objective(model)))
    with caplog.at_level(logging.WARNING, "kbert"):
        model.fit(IDS, LABELS, epochs=3, verbose=0)
        assert not caplog.records
        model.fit(IDS, LABELS, epochs=2, verbose=0)
        model.fit(IDS, LABELS, verbose=0)
    assert [record.getMessage() for record in caplog.records] == [
        "the last 2 steps had a learning rate of 0 and changed nothing: adamw was made with "
        "total_steps=3. Give it the steps of the whole training"
    ]


def test_a_rate_that_stays_at_its_peak():
    """By hand: up in 2 steps, 6 at the peak, down in 4 as 1 - sqrt(k / 4); then nothing."""
    rate = adamw(8.0, 12, warmup_steps=2, decay_steps=4)._learning_rate
    assert isinstance(rate, WarmupStableDecay)
    falling = [8 * (1 - (k / 4) ** 0.5) for k in range(4)]
    expected = [4, 8, 8, 8, 8, 8, 8, 8, *falling, 0, 0]
    found = [float(ops.convert_to_numpy(rate(step))) for step in range(14)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    again = WarmupStableDecay.from_config(rate.get_config())
    assert again.get_config() == rate.get_config()
    by_parts = WarmupStableDecay(8.0, 2, 12, 4, micro_batches=3)
    assert float(ops.convert_to_numpy(by_parts(3 * 9 + 2))) == pytest.approx(falling[1])


@pytest.mark.parametrize("settings", [{"total_steps": 5}, {"total_steps": None}])
def test_a_decay_that_does_not_fit(settings):
    with pytest.raises(KbertError, match=r"warmup_steps|decay_steps 4"):
        adamw(1e-3, **settings, warmup_steps=2, decay_steps=4)
    with pytest.raises(KbertError, match="decay_steps must be a whole number from 1, not 0"):
        adamw(1e-3, 9, decay_steps=0)
