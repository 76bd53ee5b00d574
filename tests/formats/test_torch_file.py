"""Against PyTorch, which wrote the format."""

import sys
from collections import OrderedDict

import numpy as np
import pytest

from kbert import KbertError
from kbert.formats.readers.torch import check_torch_bin, open_torch_bin
from tests.formats import hostile_checkpoints as made

pytestmark = pytest.mark.once

torch = pytest.importorskip("torch")


def state():
    table = torch.arange(12.0).reshape(3, 4) / 7
    return OrderedDict(
        table=table,
        decoder=table,  # tied
        turned=table.T,
        half=torch.tensor([0.1, 2.0], dtype=torch.float16),
        brain=torch.tensor([0.1, 2.0], dtype=torch.bfloat16),
        ids=torch.arange(5)[None],
        parameter=torch.nn.Parameter(torch.ones(2)),
    )


@pytest.mark.parametrize("as_zip", [True, False])
def test_both_formats(tmp_path, as_zip):
    path = tmp_path / "pytorch_model.bin"
    torch.save(state(), path, _use_new_zipfile_serialization=as_zip)
    found = open_torch_bin(tmp_path)
    assert list(found) == list(state())
    for name, tensor in state().items():
        read = found[name].read()
        assert read.dtype == np.float32 and found[name].shape == tuple(tensor.shape)
        np.testing.assert_array_equal(read, tensor.detach().float().numpy())


def test_the_state_of_a_module(tmp_path):
    """A module's state has attributes of its own, which the pickle holds, too."""
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
    torch.save(module.state_dict(), tmp_path / "pytorch_model.bin")
    found = open_torch_bin(tmp_path)
    np.testing.assert_array_equal(found["0.weight"].read(), module[0].weight.detach().numpy())


def test_weights_beside_an_epoch(tmp_path):
    """What a training loop saved: the weights are under `state_dict`."""
    saved = {"state_dict": state(), "epoch": 3, "best": 0.5, "arch": "bert"}
    torch.save(saved, tmp_path / "pytorch_model.bin")
    found = open_torch_bin(tmp_path)
    assert list(found) == list(state())
    np.testing.assert_array_equal(found["table"].read(), state()["table"].numpy())


def test_what_is_read_is_a_copy(tmp_path):
    torch.save(state(), tmp_path / "pytorch_model.bin")
    found = open_torch_bin(tmp_path)
    found["table"].read()[:] = 0
    assert found["table"].read().sum() > 0


@pytest.mark.parametrize(
    ("version", "message"), [(None, "not installed"), ("2.9.1", "2.10 or later")]
)
def test_without_a_safe_pytorch(tmp_path, monkeypatch, version, message):
    torch.save(state(), tmp_path / "pytorch_model.bin")
    if version is None:
        monkeypatch.setitem(sys.modules, "torch", None)
    else:
        monkeypatch.setattr(torch, "__version__", version)
    with pytest.raises(KbertError, match=message):
        open_torch_bin(tmp_path)


@pytest.mark.parametrize(("beyond", "refused"), [(-1, False), (0, False), (1, True), (500, True)])
def test_a_claim_just_beyond_the_files_size(tmp_path, beyond, refused):
    def written(numel: int):
        return made.pickled(made.tensor_dict(made.tensor(numel=numel)))(tmp_path)

    size = written(1_000).stat().st_size  # as many bytes of pickle as the claim below has
    path = written(size + beyond)
    assert path.stat().st_size == size
    if refused:
        with pytest.raises(KbertError, match="claims a size"):
            check_torch_bin(path)
    else:
        assert check_torch_bin(path)
