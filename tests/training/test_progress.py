import json
import math
import os

import keras
import numpy as np
import pytest
from rich.console import Console

from kbert import Bert, BertForPreTraining, KbertError
from kbert.training import peak, time_budget
from kbert.training import progress as module
from kbert.training.curves import draw_curves
from kbert.training.evaluation import mean_scores
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from kbert.training.progress import TrainingProgress
from kbert.training.run_log import RunLog
from kbert.training.stages import Stage, locate
from kbert.training.tensorboard import TensorBoardFiles
from kbert.training.time_budget import TimeBudget
from tests.conftest import SMALL

STAGES = [Stage(None, 4, 10, 10), Stage(None, 2, 10, 40)]  # of 100 and 400 tokens a step


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""

    class Clock:
        now = 1000.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class PeakOf200:
    """A peak that costs the clock a while to measure."""

    def measure(self):
        module.time.now += 5

    def tokens_per_second(self, stage):
        return (200.0, 1000.0)[stage]


def take(progress, clock, seconds, loss=1.0):
    clock.now += seconds
    progress.record({"loss": loss, "mlm_accuracy": 0.25})


def test_speed_leaves_out_what_is_no_training(tmp_path, clock, capsys):
    screen, log = Console(width=200), tmp_path / "log.jsonl"
    with TrainingProgress(screen, log, STAGES, peak=PeakOf200()) as progress:
        progress.interval(0)
        take(progress, clock, 30.0)  # compiles
        assert progress.tokens_per_second() == 0
        take(progress, clock, 1.0)
        take(progress, clock, 3.0)
        assert progress.tokens_per_second() == 200 / 4
        clock.now += 100  # an evaluation, and a checkpoint
        progress.interval(0)
        take(progress, clock, 4.0, loss=3.0)
        assert progress.tokens_per_second() == 300 / 8
        assert progress.mean("loss") == 1.5
        shown = capsys.readouterr().out.splitlines()
        # 800 tokens are left; 25 tokens a second are an eighth of the peak of 200.
        assert shown[0].startswith("step 1/6  loss 1.000  MLM 25.0%")
        assert shown[-1] == "step 4/6  loss 1.500  MLM 25.0%  38 tokens/s (19% of peak)  0:21 left"
        progress.interval(1)
        take(progress, clock, 50.0)  # compiles
        take(progress, clock, 2.0)
        assert progress.tokens_per_second() == 700 / 10
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["seconds"] for line in lines] == [35, 36, 39, 148, 203, 205]


def test_a_parser_is_told_of_as_a_whole(tmp_path):
    """Its relations are no term of a distillation, whose loss is called so, too."""
    figures = {"loss": 5.0, "relations_loss": 3.5}
    parser = {"heads_loss": 1.5, "heads_accuracy": 0.5, "relations_accuracy": 0.25}
    for more, expected in ((parser, "loss 5.000  heads 50.0%  relations 25.0%"), ({}, "relations")):
        log = tmp_path / f"{len(more)}.jsonl"
        with TrainingProgress(Console(), log, STAGES) as progress:
            progress.interval(0)
            progress.record({**figures, **more})
            assert progress._describe().startswith(expected)


def test_a_run_that_goes_on_keeps_means_and_seconds(tmp_path, clock):
    log = tmp_path / "log.jsonl"
    with TrainingProgress(Console(quiet=True), log, STAGES) as progress:
        progress.interval(0)
        for loss in (1.0, 2.0, 3.0):
            take(progress, clock, 1.0, loss)
    clock.now += 5000
    with TrainingProgress(Console(quiet=True), log, STAGES, first_step=2) as progress:
        assert progress.mean("loss") == 1.5
        progress.interval(0)
        take(progress, clock, 7.0, 6.0)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["step"], line["loss"], line["seconds"]) for line in lines] == [
        (1, 1.0, 1.0),
        (2, 2.0, 2.0),
        (3, 6.0, 9.0),
    ]


@pytest.mark.parametrize("rest", [b"", b'{"st', b'{"step": 3}\n', b'{"step": 3}\n{"step": 1}\n'])
def test_a_log_is_cut_off_where_it_is_no_longer_true(tmp_path, rest):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n' + rest)
    log = RunLog(path, last_step=2)
    assert log.last_step() == 2
    log.write({"step": 3})
    log.sync()
    log.close()
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2}\n{"step": 3}\n'


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage",
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b'{"step": true}',
        b'{"step": "2"}',
        b'{"step": 2}',
        b'{"step": 2, "loss": "a"}',
        b'{"step": 2, "loss": NaN}',
        b"\0" * 4096,
        DEEP,
    ],
    ids=lambda garbage: garbage[:30],
)
def test_garbage_in_a_log_costs_that_line_alone_and_is_told(tmp_path, garbage):
    path, said = tmp_path / "log.jsonl", []
    lines = [b'{"step": %d, "loss": 0.5}\n' % step for step in (1, 2, 3, 4, 5)]
    path.write_bytes(b"".join([lines[0], garbage, b"\n", *lines[1:], b'{"st']))
    log = RunLog(path, last_step=4, window=9, numbers=["loss"], say=said.append)
    assert [line["step"] for line in log.recent] == [1, 2, 3, 4]
    log.write({"step": 5, "loss": 0.25})
    log.close()
    assert path.read_bytes() == b"".join(lines[:4]) + b'{"step": 5, "loss": 0.25}\n'
    (told,) = said
    assert "line 2, " in told and repr(garbage[:40]) in told and len(told) < 500
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.jsonl"]
    RunLog(path, last_step=5, numbers=["loss"], say=said.append).close()
    assert len(said) == 1  # it is whole now


