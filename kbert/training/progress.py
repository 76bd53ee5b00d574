"""What a run shows while it trains, and what it leaves behind: a line of `log.jsonl` a step."""

import json
import time
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LOGGED = ("loss", "mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy")


class TrainingProgress(keras.callbacks.Callback):
    """Shows a bar, or lines where there is no terminal, and logs every step.

    Keras's own figures are means since the epoch began; here each step's are its own, and what
    is shown is a mean of the last steps.

    Args:
        console: where to show.
        log_file: a JSON line is written to it for each step: `step`, the losses and accuracies,
            and `seconds` since the start.
        total_steps: how many steps the run has.
        tokens_per_step: B * L, padding included, for the tokens per second.
        window: of how many of the last steps the mean is shown.
    """

    def __init__(
        self,
        console: Console,
        log_file: Path,
        total_steps: int,
        tokens_per_step: int,
        window: int = 50,
    ):
        super().__init__()
        self.console, self.log_file = console, log_file
        self.total_steps, self.tokens_per_step, self.window = total_steps, tokens_per_step, window
        self.history: list[dict[str, float]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Opens the log and the bar."""
        self._file = self.log_file.open("w", encoding="utf-8", newline="\n")
        self._progress = Progress(
            BarColumn(30),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            disable=not self.console.is_terminal,
            refresh_per_second=2,
        )
        self._task = self._progress.add_task("compiling", total=self.total_steps)
        self._progress.start()
        self._begin = self._shown = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Forgets the step before, so that this step's figures are its own."""
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs the step."""
        now = time.perf_counter()
        step = len(self.history) + 1
        figures = {
            name: round(float((logs or {})[name]), 6) for name in _LOGGED if name in (logs or {})
        }
        line = {"step": step, **figures, "seconds": round(now - self._begin, 3)}
        self.history.append(line)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        self._progress.update(self._task, completed=step, description=self._describe())
        quiet = not self.console.is_terminal
        if quiet and (now - self._shown > 10 or step in (1, self.total_steps)):
            self._shown = now
            self.console.print(
                f"step {step}/{self.total_steps}  {self._describe()}  {self._left()}"
            )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the bar and the log."""
        self._progress.stop()
        self._file.close()

    def mean(self, name: str) -> float:
        """The mean of a figure over the last steps."""
        recent = self.history[-self.window :]
        return sum(line[name] for line in recent) / len(recent)

    def tokens_per_second(self) -> float:
        """Of the last steps; the first step, which compiles, does not count."""
        recent = self.history[-self.window :]
        if len(recent) < 2:
            return 0.0
        return (
            self.tokens_per_step
            * (len(recent) - 1)
            / (recent[-1]["seconds"] - recent[0]["seconds"])
        )

    def _describe(self) -> str:
        shown = f"loss {self.mean('loss'):.3f}"
        for name, label in (("mlm_accuracy", "MLM"), ("nsp_accuracy", "NSP")):
            if name in self.history[-1]:
                shown += f"  {label} {100 * self.mean(name):.1f}%"
        return f"{shown}  {self.tokens_per_second():,.0f} tokens/s"

    def _left(self) -> str:
        speed = self.tokens_per_second()
        if not speed:
            return ""
        seconds = (self.total_steps - len(self.history)) * self.tokens_per_step / speed
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} left"
