"""A folder that one process at a time uses; the operating system holds the lock."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from kbert.errors import KbertError

LOCK = "lock"  # the file's name


@contextmanager
def locked(path: str | Path) -> Iterator[Path]:
    """Makes a folder if need be, and keeps other processes out of it within a `with` statement.

    The lock is dropped when the process ends, however it ends. A folder that was made for nothing
    is removed again.

    Raises:
        KbertError: if the path is a file, or another process has the folder.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise KbertError(f"{folder} is a file; name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _lock(folder)
    except OSError as error:
        raise KbertError(f"the folder {folder} cannot be used: {error}") from error
    try:
        yield folder
    finally:
        with suppress(OSError):  # Windows removes no open file; an unlocked one is in nobody's way
            (folder / LOCK).unlink()
        file.close()
        with suppress(OSError):  # it is not empty, as a rule
            folder.rmdir()


def _lock(folder: Path) -> IO[str]:
    path = folder / LOCK
    while True:
        file = path.open("a+", encoding="ascii")
        try:
            _lock_file(file)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise KbertError(
                f"another run is using the folder {folder} (process {owner}); wait for its end, or "
                "name another folder"
            ) from None
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # another run has just ended, and removed the file: once more
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _lock_file(file: IO[str]) -> None:
    """Raises OSError if another process has locked the file."""
    if os.name == "nt":
        import msvcrt

        file.seek(1 << 30)  # the first bytes stay readable for the one that is refused
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
