"""A folder of shards: written once, checked when it is opened, mapped into memory.

manifest.json             what the folder holds, and how it was made; written last
00000-00000.ids.npy       (T,) uint16 or uint32: a shard's ids
00000-00000.sentences.npy (S + 1,) int64: where its sentences begin, in ids
00000-00000.documents.npy (C + 1,) int64: where its documents begin, in sentences
00000-00000.marks.npy     (T,) uint8, if asked for: what its tokens begin; see `shards.py`
vocab.txt, ...            the tokenizer, as `Tokenizer.save` writes it
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kbert.data.shards.shards import Shard
from kbert.errors import KbertError
from kbert.files.atomic_files import sha256_of, write_array
from kbert.files.json_file import read_json_object
from kbert.text.tokenizer import Tokenizer

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
ARRAYS = ("ids", "sentences", "documents", "marks")
WORK = "work"  # where a folder that is not finished yet has its temporary files

_MOST_BYTES = 1 << 28  # of a manifest: some 400,000 shards
_KEYS = {
    "format_version": int,
    "kbert_version": str,
    "vocabulary": dict,
    "settings": dict,
    "inputs": list,
    "counts": dict,
    "shards": list,
    "files": dict,
}
_SHARD_NAME = re.compile(r"\d{5,}-\d{5,}")
_FILE_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")


@dataclass(frozen=True)
class ShardFolder:
    """An opened folder of shards.

    Attributes:
        folder: where it is; `Tokenizer.from_file(folder)` is the tokenizer.
        manifest: how it was made (`settings`), what it holds (`counts`, `shards`, `files`).
        shards: its shards in order, mapped into memory.
    """

    folder: Path
    manifest: dict[str, Any]
    shards: list[Shard]

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Raises KbertError if the shards were made by another tokenizer."""
        ours, theirs = self.manifest["vocabulary"], vocabulary_entry(tokenizer)
        if ours != theirs:
            raise KbertError(
                f"the shards in {self.folder} were made with a vocabulary of {ours['size']:,} "
                f"tokens (sha256 {ours['sha256'][:12]}), not with this one of {theirs['size']:,} "
                f"(sha256 {theirs['sha256'][:12]}); Tokenizer.from_file({str(self.folder)!r}) is "
                "theirs"
            )


