"""What a run shows while it trains, and what it leaves behind: a line of `log.jsonl` a step."""

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
)

from kbert.training.peak import Peak
from kbert.training.run_log import RunLog
from kbert.training.stages import Stage
from kbert.training.time_budget import TimeBudget

_ACCURACIES = {
    "mlm_accuracy": "MLM",
    "nsp_accuracy": "NSP",
    "rtd_recall": "replaced found",
    "labels_accuracy": "labels",
    "next_token_accuracy": "next token",
    "accuracy": "accuracy",
    "start_accuracy": "start",
    "end_accuracy": "end",
    "heads_accuracy": "heads",
    "relations_accuracy": "relations",
}
# Losses that are told apart, of a step whose loss is their weighted sum.
_APART = {
    "rtd_loss": "RTD loss",
    "soft_loss": "soft targets",
    "hidden_loss": "hidden states",
    "relations_loss": "relations",
}
_EVERY_SECONDS = 10  # how often a line is shown where there is no terminal


class Figures(Protocol):
    """What also takes a step's figures, as TensorBoard's files do."""

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Takes the figures of a step."""
        ...

    def close(self) -> None:
        """There are no more."""
        ...


class TrainingProgress:
    """Shows a bar, or lines where there is no terminal, and logs every step.

    Used in a `with` statement, which opens and closes bar and log.

    Args:
        console: where to show.
        log_file: a JSON line is written to it for each step: `step`, the losses and accuracies,
            and `seconds` since the start, of all the processes that took part.
        stages: the run's.
        first_step: how many steps were taken before, whose lines are in the log.
        window: of how many of the last steps the mean is shown.
        peak: measures again before each interval what the device reaches at best, and tells the
            tokens a second of each stage at that; None where no share of it is to be shown.
        also: takes the figures, too.
        budget: of a run that ends by the clock: how far it is, is told by its time.
    """

    def __init__(
        self,
        console: Console,
        log_file: Path,
        stages: Sequence[Stage],
        first_step: int = 0,
        window: int = 50,
        peak: Peak | None = None,
        also: Sequence[Figures] = (),
        budget: TimeBudget | None = None,
    ):
        self.console, self.log_file = console, log_file
        self.stages, self.window, self.peak, self.also = stages, window, peak, also
        self.step, self.total_steps = first_step, sum(stage.steps for stage in stages)
        self.budget = budget
        self._timed: deque[tuple[int, float]] = deque(maxlen=window)  # tokens, seconds
        self._stage = -1

    def __enter__(self) -> "TrainingProgress":
        """Opens the log and the bar."""
        self._log = RunLog(
            self.log_file,
            self.step,
            self.window,
            numbers=("loss", "seconds"),
            say=self.console.print,
        )
        self._recent = self._log.recent
        before = self._recent[-1]["seconds"] if self._recent else 0.0
        self._progress = Progress(
            BarColumn(30),
            TaskProgressColumn() if self.budget else MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=self.console,
            disable=not self.console.is_terminal,
            refresh_per_second=2,
        )
        self._task = self._progress.add_task(
            "compiling",
            total=self.budget.seconds if self.budget else self.total_steps,
            completed=int(self._done()),
        )
        self._progress.start()
        self._begin = time.perf_counter() - before
        self._shown = self._mark = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the bar and the log."""
        self._progress.stop()
        self._log.close()
        for each in self.also:
            each.close()

    def interval(self, stage: int) -> None:
        """Steps of a stage begin. What came since the last step was no training, and is not timed.

        The first step of a stage compiles, and is not timed either.
        """
        if self.peak:
            self.peak.measure()
        self._compiles, self._stage = stage != self._stage, stage
        self._mark = time.perf_counter()

    def record(self, figures: Mapping[str, float]) -> None:
        """Logs and shows the next step, which ended now."""
        now = time.perf_counter()
        if not self._compiles:
            self._timed.append((self.stages[self._stage].tokens_per_step, now - self._mark))
        self._compiles, self._mark = False, now
        self.step += 1
        rounded = {name: round(value, 6) for name, value in figures.items()}
        line = {"step": self.step, **rounded, "seconds": round(now - self._begin, 3)}
        self._log.write(line)
        for each in self.also:
            each.write(self.step, figures)
        if self.console.is_terminal:
            self._progress.update(self._task, completed=self._done(), description=self._describe())
        elif now - self._shown > _EVERY_SECONDS or self.step in (1, self.total_steps):
            self._shown = now
            of = "" if self.budget else f"/{self.total_steps}"
            self.console.print(f"step {self.step}{of}  {self._describe()}")

    def sync(self) -> None:
        """Forces the log to the disk."""
        self._log.sync()

    def mean(self, name: str) -> float:
        """The mean of a figure over the last steps that have it; NaN where none has."""
        values = [line[name] for line in self._recent if isinstance(line.get(name), int | float)]
        return sum(values) / len(values) if values else math.nan

    def tokens_per_second(self) -> float:
        """Of the last steps, padding included; 0 where none was timed yet."""
        seconds = sum(seconds for _, seconds in self._timed)
        return sum(tokens for tokens, _ in self._timed) / seconds if seconds else 0.0

    def _describe(self) -> str:
        last = self._recent[-1]
        parts = {name: label for name, label in _APART.items() if name in last}
        if "heads_loss" in last:  # a parser's relations are others than those of attention
            parts = {}
        if parts and "mlm_loss" in last:
            parts = {"mlm_loss": "MLM loss", **parts}
        parts = parts or {"loss": "loss"}
        shown = [f"{label} {self.mean(name):.3f}" for name, label in parts.items()]
        for name, label in _ACCURACIES.items():
            if name in last:
                shown.append(f"{label} {100 * self.mean(name):.1f}%")
        speed = self.tokens_per_second()
        if speed:
            share = ""
            if self.peak:
                share = f" ({100 * speed / self.peak.tokens_per_second(self._stage):.0f}% of peak)"
            left = _clock(self._seconds_left(speed))
            shown += [f"{speed:,.0f} tokens/s{share}", f"{left} left"]
        return "  ".join(shown)

    def _done(self) -> float:
        """How far the run is: steps, or seconds of a budget."""
        return min(self.budget.used(), self.budget.seconds) if self.budget else self.step

    def _seconds_left(self, speed: float) -> float:
        if self.budget:
            return max(0.0, self.budget.seconds - self.budget.used())
        return self._tokens_left() / speed

    def _tokens_left(self) -> int:
        end, left = 0, 0
        for stage in self.stages:
            end += stage.steps
            left += max(0, min(stage.steps, end - self.step)) * stage.tokens_per_step
        return left


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    Example:
        >>> _clock(75), _clock(360_000)
        ('1:15', '100:00:00')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
