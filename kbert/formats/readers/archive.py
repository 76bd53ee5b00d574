"""What a `.keras` file holds, checked; no Keras is needed to look.

A `.keras` file is a zip of a config (JSON), weights (HDF5) and assets. Keras builds whatever
classes the config names. kbert opens only what its own `save` writes: its own models, plain
numbers as their arguments, plain tensors, and a tokenizer.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from kbert.catalog import BY_CLASS
from kbert.errors import KbertError, shown, with_article
from kbert.files.json_file import MAX_JSON_BYTES, read_json_object
from kbert.files.stored_zip import Member, check_contents, open_stored_zip
from kbert.formats.readers.h5 import open_h5
from kbert.formats.readers.stored_tensor import StoredTensor
from kbert.text.files.own_files import (
    SETTINGS_FILE,
    TOKENIZER_FILES,
    UNIGRAM_FILE,
    VOCABULARY_FILE,
    parse_files,
)
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import MOST_TOKENS

ASSET_FOLDERS = ("assets", "assets/bert")  # of a Bert, and of a model around one

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MAX_TEXT = 100
MOST_LAYERS = 200  # BERT-large has 24
_DTYPES = ("float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class Contents:
    """What a checked file holds.

    Args:
        class_name: one of `kbert.catalog`.
        config: the model's arguments: numbers, short strings, lists of them (labels), true, false
            and null.
        tensors: its weights by path; to be read while the file is open.
        assets: the bytes of the tokenizer's files by their name in the archive.
        tokenizer: the tokenizer of these files, or None.
        keras_version: that of the Keras that wrote it.
    """

    class_name: str
    config: dict[str, Any]
    tensors: dict[str, StoredTensor]
    assets: dict[str, bytes]
    tokenizer: Tokenizer | None
    keras_version: str


@contextmanager
def open_keras_archive(path: str | Path) -> Iterator[Contents]:
    """Opens a `.keras` file once, checks it, and keeps it open for its tensors to be read.

    What is checked is what is read: the file is not opened a second time.

    Raises:
        KbertError: if there is no such file, or it is not one that kbert's `save` could have
            written.
    """
    path = Path(path)
    if not path.is_file():
        raise KbertError(f"{path}: no such file")
    with path.open("rb") as file, open_stored_zip(file, str(path)) as archive:
        names = _check_names(path, archive.namelist())
        check_contents(archive, str(path))
        weights = archive.getinfo(_WEIGHTS)

        def read(name: str, most: int) -> bytes:
            if archive.getinfo(name).file_size > most:
                raise KbertError(f"{path}: {name} is larger than {most:,} bytes")
            return archive.read(name)

        metadata = read_json_object(read(_METADATA, MAX_JSON_BYTES), f"{path}, {_METADATA}")
        version = metadata.get("keras_version")
        if not isinstance(version, str) or len(version) > _MAX_TEXT:
            raise KbertError(f"{path}: {_METADATA} has no keras_version; it is not a .keras file")
        described = read_json_object(read(_CONFIG, MAX_JSON_BYTES), f"{path}, {_CONFIG}")
        class_name, config = _check_config(path, described)

        member = cast(BinaryIO, Member(file, weights))
        h5, tensors = open_h5(member, weights.file_size, f"{path}, {_WEIGHTS}")
        with h5:
            _check_sizes(path, config, tensors)
            for name in names:
                size = archive.getinfo(name).file_size
                check_tokenizer_size(f"{path}, {name}", size, config["vocab_size"])
            assets = {name: archive.read(name) for name in names}
            tokenizer = _read_tokenizer(path, assets, config["vocab_size"])
            yield Contents(class_name, config, tensors, assets, tokenizer, version)


def are_layers(config: dict[str, Any]) -> bool:
    """Whether a config's layers are a number, and not so many that they would cost minutes."""
    counts: list[Any] = [config.get("num_hidden_layers"), *_times(config)]
    whole = all(type(count) is int and count > 0 for count in counts)
    return whole and math.prod(counts) <= MOST_LAYERS


def _times(config: dict[str, Any]) -> list[Any]:
    """What a config multiplies its layers by: those of a group, or the networks of each."""
    return [config.get(name, 1) for name in ("inner_group_num", "num_feedforward_networks")]


def check_tokenizer_size(where: str, size: int, vocab_size: int) -> None:
    """Raises KbertError if a tokenizer's file is far larger than such a vocabulary needs.

    To read it takes time by its size. XLM-RoBERTa's largest has 70 bytes a token; settings are
    short.
    """
    each = 40 if where.endswith((SETTINGS_FILE, UNIGRAM_FILE)) else 200
    most = (1 << 20) + each * min(vocab_size, MOST_TOKENS)
    if size > most:
        raise KbertError(
            f"{where} has {size:,} bytes; for a vocabulary of {vocab_size:,} tokens {most:,} are "
            "the most"
        )


