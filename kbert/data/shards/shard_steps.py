"""The steps from files to shards: functions of (folder, name), which any process can run.

A step reads what the steps before it wrote into `work/`, and `work/plan.json`; it ends by writing
`work/STEP/NAME.json`, which says that it is done. `shard_builder.py` has the order.

    work/read/GROUP-UNIT.txt    a line a paragraph, a blank line between documents
    work/clean/GROUP-UNIT.txt   the same, cleaned; and .npy, its hashes
    work/compare/SHARE.npy      which lines and documents stood before
    GROUP-UNIT.ids.npy, ...     a shard
"""

import json
from collections import Counter
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kbert.data.corpus.cleaning import clean
from kbert.data.corpus.corpus import Document, read_paragraphs
from kbert.data.corpus.duplicates import drop, find_later, hash_unit, share_of
from kbert.data.shards.shard_files import WORK, write_shard
from kbert.data.shards.shards import encode_documents
from kbert.errors import KbertError
from kbert.files.atomic_files import write_array, write_json, write_text
from kbert.text.korean.morphemes import Morphemes
from kbert.text.korean.sentences import split_sentences, split_sentences_by_kiwi
from kbert.text.korean.web import WEB_CLEANERS
from kbert.text.tokenizer import Tokenizer

PLAN, UNITS = "plan.json", "units.json"
SPLITTERS = {"rule": split_sentences, "kiwi": split_sentences_by_kiwi, "lines": str.splitlines}


def read_group(folder: str, group: str) -> None:
    """A group of files into units of text: a line a paragraph, a blank line behind a document."""
    work, plan = Path(folder, WORK), _plan(folder)
    settings, units = plan["settings"], []
    parts: list[str] = []
    size, path = 0, ""

    def end_unit() -> None:
        unit = f"{group}-{len(units):05d}"
        try:
            write_text(work / "read" / f"{unit}.txt", "\n\n".join(parts), work)
        except UnicodeEncodeError as error:
            raise KbertError(f"{path}: a text holds a lone surrogate ({error})") from None
        units.append(unit)
        parts.clear()

    for path in plan["groups"][int(group)]:
        for lines in read_paragraphs(Path(path), settings["encoding"], settings["field"]):
            text = "\n".join(stripped for line in lines if (stripped := line.strip()))
            if text:
                parts.append(text)
                size += len(text)
            if size >= settings["characters"]:
                end_unit()
                size = 0
    if parts:
        end_unit()
    write_json(work / "read" / f"{group}.json", units, work)


def clean_unit(folder: str, unit: str) -> None:
    """A unit without what cleaning drops, and the hashes of what it keeps."""
    work, settings = Path(folder, WORK), _plan(folder)["settings"]
    read = work / "read" / f"{unit}.txt"
    documents = _documents(read)
    if settings["web_text"]:
        plainer = WEB_CLEANERS[settings["web_text"]]
        documents = [[plainer(line) for line in document] for document in documents]
    documents, counts = clean(
        documents, boilerplate=settings["boilerplate"], min_hangul=settings["min_hangul"]
    )
    text = "\n\n".join("\n".join(document) for document in documents)
    write_text(work / "clean" / f"{unit}.txt", text, work)
    if settings["duplicate_documents"] or settings["duplicate_lines"]:
        hashes = hash_unit(
            documents,
            lines=settings["duplicate_lines"] is not None,
            whole=settings["duplicate_documents"],
            min_length=settings["duplicate_lines"] or 1,
        )
        write_array(work / "clean" / f"{unit}.npy", hashes, work)
    came = {f"{name}_read": counts.pop(name) for name in ("documents", "lines")}
    write_json(work / "clean" / f"{unit}.json", {"counts": {**came, **counts}}, work)
    read.unlink()


def compare_share(folder: str, share: str) -> None:
    """Who came later, among the hashes of a share."""
    work = Path(folder, WORK)
    hashes = [
        np.array(share_of(np.load(work / "clean" / f"{unit}.npy", mmap_mode="r"), int(share)))
        for unit in _all_units(folder)
    ]
    write_array(work / "compare" / f"{share}.npy", find_later(hashes), work)
    write_json(work / "compare" / f"{share}.json", {}, work)


def encode_unit(folder: str, unit: str) -> None:
    """A unit without duplicates, as a shard."""
    work, plan = Path(folder, WORK), _plan(folder)
    settings = plan["settings"]
    documents = _documents(work / "clean" / f"{unit}.txt")
    counts: Counter[str] = Counter()
    if settings["duplicate_documents"] or settings["duplicate_lines"]:
        number, indices = _all_units(folder).index(unit), []
        for path in sorted((work / "compare").glob("*.npy")):
            later = np.load(path, mmap_mode="r")
            start, end = np.searchsorted(later["unit"], [number, number + 1])
            indices.append(later["index"][start:end])
        documents, counts = drop(documents, np.concatenate(indices))
    split = SPLITTERS[settings["sentences"]]
    documents = [[one for line in document for one in split(line)] for document in documents]
    name = settings["morphemes"] and settings["morphemes"]["name"]
    shard = encode_documents(
        documents,
        _tokenizer(folder, plan["vocabulary"]["sha256"]),
        eojeols=settings["eojeols"],
        morphemes=_analyser(name) if name else None,
        may_be_empty=True,
    )
    files = write_shard(Path(folder), work, unit, shard) if len(shard.ids) else {}
    size = {
        "tokens": len(shard.ids),
        "sentences": shard.num_sentences,
        "documents": shard.num_documents,
    }
    done = {"counts": counts, "shard": size, "files": files}
    write_json(work / "encode" / f"{unit}.json", done, work)


def _documents(path: Path) -> list[Document]:
    text = path.read_bytes().decode()  # not read_text, which makes a line break of a lone \r
    return [document.split("\n") for document in text.split("\n\n")] if text else []


def read_json(path: Path) -> Any:
    """What a file of a run that is not finished says."""
    return json.loads(path.read_bytes())


# What a process keeps from one task to the next. It may live longer than a folder, so none of it is
# kept by the folder's name alone.


def _plan(folder: str) -> dict[str, Any]:
    return _as_read(Path(folder, WORK, PLAN))


def _all_units(folder: str) -> list[str]:
    return _as_read(Path(folder, WORK, UNITS))


def _as_read(path: Path) -> Any:
    return _read_once(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_once(path: Path, changed: int) -> Any:
    return read_json(path)


@lru_cache(maxsize=2)
def _tokenizer(folder: str, sha256: str) -> Tokenizer:
    return Tokenizer.from_file(folder)


@cache
def _analyser(name: str) -> Morphemes:
    return Morphemes(name)
