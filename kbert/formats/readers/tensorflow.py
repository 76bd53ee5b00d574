"""TensorFlow's checkpoints (`*.ckpt.index` and `*.ckpt.data-00000-of-00001`), without TensorFlow.

    index: blocks of name -> entry, a block of where they are, and a footer of 48 bytes
    data:  the numbers

The index is a sorted table as LevelDB has it; an entry is a protocol buffer that says dtype, shape,
first byte and size. Both are small formats, and a stranger's claim: what passes here lies
within the files, with as many bytes as its shape takes. Numbers are read one tensor at a time.

Source: tensorflow, core/util/tensor_bundle and core/protobuf/tensor_bundle.proto; LevelDB,
doc/table_format.md; the encoding of protocol buffers.
"""

import math
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from kbert.errors import KbertError
from kbert.formats.readers.folder import find_file, read_file
from kbert.formats.readers.safetensors import MAX_RANK
from kbert.formats.readers.stored_tensor import MAX_TENSORS, StoredTensor

SUFFIX = ".index"
MAX_INDEX_BYTES = 1 << 22
_MOST = 4 * MAX_TENSORS  # with an optimizer's, of which there are two for each
_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_LONGEST_NAME = 1000
_DTYPES = {  # by TensorFlow's numbers
    1: ("F32", "<f4"),
    2: ("F64", "<f8"),
    3: ("I32", "<i4"),
    9: ("I64", "<i8"),
    14: ("BF16", "<u2"),
    19: ("F16", "<f2"),
}
_Fields = list[tuple[int, int | bytes]]


def open_tensorflow(index: Path) -> dict[str, StoredTensor]:
    """Reads what tensors a checkpoint has, and none of their numbers.

    Args:
        index: the `.index` file; the others stand beside it.

    Returns:
        The tensors by name, as `bert/pooler/dense/kernel`; `.read()` gives one as a float32 array.
        What holds no numbers is left out.

    Raises:
        KbertError: if a file is missing, damaged, or not what it must be.
    """
    found = _entries(read_file(index, MAX_INDEX_BYTES), index)
    entries = dict(islice(found, _MOST))
    if next(found, None) is not None:
        raise KbertError(f"{index}: has more than {_MOST:,} tensors")
    header = _whole_numbers(entries.pop(b"", b""), index)
    if (header.get(1), header.get(2, 0)) != (1, 0):  # num_shards, endianness
        raise KbertError(
            f"{index}: says that its numbers are in {header.get(1, 0):,} files, or big-endian; "
            "kbert reads those in one, as published checkpoints are"
        )
    name = f"{index.name.removesuffix(SUFFIX)}.data-00000-of-00001"
    path = find_file(index.parent, name)
    if path is None:
        raise KbertError(f"{index.parent}: lacks {name}, which belongs to {index.name}")
    tensors: dict[str, StoredTensor] = {}
    for key, entry in entries.items():
        name = key.decode("utf-8", "backslashreplace")
        tensor = _tensor(name, entry, path, index)
        if tensor is not None:
            tensors[name] = tensor
    return tensors


def _tensor(name: str, entry: bytes, path: Path, index: Path) -> StoredTensor | None:
    """A tensor by its entry: dtype 1, shape 2, first byte 4, size 5; 7 are slices."""
    where = f"{index}: tensor {name!r:.80}"
    numbers = _whole_numbers(entry, index)
    fields = dict(_fields(entry, index))
    if 7 in fields:
        raise KbertError(f"{where} is stored in slices, which kbert does not put together")
    dims = [value for field, value in _fields(fields.get(2, b""), index) if field == 2]
    shape = tuple(_whole_numbers(dim, index).get(1, 0) for dim in dims)
    dtype, begin, size = (numbers.get(field, 0) for field in (1, 4, 5))
    if dtype not in _DTYPES:
        return None
    named, form = _DTYPES[dtype]
    if len(shape) > MAX_RANK or any(each >= 2**62 for each in shape):
        raise KbertError(f"{where}: the shape {shape!r:.80} is none")
    needed = math.prod(shape) * np.dtype(form).itemsize
    end = path.stat().st_size
    if needed != size or begin + needed > end:
        raise KbertError(
            f"{where}: {named} of shape {shape} takes {needed:,} bytes; the entry says {size:,} "
            f"from byte {begin:,} on, and {path.name} has {end:,}"
        )
    return StoredTensor(shape, named, partial(_read, path, name, begin, shape, named, form))


