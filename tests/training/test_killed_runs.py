"""Three real SIGKILLs, and a run that is the same to the bit; `make torture` has 200."""

import os
import re
import signal
import time

import pytest

from tests.training.killed_runs import SAVE_EVERY, STEPS, Runs, last_step

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL"),
]


def test_three_kills_and_a_sigterm(tmp_path, monkeypatch):
    """In the first stage, as a checkpoint is written, in the second stage; then a polite one."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # as a user's run is compiled, not as tests are
    runs = Runs(tmp_path)
    runs.finish("whole")
    assert runs.kill("broken", 3, 0.0) < STEPS  # before the first checkpoint
    assert 8 <= runs.kill("broken", 8, 0.002) < STEPS
    reached = runs.kill("broken", 31, 0.0)
    assert 31 <= reached < STEPS
    saved = max(int(path.name[5:]) for path in (tmp_path / "broken/checkpoints").glob("step-*"))
    assert reached - SAVE_EVERY <= saved <= reached + 1  # what it logged, or one that it did not
    process, log = runs.start("broken"), tmp_path / "broken" / "log.jsonl"
    while last_step(log) < reached + 3:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    shown = process.communicate()[0].decode("utf-8")
    assert process.returncode == 0, shown
    assert f"Going on after step {saved}." in shown
    ended = re.search(r"Ended by a signal after step (\d+)", shown)
    assert ended and reached + 3 <= int(ended[1]) < STEPS, shown
    runs.finish("broken")
    assert runs.outcome("broken") == runs.outcome("whole")