def _check_names(path: Path, names: list[str]) -> list[str]:
    """Checks that there are the members that `save` writes, and no others; returns the assets."""
    needed = {_CONFIG, _METADATA, _WEIGHTS}
    folders = {f"{folder}/" for folder in ASSET_FOLDERS}
    assets = {folder + name for folder in folders for name in TOKENIZER_FILES}
    for name in names:
        if name not in needed | folders | assets:
            own = "; the file of a model of your own around a Bert, if you trust it, is opened by "
            hint = f"{own}keras.models.load_model, after import kbert.models"
            raise KbertError(
                f"{path}: holds {name!r:.80}, which kbert does not write"
                f"{hint if name.startswith('assets/') else ''}"
            )
    if needed - set(names):
        missing = ", ".join(sorted(needed - set(names)))
        raise KbertError(f"{path}: has no {missing}; it is not a .keras file")
    return [name for name in names if name in assets]


def _check_config(path: Path, described: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The class name and the arguments that a config names, if they are kbert's."""
    class_name, config = described.get("class_name"), described.get("config")
    registered = described.get("registered_name")
    entry = BY_CLASS.get(class_name) if isinstance(class_name, str) else None
    module = None if entry is None else f"kbert.{entry.module}"
    expected = (module, f"kbert>{class_name}")
    if module is None or (described.get("module"), registered) != expected:
        raise KbertError(
            f"{path}: holds a {shown(repr(registered or class_name))}; kbert.load opens "
            f"{', '.join(BY_CLASS)}. For your own models around a Bert: import kbert.models, then "
            "keras.models.load_model, if you trust the file"
        )
    extras = set(described) - {"module", "class_name", "config", "registered_name", "build_config"}
    if extras - {"compile_config"} or described.get("compile_config"):
        raise KbertError(
            f"{path}: the config holds {sorted(extras)!r:.200}, which kbert does not write"
        )
    if not isinstance(config, dict) or not all(map(_is_plain, config.values())):
        raise KbertError(
            f"{path}: the config of {with_article(str(class_name))} is numbers and names, not "
            f"{config!r:.80}"
        )
    if config.get("dtype", "float32") not in _DTYPES:
        raise KbertError(
            f"{path}: dtype {config['dtype']!r:.80}; kbert.load opens {', '.join(_DTYPES)}"
        )
    return str(class_name), config


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):  # the labels' names; a number for each layer
        return all(isinstance(each, str | int) and _is_plain(each) for each in value)
    if isinstance(value, str):
        return len(value) <= _MAX_TEXT and value.isprintable()
    if isinstance(value, int):
        return abs(value) < 2**63
    return value is None or isinstance(value, float)


def _check_sizes(path: Path, config: dict[str, Any], tensors: dict[str, StoredTensor]) -> None:
    """Checks the two sizes that cost time before any shape can be compared: layers and words."""
    layers, words = config.get("num_hidden_layers"), config.get("vocab_size")
    rows = max((tensor.shape[0] for tensor in tensors.values() if tensor.shape), default=0)
    if not are_layers(config):
        times = "".join(f" times {each!r}" for each in _times(config) if each != 1)
        raise KbertError(
            f"{path}: {layers!r}{times} layers; {MOST_LAYERS} are the most that kbert opens"
        )
    if type(words) is not int or words > rows:
        raise KbertError(
            f"{path}: the weights do not fit the config: vocab_size {words!r}, and no tensor of "
            f"more than {rows:,} rows"
        )


def _read_tokenizer(path: Path, assets: dict[str, bytes], vocab_size: int) -> Tokenizer | None:
    """The tokenizer that the assets are, if there are any."""
    for name, data in assets.items():
        where = f"{path}, {name}"
        if name.endswith(VOCABULARY_FILE) and data.count(b"\n") > vocab_size:
            raise KbertError(
                f"{where}: {data.count(10):,} lines; the model has embeddings for {vocab_size:,} "
                "tokens"
            )
    files = {name.rpartition("/")[2]: data for name, data in assets.items()}
    if len(files) < len(assets):
        raise KbertError(f"{path}: holds two tokenizers: {', '.join(assets)}")
    if not files:
        return None
    arguments = parse_files(files, str(path))
    if len(arguments["vocabulary"]) > vocab_size:
        raise KbertError(
            f"{path}: the tokenizer has {len(arguments['vocabulary']):,} tokens, and the model has "
            f"embeddings for {vocab_size:,}: they do not belong together"
        )
    try:
        return Tokenizer(**arguments)
    except (ValueError, TypeError) as error:
        raise KbertError(f"{path}: its tokenizer is damaged: {error}") from error
