"""Files that are whole or not there: written beside, brought to the disk, then renamed."""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from kbert.errors import KbertError


def as_path(path: Any) -> Path:
    """A path to write to.

    Raises:
        KbertError: if it is none.

    Example:
        >>> as_path("model.keras").suffix
        '.keras'
    """
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise KbertError(f"expected the path of a file or folder to write, not {path!r:.80}")
    return Path(path)


@contextmanager
def written_beside(path: Path, work: Path | None = None) -> Iterator[Path]:
    """Gives a path to write to; what is there at the end of the `with` statement gets its name.

    Where the statement ends in an error, nothing is left of it, and a former file is as it was. A
    process that is killed leaves a hidden file, `.model-1f2e3d4c.keras` for model.keras, which the
    next to write model.keras removes.

    Args:
        path: the file's name.
        work: a folder on the same disk in which it may stand until it is whole; None means that of
            the path.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.txt")
        ...     with written_beside(path) as temporary:
        ...         _ = temporary.write_text("국회")
        ...     path.read_text(), len(list(Path(folder).iterdir()))
        ('국회', 1)
    """
    temporary = _hidden(work or path.parent, path.stem, path.suffix)
    try:
        with temporary.open("xb") as held:
            _hold(held.fileno())
            yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def written_together(folder: Path) -> Iterator[Path]:
    """Gives a folder to write to; what is there at the end is moved into `folder`, file by file.

    So none of them is there before all are whole. Where the statement ends in an error, nothing is
    left of it, and files of the same names are as they were. What a killed process leaves, a hidden
    folder, the next to write there removes.

    Args:
        folder: where the files are to be; it is made if need be.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with written_together(Path(folder)) as work:
        ...         _ = (work / "a.txt").write_text("국회")
        ...         before = Path(folder, "a.txt").exists()
        ...     before, Path(folder, "a.txt").read_text()
        (False, '국회')
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    work = _hidden(folder, "written", "")
    work.mkdir()
    held = None if os.name == "nt" else os.open(work, os.O_RDONLY)
    try:
        if held is not None:
            _hold(held)
        yield work
        files = sorted(path for path in work.rglob("*") if path.is_file())
        for file in files:
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
        for file in files:
            place = folder / file.relative_to(work)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
        sync_folder(folder)
    finally:
        if held is not None:
            os.close(held)
        shutil.rmtree(work, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # it is not empty, as a rule
                folder.rmdir()


def _hidden(folder: Path, stem: str, suffix: str) -> Path:
    """A hidden name that nobody has; what is left by killed processes under such names goes."""
    pattern = re.compile(rf"\.{re.escape(stem)}-[0-9a-f]{{8}}{re.escape(suffix)}")
    for entry in folder.iterdir():
        if pattern.fullmatch(entry.name):
            with suppress(OSError):  # its writer is alive and holds it
                _remove_unless_held(entry)
    return folder / f".{stem}-{secrets.token_hex(4)}{suffix}"


def _remove_unless_held(entry: Path) -> None:
    if os.name == "nt":  # where an open file cannot be removed
        entry.unlink()
        return
    descriptor = os.open(entry, os.O_RDONLY)
    try:
        _lock(descriptor)
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    finally:
        os.close(descriptor)


def _hold(descriptor: int) -> None:
    with suppress(OSError):  # a disk without locks: there nothing is taken for left over, either
        _lock(descriptor)


def _lock(descriptor: int) -> None:
    """Locks an open file until it is closed or its process ends; OSError if another has it."""
    if os.name == "nt":
        return
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_array(path: Path, array: np.ndarray, work: Path | None = None) -> None:
    """Writes a .npy file in one step; see `written_beside`."""
    with written_beside(path, work) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def write_text(path: Path, text: str, work: Path | None = None) -> None:
    """Writes a text file in UTF-8 in one step; see `written_beside`."""
    with written_beside(path, work) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any, work: Path | None = None) -> None:
    """Writes JSON in one step, the same bytes for the same value; see `written_beside`."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n", work)


def write_through(path: Path, chunks: Iterable[bytes]) -> tuple[str, int]:
    """Writes a file through to the disk, under its own name: for a folder that has none yet.

    Returns:
        Its sha256 in hexadecimal, and its size in bytes.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def sync_folder(path: Path) -> None:
    """Brings the names in a folder to the disk, so that they outlive a power cut.

    Windows has no way to ask for it.
    """
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
