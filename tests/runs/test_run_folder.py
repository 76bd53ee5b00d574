import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kbert import KbertError
from kbert.runs.run_folder import (
    begin_run,
    check_folder,
    check_same,
    claim_folder,
    locked_folder,
    read_settings,
    write_settings,
)

pytestmark = pytest.mark.once

HOLD = """
import sys
from kbert.runs.run_folder import locked_folder
with locked_folder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen:
    """Another process that has locked the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    return process


def test_the_second_run_is_refused_and_a_killed_one_is_in_nobodys_way(tmp_path):
    folder = tmp_path / "실행"
    process = hold(folder)
    try:
        with pytest.raises(KbertError, match=f"process {process.pid}"), locked_folder(folder):
            pytest.fail("two processes hold the folder")
        assert (folder / "lock").read_text() == f"{process.pid}\n"
    finally:
        process.kill()
        process.communicate()
    assert (folder / "lock").exists()  # nobody was left to remove it
    with locked_folder(folder):
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"
    assert not folder.exists()  # made for nothing


def test_a_process_refuses_itself_too(tmp_path):
    (tmp_path / "model.keras").touch()
    with locked_folder(tmp_path):
        with pytest.raises(KbertError, match="another run"), locked_folder(tmp_path):
            pytest.fail("locked twice")
        assert (tmp_path / "lock").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_what_a_killed_run_left_half_written_is_removed(tmp_path):
    left = [".settings-1f2e3d4c.json", ".model-00000000.keras", ".vocab-9a9a9a9a.txt"]
    left += [".curves-12345678.png", ".tokenizer_settings-abcdefab.json"]
    mine = [".model-mine.keras", ".settings-1f2e3d4cd.json", ".notes-1f2e3d4c.txt"]
    for name in (*left, *mine, "log.jsonl"):
        (tmp_path / name).write_text('{"hal')
    with locked_folder(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*mine, "log.jsonl"])


def test_what_a_killed_run_left_half_written_is_nobodys_and_in_no_ones_way(tmp_path):
    (tmp_path / ".report-1f2e3d4c.json").write_text('{"hal')
    check_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".report-1f2e3d4c.json"]
    claim_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
def test_settings_on_a_full_disk(tmp_path):
    import resource

    write_settings(tmp_path, {"seed": 1})
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, former[1]))
    try:
        with pytest.raises(KbertError, match=r"settings.json cannot be written: .*File too large"):
            write_settings(tmp_path, {"corpus": ["a longer one"]})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert read_settings(tmp_path) == {"seed": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(KbertError, match="file"), locked_folder(path):
            pytest.fail("a file was locked")


def test_settings_come_back(tmp_path):
    assert read_settings(tmp_path) is None
    write_settings(tmp_path, {"corpus": ["말뭉치.txt"], "dropout": 0.1})
    assert read_settings(tmp_path) == {"corpus": ["말뭉치.txt"], "dropout": 0.1}
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(KbertError, match=r"settings.json: not JSON"):
        read_settings(tmp_path)


def test_claiming_empties_a_run_and_nothing_else(tmp_path):
    with locked_folder(tmp_path / "run") as folder:
        write_settings(folder, {})
        (folder / "checkpoints" / "step-00000001").mkdir(parents=True)
        (folder / "checkpoints" / "step-00000001" / "state.safetensors").touch()
        with pytest.raises(KbertError, match=r"former run \(checkpoints, settings.json\)"):
            claim_folder(folder)
        claim_folder(folder, overwrite=True)
        assert [path.name for path in folder.iterdir()] == ["lock"]
        check_folder(folder)
        (folder / "mine.txt").touch()
        with pytest.raises(KbertError, match=r"mine.txt"):
            claim_folder(folder, overwrite=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no signals of this kind")
def test_a_lock_outlives_no_kill(tmp_path):
    for _ in range(3):
        process = hold(tmp_path / "run")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert (tmp_path / "run" / "lock").exists()  # the file is left, and locks nobody out
    with locked_folder(tmp_path / "run") as folder:
        assert (folder / "lock").read_text().strip() == str(os.getpid())
    assert not (tmp_path / "run").exists()


def test_settings_that_differ_are_named_with_both_values():
    former = {"seed": 0, "vocabulary": "9 tokens", "stages": [[8, 2, 3]], "more": 1}
    check_same(former, {"seed": 0, "stages": [(8, 2, 3)]}, "runs/a")
    with pytest.raises(
        KbertError,
        match=r"runs/a was begun with seed 0, and this is 1, and vocabulary '9 tokens', and this "
        r"is '8 tokens'",
    ):
        check_same(former, {"seed": 1, "vocabulary": "8 tokens"}, "runs/a")
    # One that the run was begun without, by another version, is no value that could be given.
    with pytest.raises(
        KbertError, match=r"another version of kbert, which did not have the setting dropout: con"
    ):
        check_same(former, {"dropout": None, "seed": 1}, "runs/a")


def test_a_run_is_begun_goes_on_or_is_replaced(tmp_path):
    folder = tmp_path / "run"
    begin_run(folder, {"seed": 0, "stages": [(8, 2)]})
    (folder / "model.keras").write_bytes(b"of the first")
    begin_run(folder, {"seed": 0, "stages": [(8, 2)]})  # goes on
    assert read_settings(folder) == {"seed": 0, "stages": [[8, 2]]}
    with pytest.raises(KbertError, match=r"begun with seed 0, and this is 1"):
        begin_run(folder, {"seed": 1})
    assert (folder / "model.keras").read_bytes() == b"of the first"
    model = str(folder / "model.keras")
    with pytest.raises(KbertError, match=r"model.keras is in .*run, which is emptied by overwrite"):
        begin_run(folder, {"seed": 1}, overwrite=True, sources=["klue/bert-base", model])
    assert (folder / "model.keras").read_bytes() == b"of the first"
    begin_run(folder, {"seed": 1}, overwrite=True, sources=["klue/bert-base"])
    assert read_settings(folder) == {"seed": 1} and not (folder / "model.keras").exists()
