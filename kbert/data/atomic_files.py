"""Files that are whole or not there: written beside, brought to the disk, then renamed."""

import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np


def write_array(path: Path, array: np.ndarray, work: Path) -> None:
    """Writes a .npy file in one step; `work` is where it may stand until it is whole.

    `work` is on the same disk, and outlives nobody: what a killed process leaves there is waste.
    """
    temporary = _temporary(path, work)
    with temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        _bring_to_disk(file)
    _rename(temporary, path)


def write_text(path: Path, text: str, work: Path) -> None:
    """Writes a text file in UTF-8 in one step; see `write_array`."""
    temporary = _temporary(path, work)
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        _bring_to_disk(file)
    _rename(temporary, path)


def write_json(path: Path, value: Any, work: Path) -> None:
    """Writes JSON in one step, the same bytes for the same value; see `write_array`."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n", work)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(path: Path, work: Path) -> Path:
    return work / f"{path.name}.{os.getpid()}.tmp"


def _bring_to_disk(file: IO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    if os.name == "posix":  # so that the new name outlives a power cut
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
