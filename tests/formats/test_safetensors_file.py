"""Against the `safetensors` library, which wrote the format."""

import ml_dtypes
import numpy as np
import pytest

from kbert import KbertError
from kbert.formats.readers.safetensors import open_safetensors

pytestmark = pytest.mark.once

safetensors = pytest.importorskip("safetensors.numpy")

ARRAYS = {
    "double": np.array([[0.1, -2.0], [3.0, 1e30]]),
    "single": np.array([0.1, -2.0, 1e-40], "float32"),
    "half": np.array([[0.1], [65504.0]], "float16"),
    "brain": np.array([0.1, -3e38, 1e-40], ml_dtypes.bfloat16),
    "long": np.array([[1, -(2**40)]]),
    "bytes": np.array([0, 255], "uint8"),
    "truth": np.array([True, False]),
    "one number": np.array(2.5, "float32"),
    "none": np.zeros((0, 3), "float32"),
}


def test_every_type(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.save_file(ARRAYS, path, metadata={"format": "np"})
    found = open_safetensors(tmp_path)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].shape == array.shape
        read = found[name].read()
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, array.astype("float32"))


def test_a_file_that_was_changed_meanwhile(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.save_file(ARRAYS, path)
    found = open_safetensors(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(KbertError, match="was changed"):
        [tensor.read() for tensor in found.values()]


def test_a_cache_of_links(tmp_path):
    """As huggingface_hub lays it out: the folder of a snapshot holds links to blobs."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    safetensors.save_file(ARRAYS, blobs / "0123")
    (snapshot / "model.safetensors").symlink_to("../../blobs/0123")
    assert open_safetensors(snapshot).keys() == ARRAYS.keys()
