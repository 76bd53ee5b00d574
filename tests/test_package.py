import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]


def test_the_wheel_works_elsewhere(tmp_path):
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("kbert-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0].split("-")[0] for name in archive.namelist()}
        assert tops == {"kbert"}  # no tests, no recipes
        archive.extractall(tmp_path / "elsewhere")
    script = (
        "import kbert; print(kbert.__file__); "
        "bert = kbert.Bert(vocab_size=9, hidden_size=4, num_hidden_layers=1, "
        "num_attention_heads=1, intermediate_size=8); bert.save('a.keras'); "
        "print(kbert.load('a.keras').count_params())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "elsewhere")},
        capture_output=True,
        text=True,
        check=True,
    )
    place, parameters = done.stdout.split()[-2:]
    assert Path(place).is_relative_to(tmp_path)
    # Tables 9x4, 512x4, 2x4 and a norm 8; Q K V 60, output 20, norms 16, widen 40, narrow 36;
    # pooler 20.
    assert int(parameters) == (9 + 512 + 2) * 4 + 8 + 60 + 20 + 16 + 40 + 36 + 20
