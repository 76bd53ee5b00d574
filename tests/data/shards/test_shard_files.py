import json

import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.data.shards.shard_builder import build_shards
from kbert.data.shards.shard_files import ids_dtype, open_shards
from kbert.data.shards.workers import local

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##는 예산안 ##을 의결 ##한다 .".split()
SENTENCES = ["국회는 예산안을 의결한다.", "예산안을 국회는 의결한다.", "국회 예산안."]


def run(task, folder, names):
    """An engine that is this process."""
    for name in names:
        yield task(folder, name)


@pytest.fixture
def folder(tmp_path):
    corpus = tmp_path / "a.txt"
    documents = ["\n".join(SENTENCES[:2]), SENTENCES[2], SENTENCES[0]]
    corpus.write_text("\n\n".join(documents), encoding="utf-8")
    build_shards([corpus], Tokenizer(VOCABULARY), tmp_path / "shards", run, characters=20)
    return tmp_path / "shards"


def test_what_is_written_is_what_is_opened(folder):
    opened = open_shards(folder, check_contents=True)
    tokenizer = Tokenizer.from_file(folder)
    opened.check_tokenizer(tokenizer)
    assert len(opened.shards) == 2
    ids = tokenizer.encode(SENTENCES)
    first, second = opened.shards
    assert first.ids.tolist() == [*ids[0], *ids[1]] and first.ids.dtype == np.uint16
    assert first.sentence_starts.tolist() == [0, 7, 14]
    assert first.document_starts.tolist() == [0, 2]
    assert first.marks is not None and first.marks.tolist() == [1, 0, 1, 0, 1, 0, 0] * 2
    assert second.ids.tolist() == [*ids[2], *ids[0]]
    assert second.document_starts.tolist() == [0, 1, 2]
    for array in (first.ids, first.sentence_starts, first.document_starts, first.marks):
        assert not array.flags.writeable and not array.flags.owndata  # mapped, not read
    manifest = opened.manifest
    assert manifest["counts"]["tokens"] == sum(len(shard.ids) for shard in opened.shards)
    assert (manifest["counts"]["sentences"], manifest["counts"]["documents"]) == (4, 3)
    assert manifest["inputs"] == [{"name": "a.txt", "bytes": (folder / "../a.txt").stat().st_size}]
    on_disk = {path.name for path in folder.iterdir()}
    assert on_disk == {*manifest["files"], "manifest.json"}


def test_ids_take_four_bytes_where_the_vocabulary_needs_it():
    assert [ids_dtype(size) for size in (1 << 16, (1 << 16) + 1)] == ["<u2", "<u4"]


def test_another_tokenizer_is_refused(folder):
    opened = open_shards(folder)
    for other in (Tokenizer([*VOCABULARY, "새"]), Tokenizer(VOCABULARY, lowercase=True)):
        with pytest.raises(KbertError, match=r"vocabulary of 12 tokens .*not with this one of 1"):
            opened.check_tokenizer(other)


IDS = "00000-00000.ids.npy"


def cut(path):
    path.write_bytes(path.read_bytes()[:-2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def pickled(path):
    """The same size, and objects instead of numbers."""
    size = path.stat().st_size
    np.save(path, np.array([print], object), allow_pickle=True)
    data = path.read_bytes()[:size]
    path.write_bytes(data + bytes(size - len(data)))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (IDS, lambda path: path.unlink(), "ids.npy is missing"),
        (IDS, cut, "154 bytes where the manifest says 156"),
        (IDS, pickled, "not an array that numpy can map|expected uint16"),
        (IDS, lambda path: path.write_bytes(bytes(156)), "not an array that numpy can map"),
        (
            "00000-00000.sentences.npy",
            lambda path: np.save(path, np.array([0, 15, 14])),
            "starts do not rise from 0 to 14",
        ),
        (
            "00000-00000.documents.npy",
            lambda path: np.save(path, np.array([[0], [2]])),
            r"expected int64 of shape \(2,\), got int64 of \(2, 1\)",
        ),
        ("manifest.json", cut, "manifest.json: not JSON"),
        ("manifest.json", lambda path: path.write_text("[]"), "expected a JSON object"),
        ("manifest.json", lambda path: path.write_text("{}"), "'format_version' is missing, odd"),
        ("manifest.json", lambda path: path.unlink(), "it has no manifest.json"),
    ],
)
def test_damage_is_found_when_opening(folder, name, damage, message):
    damage(folder / name)
    with pytest.raises(KbertError, match=message):
        open_shards(folder)


def test_flipped_bits_are_found_when_asked(folder):
    flip(folder / IDS)
    open_shards(folder)
    with pytest.raises(KbertError, match=r"ids.npy: its sha256 is not the manifest's"):
        open_shards(folder, check_contents=True)


def change(folder, part, value):
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest[part] = value(manifest[part])
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("format_version", lambda _: 2, "reads up to 1: update kbert"),
        ("format_version", lambda _: "1", "'format_version' is missing, odd"),
        ("shards", lambda shards: [{**shards[0], "name": "../x"}], "not an entry of a shard"),
        ("shards", lambda shards: [{**shards[0], "tokens": -1}], "not an entry of a shard"),
        ("shards", lambda shards: [{**shards[0], "tokens": 10**15}], "expected uint16 of shape"),
        ("shards", lambda shards: [{**shards[0], "name": "00007-00000"}], "but no 00007-00000"),
        (
            "files",
            lambda files: {**files, "../../etc/passwd": files[IDS]},
            "not an entry of a file",
        ),
        ("files", lambda files: {**files, IDS: {"bytes": "156"}}, "not an entry of a file"),
        ("vocabulary", lambda entry: {**entry, "size": 1.5}, "vocabulary has a size"),
        ("vocabulary", lambda entry: {**entry, "size": 70_000}, "expected uint32"),
        ("counts", lambda counts: [], "'counts' is missing, odd"),
    ],
)
def test_foreign_manifests_are_refused(folder, part, value, message):
    change(folder, part, value)
    with pytest.raises(KbertError, match=message):
        open_shards(folder)


def test_ids_beyond_the_vocabulary_are_found_when_asked(folder):
    change(folder, "vocabulary", lambda entry: {**entry, "size": 9})
    with pytest.raises(KbertError, match="shard 00000-00000 has the id 11, and the vocabulary 9"):
        open_shards(folder, check_contents=True)


def test_not_finished_and_not_there(folder, tmp_path):
    (folder / "manifest.json").unlink()
    (folder / "work").mkdir()
    with pytest.raises(KbertError, match=r"not finished; run recipes/build_shards\.py"):
        open_shards(folder)
    with pytest.raises(KbertError, match="no folder of shards"):
        open_shards(tmp_path / "none")


def test_engines_refuse_no_processes():
    with pytest.raises(KbertError, match="processes is a number from 1, not 0"), local(0):
        pass
