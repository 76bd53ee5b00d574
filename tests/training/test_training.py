import json

import keras
import numpy as np
import pytest
from keras import ops
from rich.console import Console

from kbert import (
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    KbertError,
)
from kbert.data.pretraining.batches import PretrainingBatches
from kbert.data.pretraining.sources import Source
from kbert.data.shards.shards import encode_documents
from kbert.training.loop import train
from kbert.training.losses import CrossEntropy, is_right, objective
from kbert.training.optimizers import AdamW, adamw
from kbert.training.presets import PRESETS
from kbert.training.progress import TrainingProgress
from kbert.training.schedules import LinearWarmupDecay
from kbert.training.stages import Stage, stage_shape


def number(tensor):
    return ops.convert_to_numpy(getattr(tensor, "value", tensor))


def test_cross_entropy_is_the_mean_over_real_positions():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 7)).astype("float32")
    labels = np.array([[1, 6, 0], [3, 0, 0]])
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    per_token = -np.log(np.take_along_axis(shares, labels[..., None], -1))[..., 0]
    expected = per_token[weights > 0].mean()
    assert float(CrossEntropy()(labels, logits, weights)) == pytest.approx(expected, rel=1e-5)
    keras_loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    assert float(keras_loss(labels, logits, weights)) == pytest.approx(expected, rel=1e-5)
    large = CrossEntropy()(labels, logits + 1e4, weights)  # no overflow
    assert float(large) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("rows", [3, 1500])
def test_cross_entropy_moves_logits_by_its_gradient(rows):
    """One step of plain descent on logits: softmax less one-hot, by the share of each entry."""
    rng = np.random.default_rng(0)
    logits = 5 * rng.normal(size=(rows, 2, 1000)).astype("float32")
    labels, weights = rng.integers(0, 1000, (rows, 2)), rng.random((rows, 2)).astype("float32")

    class Logits(keras.layers.Layer):
        def build(self, input_shape):
            self.table = self.add_weight(shape=logits.shape, name="table")

        def call(self, inputs):
            return ops.take(self.table, inputs[:, 0], axis=0)

    model = keras.Sequential([keras.Input((1,), dtype="int32"), Logits()])
    model.set_weights([logits])
    rate = 1000.0
    model.compile(keras.optimizers.SGD(rate), CrossEntropy(), jit_compile=False)
    model.train_on_batch(np.arange(rows, dtype="int32")[:, None], labels, weights)
    moved = (logits - model.get_weights()[0]) / rate
    shares = np.exp(logits.astype("float64"))
    shares /= shares.sum(axis=-1, keepdims=True)
    np.put_along_axis(
        shares, labels[..., None], np.take_along_axis(shares, labels[..., None], -1) - 1, -1
    )
    expected = shares * (weights / weights.sum())[..., None]
    np.testing.assert_allclose(moved, expected, atol=2e-8 + 1e-5 * np.abs(expected).max())


def test_accuracy_counts_labels_that_nothing_beats():
    logits = np.array([[[0.1, 0.9, 0.0], [0.7, 0.2, 0.1]], [[0.3, 0.3, 0.1], [1, 2, 3]]], "float32")
    assert number(is_right(np.array([[1, 1], [0, 2]]), logits)).tolist() == [[1, 0], [1, 1]]
    assert number(is_right(np.array([0]), np.array([[np.nan, 0.0]], "float32"))).tolist() == [0]


def test_the_rate_rises_and_falls():
    rate = LinearWarmupDecay(1e-3, warmup_steps=4, total_steps=10)
    rates = [float(rate(step)) * 1e3 for step in range(11)]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[4:10] == pytest.approx([6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7], rel=1e-5)
    assert rates[10] == 0
    assert LinearWarmupDecay.from_config(rate.get_config()).get_config() == rate.get_config()


