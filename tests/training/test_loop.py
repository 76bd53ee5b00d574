import json
import os
import shutil
import signal
import threading

import keras
import numpy as np
import pytest
from rich.console import Console

from kbert import BertForPreTraining, KbertError, Tokenizer
from kbert.data.pretraining.batches import PretrainingBatches
from kbert.data.shards.shards import encode_documents
from kbert.training import time_budget
from kbert.training.checkpoint import state_of
from kbert.training.evaluation import mean_scores
from kbert.training.loop import resume, train
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from kbert.training.progress import TrainingProgress
from kbert.training.stages import Interval, Stage
from kbert.training.time_budget import TimeBudget
from tests.conftest import SMALL, WORDS

SETTINGS = {"seed": 1}


@pytest.fixture(scope="module")
def make_batches():
    tokenizer = Tokenizer(WORDS)
    documents = [["국민의 국회에 나 너 우리.", "축구는 재미있다.", "법률을 의결한다."] * 3] * 2
    shard = encode_documents(documents, tokenizer)

    def made(sequence_length=16, batch_size=4, steps=12, seed=1):
        return PretrainingBatches(
            shard,
            tokenizer,
            sequence_length=sequence_length,
            batch_size=batch_size,
            seed=seed,
            steps=steps,
        )

    return made


@pytest.fixture(scope="module")
def stages(make_batches):
    """Seven steps of short rows, then five of long ones."""
    return [
        Stage(make_batches(12, 4, 7), 7, 4, 12),
        Stage(make_batches(16, 2, 5), 5, 2, 16),
    ]


def compiled(steps=12, micro_batches=1, rate=1e-2, **changes):
    """With dropout, unless it is changed: the random numbers are part of the state."""
    model = BertForPreTraining(**{**SMALL, "num_hidden_layers": 1, **changes})
    warmup_steps = 0 if steps is None else 2
    optimizer = adamw(rate, steps, warmup_steps=warmup_steps, micro_batches=micro_batches)
    model.compile(optimizer, **objective("pretraining", micro_batches))
    return model


def run(model, stages, folder, first_step=None, also=(), **options):
    folder.mkdir(exist_ok=True)
    said = []
    if first_step is None:
        first_step = resume(model, folder, SETTINGS, said.append)
    log = folder / "log.jsonl"
    with TrainingProgress(Console(quiet=True), log, stages, first_step, also=also) as progress:
        finished = train(model, stages, progress, folder, SETTINGS, **options)
    return finished, first_step, said


class After:
    """Calls a function after a step, as if something happened then."""

    def __init__(self, step, function):
        self.step, self.function = step, function

    def write(self, step, figures):
        if step == self.step:
            self.function()

    def close(self):
        pass


def values(model):
    return {
        name: keras.ops.convert_to_numpy(variable.value).tobytes()
        for name, variable in state_of(model).items()
    }


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


class Clock:
    """A clock that a device moves, by so much a step, and that notes the rates."""

    def __init__(self, model, seconds_per_step, now=500.0):
        self.model, self.seconds_per_step, self.now, self.begin = model, seconds_per_step, now, now
        self.rates = []  # (seconds that are gone, rate)

    def perf_counter(self):
        return self.now

    def write(self, step, figures):
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.rates.append((self.now - self.begin, rate))
        self.now += self.seconds_per_step

    def close(self):
        pass


class KilledError(Exception):
    pass


def killed():
    raise KilledError


@pytest.fixture(scope="module")
def whole(stages, tmp_path_factory):
    """A run that nothing interrupts: its folder, and its variables at the end."""
    folder, model = tmp_path_factory.mktemp("whole"), compiled()
    assert run(model, stages, folder, save_every=5) == (True, 0, [])
    return folder, values(model)


