"""Files that mean harm: each is refused by a KbertError, and nothing else happens.

All are opened by one process (`judge.py`), which notes what it touches.
"""

import importlib.util
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import BertForPreTraining
from tests.conftest import SMALL, WORDS
from tests.formats import hostile_checkpoints, hostile_keras

pytestmark = pytest.mark.once  # what is refused is refused before a backend has it

JUDGE = Path(__file__).with_name("judge.py")
MOST_SECONDS, MOST_KIB = 2.0, 1 << 20


def write_files(folder: Path) -> dict[str, Path]:
    """Writes good files and all bad ones into a folder: name -> what to open."""
    model = BertForPreTraining(**SMALL)
    model.tokenizer = kbert.Tokenizer(WORDS)
    table = model.bert.embeddings.position_table
    numbers = np.array(ops.convert_to_numpy(table))
    numbers[0, 0] = 12345  # to be found again in the file
    table.assign(numbers)
    control = folder / "control.keras"
    model.save(control)
    with zipfile.ZipFile(control) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    paths = {"good .keras": control, **hostile_checkpoints.write_controls(folder / "control")}
    for number, (name, (_, build)) in enumerate(hostile_keras.FILES.items()):
        paths[name] = folder / f"{number}.keras"
        paths[name].write_bytes(build(parts))
    for number, (name, (_, build)) in enumerate(hostile_checkpoints.FILES.items()):
        inner = folder / f"checkpoint{number}"
        inner.mkdir()
        paths[name] = build(inner)
    return paths


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def results(folder):
    """What came of opening every file: name -> result; and of all their memory: `memory`."""
    paths = write_files(folder)
    done = subprocess.run(
        [sys.executable, str(JUDGE), *map(str, paths.values())],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(JUDGE.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *each, memory = map(json.loads, done.stdout.splitlines())
    return {**dict(zip(paths, each, strict=True)), "memory": memory}


def assert_harmless(result: dict, folder: Path) -> None:
    """Whatever became of it: quick, only itself read, nothing written, started or connected to."""
    assert result["outcome"] in ("refused", "loaded"), result
    assert result["seconds"] < MOST_SECONDS
    assert len(result["message"]) < 1500
    for event in result["touched"]:
        assert event.startswith(f"read {folder}/"), event
    assert not (folder / "canary").exists()


@pytest.mark.parametrize("kind", ["keras", "bin", "safetensors"])
def test_good_files_are_loaded(kind, results):
    """So the refusals are not the judge's own."""
    if kind == "bin" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    result = results[f"good .{kind}"]
    assert (result["outcome"], result["inspected"]["outcome"]) == ("loaded", "loaded"), result


@pytest.mark.parametrize("name", [*hostile_keras.FILES, *hostile_checkpoints.FILES])
def test_bad_files(name, folder, results):
    message, _ = {**hostile_keras.FILES, **hostile_checkpoints.FILES}[name]
    result = results[name]
    assert_harmless(result, folder)
    assert_harmless(result["inspected"], folder)
    assert result["outcome"] == ("loaded" if message is None else "refused"), result["message"]
    if message is not None:
        assert re.search(message, result["message"]), result["message"][:500]


def test_memory(results):
    assert results["memory"]["grown_kib"] < MOST_KIB


def test_the_canary_sings(tmp_path, monkeypatch):
    """Unpickled by Python itself it does write its file: so its silence above means something."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(hostile_keras.Canary()))
    assert (tmp_path / "canary").exists()


def test_a_tensor_from_another_file_would_be_read(tmp_path):
    """h5py itself follows the links that kbert refuses."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["numbers"] = [7.0]
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "numbers")
        assert file["x"][0] == 7
