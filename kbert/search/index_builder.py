"""Vectors and texts into an index's folder; a build that was killed goes on.

    texts, ids -> STEP of them -> vectors -> unit length -> precision -> the ends of the files
                                                         -> progress.json: how far it is
    ... -> manifest.json

What stands behind the sizes that progress.json names is left of a step that was not finished, and
is cut off. Texts that are done are compared with those on the disk, and not encoded again.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kbert.errors import KbertError, counted
from kbert.files.atomic_files import sha256_of, sync_folder, write_json
from kbert.files.folder_lock import LOCK, locked
from kbert.search.index_files import (
    FORMAT_VERSION,
    MANIFEST,
    PROGRESS,
    VECTORS,
    check_files,
    files_of,
    read_manifest,
)
from kbert.search.precisions import checked, checked_precision, in_precision, unit
from kbert.search.strings import STARTS, Strings
from kbert.version import VERSION

STEP = 4096  # vectors; a build that is killed loses no more
_HIDDEN = re.compile(r"\.(progress|manifest)-")  # what a process left that was killed at writing it

Watch = Callable[[int], None]  # of how many are in the index


def build_index(
    folder: Path,
    vectors_of: Callable[[int, int, list[str]], np.ndarray],
    *,
    source: str,
    model: str | None,
    dimension: int,
    precision: str,
    columns: dict[str, Iterable[str]],
    total: int | None,
    watch: Watch,
) -> None:
    """Builds an index, or goes on where a former build of the same was killed.

    Args:
        folder: new, empty, or what a former build left.
        vectors_of: gives (n, E) vectors, those of a step: of its start, n and its texts.
        source: "texts", of which a killed build goes on, or "vectors", which begin anew.
        model: the fingerprint of what made the vectors, or None.
        dimension: E.
        precision: of the stored vectors.
        columns: "texts" and "ids", or one or none of them.
        total: how many vectors there are; None means as many as texts.
        watch: called after each step.

    Raises:
        KbertError: if the folder holds something else, or texts, ids and vectors are not as many.
        TypeError: if a text or id is no string.
    """
    checked_precision(precision, dimension)
    plan = {
        "format_version": FORMAT_VERSION,
        "source": source,
        "model": model,
        "dimension": dimension,
        "precision": precision,
        "columns": list(columns),
    }
    iterators = {name: iter(given) for name, given in columns.items()}
    with locked(folder):
        finished, sizes, done = _begin(folder, plan)
        if finished or done:
            _skip(folder, iterators, done)
        if finished:
            if _take(iterators, 1, done):
                raise KbertError(
                    f"{folder} is an index of {done:,}, and there are more now: build the new one "
                    "in another folder"
                )
            (folder / PROGRESS).unlink(missing_ok=True)  # it was killed at the very end
            return
        for start, count, part in _steps(iterators, done, total):
            given = vectors_of(start, count, part.get("texts", []))
            vectors = checked("vectors", given, dimension, first=start)
            if len(vectors) != count:
                raise KbertError(f"{counted(count, 'text')} gave {counted(len(vectors), 'vector')}")
            encoded = in_precision(unit(vectors.astype(np.float64)), precision)
            _append(folder, sizes, VECTORS, encoded.tobytes())
            for name, strings in part.items():
                _append_strings(folder, sizes, name, strings, start)
            done = start + count
            if source == "texts":
                _keep(folder, plan, sizes, done)
            watch(done)
        _finish(folder, plan, done)


def _steps(
    iterators: dict[str, Iterator[str]], start: int, total: int | None
) -> Iterator[tuple[int, int, dict[str, list[str]]]]:
    """What is to be added: from which number on, how many, and their texts and ids."""
    while total is None or start < total:
        size = STEP if total is None else min(STEP, total - start)
        part = _take(iterators, size, start)
        count = len(next(iter(part.values()), [])) if iterators else size
        if not count:
            break
        yield start, count, part
        start += count
    if total is not None and (start < total or _take(iterators, 1, start)):
        less = "fewer" if start < total else "more"
        raise KbertError(f"there are {total:,} vectors, and {less} texts or ids")


def _begin(folder: Path, plan: dict[str, Any]) -> tuple[bool, dict[str, int], int]:
    """Whether the index is finished, its files' sizes, and how many vectors it has."""
    names = files_of(plan["columns"])
    inside = {entry.name for entry in folder.iterdir() if not _HIDDEN.match(entry.name)} - {LOCK}
    known = MANIFEST if MANIFEST in inside else PROGRESS
    former = read_manifest(folder, known) if known in inside else None
    if former and former["count"]:
        for key, now in plan.items():
            if former[key] != now:
                raise KbertError(
                    f"{folder} holds an index that was made otherwise: {key} was "
                    f"{former[key]!r:.80} and is now {now!r:.80}; name another folder, or remove it"
                )
        if plan["source"] == "vectors":
            raise KbertError(f"{folder} holds an index; name another folder, or remove it")
        if known == MANIFEST:
            check_files(folder, former, check_contents=False)
        sizes = {name: former["files"][name]["bytes"] for name in names}
        for name, size in sizes.items():
            _cut(folder / name, size)
        return known == MANIFEST, sizes, former["count"]
    if inside and not former:
        raise KbertError(
            f"{folder} holds {sorted(inside)[0]!r}, and no index; name a folder that is new or "
            "empty"
        )
    sizes = dict.fromkeys(names, 0)
    _keep(folder, plan, sizes, 0)  # first of all: what stands in the folder from now on is ours
    for name in names:
        (folder / name).write_bytes(b"")
    for name in plan["columns"]:
        _append(folder, sizes, f"{name}.starts.bin", np.zeros(1, STARTS).tobytes())
    return False, sizes, 0


