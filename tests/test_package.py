"""What an index would have: built, installed into a fresh environment, and used there."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import kbert

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT.glob("kbert/pretrained/kbert-*")  # models, and their cards
SOURCES = {path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("kbert/**/*.py"), *BUNDLED)}


def run(*command, **settings) -> str:
    """What a command prints; an error of it is an error here, with what it said."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "-o", folder, ROOT)
    return folder


def test_what_is_in_the_sdist_and_in_the_wheel(built):
    """All rooms, and nothing of tests and recipes; the licence in both."""
    stem = f"kbert_keras-{kbert.__version__}"
    with tarfile.open(built / f"{stem}.tar.gz") as archive:
        names = {name.removeprefix(f"{stem}/") for name in archive.getnames()}
    pages = {"README.md", "README.ko.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"}
    assert names == SOURCES | pages | {"pyproject.toml", "PKG-INFO", ".gitignore"}
    with zipfile.ZipFile(built / f"{stem}-py3-none-any.whl") as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = archive.read(f"{stem}.dist-info/METADATA").decode("utf-8")
        licence = archive.read(f"{stem}.dist-info/licenses/LICENSE")
    assert names == SOURCES
    lines = metadata.splitlines()
    assert {"Name: kbert-keras", "License-Expression: Apache-2.0 AND CC-BY-SA-4.0"} <= set(lines)
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_in_a_fresh_environment(built, tmp_path):
    """With what it depends on from this environment, but not with this environment's kbert."""
    fresh = tmp_path / "fresh"
    run(sys.executable, "-m", "venv", "--without-pip", fresh)
    scripts = fresh / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / "python"
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    Path(purelib, "others.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "-q", "--no-deps", "--no-index", wheel)

    alone = {"cwd": tmp_path, "env": without_python_path()}
    assert run(scripts / "kbert", "--version", **alone).strip() == f"kbert {kbert.__version__}"
    shown = run(scripts / "kbert", "--help", **alone)
    assert "inspect" in shown and "FillMask" in shown
    assert "Recipes and demos come with a clone" in shown
    script = (
        "import kbert; print(kbert.__file__); "
        "bert = kbert.Bert(vocab_size=9, hidden_size=4, num_hidden_layers=1, "
        "num_attention_heads=1, intermediate_size=8); bert.save('a.keras'); "
        "print(kbert.load('a.keras').count_params())"
    )
    place, parameters = run(python, "-c", script, **alone).split()[-2:]
    assert Path(place).is_relative_to(fresh)
    # Tables 9x4, 512x4, 2x4 and a norm 8; Q K V 60, output 20, norms 16, widen 40, narrow 36;
    # pooler 20.
    assert int(parameters) == (9 + 512 + 2) * 4 + 8 + 60 + 20 + 16 + 40 + 36 + 20


def without_python_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
