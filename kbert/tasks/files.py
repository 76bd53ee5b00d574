"""The text of a set's file, and which file of a folder it is."""

import lzma
from collections.abc import Sequence
from pathlib import Path

from kbert.errors import KbertError


def find_file(folder: Path, patterns: Sequence[str]) -> Path:
    """The file of a folder that fits the first pattern that any fits, also packed as ".xz".

    Where the folder has none, the folders in it are looked through: KLUE's repository has one a
    set.

    Raises:
        KbertError: if none fits, or several fit one pattern.
    """
    if not folder.is_dir():
        raise KbertError(f"{folder} is neither a folder nor a file")
    for pattern in (*patterns, *(f"*/{pattern}" for pattern in patterns)):
        found = sorted({*folder.glob(pattern), *folder.glob(f"{pattern}.xz")})
        if len(found) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in found)
            raise KbertError(f"{folder} has several such files: {names}; name one of them")
        if found:
            return found[0]
    raise KbertError(f"{folder} has no file like {' or '.join(patterns)}, nor one with .xz")


def read_text(path: Path) -> str:
    """The text of a file, whole: UTF-8, with a byte order mark or without, also as .xz.

    Raises:
        KbertError: if it cannot be read, or is damaged, or not UTF-8.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise KbertError(f"{path} cannot be read: {error}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        byte = data[error.start]
        raise KbertError(f"{path}, row {row}: not UTF-8, but the byte {byte:#x}") from None


def lines_of(path: Path) -> list[str]:
    """The lines of a file; a line ends at a line feed, with or without a carriage return."""
    lines = read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line[:-1] if line.endswith("\r") else line for line in lines]
