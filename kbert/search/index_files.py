"""What an index's folder holds, read as from a stranger.

manifest.json     what the folder holds, and which model made it; written last
vectors.bin       (N, E) the vectors, end to end, in the manifest's precision
texts.bin         the N texts, if there are some, and texts.starts.bin; see `strings.py`
ids.bin           the N ids, if there are some, and ids.starts.bin
progress.json     in the place of a manifest: how far a build is that has not come to its end

All numbers are little-endian; nothing in the folder is code.
"""

from pathlib import Path
from typing import Any

from kbert.errors import KbertError
from kbert.files.atomic_files import sha256_of
from kbert.files.json_file import read_json_object
from kbert.search.precisions import PRECISIONS, vector_bytes

MANIFEST, PROGRESS, VECTORS = "manifest.json", "progress.json", "vectors.bin"
COLUMNS = ("texts", "ids")
FORMAT_VERSION = 1

_MOST_BYTES = 1 << 16  # of a manifest
_KINDS = {
    "format_version": int,
    "kbert_version": str,
    "source": str,
    "model": (str, type(None)),
    "dimension": int,
    "precision": str,
    "columns": list,
    "count": int,
    "files": dict,
}


def files_of(columns: list[str]) -> list[str]:
    """The names of an index's files, its manifest aside."""
    return [VECTORS, *(f"{name}{end}" for name in columns for end in (".bin", ".starts.bin"))]


def read_manifest(folder: Path, name: str = MANIFEST) -> dict[str, Any]:
    """What a manifest says, or the progress of a build, whose files have no sha256 yet.

    Raises:
        KbertError: if it is none, or of a newer format.
    """
    path = folder / name
    if path.stat().st_size > _MOST_BYTES:
        raise KbertError(f"{path}: larger than {_MOST_BYTES:,} bytes")
    manifest = read_json_object(path.read_bytes(), str(path), max_bytes=_MOST_BYTES)
    version = manifest.get("format_version")
    if type(version) is int and version > FORMAT_VERSION:
        raise KbertError(
            f"{path}: format version {version}, and this kbert reads up to {FORMAT_VERSION}: "
            "update kbert"
        )
    for key in (*_KINDS, *sorted(set(manifest) - set(_KINDS))):
        kind = _KINDS.get(key)
        value = manifest.get(key)
        if kind is None or key not in manifest or not isinstance(value, kind) or value is True:
            raise KbertError(f"{path}: not of an index: {key!r:.40} is {value!r:.80}")
    columns, dimension = manifest["columns"], manifest["dimension"]
    if manifest["precision"] not in PRECISIONS or manifest["count"] < 0 or dimension < 1:
        said = {key: manifest[key] for key in ("precision", "count", "dimension")}
        raise KbertError(f"{path}: no index has {said}")
    if columns not in ([], ["texts"], ["ids"], ["texts", "ids"]):
        raise KbertError(f"{path}: columns are texts and ids, not {columns!r:.80}")
    if sorted(manifest["files"]) != sorted(files_of(columns)):
        raise KbertError(f"{path}: its files are {sorted(manifest['files'])!r:.200}")
    for name, entry in manifest["files"].items():
        size = entry.get("bytes") if isinstance(entry, dict) else None
        if type(size) is not int or size < 0 or not isinstance(entry.get("sha256", ""), str):
            raise KbertError(f"{path}: not the entry of a file: {name}: {entry!r:.80}")
    return manifest


def check_files(folder: Path, manifest: dict[str, Any], check_contents: bool) -> None:
    """Whether each file is there and has its size, and on request its sha256.

    Raises:
        KbertError: if one does not.
    """
    wanted = manifest["count"] * vector_bytes(manifest["precision"], manifest["dimension"])
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise KbertError(f"{folder}: the file {name} is missing")
        size = path.stat().st_size
        if size != entry["bytes"] or (name == VECTORS and size != wanted):
            said = wanted if name == VECTORS else entry["bytes"]
            raise KbertError(
                f"{path}: {size:,} bytes where the manifest says {said:,}; it was cut short, is "
                "damaged, or another's"
            )
        if check_contents and sha256_of(path) != entry.get("sha256"):
            raise KbertError(f"{path}: its sha256 is not the manifest's; it is damaged")
