"""The loop around `fit`: one call for each interval between checkpoints, exact when it is resumed.

    step = resume(...)                  0, or that of the newest checkpoint that is whole
    fit | save | evaluate | fit ...     until the last step, a signal, or a loss that is no number

What a step does depends on the variables of model and optimizer, which the checkpoint holds, and
on its batch, which is a function of the step. So a run that was ended and goes on takes the same
steps, to the bit, as one that was never ended, on the same backend and device.
"""

import math
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import keras

from kbert.errors import KbertError
from kbert.runs.run_folder import check_same
from kbert.training.checkpoint import (
    Checkpoint,
    find_checkpoint,
    restore,
    save_checkpoint,
    state_of,
)
from kbert.training.distribution import any_host, check_rows, on_every_host, on_first_host
from kbert.training.evaluation import of_heads
from kbert.training.progress import TrainingProgress
from kbert.training.run_log import RunLog
from kbert.training.stages import Interval, Stage, locate
from kbert.training.time_budget import TimeBudget

HELDOUT_LOG = "heldout.jsonl"
_SECONDS = "seconds"  # in a checkpoint: of a time budget, how many were used
# JAX returns before a step is computed. Its figures are read when the next one is on its way, so
# that the device need not wait for the host.
_STEPS_AHEAD = 1 if keras.backend.backend() == "jax" else 0

Evaluation = Callable[[keras.Model], Mapping[str, Mapping[str, float]]]


def resume(
    model: keras.Model,
    folder: str | Path,
    settings: Mapping[str, Any],
    say: Callable[[str], Any] = print,
) -> int:
    """Gives a compiled model the state of its run's newest checkpoint that is whole.

    Args:
        model: as it was when the run began.
        folder: of the run.
        settings: those that must be the same as when it began.
        say: takes a sentence for each checkpoint that is damaged, and passed over.

    Returns:
        How many steps had been taken; 0 where there is no checkpoint.

    Raises:
        KbertError: if settings differ, the checkpoint is of another model, or all are damaged.
    """

    def find() -> list[Any]:
        checkpoint, problems = find_checkpoint(folder)
        for problem in problems:
            say(f"{problem}; going on from the one before")
        if checkpoint is None:
            return []
        check_same(checkpoint.settings, settings, f"the run of {checkpoint.path}")
        return [str(checkpoint.path), checkpoint.step, checkpoint.settings]

    first = on_first_host(lambda: dict(settings))
    on_every_host(lambda: check_same(first, settings, "the run on the first host"))
    found = on_first_host(find)
    if not found:
        return 0
    restore(Checkpoint(Path(found[0]), *found[1:]), state_of(model))
    return found[1]


def train(
    model: keras.Model,
    stages: Sequence[Stage],
    progress: TrainingProgress,
    folder: str | Path,
    settings: Mapping[str, Any],
    *,
    save_every: int = 1000,
    evaluate: Evaluation | None = None,
    evaluate_every: int = 1000,
    micro_batches: int = 1,
    budget: TimeBudget | None = None,
) -> bool:
    """Trains from the step where `progress` stands to the last.

    SIGTERM, as cluster schedulers send it, and the first Ctrl-C end the run after the step that is
    being taken, with a checkpoint; on several hosts, one of which may have got it, on all. The
    first host writes the checkpoints.

    Args:
        model: compiled, in the state of that step.
        stages: what to train on.
        progress: shows and logs each step.
        folder: of the run, which holds `checkpoints` and `heldout.jsonl`.
        settings: go into each checkpoint, for `resume` to compare.
        save_every: steps between checkpoints; there is one at the end, too.
        evaluate: gives figures of held-out text by source, which become a line of `heldout.jsonl`.
        evaluate_every: steps between evaluations; there is one at the end, too.
        micro_batches: in how many parts a step is computed; see `Interval`.
        budget: ends the run when the time is over, and sets the rate of an optimizer without a
            schedule.

    Returns:
        Whether the last step was reached, or the time is over; if not, a signal ended the run.

    Raises:
        KbertError: if a loss is not finite, a checkpoint or a log cannot be written, or devices
            cannot have equal parts of a step's rows. The former checkpoints are as they were.
    """
    if min(save_every, evaluate_every) < 1:
        raise KbertError(
            f"save_every {save_every} and evaluate_every {evaluate_every} must be 1 or more"
        )
    for stage in stages:
        check_rows(stage.rows, micro_batches)
    total = sum(stage.steps for stage in stages)
    state = state_of(model)
    if budget is not None:
        budget.start(on_first_host(lambda: _seconds_used(folder, progress.step)))
    every = [save_every] + [evaluate_every] * (evaluate is not None)
    with _signals() as signals, _heldout_log(folder, progress) as heldout:
        while True:
            step = progress.step
            used = on_first_host(budget.used) if budget else 0.0
            ended = step == total or (budget is not None and used >= budget.seconds)
            # After the checkpoint, so that a run that is ended here does it when it goes on.
            due = step and (step % evaluate_every == 0 or ended)
            if evaluate is not None and due and on_first_host(heldout.last_step) < step:
                heldout.write({"step": step, "sources": evaluate(model)})
            if ended:
                return True
            index, of_stage = locate(stages, step)
            stage = stages[index]
            watch = _Watch(progress, micro_batches, signals)
            progress.interval(index)
            steps = min(stage.steps - of_stage, *(each - step % each for each in every))
            if budget is not None:
                fitting, rate = budget.interval(used)
                steps = min(steps, fitting)
                model.optimizer.learning_rate = rate
            model.fit(
                Interval(stage.batches, of_stage, steps, micro_batches),
                epochs=1,
                shuffle=False,
                verbose=0,
                callbacks=[watch],
            )
            if watch.bad_loss is not None:
                raise _not_finite(watch.bad_loss, progress.step, index, folder, stages)
            asked, over = any_host(bool(signals)), progress.step == total
            saved = dict(settings)
            if budget is not None:
                now = on_first_host(budget.used)
                budget.took(progress.step - step, now - used)
                over, saved[_SECONDS] = over or now >= budget.seconds, now
            if asked or progress.step % save_every == 0 or over:
                progress.sync()
                save = partial(save_checkpoint, folder, progress.step, state, saved)
                on_first_host(lambda save=save: str(save()))
                if any_host(bool(signals)) and not over:  # or just now
                    return False


