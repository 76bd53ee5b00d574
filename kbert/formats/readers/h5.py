"""The HDF5 file of weights within a `.keras` file: what it may hold.

HDF5 can do more than hold numbers: links to other files, numbers that lie in other files, filters
that unpack little into much, types that are programs of their own. Keras needs none of that and
writes none: only groups within groups, each tensor once, as it is, in this file.
"""

import re
from functools import partial
from typing import Any, BinaryIO

import h5py
import numpy as np

from kbert.errors import KbertError, kind_of
from kbert.formats.readers.stored_tensor import MAX_TENSORS, StoredTensor

MAX_GROUPS = 4 * MAX_TENSORS
MAX_DEPTH = 12
_NAME = re.compile(r"[A-Za-z0-9_]{1,100}")
_DTYPES = ("float16", "float32", "float64", "int8")  # the last where weights are quantized


def open_h5(file: BinaryIO, size: int, where: str) -> tuple[h5py.File, dict[str, StoredTensor]]:
    """Reads what tensors a file has, and none of their numbers.

    Args:
        file: an open HDF5 file.
        size: how many bytes it has.
        where: its name in errors.

    Returns:
        The file, to be closed after use, and its tensors by path (`bert/embeddings/vars/0`).
        `.read()` gives one with the type it is stored in, and bfloat16 as float32.

    Raises:
        KbertError: if it is no HDF5 file, or holds anything but plain tensors.
    """
    h5 = None
    try:
        h5 = h5py.File(file, "r")
        tensors: dict[str, StoredTensor] = {}
        spans: list[tuple[int, int, str]] = []
        seen: set[int] = set()
        todo: list[tuple[str, h5py.Group]] = [("", h5["/"])]
        while todo:
            path, group = todo.pop()
            for name in _names(group, path, len(seen), where):
                inner, item = f"{path}{name}", _follow(group, name, f"{path}{name}", seen, where)
                if isinstance(item, h5py.Group):
                    todo.append((f"{inner}/", item))
                    continue
                begin, dtype = _check_dataset(item, inner, where)
                spans.append((begin, begin + item.nbytes, inner))
                tensors[inner] = StoredTensor(tuple(item.shape), dtype, partial(_read, item, dtype))
        if len(tensors) > MAX_TENSORS:
            raise KbertError(f"{where}: {len(tensors):,} tensors; {MAX_TENSORS:,} is the most")
        _check_spans(spans, size, where)
    except BaseException as error:
        if h5 is not None:
            h5.close()
        if isinstance(error, KbertError) or not isinstance(error, Exception):
            raise
        raise KbertError(f"{where}: no HDF5 file, or a damaged one ({error})") from error
    return h5, tensors


def _names(group: h5py.Group, path: str, objects: int, where: str) -> list[str]:
    if len(group.attrs) > 1 or path.count("/") > MAX_DEPTH:
        raise KbertError(f"{where}: the group {path!r:.80} is not one that Keras writes")
    if objects + len(group) > MAX_GROUPS:
        raise KbertError(f"{where}: holds more than {MAX_GROUPS:,} groups and tensors")
    return list(group)


def _follow(group: h5py.Group, name: str, path: str, seen: set[int], where: str) -> Any:
    """What a name in a group stands for, if it is its one name."""
    if not _NAME.fullmatch(name):
        raise KbertError(f"{where}: {path!r:.80} is not a plain name")
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise KbertError(f"{where}: {path!r:.80} is a link ({type(link).__name__}), not a tensor")
    item = group[name]
    if not isinstance(item, h5py.Group | h5py.Dataset):
        raise KbertError(f"{where}: {path!r:.80} is {kind_of(item)}, not a tensor")
    address = h5py.h5o.get_info(item.id).addr
    if address in seen:
        raise KbertError(f"{where}: {path!r:.80} is a second name of something else")
    seen.add(address)
    return item


def _check_dataset(item: h5py.Dataset, path: str, where: str) -> tuple[int, str]:
    """Where a plain tensor begins in the file, and its type."""
    plan = item.id.get_create_plist()
    if item.external or item.is_virtual or plan.get_external_count():
        raise KbertError(f"{where}: the numbers of {path!r:.80} lie in another file")
    if plan.get_nfilters() or plan.get_layout() != h5py.h5d.CONTIGUOUS:
        raise KbertError(f"{where}: {path!r:.80} is compressed or in pieces; it must lie plainly")
    marks = list(item.attrs)
    dtype = str(item.dtype)
    if marks == ["dtype"] and item.dtype == np.dtype("V2") and item.attrs["dtype"] == "bfloat16":
        dtype = "bfloat16"
    elif marks or dtype not in _DTYPES:
        raise KbertError(f"{where}: {path!r:.80} holds {dtype:.80}, not {', '.join(_DTYPES)}")
    begin = item.id.get_offset()
    if begin is None or item.id.get_storage_size() != item.nbytes:
        raise KbertError(
            f"{where}: {path!r:.80} of shape {item.shape} takes {item.nbytes:,} bytes, and "
            f"{item.id.get_storage_size():,} are stored"
        )
    return begin, dtype


def _check_spans(spans: list[tuple[int, int, str]], size: int, where: str) -> None:
    """No two tensors share a byte, so all of them are no larger than the file."""
    end = 0
    for begin, stop, path in sorted(spans):
        if begin < end or stop > size:
            raise KbertError(f"{where}: {path!r:.80} overlaps another tensor or the file's end")
        end = stop


def _read(dataset: h5py.Dataset, dtype: str) -> np.ndarray:
    array = dataset[()]
    if dtype == "bfloat16":
        array = (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return array
