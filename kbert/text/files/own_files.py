"""The files that `Tokenizer.save` writes: in a folder, and inside a `.keras` file.

vocab.txt                 the tokens, one a line
tokenizer_settings.json   the constructor's settings, as far as they are not the defaults
unigram.json              the scores and the table of normalisation of a unigram model
merges.json               the merges of byte-level BPE
"""

import base64
import binascii
import json
import secrets
import zipfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kbert.errors import KbertError
from kbert.files.atomic_files import sync_folder, write_through
from kbert.files.json_file import read_json_object
from kbert.files.stored_zip import open_stored_zip
from kbert.text.files.added_tokens import parse_added
from kbert.text.merges import Merges, check_merges
from kbert.text.vocabulary import parse_vocabulary, vocabulary_bytes

VOCABULARY_FILE = "vocab.txt"
SETTINGS_FILE = "tokenizer_settings.json"
UNIGRAM_FILE = "unigram.json"
MERGES_FILE = "merges.json"
TOKENIZER_FILES = (VOCABULARY_FILE, SETTINGS_FILE, UNIGRAM_FILE, MERGES_FILE)
# What a file may have. XLM-RoBERTa's 250,002 pieces have 4 MB of text and 6 MB of scores; the worst
# that fits is refused, or read, in two seconds and one gigabyte.
MOST_BYTES = {
    VOCABULARY_FILE: 1 << 24,
    SETTINGS_FILE: 1 << 22,
    UNIGRAM_FILE: 1 << 24,
    MERGES_FILE: 1 << 24,
}

_SETTINGS = {  # name: the types its value may have
    "lowercase": (bool,),
    "strip_accents": (bool, type(None)),
    "split_cjk": (bool,),
    "roberta_pairs": (bool,),
    "jamo_fallback": (bool,),
    "form": (str,),
    "special_tokens": (dict,),
    "added_tokens": (list,),
    "rules": (list,),
}


def write_folder(
    folder: str | Path,
    vocabulary: list[str],
    settings: dict[str, Any],
    scores: list[float] | None,
    charsmap: bytes,
    merges: Merges | None,
) -> None:
    """Writes a tokenizer's files into a folder, which is made if need be: all of them, or none."""
    files = {
        VOCABULARY_FILE: vocabulary_bytes(vocabulary, str(Path(folder, VOCABULARY_FILE))),
        SETTINGS_FILE: json_bytes(settings),
    }
    if scores is not None:
        table = base64.b64encode(charsmap).decode()
        files[UNIGRAM_FILE] = json_bytes({"scores": scores, "charsmap": table})
    if merges is not None:
        lines = ",\n".join(json.dumps(pair, ensure_ascii=False) for pair in merges)
        files[MERGES_FILE] = f'{{"merges": [\n{lines}\n]}}\n'.encode()
    write_together(Path(folder), files, instead_of=TOKENIZER_FILES)


def json_bytes(value: dict[str, Any]) -> bytes:
    """JSON that a person can read, with Unix line ends on every system."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def write_together(
    folder: Path, files: Mapping[str, bytes], instead_of: Collection[str] = ()
) -> None:
    """Writes files into a folder: whole beside the former ones first, and then renamed.

    Where there is no room for all, the former ones are as they were. (A process that is killed
    between two of the renames leaves files of both.) What a killed one left behind goes.

    Args:
        folder: made if need be.
        files: name -> bytes.
        instead_of: the names that go if they are none of `files`, of a tokenizer that stood there.

    Raises:
        KbertError: if the files cannot be written.
    """
    written: dict[Path, Path] = {}  # where each stands for now, and the name that it gets
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            path = folder / name
            for left in folder.glob(f".{path.stem}-{'[0-9a-f]' * 8}{path.suffix}"):
                left.unlink()
            temporary = folder / f".{path.stem}-{secrets.token_hex(4)}{path.suffix}"
            written[temporary] = path
            write_through(temporary, [data])
        for temporary, path in written.items():
            temporary.replace(path)
        for name in set(instead_of) - set(files):
            (folder / name).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise KbertError(f"{folder}: the tokenizer could not be written: {error}") from error
    finally:
        for temporary in written:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def read_folder(folder: Path) -> dict[str, Any]:
    """The constructor's arguments, from a folder that `write_folder` wrote."""
    present = [name for name in TOKENIZER_FILES if (folder / name).is_file()]
    return parse_files(
        {name: read_bytes(folder / name, MOST_BYTES[name]) for name in present}, str(folder)
    )


