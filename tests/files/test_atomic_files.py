import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kbert.files.atomic_files import (
    sha256_of,
    write_array,
    write_json,
    write_text,
    write_through,
    written_beside,
    written_together,
)

ROOT = Path(__file__).parents[2]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_there_and_nothing_else(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    for place in (None, work):
        write_text(tmp_path / "글.txt", "국회\n", place)
        write_json(tmp_path / "a.json", {"글": [1]}, place)
        write_array(tmp_path / "a.npy", np.arange(3), place)
        assert names(tmp_path) == ["a.json", "a.npy", "work", "글.txt"] and not names(work)
        assert (tmp_path / "글.txt").read_bytes() == "국회\n".encode()
        assert (tmp_path / "a.json").read_bytes() == '{\n "글": [\n  1\n ]\n}\n'.encode()
        assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]


def test_the_name_is_given_when_all_is_on_the_disk(tmp_path, monkeypatch):
    """Before it is brought there nothing of it has the name; then the folder is, too."""
    path, seen = tmp_path / "a.txt", []
    path.write_text("former")
    real = os.fsync

    def fsync(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((kind, path.read_text()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(path, "new")
    folder = [("folder", "new")] if os.name == "posix" else []
    assert seen == [("file", "former"), *folder]


@pytest.mark.parametrize("when", ["while it is written", "as it goes to the disk"])
def test_an_error_leaves_the_former_file(tmp_path, monkeypatch, when):
    path = tmp_path / "a.txt"
    write_text(path, "former")

    def full(descriptor):
        raise OSError("the disk is full")

    if when == "as it goes to the disk":
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="is full"), written_beside(path) as temporary:
        temporary.write_text("ne")
        if when == "while it is written":
            full(0)
    assert path.read_text() == "former" and names(tmp_path) == ["a.txt"]


def test_a_file_can_be_read_by_whom_its_folder_lets(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "a.txt", "")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_chunks_through_to_the_disk(tmp_path):
    sha256, size = write_through(tmp_path / "a", iter([b"ab", b"", b"c"]))
    assert (tmp_path / "a").read_bytes() == b"abc" and size == 3
    assert sha256 == sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


KILLED = """
import os, signal, sys
from pathlib import Path
from kbert.files.atomic_files import written_beside, written_together

folder = Path(sys.argv[1])
with written_beside(folder / "a.txt") as file, written_together(folder / "b") as work:
    file.write_text("half")
    (work / "c.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="has no SIGKILL")
def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, cwd=ROOT)
    assert len(names(tmp_path)) == 2 and len(names(tmp_path / "b")) == 1
    (tmp_path / ".a-mine.txt").write_text("a user's own")
    (tmp_path / ".b-01234567.txt").write_text("another file's")
    write_text(tmp_path / "a.txt", "whole")
    with written_together(tmp_path / "b") as work:
        (work / "c.txt").write_text("whole")
    assert names(tmp_path) == [".a-mine.txt", ".b-01234567.txt", "a.txt", "b"]
    assert names(tmp_path / "b") == ["c.txt"]


def test_what_another_is_writing_stays(tmp_path):
    with written_beside(tmp_path / "a.txt") as first, written_together(tmp_path) as work:
        first.write_text("first")
        (work / "b.txt").write_text("b")
        write_text(tmp_path / "a.txt", "second")
        with written_together(tmp_path) as other:
            (other / "b.txt").write_text("second")
        assert first.read_text() == "first" and (work / "b.txt").read_text() == "b"
    assert (tmp_path / "a.txt").read_text() == "first" and names(tmp_path) == ["a.txt", "b.txt"]


def test_files_that_are_written_together_or_not_at_all(tmp_path):
    folder = tmp_path / "new"
    for failing in (True, False):
        try:
            with written_together(folder) as work:
                (work / "inner").mkdir()
                (work / "inner" / "a.txt").write_text("a")
                assert names(folder) == [work.name]
                if failing:
                    raise OSError("the disk is full")
        except OSError:
            assert not folder.exists()
    assert names(folder) == ["inner"] and (folder / "inner" / "a.txt").read_text() == "a"
