"""The folder of a run: made if need be, and never emptied unasked."""

from pathlib import Path

from kbert.errors import KbertError

# What runs write. A folder with anything else in it is somebody's, and stays as it is.
RUN_FILES = (
    "log.jsonl",
    "model.keras",
    "vocab.txt",
    "tokenizer_settings.json",
    "settings.json",
    "report.json",
    "report.png",
)


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
    strangers = [name for name in inside if name not in RUN_FILES]
    if strangers:
        raise KbertError(
            f"the folder {folder} holds {strangers[0]!r}, which no run of kbert wrote; "
            "name another --out"
        )
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
    for name in RUN_FILES:
        (folder / name).unlink(missing_ok=True)
    return folder


def next_folder(path: str | Path) -> Path:
    """The path itself, or the first of path-2, path-3, ... that does not exist yet."""
    folder, number = Path(path), 2
    while folder.exists():
        folder = Path(f"{path}-{number}")
        number += 1
    return folder
