"""Files and folders into documents: a document is a list of its sentences, in order.

.txt, .txt.gz, .txt.xz   a blank line ends a document; a line is a paragraph or a sentence
.jsonl, .jsonl.gz, .jsonl.xz   a line is a document: {"text": "..."}
.json                    모두의 말뭉치 or AI Hub, in one of the layouts of `json_corpora.py`
.csv, .tsv, .parquet     a row is a document, its column "text" the text
a folder of `datasets`   the same, as `Dataset.save_to_disk` wrote it
"""

import codecs
import gzip
import json
import logging
import lzma
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from kbert.data.corpus.json_corpora import json_documents
from kbert.data.corpus.tables import csv_texts, is_saved_dataset, parquet_texts, saved_dataset_texts
from kbert.errors import KbertError, counted
from kbert.text.korean.sentences import split_sentences

_KINDS = (".txt", ".jsonl", ".json", ".csv", ".tsv", ".parquet")
_log = logging.getLogger("kbert")
_OPENERS = {".gz": gzip.open, ".xz": lzma.open}
_MOST_CHARACTERS = 10_000_000  # of a document in a text file

Document = list[str]
Splitter = Callable[[str], list[str]]


def read_documents(
    paths: Iterable[str | Path],
    encoding: str = "utf-8",
    split: Splitter = split_sentences,
    field: str = "text",
) -> Iterator[Document]:
    """Reads the documents of files, one after the other, in bounded memory.

    In memory at a time: a document, of a text file at most 10 million characters (a longer one is
    given in parts); a thousand rows of a table; of 모두의 말뭉치 and AI Hub, a whole file.

    Args:
        paths: files, or folders, of which every file of a known kind is read, in order of name; a
            warning of the logger "kbert" names the others.
        encoding: of the text files; `cp949` for older Korean ones.
        split: what makes sentences of a line; `split_sentences_by_kiwi`, or `str.splitlines` to
            leave lines as they are.
        field: what .jsonl, .csv, .tsv, .parquet and `datasets` call the text.

    Yields:
        Documents, none empty.

    Raises:
        KbertError: if a path does not exist or is of another kind, a folder has no file to read,
            there is no such encoding, a text is not in it (file and byte offset are named), a file
            is damaged or has no such field, or a package is missing (the message says which).
    """
    check_encoding(encoding)
    for path in corpus_files(paths):
        for paragraphs in read_paragraphs(path, encoding, field):
            document = [sentence for line in paragraphs for sentence in split(line)]
            if document:
                yield document


def check_encoding(encoding: str) -> None:
    """Raises KbertError if there is no such encoding."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise KbertError(f"there is no encoding {encoding!r}; try utf-8, cp949 or utf-16") from None


def corpus_files(paths: Iterable[str | Path]) -> Iterator[Path]:
    """The files, and folders of `datasets`, that `read_documents` reads, in its order."""
    for path in map(Path, paths):
        if is_saved_dataset(path):
            yield path
        elif path.is_dir():
            yield from _files_in(path)
        elif not path.is_file():
            raise KbertError(f"{path}: no such file or folder")
        elif not _kind(path):
            raise KbertError(f"{path}: not a corpus file; a name must end in {_known()}")
        else:
            yield path


def read_paragraphs(path: Path, encoding: str = "utf-8", field: str = "text") -> Iterator[Document]:
    """Reads the documents of one of `corpus_files`, as lines; see `read_documents`."""
    kind = _kind(path)
    try:
        if path.is_dir():
            texts = saved_dataset_texts(path, field)
        elif kind == ".parquet":
            texts = parquet_texts(path, field)
        elif kind in (".csv", ".tsv"):
            texts = csv_texts(path, encoding, field)
        elif kind == ".jsonl":
            texts = _json_lines(path, encoding, field)
        elif kind == ".json":
            with _open(path, encoding) as file:
                yield from json_documents(file.read(), str(path))
            return
        else:
            yield from _text_documents(path, encoding)
            return
        for text in texts:
            yield text.splitlines()
    except UnicodeDecodeError as error:
        raise _not_decodable(path, encoding) from error
    except (gzip.BadGzipFile, lzma.LZMAError, EOFError) as error:
        raise KbertError(f"{path}: the compressed file is damaged ({error})") from error


def _files_in(folder: Path) -> Iterator[Path]:
    inside = sorted(folder.rglob("*"))
    datasets = {path for path in inside if is_saved_dataset(path)}
    files = {path for path in inside if path.is_file() and _kind(path)}
    found = sorted(path for path in datasets | files if not datasets & {*path.parents})
    if not found:
        raise KbertError(f"{folder}: the folder has no file that ends in {_known()}")
    left_out = [
        path.relative_to(folder).as_posix()
        for path in inside
        if path.is_file() and path not in files and not datasets & {*path.parents}
    ]
    left_out = [name for name in left_out if not f"/{name}".count("/.")]  # no hidden ones
    if left_out:
        _log.warning(
            "%s: %s not read, since the names end in none of %s: %s",
            *(folder, counted(len(left_out), "file"), _known(), ", ".join(left_out[:5])),
        )
    yield from found


def _kind(path: Path) -> str | None:
    name = path.name.removesuffix(".gz").removesuffix(".xz")
    kind = next((kind for kind in _KINDS if name.endswith(kind)), None)
    return kind if name == path.name or kind in (".txt", ".jsonl") else None


def _known() -> str:
    return ", ".join([*_KINDS, *(f".txt{end}" for end in _OPENERS)])


def _open(path: Path, encoding: str) -> IO[str]:
    return _OPENERS.get(path.suffix, open)(path, "rt", encoding=encoding)


def _text_documents(path: Path, encoding: str) -> Iterator[Document]:
    document: Document = []
    characters = 0
    with _open(path, encoding) as lines:
        for number, line in enumerate(lines):
            if line.strip():
                document.append(line if number else line.removeprefix("\ufeff"))
                characters += len(line)
            if document and (characters > _MOST_CHARACTERS or not line.strip()):
                yield document
                document, characters = [], 0
    if document:
        yield document


def _json_lines(path: Path, encoding: str, field: str) -> Iterator[str]:
    with _open(path, encoding) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                text = json.loads(line)[field]
            except (ValueError, KeyError, TypeError, RecursionError):
                text = None
            if not isinstance(text, str):
                raise KbertError(
                    f'{path}, line {number}: expected {{"{field}": "..."}}, '
                    f"got {line.strip()[:60]!r}"
                )
            yield text


def _not_decodable(path: Path, encoding: str) -> KbertError:
    """Says where a file stops being what it should be, and what it may be instead."""
    with _OPENERS.get(path.suffix, open)(path, "rb") as file:
        data = file.read()
    try:
        data.decode(encoding)
        offset = 0  # not reached: the caller has just failed to decode it
    except UnicodeDecodeError as error:
        offset = error.start
    message = f"{path}: not {encoding.upper()} at byte {offset} (0x{data[offset]:02x})"
    try:
        data.decode("cp949")
    except UnicodeDecodeError:
        return KbertError(f"{message}; pass the right one as encoding=...")
    return KbertError(f"{message}; it reads as CP949, so try encoding='cp949'")
