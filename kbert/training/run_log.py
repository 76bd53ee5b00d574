"""A run's log: a JSON line a step, which a run that continues goes on with where it was."""

import json
import math
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from kbert.errors import KbertError
from kbert.files.atomic_files import written_beside


class RunLog:
    r"""Appends JSON lines to a file, each with its `step`.

    A process that is killed may leave half a line, and lines of steps that are taken again: both
    are cut off when the log is opened. Lines that are none of a log, which a bad disk or an editor
    left, are taken out and told; those behind them stay.

    Args:
        path: the file; it is made if need be.
        last_step: lines of later steps are removed, and those behind them.
        window: how many of the last lines are kept at hand.
        numbers: what a line must have beside its step, as finite numbers.
        say: takes a sentence on what was lost.

    Attributes:
        recent: the last lines.

    Raises:
        KbertError: here and from each method, if the file cannot be read or written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "log.jsonl")
        >>> _ = path.write_text('{"step": 1}\n{"step": 2}\n{"st')
        >>> log = RunLog(path, last_step=1)
        >>> log.write({"step": 2, "loss": 0.5})
        >>> log.close()
        >>> path.read_text()
        '{"step": 1}\n{"step": 2, "loss": 0.5}\n'
    """

    def __init__(
        self,
        path: Path,
        last_step: int,
        window: int = 1,
        *,
        numbers: Collection[str] = (),
        say: Callable[[str], Any] = print,
    ):
        self.recent: deque[dict[str, Any]] = deque(maxlen=window)
        self._path = path
        try:
            self._open(last_step, numbers, say)
        except OSError as error:
            raise self._failed(error) from error

    def _open(self, last_step: int, numbers: Collection[str], say: Callable[[str], Any]) -> None:
        end, lost = 0, []
        if self._path.exists():
            for number, line, parsed in self._ended_lines(last_step, numbers):
                if parsed is None:
                    lost.append(f"line {number}, {line.rstrip()[:40]!r}")
                else:
                    self.recent.append(parsed)
                    end += len(line)
        if lost:
            self._take_out_lost(last_step, numbers)
            more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
            say(
                f"{self._path}: {'; '.join(lost[:3])}{more}: not lines of this log, and taken out; "
                "the others are kept"
            )
        # Unbuffered: what could not be written must not be tried again when the file is closed.
        self._file = self._path.open("ab", buffering=0)
        self._file.truncate(end)

    def _take_out_lost(self, last_step: int, numbers: Collection[str]) -> None:
        lines = self._ended_lines(last_step, numbers)
        with written_beside(self._path) as temporary, temporary.open("wb") as file:
            file.writelines(line for _, line, parsed in lines if parsed is not None)

    def _ended_lines(
        self, last_step: int, numbers: Collection[str]
    ) -> Iterator[tuple[int, bytes, dict[str, Any] | None]]:
        """Without a last line that was not written to its end, whatever it says."""
        lines = log_lines(self._path, numbers, last_step)
        return (each for each in lines if each[1].endswith(b"\n"))

    def write(self, line: Mapping[str, Any]) -> None:
        """Appends a line."""
        self.recent.append(dict(line))
        left = json.dumps(dict(line)).encode() + b"\n"
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._failed(error) from error

    def last_step(self) -> int:
        """The step of the last line; 0 if there is none."""
        return self.recent[-1]["step"] if self.recent else 0

    def sync(self) -> None:
        """Forces what was written to the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _failed(self, error: OSError) -> KbertError:
        return KbertError(
            f"the log {self._path} cannot be written: {error}. The checkpoints are as they were, "
            "and the run can be continued from the last"
        )


def log_lines(
    path: Path, numbers: Collection[str] = (), last_step: float = math.inf
) -> Iterator[tuple[int, bytes, dict[str, Any] | None]]:
    """The lines of a log up to a step.

    Args:
        path: the file.
        numbers: what a line must have beside its step, as finite numbers.
        last_step: with the first line of a later step the log ends.

    Yields:
        The number of a line, from 1; its bytes; and what it says, or None where it is no line of a
        log.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            parsed = _parsed(line, numbers)
            if parsed is not None and parsed["step"] > last_step:
                return
            yield number, line, parsed


def _parsed(line: bytes, numbers: Collection[str]) -> dict[str, Any] | None:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict) or type(parsed.get("step")) is not int:
        return None
    if not all(_is_number(parsed.get(name)) for name in numbers):
        return None
    return parsed


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < math.inf