def vocabulary_entry(tokenizer: Tokenizer) -> dict[str, Any]:
    """A tokenizer's size, and a hash of all that decides about ids: tokens, settings, scores."""
    charsmap = base64.b64encode(tokenizer.charsmap).decode()
    whole = [tokenizer.vocabulary, tokenizer.settings, tokenizer.scores, charsmap]
    text = json.dumps(whole, sort_keys=True)
    return {"size": len(tokenizer), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def open_shards(folder: str | Path, *, check_contents: bool = False) -> ShardFolder:
    """Opens a folder that `build_shards` wrote. No byte of it is ever run or unpickled.

    Checked are the manifest, that each file is there and has its size, and that the sentences and
    documents of each shard follow on one another. What is damaged within a file is found with
    `check_contents`, which reads everything.

    Args:
        folder: the folder.
        check_contents: whether to compare each file's sha256 with the manifest's, and each id with
            the size of the vocabulary.

    Raises:
        KbertError: if the folder is missing, not finished, of a newer format, damaged, or no
            folder of shards.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise KbertError(f"{folder}: the file {name} is missing")
        if path.stat().st_size != entry["bytes"]:
            raise KbertError(
                f"{path}: {path.stat().st_size:,} bytes where the manifest says "
                f"{entry['bytes']:,}; it is damaged, or another's"
            )
        if check_contents and sha256_of(path) != entry["sha256"]:
            raise KbertError(f"{path}: its sha256 is not the manifest's; it is damaged")
    size = manifest["vocabulary"]["size"]
    shards = [_open_shard(folder, entry, manifest) for entry in manifest["shards"]]
    for entry, shard in zip(manifest["shards"], shards, strict=True):
        if check_contents and shard.ids.max() >= size:
            raise KbertError(
                f"{folder}: shard {entry['name']} has the id {shard.ids.max()}, and the "
                f"vocabulary {size:,} tokens"
            )
    return ShardFolder(folder, manifest, shards)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        if (folder / WORK).is_dir():
            raise KbertError(
                f"{folder}: the shards are not finished; run recipes/build_shards.py with the same "
                "settings again, and it goes on"
            )
        raise KbertError(f"{folder}: no folder of shards: it has no {MANIFEST}")
    if path.stat().st_size > _MOST_BYTES:
        raise KbertError(f"{path}: larger than {_MOST_BYTES:,} bytes")
    manifest = read_json_object(path.read_bytes(), str(path), max_bytes=_MOST_BYTES)
    version = manifest.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise KbertError(
            f"{path}: format version {version}, and this kbert reads up to {FORMAT_VERSION}: "
            "update kbert"
        )
    wrong = [name for name, kind in _KEYS.items() if type(manifest.get(name)) is not kind]
    if wrong or set(manifest) != set(_KEYS):
        odd = [*wrong, *sorted(set(manifest) - set(_KEYS))][0]
        raise KbertError(f"{path}: no manifest of shards: {odd!r:.40} is missing, odd or unknown")
    vocabulary = manifest["vocabulary"]
    if not _is_count(vocabulary.get("size")) or not isinstance(vocabulary.get("sha256"), str):
        raise KbertError(f"{path}: vocabulary has a size and a sha256, not {vocabulary!r:.80}")
    for name, entry in manifest["files"].items():
        known = isinstance(entry, dict) and _is_count(entry.get("bytes"))
        if not known or not isinstance(entry.get("sha256"), str) or not _FILE_NAME.fullmatch(name):
            raise KbertError(f"{path}: not an entry of a file: {name!r:.40}: {entry!r:.80}")
    for entry in manifest["shards"]:
        named = isinstance(entry, dict) and _SHARD_NAME.fullmatch(str(entry.get("name")))
        counts = ("tokens", "sentences", "documents")
        if not named or not all(_is_count(entry.get(name)) for name in counts):
            raise KbertError(f"{path}: not an entry of a shard: {entry!r:.80}")
    return manifest


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _open_shard(folder: Path, entry: dict[str, Any], manifest: dict[str, Any]) -> Shard:
    tokens, sentences, documents = (entry[name] for name in ("tokens", "sentences", "documents"))
    id_type = ids_dtype(manifest["vocabulary"]["size"])
    wanted = {
        "ids": (id_type, tokens),
        "sentences": (np.dtype("<i8"), sentences + 1),
        "documents": (np.dtype("<i8"), documents + 1),
        "marks": (np.dtype("u1"), tokens),
    }
    arrays: dict[str, np.ndarray] = {}
    for kind, (dtype, length) in wanted.items():
        name = f"{entry['name']}.{kind}.npy"
        if name in manifest["files"]:
            arrays[kind] = _map_array(folder / name, dtype, length)
        elif kind != "marks":
            raise KbertError(f"{folder / MANIFEST}: lists the shard {entry['name']}, but no {name}")
    for kind, end in (("sentences", tokens), ("documents", sentences)):
        starts = arrays[kind]
        if starts[0] != 0 or starts[-1] != end or (np.diff(starts) <= 0).any():
            raise KbertError(
                f"{folder / entry['name']}.{kind}.npy: the starts do not rise from 0 to {end}; it "
                "is damaged"
            )
    return Shard(arrays["ids"], arrays["sentences"], arrays["documents"], arrays.get("marks"))


def _map_array(path: Path, dtype: np.dtype, length: int) -> np.ndarray:
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        raise KbertError(f"{path}: not an array that numpy can map ({error})") from error
    if array.dtype != dtype or array.shape != (length,):
        raise KbertError(
            f"{path}: expected {dtype} of shape ({length},), got {array.dtype} of {array.shape}"
        )
    return array


def ids_dtype(vocab_size: int) -> np.dtype:
    """What ids are stored as: uint16 where the vocabulary allows, else uint32."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def write_shard(folder: Path, work: Path, name: str, shard: Shard) -> dict[str, dict[str, Any]]:
    """Writes a shard's arrays; returns the manifest's entries of its files."""
    arrays = (shard.ids, shard.sentence_starts, shard.document_starts, shard.marks)
    files = {}
    for kind, array in zip(ARRAYS, arrays, strict=True):
        if array is not None:
            path = folder / f"{name}.{kind}.npy"
            write_array(path, array, work)
            files[path.name] = file_entry(path)
    return files


def file_entry(path: Path) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
