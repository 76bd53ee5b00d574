"""What is in a file, without loading it: `kbert inspect FILE`.

Everything shown has passed the checks that loading makes, and nothing is built from it: no Keras,
no unpickling, no numbers read.
"""

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from kbert.errors import KbertError, counted, shown
from kbert.files.json_file import MAX_JSON_BYTES, read_json_object
from kbert.formats.readers import safetensors, torch
from kbert.formats.readers.archive import open_keras_archive
from kbert.formats.readers.folder import find_file, read_file
from kbert.formats.readers.stored_tensor import StoredTensor
from kbert.pretrained import bundled_model, bundled_models, is_named_like_bundled
from kbert.text.files.own_files import SETTINGS_FILE, VOCABULARY_FILE
from kbert.text.vocabulary import parse_vocabulary

_MAX_VOCABULARY_BYTES = 16 << 20
_MOST_WIDTH = 1000  # of a line, in characters
_SMALL_FILES = ("config.json", "tokenizer_config.json", SETTINGS_FILE)


def inspect(source: str | Path, out: Console) -> None:
    r"""Prints what a file or a checkpoint folder holds, and raises if kbert would refuse it.

    Args:
        source: a `.keras`, `.safetensors` or `.bin` file, a `vocab.txt`, or a folder of them; or
            the name of a model that comes with kbert.
        out: where to print.

    Raises:
        KbertError: if there is no such file, or it does not pass the checks.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "vocab.txt")
        ...     _ = path.write_text("[PAD]\n[UNK]\n국회\n##에\n", encoding="utf-8")
        ...     inspect(path, Console(width=60))
        vocab.txt: 4 tokens, 1 of them ## pieces, 25 bytes
    """
    path = bundled_model(str(source)) or Path(source)
    if path.is_dir():
        _inspect_folder(path, out)
    elif not path.is_file():
        alike = is_named_like_bundled(str(source))
        more = f", and the models that come with kbert are {', '.join(bundled_models())}"
        raise KbertError(f"{path}: no such file or folder{more if alike else ''}")
    elif path.suffix == ".keras":
        _inspect_keras(path, out)
    elif path.suffix == ".safetensors":
        _print_tensors(safetensors.open_safetensors(path), path.name, out)
    elif path.suffix == ".bin":
        _inspect_torch(path, out)
    elif path.suffix == ".txt":
        _print_vocabulary(read_file(path, _MAX_VOCABULARY_BYTES), path, path.name, out)
    else:
        raise KbertError(
            f"{path}: kbert inspects .keras, .safetensors and .bin files, vocab.txt, and folders "
            "of them"
        )


def _inspect_keras(path: Path, out: Console) -> None:
    with open_keras_archive(path) as contents:
        written = f"written by Keras {contents.keras_version}"
        out.print(f"{path.name}: {contents.class_name}, {path.stat().st_size:,} bytes, {written}")
        _print_object(contents.config, "arguments", out)
        for name, data in contents.assets.items():
            if name.endswith(VOCABULARY_FILE):
                _print_vocabulary(data, path, name, out)
            else:
                _print_object(read_json_object(data, name), name, out)
        _print_tensors(contents.tensors, "weights", out)


def _inspect_folder(path: Path, out: Console) -> None:
    """A checkpoint: its config, tokenizer and weights, and what else lies there."""
    seen = set()
    for name in _SMALL_FILES:
        file = find_file(path, name)
        if file is not None:
            data = read_file(file, MAX_JSON_BYTES)
            _print_object(read_json_object(data, str(file)), name, out)
            seen.add(name)
    vocabulary = find_file(path, VOCABULARY_FILE)
    if vocabulary is not None:
        data = read_file(vocabulary, _MAX_VOCABULARY_BYTES)
        _print_vocabulary(data, vocabulary, VOCABULARY_FILE, out)
        seen.add(VOCABULARY_FILE)
    for name in (safetensors.WEIGHTS, safetensors.INDEX):
        if find_file(path, name) is not None:
            _print_tensors(safetensors.open_safetensors(path), name, out)
            seen.add(name)
            break
    binary = find_file(path, torch.WEIGHTS)
    if binary is not None:
        _inspect_torch(binary, out)
        seen.add(torch.WEIGHTS)
    if not seen:
        raise KbertError(f"{path}: the folder holds no part of a checkpoint")
    others = sorted(entry.name for entry in path.iterdir() if entry.name not in seen)
    if others:
        out.print(f"not looked at: {', '.join(map(shown, others[:20]))}")


def _inspect_torch(path: Path, out: Console) -> None:
    kind = "a zip" if torch.check_torch_bin(path) else "the format before PyTorch 1.6"
    out.print(
        f"{path.name}: a PyTorch pickle ({kind}), {path.stat().st_size:,} bytes; it names nothing "
        "but tensors. It was not unpickled; kbert.load opens it only when asked to"
    )


def _print_vocabulary(data: bytes, path: Path, name: str, out: Console) -> None:
    tokens = parse_vocabulary(data, str(path))
    pieces = sum(token.startswith("##") for token in tokens)
    out.print(f"{name}: {len(tokens):,} tokens, {pieces:,} of them ## pieces, {len(data):,} bytes")


def _print_object(values: dict[str, Any], title: str, out: Console) -> None:
    rows = ((shown(name), shown(value)) for name, value in values.items())
    _print_table(title, ("name", "value"), rows, out)


def _print_tensors(tensors: dict[str, StoredTensor], title: str, out: Console) -> None:
    total = sum(math.prod(tensor.shape) for tensor in tensors.values())
    kinds = Counter[str]()
    for tensor in tensors.values():
        kinds[tensor.dtype] += math.prod(tensor.shape)
    if len(kinds) > 1:
        out.print("; ".join(f"{count:,} of {kind}" for kind, count in kinds.most_common()))
    rows = (
        (shown(name), tensor.dtype, " x ".join(map(str, tensor.shape)) or "one number")
        for name, tensor in tensors.items()
    )
    headings = ("tensor", "type", "shape")
    told = f"{title}: {counted(len(tensors), 'tensor')}, {total:,} numbers"
    _print_table(told, headings, rows, out)


def _print_table(
    title: str, headings: Iterable[str], rows: Iterable[tuple[str, ...]], out: Console
) -> None:
    # Names of tensors differ at their ends: what is too long goes on in the next line.
    columns = [Column(heading, overflow="fold") for heading in headings]
    table = Table(*columns, title=title, title_justify="left", title_style="bold")
    for row in rows:
        table.add_row(*row)
    if not out.is_terminal:  # a file or another program has lines of any length
        wide = out.options.update(max_width=_MOST_WIDTH)
        table.width = Measurement.get(out, wide, table).maximum
    out.print(table)
