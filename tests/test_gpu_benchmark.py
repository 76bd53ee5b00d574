"""benchmarks/gpu.py where there is no GPU: the batches that it makes, and a whole run."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.once  # it starts backends of its own

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("length", "mean"), [(128, 0.934), (512, 0.787), (2048, 0.380)])
def test_lengths_have_the_mean_of_the_text_that_they_were_measured_on(gpu, length, mean):
    lengths = gpu.row_lengths(64, length, "padded")
    assert lengths.max() == length and len(set(lengths)) > 5
    assert lengths.mean() / length == pytest.approx(mean, abs=0.015)
    assert (gpu.row_lengths(64, length, "full") == length).all()


def test_batches_mask_real_tokens_only(gpu):
    lengths = gpu.row_lengths(32, 512, "padded")
    x, y, weights = gpu.make_batch(lengths, 512)
    assert (x["attention_mask"].sum(axis=1) == lengths).all()
    counted = weights["mlm"] == 1
    assert (counted.sum(axis=1) == np.rint(0.15 * lengths)).all()
    positions = x["masked_lm_positions"]
    assert positions.shape == (32, 77)  # the most of 512
    for row, (places, chosen) in enumerate(zip(positions, counted, strict=True)):
        assert (np.diff(places[chosen]) > 0).all() and places[chosen].max() < lengths[row]
        left = x["input_ids"][row, places[chosen]]
        assert ((y["mlm"][row, chosen] == left) | (left == 4)).all()
    masked = x["input_ids"] == 4
    assert 0.75 < masked.sum() / counted.sum() < 0.85


def test_half_the_rows_where_the_memory_is_full(gpu, monkeypatch):
    """As the frameworks complain: no machine here has a GPU to fill."""
    asked = []

    def child(command, **_):
        tokens = int(command[command.index("--tokens") + 1]) if "--tokens" in command else 1024
        asked.append(tokens)
        rows = json.dumps({"rows": tokens // 128})
        if tokens > 256:
            complaint = "...\njaxlib.XlaRuntimeError: RESOURCE_EXHAUSTED: allocating 9 GiB\n"
            return subprocess.CompletedProcess(command, 1, rows + "\n", complaint)
        return subprocess.CompletedProcess(command, 0, f'{rows}\n{{"measured": true}}\n', "")

    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    arguments = gpu.parse_arguments()
    monkeypatch.setattr(subprocess, "run", child)
    assert gpu.run_child(arguments, "jax", 128, time.monotonic() + 9) == {"measured": True}
    assert asked == [1024, 512, 256]


def test_what_could_not_be_measured_is_in_the_table(gpu, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--minutes", "2"])
    arguments = gpu.parse_arguments()
    late = gpu.run_child(arguments, "jax", 2048, time.monotonic() - 1)
    assert late["error"] == "left out: not done in its share of 2 minutes"
    died = subprocess.CompletedProcess([], 1, "", "Traceback\nModuleNotFoundError: No jax\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: died)
    missing = gpu.run_child(arguments, "jax", 128, time.monotonic() + 9)
    shown = gpu.table([late, missing])
    assert "| jax | 2,048 | left out: not done" in shown
    assert "| jax | 128 | ModuleNotFoundError: No jax |" in shown


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="it measures JAX and PyTorch")
def test_a_whole_run_on_the_cpu(gpu, tmp_path):
    backend, out = keras.backend.backend(), tmp_path / "gpu.json"
    command = [sys.executable, SCRIPT, "--backends", backend, "--json", out, "--size", "tiny"]
    command += ["--lengths", 128, "--tokens", 512, "--steps", 4]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (good,) = json.loads(out.read_text("utf-8"))
    assert (good["device"], good["rows"], good["precision"]) == ("CPU", 4, "float32")
    assert good["peak_source"] == "measured product" and "NOT A GPU" in done.stdout
    assert f"| {backend} | 128 | 4 |" in done.stdout
    for kind, tokens in (("full", 512), ("padded", gpu.row_lengths(4, 128, "padded").sum())):
        measured = good[kind]
        seconds = tokens / measured["tokens_per_second"]
        assert 1e3 * seconds == pytest.approx(measured["ms_per_step"], rel=0.01)
    # 4 rows of 128 of the tiny size, 19 masked: D 128, I 512, V 32,000, two layers.
    layer = 2 * (4 * 128 * 128 + 2 * 128 * 512) + 4 * 128 * 128
    head = 19 * 2 * (128 * 128 + 128 * 32000) + 2 * 128 * 128 + 4 * 128
    useful = 3 * 4 * (2 * 128 * layer + head)
    expected = useful / (good["full"]["ms_per_step"] / 1e3) / (1e12 * good["peak_tflops"])
    assert good["full"]["mfu"] == pytest.approx(expected, rel=0.02)
    assert 0.3 < good["peak_memory_gb"] < 4
