"""PyTorch's own files (`pytorch_model.bin`): pickles, so only on request, and never trusted.

Unpickling runs what the pickle says. PyTorch's `weights_only` is a small unpickler that knows
tensors only; before it sees a file, the pickle's instructions are read, and not carried out: they
may name nothing but the classes of a dict of tensors, and no size larger than the file.

Source: torch.serialization; the pickle instructions are described in Python's pickletools.
"""

import io
import pickletools
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kbert.errors import KbertError, how_to_install, kind_of
from kbert.files.stored_zip import check_contents, open_stored_zip
from kbert.formats.readers.folder import find_file
from kbert.formats.readers.safetensors import check_shard, read_index
from kbert.formats.readers.stored_tensor import StoredTensor

WEIGHTS, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
OLDEST_TORCH = (2, 10)  # earlier weights_only unpicklers have known holes
MAX_PICKLE_BYTES = 1 << 20

# Since PyTorch 1.6 it is a zip; before, some pickles and then the numbers. The first of those
# pickles is always this one.
_OLD_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

_STORAGES = "Double Float Half BFloat16 Long Int Short Char Byte Bool".split()
_GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind}Storage" for kind in _STORAGES),
}
_INSTRUCTIONS = set(
    "PROTO STOP MARK GLOBAL REDUCE BUILD BINPERSID BINPUT LONG_BINPUT BINGET LONG_BINGET "
    "EMPTY_DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS "
    "BINUNICODE BINFLOAT BININT BININT1 BININT2 LONG1 NONE NEWTRUE NEWFALSE".split()
)
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}


def open_torch_bin(source: str | Path) -> dict[str, StoredTensor]:
    """Opens a PyTorch checkpoint; call it only where the user asked for it.

    Args:
        source: a `.bin` file, or a folder that has `pytorch_model.bin`, or
            `pytorch_model.bin.index.json` and the files that it names.

    Returns:
        The tensors by name; `.read()` gives one as a float32 array.

    Raises:
        KbertError: if there is no such file, PyTorch is missing or too old, or the file is anything
            but a dict of names and tensors.
    """
    path = Path(source)
    if not path.is_dir():
        if not path.is_file():
            raise KbertError(f"{path}: no such file or folder")
        return _load(path)
    single, index = find_file(path, WEIGHTS), find_file(path, INDEX)
    if single is not None:
        return _load(single)
    if index is None:
        raise KbertError(f"{path}: the folder has neither {WEIGHTS} nor {INDEX}")
    tensors: dict[str, StoredTensor] = {}
    for shard, names in read_index(index, path, ".bin").items():
        found = _load(shard)
        check_shard(index, shard, names, set(found))
        tensors |= found
    return tensors


def check_torch_bin(path: Path) -> bool:
    """Checks a file without unpickling it; returns whether it is a zip (PyTorch 1.6 and later).

    Raises:
        KbertError: if it is no PyTorch file, or its pickle holds more than a dict of tensors.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_OLD_MAGIC))
        if start == _OLD_MAGIC:
            for _ in range(2):  # after the magic number: the version, what the machine was like
                _check_pickle(file, path, 2**31)
            for _ in range(2):  # the tensors, the list of their storages
                _check_pickle(file, path, size)
            return False
        if not start.startswith(b"PK"):
            raise KbertError(
                f"{path}: not a PyTorch file: it begins with {start[:8]!r}, neither a zip nor the "
                "pickle that PyTorch wrote before 1.6"
            )
        with open_stored_zip(file, str(path)) as archive:
            pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
            if len(pickles) != 1 or pickles[0].count("/") != 1:
                raise KbertError(f"{path}: expected one data.pkl, and found {pickles!r:.80}")
            check_contents(archive, str(path))
            if archive.getinfo(pickles[0]).file_size > MAX_PICKLE_BYTES:
                raise KbertError(f"{path}: its pickle has more than {MAX_PICKLE_BYTES:,} bytes")
            _check_pickle(io.BytesIO(archive.read(pickles[0])), path, size)
    return True


def _check_pickle(file: BinaryIO, path: Path, most: int) -> None:
    """Reads one pickle's instructions, up to its end.

    A tuple that is used again is refused too: tuples of tuples of tuples would take ages to hash.
    """
    start = file.tell()
    tuples: set[Any] = set()
    last = ""
    try:
        for instruction, value, _ in pickletools.genops(file):
            name = instruction.name
            if name not in _INSTRUCTIONS:
                raise KbertError(f"{path}: refused: the pickle holds a {name} instruction")
            if name == "GLOBAL" and value not in _GLOBALS:
                called = str(value).replace(" ", ".")
                raise KbertError(
                    f"{path}: refused: the pickle names {called!r:.80}; a dict of tensors has no "
                    "use for that. It may run code: do not open it elsewhere"
                )
            if type(value) is int and "PUT" not in name and "GET" not in name and value > most:
                raise KbertError(
                    f"{path}: refused: the pickle claims a size of {value:,}, and the whole file "
                    f"has {most:,} bytes"
                )
            if "PUT" in name and last in _TUPLES:
                tuples.add(value)
            if "GET" in name and value in tuples:
                raise KbertError(f"{path}: refused: the pickle uses one tuple twice")
            if file.tell() - start > MAX_PICKLE_BYTES:
                raise KbertError(f"{path}: its pickle has more than {MAX_PICKLE_BYTES:,} bytes")
            last = name
    except KbertError:
        raise
    except Exception as error:  # whatever pickletools makes of a stranger's bytes
        raise KbertError(f"{path}: its pickle is damaged ({error})") from error


def _load(path: Path) -> dict[str, StoredTensor]:
    is_zip = check_torch_bin(path)
    torch = _import_torch(path)
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # whatever PyTorch makes of a stranger's bytes
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise KbertError(f"{path}: PyTorch refuses it, or it is damaged: {reason}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]  # beside it stand epochs and the like
    if not isinstance(state, dict):
        raise KbertError(f"{path}: expected a dict of tensors, got {kind_of(state)}")
    tensors = {}
    for name, tensor in dict.items(state):
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise KbertError(
                f"{path}: expected a dict of names and tensors; {name!r:.80} is {kind_of(tensor)}"
            )
        size = tensor.numel() * tensor.element_size()
        if tensor.layout is not torch.strided or size > tensor.untyped_storage().nbytes():
            raise KbertError(
                f"{path}: tensor {name!r:.80} of shape {list(tensor.shape)} has more numbers than "
                "are stored"
            )
        kind = str(tensor.dtype).removeprefix("torch.")
        tensors[name] = StoredTensor(tuple(tensor.shape), kind, _reader(tensor))
    return tensors


def _reader(tensor):
    def read() -> np.ndarray:
        import torch

        return np.ascontiguousarray(tensor.detach().to(torch.float32, copy=True).numpy())

    return read


def _import_torch(path: Path):
    """PyTorch, if it is there and new enough."""
    try:
        import torch
    except ImportError:
        raise KbertError(
            f"{path}: only PyTorch reads this format, and it is not installed: "
            f"{how_to_install('torch')}, or use the checkpoint's model.safetensors"
        ) from None
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_TORCH:
        raise KbertError(
            f"{path}: PyTorch {torch.__version__} is not safe to read it with; install "
            f"{'.'.join(map(str, OLDEST_TORCH))} or later, or use the checkpoint's "
            "model.safetensors"
        )
    return torch
