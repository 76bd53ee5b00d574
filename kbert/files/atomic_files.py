"""Files that are whole or not there: written beside, brought to the disk, then renamed."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def written_beside(path: Path, work: Path | None = None) -> Iterator[Path]:
    """Gives a path to write to; what is there at the end of the `with` statement gets its name.

    Where the statement ends in an error, nothing is left of it, and a former file is as it was. A
    process that is killed leaves a hidden file, `.model-1f2e3d4c.keras` for model.keras.

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
    temporary = (work or path.parent) / f".{path.stem}-{secrets.token_hex(4)}{path.suffix}"
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


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