def read_keras_file(path: Path) -> dict[str, Any]:
    """The constructor's arguments, from the tokenizer's members of a `.keras` file.

    Raises:
        KbertError: if it is no `.keras` file, or has no tokenizer, or has one that is not stored
            as kbert stores it.
    """
    with path.open("rb") as file, open_stored_zip(file, str(path)) as archive:
        files = _tokenizer_members(archive, str(path))
    if not files:
        raise KbertError(f"{path}: the model was saved without a tokenizer")
    return parse_files(files, str(path))


def _tokenizer_members(archive: zipfile.ZipFile, where: str) -> dict[str, bytes]:
    """The files of a tokenizer in a `.keras` file, by their names; empty if it has none."""
    files = {}
    for member in archive.infolist():
        folder, _, name = member.filename.rpartition("/")
        if name not in TOKENIZER_FILES or folder.split("/")[0] != "assets":
            continue
        if name in files:
            raise KbertError(f"{where}: holds {name} twice")
        if member.file_size > MOST_BYTES[name]:
            raise KbertError(f"{where}: {name} is larger than {MOST_BYTES[name]:,} bytes")
        try:
            files[name] = archive.read(member)
        except zipfile.BadZipFile as error:  # it does not have its checksum
            raise KbertError(f"{where}: {name} is damaged ({error})") from error
    return files


def parse_files(files: Mapping[str, bytes], where: str) -> dict[str, Any]:
    """The constructor's arguments, from the bytes of each of TOKENIZER_FILES that there is.

    Raises:
        KbertError: if the vocabulary is missing, or a file is damaged.
    """
    if VOCABULARY_FILE not in files:
        raise KbertError(f"{where}: no {VOCABULARY_FILE}, so no tokenizer")
    vocabulary = parse_vocabulary(
        files[VOCABULARY_FILE], f"{where}, {VOCABULARY_FILE}", strict=True
    )
    arguments: dict[str, Any] = {"vocabulary": vocabulary}
    if SETTINGS_FILE in files:
        arguments |= parse_settings(files[SETTINGS_FILE], f"{where}, {SETTINGS_FILE}")
    if UNIGRAM_FILE in files:
        arguments |= _parse_unigram(files[UNIGRAM_FILE], f"{where}, {UNIGRAM_FILE}")
    if MERGES_FILE in files:
        arguments |= _parse_merges(files[MERGES_FILE], f"{where}, {MERGES_FILE}")
    return arguments


def parse_settings(data: bytes, where: str) -> dict[str, Any]:
    """Reads the bytes of saved settings; `where` they come from is named in errors."""
    settings = read_json_object(data, where, max_bytes=MOST_BYTES[SETTINGS_FILE])
    for name, value in settings.items():
        if name not in _SETTINGS:
            raise KbertError(f"{where}: expected some of {sorted(_SETTINGS)}, got {name!r:.40}")
        inner = value.values() if isinstance(value, dict) else value
        texts = not isinstance(value, dict | list) or all(isinstance(i, str) for i in inner)
        if not isinstance(value, _SETTINGS[name]) or not (texts or name == "added_tokens"):
            raise KbertError(f"{where}: {name} cannot be {value!r:.80}")
    parse_added(settings.get("added_tokens", []), f"{where}: added_tokens")
    return settings


def _parse_unigram(data: bytes, where: str) -> dict[str, Any]:
    found = read_json_object(data, where, max_bytes=MOST_BYTES[UNIGRAM_FILE])
    scores, table = found.get("scores"), found.get("charsmap")
    if set(found) != {"scores", "charsmap"} or not isinstance(scores, list):
        raise KbertError(f"{where}: expected scores and charsmap, got {sorted(found)!r:.80}")
    return {"scores": scores, "charsmap": decode_charsmap(table, where)}


def _parse_merges(data: bytes, where: str) -> dict[str, Any]:
    found = read_json_object(data, where, max_bytes=MOST_BYTES[MERGES_FILE])
    if set(found) != {"merges"}:
        raise KbertError(f"{where}: expected merges, got {sorted(found)!r:.80}")
    return {"merges": check_merges(found["merges"], where)}


def decode_charsmap(table: Any, where: str) -> bytes:
    """A table of normalisation from base64."""
    try:
        return base64.b64decode(table, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise KbertError(f"{where}: the table of normalisation is not base64") from None


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """A file's bytes; KbertError if there are more than `max_bytes`."""
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise KbertError(f"{path} has more than {max_bytes:,} bytes, the most that such a file may")
    return data
