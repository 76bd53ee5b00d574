"""safetensors: the file format of Hugging Face's checkpoints.

    8 bytes: N, little-endian | N bytes of JSON: name -> dtype, shape, data_offsets | the numbers

The header is a stranger's claim. Every part of it is checked against the file before anything is
allocated: what passes describes each byte of the file once. Numbers are read one tensor at a time.

Source: the format's description in huggingface/safetensors, README.md.
"""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kbert.errors import KbertError
from kbert.files.json_file import MAX_JSON_BYTES, read_json_object
from kbert.formats.readers.folder import find_file, read_file
from kbert.formats.readers.stored_tensor import MAX_TENSORS, StoredTensor

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
MAX_RANK = 8

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of a float32; numpy has no such type
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "<u1",
}


def open_safetensors(source: str | Path) -> dict[str, StoredTensor]:
    """Reads what tensors a checkpoint has, and none of their numbers.

    Args:
        source: a `.safetensors` file, or a folder that has `model.safetensors`, or
            `model.safetensors.index.json` and the files that it names.

    Returns:
        The tensors by name; `.read()` gives one as a float32 array.

    Raises:
        KbertError: if there is no such file, or a header or an index is not what it must be.
            `.read()` raises it if the file was changed since.

    Example:
        >>> import json, tempfile
        >>> header = json.dumps({"w": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}})
        >>> numbers = np.array([0.5, -2], "<f2").tobytes()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.safetensors")
        ...     _ = path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + numbers)
        ...     open_safetensors(folder)["w"].read()
        array([ 0.5, -2. ], dtype=float32)
    """
    path = Path(source)
    if not path.is_dir():
        if not path.is_file():
            raise KbertError(f"{path}: no such file or folder")
        return _read_header(path)
    single, index = find_file(path, WEIGHTS), find_file(path, INDEX)
    if single is not None:
        return _read_header(single)
    if index is None:
        raise KbertError(f"{path}: the folder has neither {WEIGHTS} nor {INDEX}")
    tensors: dict[str, StoredTensor] = {}
    for shard, names in read_index(index, path, ".safetensors").items():
        found = _read_header(shard)
        check_shard(index, shard, names, set(found))
        tensors |= found
    return tensors


def read_index(index: Path, folder: Path, suffix: str) -> dict[Path, set[str]]:
    """Reads an `.index.json`: the files of a sharded checkpoint, and the names in each.

    Raises:
        KbertError: if it maps a tensor to anything but a file of the folder with the right suffix.
    """
    described = read_json_object(read_file(index, MAX_JSON_BYTES), str(index))
    weight_map = described.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise KbertError(
            f"{index}: expected a weight_map of names to files, got {weight_map!r:.80}"
        )
    by_file: dict[str, set[str]] = {}
    for name, file in weight_map.items():
        if not isinstance(file, str) or not file.endswith(suffix):
            raise KbertError(
                f"{index}: {name!r:.80} is said to be in {file!r:.80}; expected a {suffix} file"
            )
        by_file.setdefault(file, set()).add(name)
    shards: dict[Path, set[str]] = {}
    for file, names in by_file.items():
        path = find_file(folder, file)
        if path is None:
            raise KbertError(f"{index}: names {file!r}, which the folder does not have")
        shards.setdefault(path, set()).update(names)
    return shards


def check_shard(index: Path, shard: Path, expected: set[str], found: set[str]) -> None:
    """Raises KbertError if a file does not hold just the tensors that the index says."""
    if expected != found:
        differing = sorted(expected ^ found)
        raise KbertError(
            f"{index} and {shard.name} disagree on {len(differing)} tensors, {differing[0]!r:.80} "
            "first: each must be in the file that the index names, and in no other"
        )


def _read_header(path: Path) -> dict[str, StoredTensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_JSON_BYTES):
            raise KbertError(
                f"{path}: not a safetensors file, or a damaged one: it has {size:,} bytes and says "
                f"that its header has {length:,} ({MAX_JSON_BYTES:,} is the most)"
            )
        data = file.read(length)
    if not data.startswith(b"{"):
        raise KbertError(f"{path}: not a safetensors file: the header begins with {data[:8]!r}")
    header = read_json_object(data, f"{path}, header")
    _check_metadata(path, header.pop("__metadata__", {}))

    if len(header) > MAX_TENSORS:
        raise KbertError(f"{path}: {len(header):,} tensors; {MAX_TENSORS:,} is the most")

    start = 8 + length
    tensors, spans = {}, []
    for name, described in header.items():
        shape, dtype, begin, end = _check_tensor(path, name, described)
        spans.append((begin, end, name))
        tensors[name] = StoredTensor(
            shape, dtype, partial(_read, path, name, start + begin, shape, dtype)
        )
    place = 0
    for begin, end, name in sorted(spans):
        if begin != place:
            what = "overlaps another" if begin < place else "leaves a gap"
            raise KbertError(
                f"{path}: tensor {name!r:.80} {what}: it begins at byte {begin:,} of the data, and "
                f"{place:,} would be right"
            )
        place = end
    if place != size - start:
        raise KbertError(
            f"{path}: the header describes {place:,} bytes of data, and the file has "
            f"{size - start:,}"
        )
    return tensors


def _check_metadata(path: Path, metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise KbertError(f"{path}: __metadata__ is names and texts, not {metadata!r:.80}")


def _check_tensor(path: Path, name: str, described: Any) -> tuple[tuple[int, ...], str, int, int]:
    """A tensor's shape, dtype, first and last byte, as the header says, if they agree."""
    where = f"{path}: tensor {name!r:.80}"
    keys = {"dtype", "shape", "data_offsets"}
    if not isinstance(described, dict) or set(described) != keys:
        raise KbertError(f"{where}: expected an object with {sorted(keys)}, got {described!r:.80}")
    dtype, shape, offsets = described["dtype"], described["shape"], described["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise KbertError(f"{where}: dtype {dtype!r:.40}; kbert reads {', '.join(_DTYPES)}")
    if not _are_sizes(shape) or len(shape) > MAX_RANK:
        raise KbertError(
            f"{where}: shape {shape!r:.80}; expected up to {MAX_RANK} whole numbers from 0"
        )
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise KbertError(
            f"{where}: data_offsets {offsets!r:.80}; expected the first byte and the end"
        )
    needed = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
    if needed != offsets[1] - offsets[0]:
        raise KbertError(
            f"{where}: {dtype} of shape {shape} takes {needed:,} bytes, and data_offsets {offsets} "
            f"are {offsets[1] - offsets[0]:,}"
        )
    return tuple(shape), dtype, offsets[0], offsets[1]


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(
        type(each) is int and 0 <= each < 2**63 for each in value
    )


def _read(path: Path, name: str, start: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    count = math.prod(shape)
    with path.open("rb") as file:
        array = np.fromfile(file, _DTYPES[dtype], count, offset=start)
    if array.size != count:
        raise KbertError(f"{path}: tensor {name!r:.80} is cut short: the file was changed")
    if dtype == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32, copy=False).reshape(shape)
