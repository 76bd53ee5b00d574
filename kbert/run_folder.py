"""The folder of a run: made if need be, never emptied unasked, used by one run at a time."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from kbert.atomic_files import write_text
from kbert.errors import KbertError
from kbert.json_file import read_json_object

# What runs write. A folder with anything else in it is somebody's, and stays as it is.
RUN_FILES = (
    "log.jsonl",
    "heldout.jsonl",
    "curves.png",
    "model.keras",
    "vocab.txt",
    "tokenizer_settings.json",
    "settings.json",
    "report.json",
    "report.png",
    "checkpoints",
    "tensorboard",
)
_LOCK = "lock"
_LEFTOVERS = (".settings*.json", ".model-*.keras")  # of a run that was killed while it wrote them


def check_folder(path: str | Path, overwrite: bool = False) -> None:
    """Raises KbertError if a run may not have a folder; changes nothing.

    Args:
        path: a folder that does not exist or is empty; or, with `overwrite`, one that a run left.
        overwrite: whether a former run's files may be replaced.

    Raises:
        KbertError: if the path is a file, or the folder holds something that would be lost.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise KbertError(f"--out {folder} is a file; name a folder")
    inside = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    strangers = [name for name in inside if name not in (*RUN_FILES, _LOCK)]
    if strangers:
        raise KbertError(
            f"the folder {folder} holds {strangers[0]!r}, which no run of kbert wrote; "
            "name another --out"
        )
    inside = [name for name in inside if name != _LOCK]
    if inside and not overwrite:
        raise KbertError(
            f"the folder {folder} holds a former run ({', '.join(inside)}); name another --out, or "
            "pass --overwrite to replace it"
        )


def claim_folder(path: str | Path, overwrite: bool = False) -> Path:
    """Makes the folder of a run, empty; see `check_folder` for what it refuses.

    A recipe checks first and claims late, so that an error in between costs nobody a former run.
    """
    check_folder(path, overwrite)
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    # The settings say that a run was begun here, so they go first, and the model, which says that
    # it was finished, next.
    for name in sorted(RUN_FILES, key=("settings.json", "model.keras").__contains__, reverse=True):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        (folder / name).unlink(missing_ok=True)
    return folder


@contextmanager
def locked_folder(path: str | Path) -> Iterator[Path]:
    """Makes a folder if need be, and keeps other runs out of it within a `with` statement.

    The operating system holds the lock, and drops it when the process ends, however it ends. A
    folder that was made for nothing is removed again.

    Raises:
        KbertError: if the path is a file, or another process has the folder.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise KbertError(f"--out {folder} is a file; name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _lock(folder)
    except OSError as error:
        raise KbertError(f"the folder {folder} cannot be used: {error}") from error
    try:
        for pattern in _LEFTOVERS:
            for leftover in folder.glob(pattern):
                leftover.unlink()
        yield folder
    finally:
        with suppress(OSError):  # Windows removes no open file; an unlocked one is in nobody's way
            (folder / _LOCK).unlink()
        file.close()
        with suppress(OSError):  # it is not empty, as a rule
            folder.rmdir()


def _lock(folder: Path) -> IO[str]:
    path = folder / _LOCK
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
                "name another --out"
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


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Writes `settings.json` in one step: whoever finds it finds all of it."""
    text = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    write_text(folder / "settings.json", text)


def read_settings(folder: Path) -> dict[str, Any] | None:
    """What `write_settings` wrote for the run in a folder; None if no run was begun there."""
    try:
        return read_json_object((folder / "settings.json").read_bytes(), "settings.json")
    except FileNotFoundError:
        return None


def next_folder(path: str | Path) -> Path:
    """The path itself, or the first of path-2, path-3, ... that does not exist yet."""
    folder, number = Path(path), 2
    while folder.exists():
        folder = Path(f"{path}-{number}")
        number += 1
    return folder
