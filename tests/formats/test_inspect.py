import importlib.util
import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import kbert
from kbert.__main__ import main
from kbert.formats.inspect import inspect
from tests.conftest import SMALL, WORDS
from tests.formats import hostile_checkpoints

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


@pytest.fixture
def saved(tmp_path):
    model = kbert.BertForMaskedLM(**SMALL)
    model.tokenizer = kbert.Tokenizer(WORDS, lowercase=True)
    model.save(tmp_path / "모델.keras")
    return tmp_path / "모델.keras"


def shown(path, capsys) -> tuple[int, str]:
    """The exit status and the text, its spaces and lines of tables left out."""
    status = main(["inspect", str(path)])
    text = capsys.readouterr().out
    return status, " ".join(text.translate({ord(c): " " for c in "│┃"}).split())


def test_a_keras_file(saved, capsys):
    status, text = shown(saved, capsys)
    assert status == 0
    assert (
        f"모델.keras: BertForMaskedLM, {saved.stat().st_size:,} bytes, written by Keras 3" in text
    )
    assert "vocab_size 40 " in text and "num_attention_heads 3 " in text
    assert f"vocab.txt: {len(WORDS)} tokens, 7 of them ## pieces" in text
    assert "lowercase True" in text
    # Tables (40 + 17 + 2) x 12 and a norm; a layer: Q K V 12 x 36 + 36, output 12 x 12 + 12, widen
    # 12 x 20 + 20, narrow 20 x 12 + 12, two norms; the head: 12 x 12 + 12, a norm, a bias of 40.
    layer = 12 * 36 + 36 + 12 * 12 + 12 + 12 * 20 + 20 + 20 * 12 + 12 + 4 * 12
    total = 59 * 12 + 24 + 2 * layer + 12 * 12 + 12 + 24 + 40
    assert f"weights: 34 tensors, {total:,} numbers" in text
    assert "bert/embeddings/vars/0 float32 40 x 12 " in text
    name = "bert/encoder_layers/encoder_layer_1/self_attention/query_key_value/vars/0"
    assert f"{name} float32 12 x 36" in text  # longer than 60 of 80 columns
    assert text.endswith("passed every check that is made before anything is loaded")


def test_a_terminal_of_few_columns_cuts_no_name(saved):
    out = Console(file=StringIO(), width=60, force_terminal=True, no_color=True)
    inspect(saved, out)
    cells = [line.split("│") for line in out.file.getvalue().splitlines() if "│" in line]
    names = "".join(cell[1].strip() for cell in cells)
    assert "bert/encoder_layers/encoder_layer_1/self_attention/query_key_value/vars/0" in names


def test_a_checkpoint_folder(tmp_path, capsys):
    hostile_checkpoints.checkpoint()(tmp_path)
    status, text = shown(tmp_path, capsys)
    assert status == 0
    assert "model_type bert" in text and "vocab.txt: 5 tokens, 0 of them ## pieces" in text
    # Tables (5 + 8 + 2) x 4, norms 3 x 8, and 7 matrices of 4 x 4 with a bias.
    assert f"model.safetensors: 23 tensors, {15 * 4 + 3 * 8 + 7 * 20} numbers" in text
    assert "pooler.dense.weight F32 4 x 4" in text
    assert "not looked at: __init__.py, conftest.py, modeling.py, tokenization.py" in text


def test_pickles_are_not_unpickled(tmp_path, capsys):
    good = hostile_checkpoints.write_controls(tmp_path / "good")["good .bin"]
    status, text = shown(good, capsys)
    assert status == 0
    assert "good.bin: a PyTorch pickle (a zip)" in text and "It was not unpickled" in text
    assert shown(hostile_checkpoints.TORCH["os.system"][1](tmp_path), capsys)[0] == 1


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.keras", b"hello", "x.keras: not a zip file"),
        ("x.safetensors", b"hello", "not a safetensors file"),
        ("x.h5", b"hello", "kbert inspects .keras, .safetensors and .bin files"),
        ("vocab.txt", b"\xff\xff", "not UTF-8"),
    ],
)
def test_what_is_refused(tmp_path, capsys, name, data, message):
    (tmp_path / name).write_bytes(data)
    status, text = shown(tmp_path / name, capsys)
    assert status == 1
    assert text.startswith("refused: ") and message in text


def test_no_such_file(tmp_path, capsys):
    assert shown(tmp_path / "none", capsys)[0] == 1
    assert shown(tmp_path, capsys) == (
        1,
        f"refused: {tmp_path}: the folder holds no part of a checkpoint",
    )


def test_names_do_not_steer_the_terminal(tmp_path, capsys):
    name = "\x1b[2Jcleared [red]w"
    described = {name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}
    path = tmp_path / "x.safetensors"
    path.write_bytes(hostile_checkpoints.tensors(described, b""))
    status, text = shown(path, capsys)
    assert status == 0
    assert "\x1b" not in text and "cleared [red]w" in text


def test_it_needs_no_backend_and_no_keras(saved):
    """In a process where Keras and its backends cannot be imported."""
    code = (
        "import sys\n"
        "for name in ('keras', 'tensorflow', 'jax', 'torch'): sys.modules[name] = None\n"
        f"from kbert.__main__ import main; sys.exit(main(['inspect', {str(saved)!r}]))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert "BertForMaskedLM" in done.stdout.decode()


def test_the_bundled_model_by_its_name(capsys):
    status, text = shown("kbert-mini-ko", capsys)
    assert status == 0 and "7,535,746 numbers" in text
    status, text = shown("kbert_mini_ko", capsys)
    assert status == 1 and "_mini_ko: no such file or folder, and the models that come" in text


def test_the_command(saved):
    done = subprocess.run(
        [sys.executable, "-m", "kbert", "inspect", str(saved.with_name("none"))],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "no such file or folder" in done.stdout


def test_an_index_of_shards(tmp_path, capsys):
    """And in transformers' own files, where it is installed."""
    if importlib.util.find_spec("safetensors") is None:
        pytest.skip("safetensors is not installed")
    import numpy as np
    from safetensors.numpy import save_file

    for index in range(2):
        save_file(
            {f"w{index}": np.ones((2, index + 1), "float16")}, tmp_path / f"{index}.safetensors"
        )
    weight_map = {f"w{index}": f"{index}.safetensors" for index in range(2)}
    text = json.dumps({"metadata": {"total_size": 12}, "weight_map": weight_map})
    (tmp_path / "model.safetensors.index.json").write_text(text)
    status, text = shown(tmp_path, capsys)
    assert status == 0
    assert "2 tensors, 6 numbers" in text and "w1 F16 2 x 2" in text
