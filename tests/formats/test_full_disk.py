"""Where nothing more can be written, kbert says so, and what was there is as it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, os, resource, signal, sys
from pathlib import Path
import kbert
from tests.conftest import SMALL, WORDS

os.chdir(sys.argv[1])
model = kbert.BertForMaskedLM(**{**SMALL, "vocab_size": 400})
model.tokenizer = kbert.Tokenizer(WORDS)
ways = {
    "save": lambda: model.save("a.keras"),
    "export_huggingface": lambda: kbert.export_huggingface(model, "a"),
    "a new folder": lambda: kbert.export_huggingface(model, "b"),
}
if sys.argv[2] == "tensorflow":
    ways["export"] = lambda: model.export("saved")
for way in ways.values():
    way()
before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file() and p.parts[0] != "b"}
for file in Path("b").iterdir():
    file.unlink()
Path("b").rmdir()

# As a full disk, but it needs no disk: no file may grow beyond some kilobytes.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))
found = {}
for name, way in ways.items():
    try:
        way()
    except Exception as error:
        found[name] = [type(error).__name__, str(error)]
after = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
print(json.dumps([found, before == after, Path("b").exists()]))
"""


@pytest.mark.skipif(os.name == "nt", reason="has no limit of file sizes")
def test_a_full_disk(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), keras.backend.backend()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found, same, there = json.loads(done.stdout.splitlines()[-1])
    assert {"save", "export_huggingface", "a new folder"} <= set(found)
    for kind, message in found.values():
        assert kind == "KbertError" and "was not written, and what stood there is as" in message
    assert same and not there