def _seconds_used(folder: str | Path, step: int) -> float:
    """Of a time budget, when the checkpoint of a step was written."""
    checkpoint = find_checkpoint(folder)[0] if step else None
    return float(checkpoint.settings.get(_SECONDS, 0.0)) if checkpoint else 0.0


class _Watch(keras.callbacks.Callback):
    """Hands each step's figures on, and ends `fit` on a signal or a loss that is no number."""

    def __init__(self, progress: TrainingProgress, micro_batches: int, signals: list[int]):
        super().__init__()
        self.progress, self.micro_batches, self.signals = progress, micro_batches, signals
        self.bad_loss: float | None = None
        self._unread: deque[dict[str, Any]] = deque()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras's figures are means since the epoch began; so each step's are its own.
        if batch % self.micro_batches == 0:
            self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if (batch + 1) % self.micro_batches:
            return
        self._unread.append(logs or {})
        self._read(_STEPS_AHEAD)
        # A loss is the same on all hosts; a signal may have come to one of them.
        if self.bad_loss is not None or any_host(bool(self.signals)):
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._read(0)

    def _read(self, but: int) -> None:
        """Hands on the figures of all steps but the last ones, up to a bad loss."""
        while len(self._unread) > but and self.bad_loss is None:
            logs = self._unread.popleft()
            figures = of_heads({name: float(value) for name, value in logs.items()})
            if math.isfinite(figures["loss"]):
                self.progress.record(figures)
            else:
                self.bad_loss = figures["loss"]


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that gets the signals that ask the process to end; each is heard once."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield heard  # only the main thread may handle signals
        return
    asking = (int(signal.SIGTERM), int(signal.SIGINT))
    former = {number: signal.getsignal(number) for number in asking}

    def hear(number: int, frame: object) -> None:
        heard.append(number)
        signal.signal(number, former[number])  # a second one ends the process at once

    for number in former:
        signal.signal(number, hear)
    try:
        yield heard
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _heldout_log(folder: str | Path, progress: TrainingProgress) -> Iterator[RunLog]:
    log = RunLog(Path(folder) / HELDOUT_LOG, progress.step, say=progress.console.print)
    try:
        yield log
    finally:
        log.close()


def _not_finite(
    loss: float, step: int, stage: int, folder: str | Path, stages: Sequence[Stage]
) -> KbertError:
    checkpoint, _ = find_checkpoint(folder)
    kept = f"the last checkpoint, of step {checkpoint.step}, is kept" if checkpoint else ""
    return KbertError(
        f"the loss of step {step + 1} is {loss}: batch {locate(stages, step)[1]} of stage "
        f"{stage + 1} (counted from 0 and 1); {kept or 'there is no checkpoint yet'}. The same "
        "command would end here again; a lower learning rate or a longer warm-up may help"
    )
