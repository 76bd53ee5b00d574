"""A corpus of any size into a folder of shards: on all cores, in bounded memory, resumable.

    files -> units of text -> cleaned, and hashed -> who came later -> shards -> manifest
             (read)           (clean)                (compare)         (encode)

Each step is a function of (folder, name) that reads files, writes files and knows of nothing else:
so it may run in any process of any machine, in any order, and gives the same bytes. It ends by
writing one file that says that it is done. A run that was killed leaves out what is done.

A unit is some `characters` of whole documents, all from one group of files; a group is a file, or
as many small ones as make a unit. Documents keep the order of the files.

Memory of a process: some 60 bytes a character of a unit, and what a file needs to be read (see
`read_documents`). Disk, until the end: the text itself, once or twice.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kbert.data.atomic_files import write_array, write_json, write_text
from kbert.data.cleaning import MIN_HANGUL, clean
from kbert.data.corpus import Document, check_encoding, corpus_files, read_paragraphs
from kbert.data.duplicates import MIN_LENGTH, SHARES, drop, find_later, hash_unit, share_of
from kbert.data.engines import Run
from kbert.data.shard_files import (
    FORMAT_VERSION,
    MANIFEST,
    WORK,
    file_entry,
    open_shards,
    vocabulary_entry,
    write_shard,
)
from kbert.data.shards import encode_documents
from kbert.errors import KbertError
from kbert.text.morphemes import Morphemes, import_analyser
from kbert.text.sentences import split_sentences, split_sentences_by_kiwi
from kbert.text.tokenizer import Tokenizer
from kbert.text.tokenizer_files import TOKENIZER_FILES

CHARACTERS = 8_000_000
SPLITTERS = {"rule": split_sentences, "kiwi": split_sentences_by_kiwi, "lines": str.splitlines}
_PLAN, _UNITS = "plan.json", "units.json"

Watch = Callable[[str, int, int], None]  # of a step, how many are done, how many there are


def build_shards(
    paths: Iterable[str | Path],
    tokenizer: Tokenizer,
    folder: str | Path,
    run: Run,
    *,
    encoding: str = "utf-8",
    field: str = "text",
    boilerplate: bool = True,
    min_hangul: float = MIN_HANGUL,
    duplicate_lines: int | None = MIN_LENGTH,
    duplicate_documents: bool = True,
    sentences: Literal["rule", "kiwi", "lines"] = "rule",
    eojeols: bool = True,
    morphemes: str | None = None,
    characters: int = CHARACTERS,
    watch: Watch = lambda step, done, of: None,
) -> dict[str, Any]:
    """Builds a folder of shards, or goes on where a former run with the same settings was killed.

    Args:
        paths: files and folders; see `read_documents`.
        tokenizer: what makes ids of sentences; its files are saved beside the shards.
        folder: new, empty, or what a former run left.
        run: an engine; see `engines.py`.
        encoding: of text files.
        field: what .jsonl, .parquet and `datasets` call the text.
        boilerplate: whether to drop boilerplate lines; see `cleaning.py`.
        min_hangul: the least share of Hangul in a line, in [0, 1].
        duplicate_lines: a line of at least so many characters that stood before is dropped; None
            keeps all.
        duplicate_documents: whether to drop documents that stood before.
        sentences: what makes sentences of a line; "lines" leaves them as they are.
        eojeols: whether to mark the tokens that begin an eojeol.
        morphemes: an analyser (see `Morphemes`), to mark those that begin a morpheme.
        characters: how large a unit is; a shard is what is left of one.
        watch: called when a task of a step is done.

    Returns:
        The manifest.

    Raises:
        KbertError: if the folder holds something else, or another run's shards; or a file or
            setting is wrong.
    """
    folder = Path(folder)
    check_encoding(encoding)
    least = characters if duplicate_lines is None else min(characters, duplicate_lines)
    if sentences not in SPLITTERS or least < 1:
        raise KbertError(
            f"sentences is one of {', '.join(SPLITTERS)}, and characters and duplicate_lines are "
            f"numbers from 1, not {sentences!r:.40}, {characters!r:.40}, {duplicate_lines!r:.40}"
        )
    clean([], min_hangul=min_hangul)  # for its check
    if sentences == "kiwi":
        import_analyser("kiwipiepy")  # for its check
    analyser = Morphemes(morphemes) if morphemes else None
    files = [path.resolve() for path in corpus_files(paths)]
    plan = {
        "format_version": FORMAT_VERSION,
        "kbert_version": version("kbert"),
        "vocabulary": vocabulary_entry(tokenizer),
        "settings": {
            "encoding": encoding,
            "field": field,
            "boilerplate": boilerplate,
            "min_hangul": min_hangul,
            "duplicate_lines": duplicate_lines,
            "duplicate_documents": duplicate_documents,
            "sentences": sentences,
            "eojeols": eojeols,
            "morphemes": analyser and {"name": analyser.name, **analyser.versions},
            "characters": characters,
        },
        "inputs": [{"name": path.name, "bytes": _size(path)} for path in files],
    }
    if _is_finished(folder, plan):
        return open_shards(folder).manifest
    work = folder / WORK
    groups = _groups(files, characters)
    _begin(folder, {**plan, "groups": groups}, tokenizer)

    def do(step: str, task: Callable[[str, str], None], names: list[str]) -> None:
        (work / step).mkdir(exist_ok=True)
        left = [name for name in names if not (work / step / f"{name}.json").exists()]
        watch(step, len(names) - len(left), len(names))
        for done, _ in enumerate(run(task, str(folder), left), len(names) - len(left) + 1):
            watch(step, done, len(names))

    do("read", _read, [f"{number:05d}" for number in range(len(groups))])
    done = sorted((work / "read").glob("*.json"))  # of the groups, in the order of the corpus
    units = [unit for path in done for unit in _json(path)["units"]]
    write_json(work / _UNITS, units, work)
    do("clean", _clean, units)
    if duplicate_documents or duplicate_lines:
        do("compare", _compare, [f"{share:02d}" for share in range(SHARES)])
    do("encode", _encode, units)
    return _finish(folder, plan, units)


# Before and behind the steps.


def _size(path: Path) -> int:
    """The bytes of a file, or of a saved dataset."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _is_finished(folder: Path, plan: dict[str, Any]) -> bool:
    """Whether the very same is there already; raises KbertError if something else is."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise KbertError(f"{folder} is a file; name a folder")
    inside = sorted(entry.name for entry in folder.iterdir())
    if MANIFEST in inside:
        _check_same(folder, open_shards(folder).manifest, plan)
        return True
    if inside and WORK not in inside:
        raise KbertError(
            f"{folder} holds {inside[0]!r}, and no shards; name a folder that is new or empty"
        )
    return False


def _check_same(folder: Path, former: dict[str, Any], plan: dict[str, Any]) -> None:
    for part, now in plan.items():
        then = former.get(part)
        if then == now:
            continue
        if isinstance(now, dict) and isinstance(then, dict):
            part = next(name for name in now if then.get(name) != now[name])
            then, now = then.get(part), now[part]
        raise KbertError(
            f"{folder} holds shards that were made otherwise: {part} was {then!r:.80} and is now "
            f"{now!r:.80}; name another folder, or give the former settings"
        )


def _begin(folder: Path, plan: dict[str, Any], tokenizer: Tokenizer) -> None:
    work = folder / WORK
    if (work / _PLAN).is_file():
        _check_same(folder, _json(work / _PLAN), plan)
        return
    work.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder)
    write_json(work / _PLAN, plan, work)


def _groups(files: list[Path], characters: int) -> list[list[str]]:
    """Files in order, small ones together."""
    groups, size = [[]], 0
    for file in files:
        groups[-1].append(str(file))
        size += _size(file)
        if size >= characters:
            groups.append([])
            size = 0
    return [group for group in groups if group]


def _finish(folder: Path, plan: dict[str, Any], units: list[str]) -> dict[str, Any]:
    work = folder / WORK
    counts: Counter[str] = Counter()
    shards, files = [], {}
    for path in (folder / name for name in TOKENIZER_FILES):
        if path.is_file():
            files[path.name] = file_entry(path)
    for unit in units:
        for step in ("clean", "encode"):
            done = _json(work / step / f"{unit}.json")
            counts.update(done["counts"])
        files |= done["files"]
        if done["files"]:
            shards.append({"name": unit, **done["shard"]})
    if not shards:
        raise KbertError("the corpus is empty: cleaning has left no text to train on")
    counts.update({key: sum(shard[key] for shard in shards) for key in ("tokens", "sentences")})
    counts["documents"] = sum(shard["documents"] for shard in shards)
    manifest = {**plan, "counts": dict(sorted(counts.items())), "shards": shards, "files": files}
    write_json(folder / MANIFEST, manifest, work)
    shutil.rmtree(work)
    return manifest


# The steps: each a function of (folder, name).


def _read(folder: str, group: str) -> None:
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
    write_json(work / "read" / f"{group}.json", {"units": units}, work)


def _clean(folder: str, unit: str) -> None:
    """A unit without what cleaning drops, and the hashes of what it keeps."""
    work, settings = Path(folder, WORK), _plan(folder)["settings"]
    read = work / "read" / f"{unit}.txt"
    documents, counts = clean(
        _documents(read), boilerplate=settings["boilerplate"], min_hangul=settings["min_hangul"]
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


def _compare(folder: str, share: str) -> None:
    """Who came later, among the hashes of a share."""
    work = Path(folder, WORK)
    hashes = [
        np.array(share_of(np.load(work / "clean" / f"{unit}.npy", mmap_mode="r"), int(share)))
        for unit in _units(folder)
    ]
    write_array(work / "compare" / f"{share}.npy", find_later(hashes), work)
    write_json(work / "compare" / f"{share}.json", {}, work)


def _encode(folder: str, unit: str) -> None:
    """A unit without duplicates, as a shard."""
    work, settings = Path(folder, WORK), _plan(folder)["settings"]
    documents = _documents(work / "clean" / f"{unit}.txt")
    counts: Counter[str] = Counter()
    if settings["duplicate_documents"] or settings["duplicate_lines"]:
        number, places = _units(folder).index(unit), []
        for path in sorted((work / "compare").glob("*.npy")):
            later = np.load(path, mmap_mode="r")
            start, end = np.searchsorted(later["unit"], [number, number + 1])
            places.append(later["place"][start:end])
        documents, counts = drop(documents, np.concatenate(places))
    split = SPLITTERS[settings["sentences"]]
    documents = [[one for line in document for one in split(line)] for document in documents]
    name = settings["morphemes"] and settings["morphemes"]["name"]
    shard = encode_documents(
        documents,
        _tokenizer(folder),
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


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


# What a process keeps from one task to the next.


@cache
def _plan(folder: str) -> dict[str, Any]:
    return _json(Path(folder, WORK, _PLAN))


@cache
def _units(folder: str) -> list[str]:
    return _json(Path(folder, WORK, _UNITS))


@cache
def _tokenizer(folder: str) -> Tokenizer:
    return Tokenizer.from_file(folder)


@cache
def _analyser(name: str) -> Morphemes:
    return Morphemes(name)
