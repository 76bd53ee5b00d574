"""A `.keras` file whose floats take 16 bits: half the bytes, and opened as float32 again.

A weight is then off by at most one part in 2,048, which no answer shows. The file is written anew
from the one that Keras wrote, so it has the same members and tensors by the same names.
"""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

from kbert.errors import KbertError

_WEIGHTS = "model.weights.h5"


def store_as_float16(path: Path) -> None:
    """Writes a `.keras` file again in its place, with every float32 tensor as float16.

    Raises:
        KbertError: if a weight is beyond what float16 can be, 65,504, or is NaN or infinity.
    """
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[_WEIGHTS] = _halved(members[_WEIGHTS])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def _halved(data: bytes) -> bytes:
    """An HDF5 file with the same groups and tensors, those of float32 as float16."""
    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(data), "r") as old, h5py.File(buffer, "w") as new:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                made = new.create_group(name)
            else:
                array = item[()]
                if array.dtype == np.float32:
                    wrong = array[~np.isfinite(array)]
                    if wrong.size:
                        raise KbertError(
                            f"{name} holds {wrong[0]}: the model is broken, as by a training that "
                            "diverged, and its file would not be opened again"
                        )
                    with np.errstate(over="ignore"):
                        array = array.astype(np.float16)
                    if not np.isfinite(array).all():
                        raise KbertError(
                            f"{name} holds a number beyond 65,504, the largest of float16: save "
                            "the model without weights='float16'"
                        )
                made = new.create_dataset(name, data=array)
            for key, value in item.attrs.items():
                made.attrs[key] = value

        old.visititems(copy)
    return buffer.getvalue()
