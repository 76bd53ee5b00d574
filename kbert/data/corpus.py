"""Files and folders into documents: a document is a list of its sentences, in order.

.txt, .txt.gz, .txt.xz   a blank line ends a document; a line is a paragraph or a sentence
.jsonl                   a line is a document: {"text": "..."}
"""

import codecs
import gzip
import json
import lzma
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from kbert.errors import KbertError
from kbert.text.sentences import split_sentences

_OPENERS = {".txt": open, ".txt.gz": gzip.open, ".txt.xz": lzma.open, ".jsonl": open}

Document = list[str]
Splitter = Callable[[str], list[str]]


def read_documents(
    paths: Iterable[str | Path], encoding: str = "utf-8", split: Splitter = split_sentences
) -> Iterator[Document]:
    """Reads the documents of files, one after the other, in bounded memory.

    Args:
        paths: files, or folders, of which every file of a known kind is read, in order of name.
        encoding: of the text files; `cp949` for older Korean ones.
        split: what makes sentences of a line; `split_sentences_by_kiwi`, or `str.splitlines` to
            leave lines as they are.

    Yields:
        Documents, none empty.

    Raises:
        KbertError: if a path does not exist or is of another kind, a folder has no file to read,
            there is no such encoding, a text is not in it (file and byte offset are named), or a
            JSON line has no "text".
    """
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise KbertError(f"there is no encoding {encoding!r}; try utf-8, cp949 or utf-16") from None
    for path in _files(paths):
        try:
            if path.suffix == ".jsonl":
                yield from _json_documents(path, encoding, split)
            else:
                yield from _text_documents(path, encoding, split)
        except UnicodeDecodeError as error:
            raise _not_decodable(path, encoding) from error
        except (gzip.BadGzipFile, lzma.LZMAError, EOFError) as error:
            raise KbertError(f"{path}: the compressed file is damaged ({error})") from error


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and _kind(p))
            if not inside:
                raise KbertError(f"{path}: the folder has no file that ends in {_kinds()}")
            yield from inside
        elif not path.is_file():
            raise KbertError(f"{path}: no such file or folder")
        elif not _kind(path):
            raise KbertError(f"{path}: not a corpus file; a name must end in {_kinds()}")
        else:
            yield path


def _kind(path: Path) -> str | None:
    return next((kind for kind in _OPENERS if path.name.endswith(kind)), None)


def _kinds() -> str:
    return ", ".join(_OPENERS)


def _open(path: Path, encoding: str) -> IO[str]:
    return _OPENERS[_kind(path) or ".txt"](path, "rt", encoding=encoding)


def _text_documents(path: Path, encoding: str, split: Splitter) -> Iterator[Document]:
    document: Document = []
    with _open(path, encoding) as lines:
        for line in lines:
            if line.strip():
                document += split(line.removeprefix("\ufeff"))
            elif document:
                yield document
                document = []
    if document:
        yield document


def _json_documents(path: Path, encoding: str, split: Splitter) -> Iterator[Document]:
    with _open(path, encoding) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError):
                text = None
            if not isinstance(text, str):
                raise KbertError(
                    f'{path}, line {number}: expected {{"text": "..."}}, got {line.strip()[:60]!r}'
                )
            document = [s for paragraph in text.splitlines() for s in split(paragraph)]
            if document:
                yield document


def _not_decodable(path: Path, encoding: str) -> KbertError:
    """Says where a file stops being what it should be, and what it may be instead."""
    opener = {".txt.gz": gzip.open, ".txt.xz": lzma.open}.get(_kind(path) or "", open)
    with opener(path, "rb") as file:
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
        return KbertError(f"{message}; name the right one with --encoding")
    return KbertError(f"{message}; it reads as CP949, so try --encoding cp949")
