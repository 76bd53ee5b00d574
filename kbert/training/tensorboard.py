"""A run's figures as TensorBoard reads them, by the extra `tensorboard`: no TensorFlow.

tensorboard --logdir runs/mine/tensorboard
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kbert.errors import KbertError, how_to_install


class TensorBoardFiles:
    """Writes figures to an event file.

    Args:
        folder: where to; a run that goes on adds a file.
        step: how many steps were taken before. Figures of later steps, which a killed run left,
            are not shown.

    Raises:
        KbertError: if tensorboard is not installed; here and from each method, if a file cannot be
            written.
    """

    def __init__(self, folder: Path, step: int):
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ModuleNotFoundError as error:
            raise KbertError(f"TensorBoard's files need {how_to_install('tensorboard')}") from error
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        with self._to_disk():
            self._writer = EventFileWriter(str(folder))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._add(self._event(wall_time=time.time(), step=step + 1, session_log=start))

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds the figures of a step, each under its name."""
        values = [self._summary.Value(tag=k, simple_value=v) for k, v in figures.items()]
        summary = self._summary(value=values)
        self._add(self._event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Writes what is not on the disk yet."""
        with self._to_disk():
            self._writer.close()

    def _add(self, event: object) -> None:
        with self._to_disk():
            self._writer.add_event(event)

    @contextmanager
    def _to_disk(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of tensorboard's own kinds, or TensorFlow's where that is
            raise KbertError(f"TensorBoard's files cannot be written: {error}") from error
