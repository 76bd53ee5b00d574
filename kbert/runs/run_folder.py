"""The folder of a run: made if need be, never emptied unasked, used by one run at a time."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kbert.errors import KbertError
from kbert.files.atomic_files import write_text
from kbert.files.folder_lock import LOCK, locked
from kbert.files.json_file import read_json_object

# What runs write. A folder with anything else in it is somebody's, and stays as it is.
RUN_FILES = (
    "log.jsonl",
    "heldout.jsonl",
    "curves.png",
    "model.keras",
    "generator.keras",
    "vocab.txt",
    "tokenizer_settings.json",
    "settings.json",
    "report.json",
    "report.png",
    "best.keras",
    "report.html",
    "predictions.csv",
    "scores.json",
    "checkpoints",
    "tensorboard",
)
_SEED = re.compile(r"seed-\d+")  # a folder for each of several runs that differ in nothing else


def leftovers(folder: Path) -> list[Path]:
    """What killed runs half wrote: the hidden names of `atomic_files.written_beside`, no others."""
    names = "|".join(re.escape(Path(name).stem) for name in RUN_FILES)
    ends = "|".join(re.escape(Path(name).suffix) for name in RUN_FILES if Path(name).suffix)
    ours = re.compile(rf"\.({names})-[0-9a-f]{{8}}({ends})")
    return [path for path in folder.glob(".*") if ours.fullmatch(path.name) and path.is_file()]


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
        raise KbertError(f"{folder} is a file; name a folder")
    inside = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    inside = [name for name in inside if folder / name not in leftovers(folder)]
    strangers = [name for name in inside if not _is_of_a_run(name)]
    if strangers:
        raise KbertError(
            f"the folder {folder} holds {strangers[0]!r}, which no run of kbert wrote; "
            "name another folder"
        )
    inside = [name for name in inside if name != LOCK]
    if inside and not overwrite:
        raise KbertError(
            f"the folder {folder} holds a former run ({', '.join(inside)}); name another folder, "
            "or replace it with overwrite=True"
        )


def _is_of_a_run(name: str) -> bool:
    return name in (*RUN_FILES, LOCK) or bool(_SEED.fullmatch(name))


def claim_folder(path: str | Path, overwrite: bool = False) -> Path:
    """Makes the folder of a run, empty; see `check_folder` for what it refuses.

    A recipe checks first and claims late, so that an error in between costs nobody a former run.
    """
    check_folder(path, overwrite)
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in leftovers(folder):
        leftover.unlink()
    # The settings say that a run was begun here, so they go first, and the model, which says that
    # it was finished, next.
    names = [*RUN_FILES, *(path.name for path in folder.iterdir() if _SEED.fullmatch(path.name))]
    for name in sorted(names, key=("settings.json", "model.keras").__contains__, reverse=True):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        (folder / name).unlink(missing_ok=True)
    return folder


@contextmanager
def locked_folder(path: str | Path) -> Iterator[Path]:
    """Keeps other runs out of a folder, as `locked` does; what a killed run half wrote goes.

    Raises:
        KbertError: if the path is a file, or another process has the folder.
    """
    with locked(path) as folder:
        for leftover in leftovers(folder):
            leftover.unlink()
        yield folder


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Writes `settings.json` in one step: whoever finds it finds all of it.

    Raises:
        KbertError: if it cannot be written.
    """
    text = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    path = folder / "settings.json"
    try:
        write_text(path, text)
    except OSError as error:
        raise KbertError(f"{path} cannot be written: {error}") from error


def read_settings(folder: Path) -> dict[str, Any] | None:
    """What `write_settings` wrote for the run in a folder; None if no run was begun there."""
    try:
        return read_json_object((folder / "settings.json").read_bytes(), "settings.json")
    except FileNotFoundError:
        return None


def begin_run(
    folder: Path, settings: dict[str, Any], overwrite: bool = False, sources: Iterable[str] = ()
) -> None:
    """Makes a folder this run's, or sees that the run in it was begun with the same settings.

    Args:
        folder: locked by this run.
        settings: what a run that goes on must have in common with the one that began.
        overwrite: whether a former run goes, whatever it was.
        sources: the models that the run reads, as `kbert.load` takes them.

    Raises:
        KbertError: if a former run had other settings, or is to go and holds a source; as
            `claim_folder`.
    """
    for source in sources if overwrite else ():
        if Path(source).resolve().is_relative_to(folder.resolve()):
            raise KbertError(
                f"{source} is in {folder}, which is emptied by overwrite=True: name another folder"
            )
    former = None if overwrite else read_settings(folder)
    if former is not None:
        return check_same(former, settings, f"the run in {folder}")
    claim_folder(folder, overwrite)
    write_settings(folder, settings)


def check_same(former: Mapping[str, Any], given: Mapping[str, Any], where: str) -> None:
    """Raises KbertError if settings differ from those of the run that is to be continued.

    Args:
        former: what the run was begun with.
        given: what it would be continued with; only these names are compared.
        where: what the former ones were read from.

    Example:
        >>> check_same({"seed": 0, "steps": 9}, {"seed": 1}, "runs/mine")
        Traceback (most recent call last):
        ...
        kbert.errors.KbertError: runs/mine was begun with seed 0, and this is 1; ...
    """
    plain = json.loads(json.dumps(dict(given)))
    unknown = [name for name in plain if name not in former]
    if unknown:
        raise KbertError(
            f"{where} was begun by another version of kbert, which did not have the setting "
            f"{' and '.join(unknown)}: continue it with that version, name another folder, or "
            "begin anew with overwrite=True"
        )
    differing = [name for name, value in plain.items() if former[name] != value]
    if differing:
        pairs = ", and ".join(
            f"{name} {former[name]!r}, and this is {plain[name]!r}" for name in differing[:3]
        )
        raise KbertError(
            f"{where} was begun with {pairs}; give the same to continue it, name another folder, "
            "or begin anew with overwrite=True"
        )


def next_folder(path: str | Path) -> Path:
    """The path itself, or the first of path-2, path-3, ... that does not exist yet."""
    folder, number = Path(path), 2
    while folder.exists():
        folder = Path(f"{path}-{number}")
        number += 1
    return folder