def _cut(path: Path, size: int) -> None:
    there = path.stat().st_size if path.is_file() else 0
    if there < size:
        raise KbertError(
            f"{path}: {there:,} bytes where {size:,} were written; it is damaged: remove the "
            "folder, and build again"
        )
    if there > size:
        with path.open("rb+") as file:
            file.truncate(size)


def _skip(folder: Path, iterators: dict[str, Iterator[str]], done: int) -> None:
    """Passes over what is done, if it is the same."""
    stored = {
        name: Strings(folder / f"{name}.bin", folder / f"{name}.starts.bin", done)
        for name in iterators
    }
    for start in range(0, done, STEP):
        size = min(STEP, done - start)
        part = _take(iterators, size, start)
        for name, given in part.items():
            pairs = zip(stored[name][start : start + size], given, strict=False)
            for i, (one, other) in enumerate(pairs, start):
                if one != other:
                    raise KbertError(
                        f"{folder} holds an index of other {name}: {name}[{i}] was {one!r:.80} and "
                        f"is now {other!r:.80}; name another folder, or remove it"
                    )
        if (count := len(next(iter(part.values()), []))) < size:
            raise KbertError(
                f"{folder} holds {counted(done, 'text')}, and now there are {start + count:,}"
            )


def _take(iterators: dict[str, Iterator[str]], size: int, start: int) -> dict[str, list[str]]:
    """The next of each column; nothing where no column has any."""
    taken = {name: list(islice(given, size)) for name, given in iterators.items()}
    counts = {name: len(each) for name, each in taken.items()}
    if len(set(counts.values())) > 1:
        ends = {name: start + count for name, count in counts.items()}
        raise KbertError(f"texts and ids are as many as each other, not {ends}")
    for name, each in taken.items():
        for i, string in enumerate(each, start):
            if not isinstance(string, str):
                raise TypeError(f"{name}[{i}] is {string!r:.80}: expected a str")
    return taken if any(counts.values()) else {}


def _append(folder: Path, sizes: dict[str, int], name: str, data: bytes) -> None:
    with (folder / name).open("ab") as file:
        file.write(data)
    sizes[name] += len(data)


def _append_strings(
    folder: Path, sizes: dict[str, int], name: str, strings: list[str], start: int
) -> None:
    encoded = []
    for i, string in enumerate(strings, start):
        try:
            encoded.append(string.encode())
        except UnicodeEncodeError as error:
            raise KbertError(f"{name}[{i}] holds a lone surrogate ({error})") from None
    ends = np.cumsum([len(each) for each in encoded], dtype=STARTS) + sizes[f"{name}.bin"]
    _append(folder, sizes, f"{name}.bin", b"".join(encoded))
    _append(folder, sizes, f"{name}.starts.bin", ends.astype(STARTS).tobytes())


def _keep(folder: Path, plan: dict[str, Any], sizes: dict[str, int], count: int) -> None:
    """Says how far the build is, once all of that is on the disk."""
    files = {name: {"bytes": size} for name, size in sizes.items()}
    _sync(folder, [name for name, size in sizes.items() if size])
    write_json(folder / PROGRESS, _manifest(plan, count, files))


def _finish(folder: Path, plan: dict[str, Any], count: int) -> None:
    if not count:
        raise KbertError("there are no texts or vectors to build an index of")
    names = files_of(plan["columns"])
    _sync(folder, names)
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in names
    }
    write_json(folder / MANIFEST, _manifest(plan, count, files))
    (folder / PROGRESS).unlink()


def _manifest(plan: dict[str, Any], count: int, files: dict[str, Any]) -> dict[str, Any]:
    return {**plan, "kbert_version": VERSION, "count": count, "files": files}


def _sync(folder: Path, names: list[str]) -> None:
    for name in names:
        with (folder / name).open("rb+") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