def test_a_run_that_is_killed_twice_is_the_same_to_the_bit(stages, whole, tmp_path):
    """Weights, moments, random numbers and losses; over the change of stages, with dropout.

    It saves at other steps than the whole one, and evaluates: neither changes anything.
    """
    evaluated = []

    def evaluate(model):
        evaluated.append(mean_scores(model, [stages[0].batches[0]]))
        return {"text": evaluated[-1]}

    options = {"save_every": 3, "evaluate": evaluate, "evaluate_every": 6}
    for kill in (5, 11):
        with pytest.raises(KilledError):
            run(compiled(), stages, tmp_path, also=[After(kill, killed)], **options)
        newest = max(path.name for path in (tmp_path / "checkpoints").iterdir())
        assert newest == f"step-{kill - kill % 3:08d}"
    model = compiled()
    assert run(model, stages, tmp_path, **options) == (True, 9, [])
    assert values(model) == whole[1]
    assert losses(tmp_path) == losses(whole[0])
    lines = [json.loads(line) for line in (tmp_path / "heldout.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [6, 12]
    assert [line["sources"]["text"] for line in lines] == evaluated


def test_the_scale_of_a_loss_goes_on(stages, tmp_path):
    """In float16, begun with a scale that overflows: it is in the checkpoint, and steps count."""

    def in_float16():
        model = compiled(dtype="mixed_float16")
        model.optimizer.initial_scale = 2.0**20
        return model

    whole = in_float16()
    run(whole, stages, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(in_float16(), stages, tmp_path / "killed", also=[After(4, killed)], save_every=3)
    model = in_float16()
    assert run(model, stages, tmp_path / "killed") == (True, 3, [])
    assert values(model) == values(whole)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    assert 0 < int(whole.optimizer.iterations) < 12
    assert float(whole.optimizer.dynamic_scale) == 2.0 ** (
        20 - 12 + int(whole.optimizer.iterations)
    )


def test_signals_save_and_end(stages, whole, tmp_path):
    """After the step that is being taken: on JAX the next one, when a step's figures are read."""
    ahead = 1 if keras.backend.backend() == "jax" else 0
    last = 0
    for number, step in ((signal.SIGTERM, 4), (signal.SIGINT, 8)):
        first_step, last = last, step + ahead
        before = signal.getsignal(number)
        asked = After(step, lambda number=number: os.kill(os.getpid(), number))
        assert run(compiled(), stages, tmp_path, also=[asked]) == (False, first_step, [])
        assert signal.getsignal(number) is before
        assert (tmp_path / "checkpoints" / f"step-{last:08d}").is_dir()
    model = compiled()
    assert run(model, stages, tmp_path) == (True, last, [])
    assert values(model) == whole[1] and losses(tmp_path) == losses(whole[0])


def test_training_in_a_thread_hears_no_signals(stages, tmp_path):
    results = []
    short = [stages[0]._replace(steps=2)]
    thread = threading.Thread(target=lambda: results.append(run(compiled(), short, tmp_path)))
    thread.start()
    thread.join()
    assert results == [(True, 0, [])]


def test_a_damaged_checkpoint_is_said_and_passed_over(stages, whole, tmp_path):
    folder = shutil.copytree(whole[0], tmp_path / "run")
    path = folder / "checkpoints" / "step-00000012" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    model = compiled()
    finished, first_step, (said,) = run(model, stages, folder, save_every=5)
    assert (finished, first_step) == (True, 10)
    assert "step-00000012 is damaged" in said and "from the one before" in said
    assert values(model) == whole[1]


def test_other_settings_are_refused(whole):
    with pytest.raises(KbertError, match=r"step-00000012 was begun with seed 1, and this is 2"):
        resume(compiled(), whole[0], {"seed": 2})


def test_a_loss_that_is_no_number_ends_the_run(make_batches, tmp_path):
    class Bad(keras.utils.PyDataset):
        good = make_batches(12)

        def __len__(self):
            return 12

        def __getitem__(self, index):
            x, y, weights = self.good[index]
            return x, y, {**weights, "nsp": weights["nsp"] * (np.inf if index == 7 else 1)}

    stages = [Stage(make_batches(12), 2, 4, 12), Stage(Bad(), 12, 4, 12)]
    with pytest.raises(
        KbertError, match=r"loss of step 10 is (nan|inf): batch 7 of stage 2 .* of step 9, is kept"
    ):
        run(compiled(), stages, tmp_path, save_every=3)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000006", "step-00000009"]
    assert len(losses(tmp_path)) == 9


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch compiles nothing here")
def test_intervals_compile_once(make_batches, tmp_path):
    """A new call of `fit` does not trace the model's Python code again."""
    model, traced, at_step_1 = compiled(), [], []
    call = model.call

    def counted(inputs, training=None):
        traced.append(training)
        return call(inputs, training=training)

    model.call = counted
    after = After(1, lambda: at_step_1.extend(traced))
    run(model, [Stage(make_batches(12), 6, 4, 12)], tmp_path, also=[after], save_every=1)
    assert len(traced) == len(at_step_1) >= 1


# Gradient accumulation.


# Dropout draws other numbers for other shapes.
WITHOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "rate": 1e-3}


def test_micro_batches_are_one_large_batch_and_continue_to_the_bit(make_batches, tmp_path):
    stages = [Stage(make_batches(batch_size=8), 6, 8, 16)]
    figures, weights = [], []
    for parts in (1, 4):
        model = compiled(6, parts, **WITHOUT)
        run(model, stages, tmp_path / str(parts), micro_batches=parts)
        figures.append(losses(tmp_path / str(parts)))
        weights.append([keras.ops.convert_to_numpy(v.value) for v in model.trainable_variables])
        assert int(model.optimizer.iterations) == 6
    # Sums in another order. On TensorFlow six steps of AdamW made 4e-5 of it, in losses (relative)
    # and weights; on JAX and PyTorch it was under 3e-5.
    for one, other in zip(*figures, strict=True):
        for name, value in one.items():
            assert other[name] == pytest.approx(value, rel=1e-4), name
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)

    options = {"micro_batches": 4, "save_every": 2}
    with pytest.raises(KilledError):
        run(compiled(6, 4, **WITHOUT), stages, tmp_path, also=[After(5, killed)], **options)
    again = compiled(6, 4, **WITHOUT)
    assert run(again, stages, tmp_path, **options) == (True, 4, [])
    assert values(again) == values(model) and losses(tmp_path) == figures[1]


def test_weights_count_every_masked_token_the_same(make_batches):
    batches = make_batches(batch_size=4)
    _, labels, weights = batches[3]
    parts = [Interval(batches, 2, 2, 2)[index] for index in (2, 3)]
    total = weights["mlm"].sum()
    for part, rows in zip(parts, (slice(0, 2), slice(2, 4)), strict=True):
        np.testing.assert_allclose(part[2]["mlm"], weights["mlm"][rows] * 2 / total)
        assert part[2]["nsp"].tolist() == [0.5, 0.5]
        assert part[1]["mlm"].tolist() == labels["mlm"][rows].tolist()
    with pytest.raises(KbertError, match="4 rows cannot be cut into 3"):
        Interval(batches, 0, 1, 3)[0]
    with pytest.raises(IndexError):
        Interval(batches, 0, 1, 2)[2]


class WithoutPairs(keras.utils.PyDataset):
    """Batches that ask nobody for the next sentence, or nobody for anything."""

    def __init__(self, batches, without):
        super().__init__()
        self.batches, self.without = batches, without

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        x, labels, weights = self.batches[index]
        return x, labels, weights | {head: 0 * weights[head] for head in self.without}


@pytest.mark.parametrize("without", [["nsp"], ["mlm"], ["mlm", "nsp"]])
def test_a_step_without_weight_of_a_head_stays_finite(make_batches, tmp_path, without):
    batches = WithoutPairs(make_batches(12), without)
    parts = [Interval(batches, 0, 1, 2)[index][2] for index in (0, 1)]
    for head in ("mlm", "nsp"):
        total = sum(part[head].sum() for part in parts)
        assert total == pytest.approx(0 if head in without else 2)
    for micro_batches in (1, 2):
        model = compiled(2, micro_batches)
        folder = tmp_path / str(micro_batches)
        stages = [Stage(batches, 2, 4, 12)]
        assert run(model, stages, folder, micro_batches=micro_batches)[0]
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
        logged = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert [line[f"{head}_loss"] for line in logged for head in without] == [0] * (
            2 * len(without)
        )


def test_going_on_where_it_evaluated_adds_no_second_line(make_batches, tmp_path):
    stages = [Stage(make_batches(12), 6, 4, 12)]
    options = {"save_every": 3, "evaluate": lambda model: {"text": {}}, "evaluate_every": 3}
    with pytest.raises(KilledError):  # after the evaluation of step 3
        run(compiled(6), stages, tmp_path, also=[After(4, killed)], **options)
    assert run(compiled(6), stages, tmp_path, **options) == (True, 3, [])
    lines = [json.loads(line) for line in (tmp_path / "heldout.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6]


def test_settings_that_cannot_be(stages, tmp_path):
    with pytest.raises(KbertError, match="save_every 0"):
        run(compiled(), stages, tmp_path, save_every=0)


def test_a_signal_in_the_last_step_ends_nothing_early(make_batches, tmp_path):
    evaluated = []

    def evaluate(model):
        evaluated.append(1)
        return {"text": {"mlm_loss": 1.0}}

    asked = After(4, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stages = [Stage(make_batches(12), 4, 4, 12)]
    done = run(compiled(), stages, tmp_path, also=[asked], evaluate=evaluate)
    assert done == (True, 0, []) and evaluated == [1]


@pytest.fixture
def timed(make_batches, monkeypatch):
    """A function that trains for 100 seconds of a clock: the clock, and what `run` gives."""
    stages = [Stage(make_batches(12, 4, 10**6), 10**6, 4, 12)]

    def made(folder, seconds_per_step, *, also=(), now=500.0, **options):
        model = compiled(steps=None)
        clock = Clock(model, seconds_per_step, now)
        monkeypatch.setattr(time_budget, "time", clock)
        options = {"budget": TimeBudget(100.0, peak=0.5), "save_every": 7, **options}
        return clock, run(model, stages, folder, also=[clock, *also], **options)

    return made


@pytest.mark.parametrize("seconds_per_step", [0.5, 2.0, 30.0])
def test_the_end_of_the_time_is_the_end_of_the_schedule(timed, tmp_path, seconds_per_step):
    """Whatever the speed: the rate of each step is that of the formula at its time, nearly."""
    clock, (finished, _, _) = timed(tmp_path, seconds_per_step)
    assert finished
    used = clock.now - clock.begin
    assert 100 <= used < 100 + 2 * seconds_per_step  # a step is not cut in two
    assert len(clock.rates) == used / seconds_per_step
    for seconds, rate in clock.rates:
        share = seconds / 100
        due = 0.5 * max(0.0, min(share / 0.1, (1 - share) / 0.9))
        assert rate == pytest.approx(due, abs=0.02)
    if seconds_per_step < 30:
        assert max(rate for _, rate in clock.rates) == pytest.approx(0.5, abs=0.02)
        assert clock.rates[-1][1] < 0.02
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(clock.rates) + 1))
    assert (tmp_path / f"checkpoints/step-{len(lines):08d}").is_dir()


def test_a_budget_of_time_goes_on_where_its_checkpoint_was(timed, tmp_path):
    """The clock stands while the run does not run; behind the checkpoint time is used again."""
    with pytest.raises(KilledError):
        timed(tmp_path, 2.0, also=[After(24, killed)])  # saved at step 21, with 42 seconds
    clock, (finished, first_step, _) = timed(tmp_path, 2.0, now=9000.0)
    assert (finished, first_step) == (True, 21)
    assert len(clock.rates) == 50 - 21
    for seconds, rate in clock.rates:
        assert rate == pytest.approx(0.5 * (1 - (42 + seconds) / 100) / 0.9, abs=0.02)
    # It is over: nothing is trained again.
    clock, (finished, first_step, _) = timed(tmp_path, 2.0)
    assert (finished, first_step, clock.rates) == (True, 50, [])
