"""A run's log: a JSON line a step, which a run that continues goes on with where it was."""

import json
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RunLog:
    r"""Appends JSON lines to a file, each with its `step`.

    A process that is killed may leave half a line, and lines of steps that are taken again:
    both are cut off when the log is opened.

    Args:
        path: the file; it is made if need be.
        last_step: lines of later steps are removed, and those behind them.
        window: how many of the last lines are kept at hand.

    Attributes:
        recent: the last lines.

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

    def __init__(self, path: Path, last_step: int, window: int = 1):
        self.recent: deque[dict[str, Any]] = deque(maxlen=window)
        end = 0
        if path.exists():
            with path.open("rb") as lines:
                for line in lines:
                    try:
                        parsed = json.loads(line) if line.endswith(b"\n") else {}
                    except ValueError:
                        break
                    step = parsed.get("step") if isinstance(parsed, dict) else None
                    if not isinstance(step, int) or step > last_step:
                        break
                    self.recent.append(parsed)
                    end += len(line)
        self._file = path.open("ab")
        self._file.truncate(end)

    def write(self, line: Mapping[str, Any]) -> None:
        """Appends a line."""
        self.recent.append(dict(line))
        self._file.write(json.dumps(dict(line)).encode() + b"\n")
        self._file.flush()

    def last_step(self) -> int:
        """The step of the last line; 0 if there is none."""
        return self.recent[-1]["step"] if self.recent else 0

    def sync(self) -> None:
        """Forces what was written to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
