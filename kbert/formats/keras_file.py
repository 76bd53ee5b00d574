"""The `.keras` file: read it without trusting it.

A `.keras` file is a zip of a config (JSON), weights (HDF5) and assets. Keras builds whatever
classes the config names, so a file that somebody shared is checked before Keras sees it: it may
hold only what kbert's own `save` writes, in plain (stored) form, and name only kbert's models.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.models.bert import Bert
from kbert.models.pretraining import (
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
)
from kbert.text.tokenizer import Tokenizer
from kbert.text.tokenizer_files import TOKENIZER_FILES, keras_members, parse_files

_MODELS = (Bert, BertForPreTraining, BertForMaskedLM, BertForNextSentencePrediction)
_CLASSES = {model.__name__: model for model in _MODELS}
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MAX_JSON_BYTES = 1 << 20


def load_keras_file(path: str | Path) -> KbertModel:
    """Loads a model that kbert saved.

    Args:
        path: a file that ends in `.keras`.

    Returns:
        The model, with its tokenizer if it was saved with one. It is not compiled.

    Raises:
        KbertError: if there is no such file, it is not a `.keras` file, it holds what kbert did
            not write, or its weights do not fit its config.
    """
    path = Path(path)
    if not path.is_file():
        raise KbertError(f"{path}: no such file")
    class_name, config = check_keras_file(path)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except KbertError:
        raise
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        raise KbertError(
            f"{path}: the weights or the vocabulary do not fit its {class_name} of "
            f"{config.get('num_hidden_layers')} layers, or are damaged: {reason}"
        ) from error


def check_keras_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Checks a file without building anything from it; returns its class name and config.

    Raises:
        KbertError: if the file is not one that kbert's `save` could have written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            metadata = _read_json(path, archive, _METADATA)
            described = _read_json(path, archive, _CONFIG)
            weight_bytes = archive.getinfo(_WEIGHTS).file_size
            _check_tokenizer(path, archive)
    except (zipfile.BadZipFile, UnicodeDecodeError, OSError) as error:
        raise KbertError(f"{path}: not a .keras file, or a damaged one ({error})") from error
    if "keras_version" not in metadata:
        raise KbertError(f"{path}: {_METADATA} has no keras_version; it is not a .keras file")
    class_name, config = described.get("class_name"), described.get("config")
    named = (described.get("module"), described.get("registered_name"))
    expected = (
        (_CLASSES[class_name].__module__, f"kbert>{class_name}") if class_name in _CLASSES else None
    )
    if named != expected:
        raise KbertError(
            f"{path}: holds a {described.get('registered_name') or class_name!r}; kbert.load opens "
            f"{', '.join(_CLASSES)}. For your own models around a Bert: import kbert.models, then "
            "keras.models.load_model, if you trust the file"
        )
    if not isinstance(config, dict) or not all(map(_is_plain, config.values())):
        raise KbertError(
            f"{path}: the config of a {class_name} is numbers and names, not {config!r:.80}"
        )
    least = _least_parameters(config)
    if least > weight_bytes:
        raise KbertError(
            f"{path}: the weights do not fit the config: it asks for at least {least:,} numbers, "
            f"and {_WEIGHTS} has {weight_bytes:,} bytes"
        )
    extras = set(described) - {"module", "class_name", "config", "registered_name", "build_config"}
    if extras - {"compile_config"} or described.get("compile_config"):
        raise KbertError(f"{path}: the config holds {sorted(extras)}, which kbert does not write")
    return str(class_name), config


def _least_parameters(config: dict[str, Any]) -> int:
    """Fewer weights than a config asks for: its tables and matrices, without biases and norms.

    It is compared with the file's size before anything is allocated.
    """
    names = ("vocab_size", "max_position_embeddings", "type_vocab_size", "hidden_size")
    names += ("num_hidden_layers", "intermediate_size")
    sizes = [config.get(name, 1) for name in names]
    if not all(isinstance(size, int) for size in sizes):
        return 0  # Bert's own check names what is wrong
    words, positions, segments, hidden, layers, intermediate = (max(size, 0) for size in sizes)
    rows = words + positions + segments
    return hidden * (rows + layers * (4 * hidden + 2 * intermediate))


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Only the members that `save` writes, each once, each stored as it is."""
    names = [member.filename for member in archive.infolist()]
    for member in archive.infolist():
        name = member.filename
        folders, _, file = name.rpartition("/")
        is_asset = folders in ("assets", "assets/bert") and file in ("", *TOKENIZER_FILES)
        if not (name in (_CONFIG, _METADATA, _WEIGHTS) or name in ("assets/",) or is_asset):
            raise KbertError(f"{path}: holds {name!r}, which kbert does not write")
        if names.count(name) > 1:
            raise KbertError(f"{path}: holds {name!r} twice")
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise KbertError(
                f"{path}: {name!r} is compressed; a .keras file stores its members plainly"
            )
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            raise KbertError(f"{path}: {name!r} is a link")
    missing = {_CONFIG, _METADATA, _WEIGHTS} - set(names)
    if missing:
        raise KbertError(f"{path}: has no {', '.join(sorted(missing))}; it is not a .keras file")


def _check_tokenizer(path: Path, archive: zipfile.ZipFile) -> None:
    """Builds the tokenizer: if its files are damaged, Keras loads the model without them."""
    files = keras_members(archive, str(path))
    if files:
        Tokenizer(**parse_files(files, str(path)))


def _read_json(path: Path, archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > _MAX_JSON_BYTES:
        raise KbertError(f"{path}: {name} is larger than {_MAX_JSON_BYTES} bytes")
    try:
        value = json.loads(archive.read(name).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise KbertError(f"{path}: {name} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise KbertError(f"{path}: {name} is not a JSON object")
    return value


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
