"""benchmarks/gpu.py where there is no GPU: the batches that it makes, and a whole run."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

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
        assert (y["mlm"][row, chosen] == x["input_ids"][row, places[chosen]]).all()


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="it measures JAX and PyTorch")
def test_a_whole_run_on_the_cpu(gpu, tmp_path):
    backend, out = keras.backend.backend(), tmp_path / "gpu.json"
    command = [sys.executable, SCRIPT, "--backends", backend, "--json", out, "--size", "tiny"]
    command += ["--lengths", 128, 1, "--tokens", 512, "--steps", 4]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env={**os.environ})
    good, bad = json.loads(out.read_text("utf-8"))
    assert done.returncode != 0 and "could not be measured" in done.stderr
    assert "length" in bad["error"] and f"| {backend} | 1 |" in done.stdout

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
