"""Three real SIGKILLs, and a run that is the same to the bit; `make torture` has 200."""

import os
import signal

import pytest

from tests.training.killed_runs import STEPS, Runs, last_step

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL"),
]


def test_three_kills_and_a_sigterm(tmp_path):
    """In the first stage, as a checkpoint is written, in the second stage; then a polite one."""
    runs = Runs(tmp_path)
    runs.finish("whole")
    assert runs.kill("broken", 3, 0.0) < STEPS  # before the first checkpoint
    assert 8 <= runs.kill("broken", 8, 0.002) < STEPS
    assert 31 <= runs.kill("broken", 31, 0.0) < STEPS
    process, log = runs.start("broken"), tmp_path / "broken" / "log.jsonl"
    while last_step(log) < 34:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    shown = process.communicate()[0].decode("utf-8")
    assert process.returncode == 0, shown
    assert "Going on after step 28." in shown and "Ended by a signal after step 3" in shown
    runs.finish("broken")
    assert runs.outcome("broken") == runs.outcome("whole")