def test_a_run_goes_on_with_a_log_that_is_garbage(tmp_path, clock, capsys):
    log = tmp_path / "log.jsonl"
    log.write_text('garbage\n{"step": 2}\n{"step": 3, "loss": 2.0, "seconds": 9}\n' + "x\n" * 5)
    with TrainingProgress(Console(width=400), log, STAGES, first_step=3) as progress:
        progress.interval(0)
        assert progress.mean("loss") == 2.0 and math.isnan(progress.mean("mlm_accuracy"))
        take(progress, clock, 1.0)
        assert progress.mean("loss") == 1.5 and progress.mean("mlm_accuracy") == 0.25
    told = capsys.readouterr().out.replace("\n", "")
    assert "line 1, b'garbage" in told and "and 4 more" in told
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["step"], line["seconds"]) for line in lines] == [(3, 9), (4, 10.0)]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
def test_a_log_on_a_full_disk(tmp_path):
    """A real refusal by the operating system, in the middle of a line."""
    import resource

    path = tmp_path / "log.jsonl"
    log = RunLog(path, last_step=0)
    log.write({"step": 1})
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, former[1]))
    try:
        with pytest.raises(KbertError, match=r"log.jsonl cannot be written: .*File too large"):
            log.write({"step": 2})
        log.close()  # which has nothing left to write
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert path.read_bytes() == b'{"step": 1}\n{"step":'
    log = RunLog(path, last_step=1)
    log.write({"step": 2})
    log.close()
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2}\n'
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(KbertError, match=r"folder.jsonl cannot be written"):
        RunLog(tmp_path / "folder.jsonl", last_step=1)


def test_tensorboards_files_where_they_cannot_be(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "file").touch()
    with pytest.raises(KbertError, match="TensorBoard's files cannot be written"):
        TensorBoardFiles(tmp_path / "file", 0)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_run_by_the_clock_is_as_far_as_its_time(tmp_path, clock, capsys, monkeypatch, terminal):
    monkeypatch.setattr(time_budget, "time", clock)
    budget = TimeBudget(100.0, peak=1.0)
    screen = Console(width=200, force_terminal=terminal)
    with TrainingProgress(screen, tmp_path / "log.jsonl", STAGES, budget=budget) as progress:
        progress.interval(0)
        take(progress, clock, 15.0)
        take(progress, clock, 10.0)
        progress._progress.refresh()
        shown = capsys.readouterr().out
        if terminal:
            assert "25%" in shown and "1:15 left" in shown
        else:
            assert shown.startswith("step 1  loss 1.000") and "/" not in shown
        take(progress, clock, 99.0)
        assert "0:00 left" in progress._describe()


def test_no_stage_has_a_step_behind_the_last():
    assert [locate(STAGES, step) for step in (3, 4, 5)] == [(0, 3), (1, 0), (1, 1)]
    with pytest.raises(IndexError):
        locate(STAGES, 6)


def test_time_left_counts_each_stage_once(tmp_path):
    stages = [Stage(None, 4, 2, 8), Stage(None, 2, 1, 32)]
    left = []
    for step in (0, 3, 4, 5, 6):
        progress = TrainingProgress(Console(quiet=True), tmp_path / "log.jsonl", stages, step)
        left.append(progress._tokens_left())
    assert left == [4 * 16 + 2 * 32, 16 + 2 * 32, 2 * 32, 32, 0]


