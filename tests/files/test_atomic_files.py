import hashlib
import os
import stat

import numpy as np
import pytest

from kbert.files.atomic_files import (
    sha256_of,
    write_array,
    write_json,
    write_text,
    write_through,
    written_beside,
)


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
