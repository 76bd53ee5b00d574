"""benchmarks/encoder_speed.py: who takes part, its table, and a whole run at a tiny size."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once  # it starts backends of its own

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(FOLDER))  # it imports from the files beside it, as a program does
    try:
        yield importlib.import_module("encoder_speed")
    finally:
        sys.path.remove(str(FOLDER))


def test_nobody_takes_part_twice(benchmark):
    """transformers has one attention for DeBERTa and Longformer, and BigBird's are two."""
    rivals = {
        family: [
            name
            for name in benchmark.CONTESTANTS
            if "transformers" in name and benchmark.takes_part(name, family)
        ]
        for family in benchmark.FAMILIES
    }
    assert rivals == {
        "albert": ["transformers", "transformers, eager"],
        "modernbert": ["transformers", "transformers, eager"],
        "deberta": ["transformers"],
        "bigbird": ["transformers", "transformers, full"],
        "longformer": ["transformers"],
    }


def test_the_table_compares_medians(benchmark):
    def figures(seconds, megabytes):
        peaks = {f"peak bytes of {what}": megabytes * 1e6 for what in ("answer", "step")}
        return {"answer": seconds, "step": [2 * each for each in seconds], **peaks}

    of_both = {
        "kbert, PyTorch": figures([0.1, 0.2, 9.0], 50),
        "transformers": figures([0.3, 0.1, 0.4], 100),
    }
    ours, theirs = (line.split() for line in benchmark.table(of_both).splitlines()[1:])
    assert ours == "kbert, PyTorch 200 400 50 50".split()
    assert theirs == "transformers 300 (1.50) 600 (1.50) 100 (2.00) 100 (2.00)".split()
    assert "(" not in benchmark.table({"transformers": of_both["transformers"]})


@pytest.mark.slow
def test_a_whole_run(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, FOLDER / "encoder_speed.py", "--families", "modernbert"]
    command += ["--size", "tiny", "--lengths", 160, "--tokens", 320]
    command += ["--contestants", "kbert, PyTorch", "transformers"]
    command += ["--turns", 2, "--steps", 1, "--json", out]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ((family, length, contestants),) = (
        each.values() for each in json.loads(out.read_text("utf-8"))["results"]
    )
    assert (family, length) == ("modernbert", 160)
    assert "modernbert, 2 x 160 tokens" in done.stdout
    assert list(contestants) == ["kbert, PyTorch", "transformers"]
    for name, found in contestants.items():
        assert f"\n{name} " in done.stdout
        assert len(found["answer"]) == len(found["step"]) == 2 and min(found["answer"]) > 0
        # 4.1 M numbers of the table alone, and in training their gradient and two averages
        assert 16e6 < found["peak bytes of answer"] < found["peak bytes of step"] < 2e9
        assert found["peak bytes of step"] > 4 * 16e6