def test_means_are_over_tokens_and_not_over_batches(small, inputs):
    """Against the cross-entropy in numpy; for losses that are compiled as means, and as sums."""
    model = BertForPreTraining(**small)
    logits = {k: keras.ops.convert_to_numpy(v) for k, v in model(inputs).items()}
    rng = np.random.default_rng(0)
    y = {"mlm": rng.integers(0, 40, (2, 2)), "nsp": np.array([0, 1])}

    def losses(part):
        scores = logits[part] - np.log(np.exp(logits[part]).sum(-1, keepdims=True))
        return -np.take_along_axis(scores, y[part][..., None], -1)[..., 0]

    weights = np.array([[1, 1], [1, 0]], "float32")
    batches = [
        ({k: v[row : row + 1] for k, v in inputs.items()},
         {k: v[row : row + 1] for k, v in y.items()},
         {"mlm": weights[row : row + 1], "nsp": np.ones(1, "float32")})
        for row in (0, 1)
    ]  # fmt: skip
    expected = (losses("mlm") * weights).sum() / 3
    for micro_batches in (1, 2):
        model.compile(adamw(1e-3, 9), **objective("pretraining", micro_batches))
        scores = mean_scores(model, batches)
        assert scores["mlm_loss"] == pytest.approx(expected, rel=1e-4)
        assert scores["nsp_loss"] == pytest.approx(losses("nsp").mean(), rel=1e-4)
        assert scores["loss"] == pytest.approx(expected + losses("nsp").mean(), rel=1e-4)
        right = (logits["mlm"].argmax(-1) == y["mlm"]) * weights
        assert scores["mlm_accuracy"] == pytest.approx(right.sum() / 3)


def test_the_curves_have_the_held_out_points(tmp_path):
    pytest.importorskip("matplotlib")
    log, heldout = tmp_path / "log.jsonl", tmp_path / "heldout.jsonl"
    lines = [{"step": i, "mlm_loss": 5 / i, "mlm_accuracy": 0.5} for i in range(1, 40)]
    log.write_text("\n".join(map(json.dumps, lines)))
    points = {"step": 30, "sources": {"wiki": {"mlm_loss": 1.0, "mlm_accuracy": 0.1}}}
    heldout.write_text(json.dumps(points))
    draw_curves(log, tmp_path / "without.svg", baseline=3.0)
    draw_curves(log, tmp_path / "with.svg", heldout=heldout)
    # A line of a legend is a comment of the picture's text.
    assert "<!-- masked LM, wiki -->" in (tmp_path / "with.svg").read_text()
    assert "<!-- masked LM, wiki -->" not in (tmp_path / "without.svg").read_text()
    for path in (log, heldout):
        path.write_text(path.read_text().replace("mlm", "next_token"))
    draw_curves(log, tmp_path / "causal.svg", heldout=heldout)
    assert "<!-- next token, wiki -->" in (tmp_path / "causal.svg").read_text()
    log.write_text("")
    with pytest.raises(KbertError, match="has 0 steps"):
        draw_curves(log, tmp_path / "none.svg")


def test_tensorboard_reads_what_is_written_and_forgets_what_was_taken_again(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, last in ((0, 5), (3, 6)):
        files = TensorBoardFiles(tmp_path, first)
        for step in range(first + 1, last + 1):
            files.write(step, {"loss": step / 2 + first})
        files.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    scalars = [(event.step, event.value) for event in events.Scalars("loss")]
    assert scalars[-3:] == [(4, 5.0), (5, 5.5), (6, 6.0)]
    assert scalars[:3] == [(1, 0.5), (2, 1.0), (3, 1.5)]


def test_the_rate_of_a_product(monkeypatch):
    """The first size that takes long enough, and the best of five times."""
    times = iter([0.01] * 5 + [0.09, 0.08, 0.05, 0.1, 0.07])
    monkeypatch.setattr(peak, "_seconds", lambda matrix: next(times))
    assert peak.matmul_rate() == 2 * 1024**3 / 0.05


def test_the_highest_rate_counts_and_is_not_asked_for_at_every_step(monkeypatch):
    """Where the device was busy when a run began, no share of the peak stays above 100%."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock, rates = Clock(), iter([1e9, 4e9, 2e9])
    monkeypatch.setattr(peak, "time", clock)
    monkeypatch.setattr(peak, "matmul_rate", lambda dtype: next(rates))
    config = Bert(**{**SMALL, "max_position_embeddings": 40}).get_config()
    half, whole = (peak.Peak(config, STAGES, scored=scored) for scored in (0.5, 1.0))
    seen = []
    for seconds in (0, 29, 31, 31):
        clock.now += seconds
        half.measure()
        seen.append(half.tokens_per_second(0))
    assert seen == [seen[0], seen[0], 4 * seen[0], 4 * seen[0]]
    assert next(rates, None) is None
    whole.rate = half.rate
    # All places are scored: 5 rows more of 6 (D^2 + D V) operations in each row of 10.
    operations = 6 * 5 * (12 * 12 + 12 * 40) / 10
    assert 4e9 / whole.tokens_per_second(0) - 4e9 / half.tokens_per_second(0) == pytest.approx(
        operations
    )
    # Two models in a step: the other tells no words, so it has 5 rows of 10 less than `half`.
    both = peak.Peak(config, STAGES, scored=0.5, beside=config)
    both.rate = half.rate
    assert 4e9 / both.tokens_per_second(0) == pytest.approx(
        2 * 4e9 / half.tokens_per_second(0) - operations
    )