def test_adamw_against_its_formula(small):
    """One step by hand: decoupled decay, on kernels and tables only, and the clipped gradient."""
    optimizer = adamw(0.1, total_steps=4, weight_decay=0.5, max_gradient_norm=1.0)
    kernel = keras.Variable(np.array([3.0, -2.0], "float32"), name="kernel")
    others = [keras.Variable(np.ones(1, "float32"), name=n) for n in ("bias", "gamma", "beta")]
    optimizer.build([kernel, *others])
    gradient = np.array([3.0, 4.0], "float32")  # norm 5, clipped to 1
    zero = np.zeros(1, "float32")
    optimizer.apply([ops.convert_to_tensor(g) for g in (gradient, zero, zero, zero)])
    clipped = gradient / 5
    rate = 0.1 * 4 / 5  # the first step of a fall over 4 steps, without warm-up
    moved = rate * clipped / (np.abs(clipped) + 1e-6)  # Adam's first step, bias-corrected
    expected = np.array([3.0, -2.0]) * (1 - 0.5 * rate) - moved
    np.testing.assert_allclose(number(kernel), expected, rtol=1e-4)
    for other in others:
        assert number(other).tolist() == [1.0]  # no decay


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adamw_is_keras_own_over_many_steps(amsgrad):
    """The fused kernel has another place for epsilon: with a large one, the same numbers."""

    def train(kind) -> list[np.ndarray]:
        optimizer = kind(
            LinearWarmupDecay(1e-2, 2, 20),
            weight_decay=0.1,
            epsilon=0.05,
            global_clipnorm=1.0,
            amsgrad=amsgrad,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        rng = np.random.default_rng(0)
        variables = [
            keras.Variable(rng.normal(size=shape).astype("float32"), name=name)
            for name, shape in (("kernel", (5, 3)), ("bias", (3,)), ("table", (7, 2)))
        ]
        optimizer.build(variables)
        for _ in range(12):
            optimizer.apply(
                [
                    ops.convert_to_tensor(rng.normal(size=v.shape).astype("float32"))
                    for v in variables
                ]
            )
        return [number(v) for v in (*variables, *optimizer.variables)]

    ours, keras_own = train(AdamW), train(keras.optimizers.AdamW)
    assert len(ours) == len(keras_own)
    for one, two in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=1e-6)


def test_every_weight_that_should_decay_does(small):
    optimizer = adamw(0.1, total_steps=4)
    model = BertForPreTraining(**small)
    optimizer.build(model.trainable_variables)
    decaying = {v.name for v in model.trainable_variables if optimizer._use_weight_decay(v)}
    assert decaying == {"kernel", "token_table", "position_table", "segment_table"}


def test_the_published_settings():
    assert PRESETS["bert"] == {
        "vocab_size": 32_000,
        "batch_size": 256,
        "sequence_length": 512,
        "learning_rate": 1e-4,
        "warmup_steps": 10_000,
        "steps": 1_000_000,
        "weight_decay": 0.01,
        "dropout": 0.1,
    }


@pytest.mark.parametrize("text", ["128:8", "128:8:0", "128:8:9:1", "128:-8:9", "1e3:8:9", ""])
def test_what_is_no_stage_is_refused(text):
    with pytest.raises(KbertError, match=f"LENGTH:BATCH:STEPS, as 128:256:900000, not '{text}'"):
        stage_shape(text)


@pytest.fixture
def batches(tokenizer):
    documents = [["국민의 국회에 나 너 우리.", "축구는 재미있다.", "법률을 의결한다."] * 3] * 2
    shard = encode_documents(documents, tokenizer)
    return PretrainingBatches(shard, tokenizer, sequence_length=16, batch_size=4, seed=1, steps=40)


def test_a_model_learns_by_fit_unchanged(small, batches, tmp_path):
    model = BertForPreTraining(
        **{**small, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    )
    model.compile(adamw(1e-2, 40, warmup_steps=4), **objective("pretraining"))
    stages = [Stage(batches, 40, 4, 16)]
    log = tmp_path / "log.jsonl"
    with TrainingProgress(Console(quiet=True), log, stages, window=5) as progress:
        assert train(model, stages, progress, tmp_path, {})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 41))
    assert lines[0]["loss"] == pytest.approx(lines[0]["mlm_loss"] + lines[0]["nsp_loss"], abs=1e-4)
    first, last = (np.mean([x["mlm_loss"] for x in part]) for part in (lines[:5], lines[-5:]))
    assert first > 3.4 and last < 0.85 * first
    assert progress.mean("mlm_loss") == pytest.approx(last)