def _read(
    path: Path, name: str, begin: int, shape: tuple[int, ...], dtype: str, form: str
) -> np.ndarray:
    count = math.prod(shape)
    with path.open("rb") as file:
        array = np.fromfile(file, form, count, offset=begin)
    if array.size != count:
        raise KbertError(f"{path}: tensor {name!r:.80} is cut short: the file was changed")
    if dtype == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32, copy=False).reshape(shape)


def _entries(data: bytes, where: Path) -> Iterator[tuple[bytes, bytes]]:
    """All names with their entries: those of each block that the last block names."""
    if len(data) < _FOOTER or not data.endswith(_MAGIC):
        raise KbertError(f"{where}: not an index of a TensorFlow checkpoint, or cut short")
    footer = data[-_FOOTER:]
    _, at = _number(footer, 0, where)
    _, at = _number(footer, at, where)  # of a block of notes, which is empty
    total = 0
    for _, handle in _block(data, *_span(footer, at, where), where):
        span = _span(handle, 0, where)
        total += span[1]
        if total > len(data):  # blocks that are each other: the same bytes again and again
            raise KbertError(f"{where}: its blocks are more than the file")
        yield from _block(data, *span, where)


def _span(data: bytes, at: int, where: Path) -> tuple[int, int]:
    begin, at = _number(data, at, where)
    size, _ = _number(data, at, where)
    return begin, size


def _block(data: bytes, begin: int, size: int, where: Path) -> Iterator[tuple[bytes, bytes]]:
    """A block's names and values. A name says how much of the one before it begins with.

    Behind them stand places to begin at, 4 bytes each, and their count.
    """
    if begin + size + 5 > len(data) or size < 4:
        raise KbertError(f"{where}: damaged: a block of {size:,} bytes from {begin:,} on")
    if data[begin + size] != 0:
        raise KbertError(f"{where}: is compressed; TensorFlow writes such indices uncompressed")
    block = data[begin : begin + size]
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    at, key = 0, b""
    while at < end:
        shared, at = _number(block, at, where)
        rest, at = _number(block, at, where)
        length, at = _number(block, at, where)
        if shared > len(key) or at + rest + length > end or shared + rest > _LONGEST_NAME:
            raise KbertError(f"{where}: damaged: a name or an entry that is too long")
        key = key[:shared] + block[at : at + rest]
        at += rest
        yield key, block[at : at + length]
        at += length


def _fields(message: int | bytes, where: Path) -> _Fields:
    """The fields of a protocol buffer: numbers, and bytes of what is more than one."""
    if not isinstance(message, bytes):
        raise KbertError(f"{where}: damaged: a number where a message is expected")
    found: _Fields = []
    at = 0
    while at < len(message):
        tag, at = _number(message, at, where)
        kind = tag & 7
        if kind == 0:
            value, at = _number(message, at, where)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = int.from_bytes(message[at : at + size], "little"), at + size
        elif kind == 2:
            size, at = _number(message, at, where)
            value, at = message[at : at + size], at + size
        else:
            raise KbertError(f"{where}: damaged: a field of kind {kind}")
        if at > len(message):
            raise KbertError(f"{where}: damaged: a field that is longer than its message")
        found.append((tag >> 3, value))
    return found


def _whole_numbers(message: int | bytes, where: Path) -> dict[int, int]:
    """The fields of a protocol buffer that are numbers; the last counts where one stands twice."""
    return {field: value for field, value in _fields(message, where) if isinstance(value, int)}


def _number(data: bytes, at: int, where: Path) -> tuple[int, int]:
    """A whole number of 7 bits a byte, the least first, and what is behind it."""
    number = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            break
        byte = data[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
    raise KbertError(f"{where}: damaged: a number without an end")
