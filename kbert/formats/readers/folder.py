"""A checkpoint folder that somebody shared: which of its files may be opened."""

import re
from pathlib import Path

from kbert.errors import KbertError

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")


def find_file(folder: str | Path, name: str) -> Path | None:
    """Finds a file of a folder.

    A link counts only where it leads to a file in the folder itself, or in the `blobs` folder
    beside a Hugging Face cache's `snapshots`, whose folders, and those within them, hold nothing
    but links. So a folder from elsewhere cannot make kbert open the rest of the disk, nor wait for
    a pipe or a device.

    Args:
        folder: the folder.
        name: a plain file name, without any folder.

    Returns:
        The file, links followed, or None if there is none.

    Raises:
        KbertError: if the name is not plain, or it names a link out of the folder or no regular
            file.
    """
    if not _PLAIN_NAME.fullmatch(name):
        raise KbertError(f"{folder}: {name!r:.80} is not a plain file name")
    home = Path(folder).resolve()
    path = home / name
    return _target(home, path) if path.is_symlink() or path.exists() else None


def _target(home: Path, path: Path) -> Path:
    """The file that a file or link of a folder is; KbertError if it is none, or lies elsewhere."""
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise KbertError(f"{path} is not a file ({error})") from None
    allowed = [home]
    for folder in (home.parent, home.parent.parent):  # of a checkpoint, or of a part of it
        if folder.name == "snapshots":
            allowed.append(folder.parent / "blobs")
    if target.parent not in allowed:
        raise KbertError(
            f"{path} is a link out of its folder, to {target}; if you trust it, put the file "
            "itself into the folder"
        )
    if not target.is_file():
        raise KbertError(f"{path} is not a file")
    return target


def find_folder(folder: str | Path, name: str) -> Path:
    """Finds a folder within a folder.

    Args:
        folder: the folder.
        name: a plain name, without any folder before it.

    Raises:
        KbertError: if the name is not plain, there is no such folder, or it is a link.
    """
    if not _PLAIN_NAME.fullmatch(name):
        raise KbertError(f"{folder}: {name!r:.80} is not a plain name of a folder in it")
    path = Path(folder, name)
    if path.is_symlink():
        raise KbertError(f"{path} is a link; if you trust it, put the folder itself there")
    if not path.is_dir():
        raise KbertError(f"{folder}: has no folder {name!r}")
    return path


def check_links(folder: str | Path) -> None:
    """Raises KbertError if a folder holds a link that `find_file` would not follow."""
    home = Path(folder).resolve()
    for entry in home.iterdir():
        if entry.is_symlink():
            _target(home, entry)


def read_file(path: Path, max_bytes: int) -> bytes:
    """The bytes of a small file; KbertError if there are more than `max_bytes`."""
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise KbertError(f"{path} has more than {max_bytes:,} bytes, the most that such a file may")
    return data