def test_a_logged_step_is_its_own_and_no_running_mean(small, batches, tmp_path):
    still = {**small, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = BertForPreTraining(**still)
    # A rate of nothing: the weights stay, so every step's loss can be computed afterwards.
    model.compile(adamw(1e-30, 40), **objective("pretraining"))
    stages = [Stage(batches, 3, 4, 16)]
    with TrainingProgress(Console(quiet=True), tmp_path / "log.jsonl", stages) as progress:
        train(model, stages, progress, tmp_path, {})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    exact = BertForPreTraining(**still)
    losses = []
    for step in range(3):
        x, y, weights = batches[step]
        loss = CrossEntropy()(y["nsp"], number(exact(x)["nsp"]), weights["nsp"])
        losses.append(float(loss))
    np.testing.assert_allclose([line["nsp_loss"] for line in lines], losses, atol=1e-4)
    assert len({line["nsp_loss"] for line in lines}) == 3


# Regression values: the first six losses, as kbert computed them on PyTorch. Adam divides by the
# gradient's own size, so what rounds differently in a nearly zero gradient shows in the fourth
# decimal after some steps.
LOSSES = [4.2800469, 4.1767244, 4.8717513, 4.5641031, 3.6798353, 4.4725409]


def test_same_losses_on_every_backend(small, batches):
    """Without dropout a seed gives one run: the same losses on all three backends."""
    model = BertForPreTraining(
        **{**small, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    )
    model.compile(adamw(1e-3, 40, warmup_steps=4), **objective("pretraining"))
    losses = []
    for step in range(6):
        x, y, weights = batches[step]
        logs = model.train_on_batch(x, y, weights, return_dict=True)
        model.reset_metrics()
        losses.append(float(logs["loss"]))
    np.testing.assert_allclose(losses[:2], LOSSES[:2], atol=1e-5)
    np.testing.assert_allclose(losses, LOSSES, atol=1e-3)


@pytest.mark.parametrize(
    ("model_class", "task", "part"),
    [
        (BertForMaskedLM, "masked-lm", "mlm"),
        (BertForNextSentencePrediction, "next-sentence", "nsp"),
    ],
)
def test_each_head_alone(small, batches, model_class, task, part):
    model = model_class(**small)
    model.compile(adamw(1e-3, 40), **objective(task))
    x, y, weights = batches[0]
    logs = model.train_on_batch(x, y[part], weights[part], return_dict=True)
    accuracy = logs["mlm_accuracy" if part == "mlm" else "accuracy"]
    assert np.isfinite(logs["loss"]) and 0 <= accuracy <= 1


@pytest.mark.parametrize(
    ("model_class", "aim"),
    [
        (BertForPreTraining, "pretraining"),
        (BertForMaskedLM, "masked-lm"),
        (BertForMaskedLM, "causal"),
    ],
)
def test_every_objective_of_the_batches_is_fitted_as_it_is(small, tokenizer, model_class, aim):
    documents = [["국민의 국회에 나 너 우리.", "축구는 재미있다.", "법률을 의결한다."] * 3] * 2
    texts = Source([encode_documents(documents, tokenizer)])
    comments = Source([encode_documents([["재미있다."]] * 9, tokenizer)], next_sentence=False)
    settings = {"sequence_length": 16, "batch_size": 4, "seed": 1, "steps": 40, "objective": aim}
    batches = PretrainingBatches([texts, comments], tokenizer, **settings)
    model = model_class(
        **{**small, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    )
    model.compile(adamw(1e-2, 40, warmup_steps=4), **objective(aim))
    figures = model.evaluate(batches, verbose=0, return_dict=True)
    assert ("next_token_accuracy" in figures) == (aim == "causal")
    before = figures["loss"]
    model.fit(batches, shuffle=False, verbose=0)
    after = model.evaluate(batches, verbose=0, return_dict=True)["loss"]
    assert after < 0.8 * before


def test_no_such_task():
    with pytest.raises(KbertError, match="not 'nsp'"):
        objective("nsp")


def test_accuracy_counts_real_positions_only(small, tokenizer):
    model = BertForMaskedLM(**small)
    model.compile(adamw(1e-3, 40), **objective("masked-lm"))
    x = {"input_ids": np.array([[2, 4, 3]]), "masked_lm_positions": np.array([[1, 0, 0]])}
    best = int(number(model(x))[0, 0].argmax())
    other = (int(number(model(x))[0, 1].argmax()) + 1) % 40
    logs = model.evaluate(
        x,
        np.array([[best, other, other]]),
        sample_weight=np.array([[1.0, 0.0, 0.0]]),
        verbose=0,
        return_dict=True,
    )
    assert logs["mlm_accuracy"] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"total_steps": 0}, "total_steps must be a whole number from 1, not 0"),
        ({"warmup_steps": -1}, "warmup_steps must be a whole number from 0, not -1"),
        (
            {"warmup_steps": 20},
            "warmup_steps 20 are more than total_steps 10: the rate",
        ),
        ({"micro_batches": 0}, "micro_batches must be a whole number from 1, not 0"),
        ({"learning_rate": -1.0}, r"learning_rate is a number in \[0, inf\), not -1"),
        ({"max_gradient_norm": 0.0}, "max_gradient_norm is above 0"),
    ],
)
def test_settings_of_adamw_that_cannot_be(change, message):
    with pytest.raises(KbertError, match=message):
        adamw(**{"learning_rate": 1e-3, "total_steps": 10, **change})


def test_labels_with_an_axis_of_their_own():
    """As Keras's loss takes them: (B, 1) for logits (B, C); in `fit`, too."""
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    labels = np.array([[0], [2], [1], [1], [0]])
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_array_equal(
        *(number(is_right(each, logits)) for each in (labels, labels[:, 0]))
    )
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", CrossEntropy())
    assert np.isfinite(model.train_on_batch(np.ones((5, 4), "float32"), labels))
