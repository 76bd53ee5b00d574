"""A corpus of any size into a folder of shards: on all cores, in bounded memory, resumable.

    files -> units of text -> cleaned, and hashed -> who came later -> shards -> manifest
             (read)           (clean)                (compare)         (encode)

Each step is a function of (folder, name) that reads files, writes files and knows of nothing else:
so it may run in any process of any machine, in any order, and gives the same bytes. It ends by
writing one file that says that it is done. A run that was killed leaves out what is done.

A unit is some `characters` of whole documents, all from one group of files; a group is a file, or
as many small ones as make a unit. Documents keep the order of the files. `shard_steps.py` has the
steps.

Memory of a process: some 25 bytes a character of a unit (200 MB), and what a file needs to be read
(see `read_documents`). Disk, until the end: the text itself, once or twice.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from kbert.data.corpus.cleaning import MIN_HANGUL, clean
from kbert.data.corpus.corpus import check_encoding, corpus_files
from kbert.data.corpus.duplicates import MIN_LENGTH, SHARES
from kbert.data.shards.shard_files import (
    FORMAT_VERSION,
    MANIFEST,
    WORK,
    file_entry,
    open_shards,
    vocabulary_entry,
)
from kbert.data.shards.shard_steps import (
    PLAN,
    SPLITTERS,
    UNITS,
    clean_unit,
    compare_share,
    encode_unit,
    read_group,
    read_json,
)
from kbert.data.shards.workers import Run
from kbert.errors import KbertError
from kbert.files.atomic_files import write_json
from kbert.files.folder_lock import LOCK, locked
from kbert.text.files.own_files import TOKENIZER_FILES
from kbert.text.korean.morphemes import Morphemes, import_analyser
from kbert.text.korean.web import WEB_CLEANERS
from kbert.text.tokenizer import Tokenizer
from kbert.version import VERSION

CHARACTERS = 8_000_000

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
    web_text: Literal["plainer", "kcbert"] | None = None,
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
        run: an engine; see `workers.py`.
        encoding: of text files.
        field: what .jsonl, .parquet and `datasets` call the text.
        boilerplate: whether to drop boilerplate lines; see `cleaning.py`.
        min_hangul: the least share of Hangul in a line, in [0, 1].
        web_text: first makes comments and messages plainer; see `kbert.text.korean.web`.
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
        KbertError: if the folder holds something else, or another run's shards, or another process
            is building there; or a file or setting is wrong.
    """
    folder = Path(folder)
    check_encoding(encoding)
    least = characters if duplicate_lines is None else min(characters, duplicate_lines)
    if sentences not in SPLITTERS or least < 1:
        raise KbertError(
            f"sentences is one of {', '.join(SPLITTERS)}, and characters and duplicate_lines are "
            f"numbers from 1, not {sentences!r:.40}, {characters!r:.40}, {duplicate_lines!r:.40}"
        )
    if web_text is not None and web_text not in WEB_CLEANERS:
        raise KbertError(f"web_text is one of {', '.join(WEB_CLEANERS)}, not {web_text!r:.40}")
    clean([], min_hangul=min_hangul)  # for its check
    if sentences == "kiwi":
        import_analyser("kiwipiepy")  # for its check
    analyser = Morphemes(morphemes) if morphemes else None
    files = [path.resolve() for path in corpus_files(paths)]
    plan = {
        "format_version": FORMAT_VERSION,
        "kbert_version": VERSION,
        "vocabulary": vocabulary_entry(tokenizer),
        "settings": {
            "encoding": encoding,
            "field": field,
            "boilerplate": boilerplate,
            "min_hangul": min_hangul,
            "web_text": web_text,
            "duplicate_lines": duplicate_lines,
            "duplicate_documents": duplicate_documents,
            "sentences": sentences,
            "eojeols": eojeols,
            "morphemes": analyser and {"name": analyser.name, **analyser.versions},
            "characters": characters,
        },
        "inputs": [{"name": path.name, "bytes": _size(path)} for path in files],
    }
    if _is_finished(folder, plan) and not (folder / WORK).exists():
        return open_shards(folder).manifest  # without a lock: nothing is written
    with locked(folder):
        if _is_finished(folder, plan):
            shutil.rmtree(folder / WORK, ignore_errors=True)  # it was killed at the very end
            return open_shards(folder).manifest
        groups = _groups(files, characters)
        _begin(folder, {**plan, "groups": groups}, tokenizer)
        return _build(folder, plan, groups, run, watch)


def _build(
    folder: Path, plan: dict[str, Any], groups: list[list[str]], run: Run, watch: Watch
) -> dict[str, Any]:
    work, settings = folder / WORK, plan["settings"]

    def do(step: str, task: Callable[[str, str], None], names: list[str]) -> None:
        (work / step).mkdir(exist_ok=True)
        left = [name for name in names if not (work / step / f"{name}.json").exists()]
        watch(step, len(names) - len(left), len(names))
        for done, _ in enumerate(run(task, str(folder), left), len(names) - len(left) + 1):
            watch(step, done, len(names))

    numbers = [f"{number:05d}" for number in range(len(groups))]
    do("read", read_group, numbers)
    units = [unit for group in numbers for unit in read_json(work / "read" / f"{group}.json")]
    write_json(work / UNITS, units, work)
    do("clean", clean_unit, units)
    if settings["duplicate_documents"] or settings["duplicate_lines"]:
        do("compare", compare_share, [f"{share:02d}" for share in range(SHARES)])
    do("encode", encode_unit, units)
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
    inside = sorted(entry.name for entry in folder.iterdir() if entry.name != LOCK)
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
    if (work / PLAN).is_file():
        _check_same(folder, read_json(work / PLAN), plan)
        return
    work.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder)
    write_json(work / PLAN, plan, work)


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
            done = read_json(work / step / f"{unit}.json")
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
