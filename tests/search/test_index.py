"""The index on the disk: exact, killed and going on, damaged and hostile."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from kbert import KbertError
from kbert.search import index_builder
from kbert.search.index import SentenceIndex
from kbert.search.precisions import unit

ROOT = Path(__file__).parents[2]


class Letters:
    """An encoder whose vectors can be worked out: how often a text has each of eight letters."""

    embedding_size, fingerprint = 8, "letters"

    def __init__(self, fail_after: int = 1 << 30):
        self.encoded: list[str] = []
        self.left = fail_after

    def encode(self, texts):
        if self.left < len(texts):
            raise KeyboardInterrupt
        self.left -= len(texts)
        self.encoded += texts
        return np.array([[text.count(c) for c in "abcdefgh"] for text in texts], np.float32)


TEXTS = ["aab", "b\n\nb", "한글 c", "", "abcdefgh", "hhh", "가나다 d", "bd", "bbbbc", "e"]
IDS = [f"번호-{i}" for i in range(10)]


@pytest.fixture
def steps_of_three(monkeypatch):
    monkeypatch.setattr(index_builder, "STEP", 3)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("precision", ["float32", "float16", "int8", "binary"])
def test_what_was_built_is_found(tmp_path, precision, steps_of_three):
    seen = []
    index = SentenceIndex.build(
        tmp_path / "색인", TEXTS, Letters(), ids=IDS, precision=precision, watch=seen.append
    )
    assert seen == [3, 6, 9, 10]
    assert [*index.texts] == TEXTS and [*index.ids] == IDS and len(index) == 10
    assert index.texts[-1] == "e" and index.texts[1:3] == TEXTS[1:3]
    assert isinstance(index.vectors, np.memmap) and index.model == "letters"
    scores, indices = index.search([0, 1, 0, 0.5, 0, 0, 0, 0], top_k=2)
    if precision != "binary":
        # (1, .5) with (1, 1): 1.5 / sqrt(1.25 * 2) = .94868; with b alone: 1 / sqrt(1.25) = .89443
        assert indices.tolist() == [[7, 1]]
        np.testing.assert_allclose(scores, [[0.94868, 0.89443]], atol=1e-3)
    assert (tmp_path / "색인" / "manifest.json").is_file()
    assert not (tmp_path / "색인" / "progress.json").exists()
    assert SentenceIndex.open(tmp_path / "색인", check_contents=True).texts[4] == "abcdefgh"


def test_stored_vectors_have_length_one(tmp_path):
    index = SentenceIndex.build(tmp_path / "a", TEXTS, Letters())
    expected = Letters().encode(TEXTS).astype(np.float64)
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    expected = (expected / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    np.testing.assert_array_equal(index.vectors, expected)
    raw = np.frombuffer((tmp_path / "a" / "vectors.bin").read_bytes(), "<f4").reshape(10, 8)
    np.testing.assert_array_equal(raw, expected)


def test_exact_beside_numpy_and_in_a_memory_that_is_bounded(tmp_path):
    rng = np.random.default_rng(0)
    vectors = np.memmap(tmp_path / "v", np.float32, mode="w+", shape=(30_000, 24))
    vectors[:] = rng.normal(size=vectors.shape)
    vectors[20_000:20_500] = vectors[7]  # ties in other blocks
    index = SentenceIndex.from_vectors(tmp_path / "a", vectors)
    queries = np.concatenate([vectors[7:8], rng.normal(size=(40, 24))]).astype(np.float32)
    scores, indices = index.search(queries, top_k=30)
    cosines = unit(queries.astype(float)) @ unit(vectors.astype(float)).T
    order = np.argsort(-cosines.round(12), axis=1, kind="stable")[:, :30]
    np.testing.assert_array_equal(indices, order)
    assert indices[0, :3].tolist() == [7, 20_000, 20_001]
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, order, 1), atol=1e-6)


@pytest.mark.parametrize("ids", [None, IDS])
@pytest.mark.parametrize("precision", ["float32", "binary"])
def test_a_build_that_was_stopped_goes_on(tmp_path, steps_of_three, ids, precision):
    """Stopped in each of its steps, it gives the bytes of one that was not, and encodes no text
    twice but those of the step that it was stopped in."""
    whole = tmp_path / "whole"
    SentenceIndex.build(whole, TEXTS, Letters(), ids=ids, precision=precision)
    for stop in (0, 3, 6, 9):
        folder = tmp_path / f"stopped-{stop}"
        with pytest.raises(KeyboardInterrupt):
            SentenceIndex.build(folder, TEXTS, Letters(stop), ids=ids, precision=precision)
        with pytest.raises(KbertError, match=r"the index is not finished; .*it goes on"):
            SentenceIndex.open(folder)
        # As if it had been stopped in the midst of writing.
        with (folder / "vectors.bin").open("ab") as file:
            file.write(b"half a vec")
        with (folder / "texts.bin").open("ab") as file:
            file.write(b"half a te")
        (folder / ".progress-0123abcd.json").write_text("{")
        encoder = Letters()
        SentenceIndex.build(folder, iter(TEXTS), encoder, ids=ids, precision=precision)
        assert encoder.encoded == TEXTS[stop:]
        assert bytes_of(folder) == bytes_of(whole)


def test_a_build_that_was_killed_goes_on(tmp_path):
    """SIGKILL, in the middle of the third step."""
    program = textwrap.dedent(f"""
        import os, signal, sys
        import numpy as np
        from kbert.search import index_builder
        from kbert.search.index import SentenceIndex
        from tests.search.test_index import Letters, TEXTS, IDS
        index_builder.STEP = 3
        append = index_builder._append
        def killed(folder, sizes, name, data):
            if name == "texts.bin" and sizes["vectors.bin"] == 9 * 32:
                (folder / name).open("ab").write(data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            append(folder, sizes, name, data)
        index_builder._append = killed
        SentenceIndex.build({str(tmp_path / "a")!r}, TEXTS, Letters(), ids=IDS)
    """)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    encoder = Letters()
    index = SentenceIndex.build(tmp_path / "a", TEXTS, encoder, ids=IDS)
    assert encoder.encoded == TEXTS[6:] and [*index.texts] == TEXTS and [*index.ids] == IDS
    assert sorted(bytes_of(tmp_path / "a")) == [
        "ids.bin",
        "ids.starts.bin",
        "manifest.json",
        "texts.bin",
        "texts.starts.bin",
        "vectors.bin",
    ]


def test_a_finished_one_is_opened_and_another_is_refused(tmp_path, steps_of_three):
    folder = tmp_path / "a"
    SentenceIndex.build(folder, TEXTS, Letters())
    encoder = Letters()
    (folder / "progress.json").write_bytes((folder / "manifest.json").read_bytes())  # killed there
    assert len(SentenceIndex.build(folder, TEXTS, encoder)) == 10 and not encoder.encoded
    assert not (folder / "progress.json").exists()
    before = bytes_of(folder)
    other = [*TEXTS[:7], "다른 글", *TEXTS[8:]]
    with pytest.raises(KbertError, match=r"other texts: texts\[7\] was 'bd' and is now '다른 글'"):
        SentenceIndex.build(folder, other, Letters())
    with pytest.raises(KbertError, match="holds 10 texts, and now there are 4"):
        SentenceIndex.build(folder, TEXTS[:4], Letters())
    with pytest.raises(KbertError, match="an index of 10, and there are more now"):
        SentenceIndex.build(folder, [*TEXTS, "z"], Letters())
    with pytest.raises(KbertError, match="precision was 'float32' and is now 'int8'"):
        SentenceIndex.build(folder, TEXTS, Letters(), precision="int8")
    another = Letters()
    another.fingerprint = "other"
    with pytest.raises(KbertError, match="model was 'letters' and is now 'other'"):
        SentenceIndex.build(folder, TEXTS, another)
    with pytest.raises(KbertError, match="source was 'texts' and is now 'vectors'"):
        SentenceIndex.from_vectors(folder, np.ones((10, 8)), model="letters")
    assert bytes_of(folder) == before
    SentenceIndex.from_vectors(tmp_path / "b", np.ones((2, 8)))
    with pytest.raises(KbertError, match="holds an index; name another folder"):
        SentenceIndex.from_vectors(tmp_path / "b", np.ones((2, 8)))


def test_what_a_build_refuses(tmp_path, steps_of_three):
    def build(texts, name="a", **settings):
        return SentenceIndex.build(tmp_path / name, texts, Letters(), **settings)

    with pytest.raises(KbertError, match="no texts or vectors"):
        build([])
    with pytest.raises(KbertError, match=r"not \{'texts': 5, 'ids': 4\}"):
        build(TEXTS[:5], ids=IDS[:4])
    with pytest.raises(KbertError, match=r"not \{'texts': 3, 'ids': 4\}"):
        build(TEXTS[:3], ids=IDS[:4])
    with pytest.raises(TypeError, match=r"texts\[4\] is None: expected a str"):
        build(["a", "b", "c", "d", None], name="d")
    with pytest.raises(TypeError, match=r"ids\[0\] is 5: expected a str"):
        build(["a"], ids=[5])
    with pytest.raises(TypeError, match="texts are a list of str, not 'abc'"):
        build("abc")
    with pytest.raises(KbertError, match=r"texts\[1\] holds a lone surrogate"):
        build(["a", "\ud800"], name="e")
    with pytest.raises(KbertError, match="precision is one of"):
        build(["a"], precision="int4")
    vectors = np.ones((5, 8))
    vectors[4, 1] = np.nan
    with pytest.raises(KbertError, match=r"vectors\[4\] holds NaN or infinity"):
        SentenceIndex.from_vectors(tmp_path / "b", vectors)
    for texts, less in ((TEXTS[:3], "fewer"), (TEXTS[:5], "fewer"), (TEXTS[:7], "more")):
        with pytest.raises(KbertError, match=f"6 vectors, and {less} texts or ids"):
            SentenceIndex.from_vectors(tmp_path / "b", np.ones((6, 8)), texts=texts)
    with pytest.raises(KbertError, match=r"an array \(N, E\), not one of shape \(8,\)"):
        SentenceIndex.from_vectors(tmp_path / "b", np.ones(8))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "photo.jpg").touch()
    with pytest.raises(KbertError, match=r"holds 'photo.jpg', and no index"):
        SentenceIndex.build(tmp_path / "c", TEXTS, Letters())
    assert [*bytes_of(tmp_path / "c")] == ["photo.jpg"]


@pytest.fixture
def index(tmp_path, steps_of_three) -> SentenceIndex:
    return SentenceIndex.build(tmp_path / "a", TEXTS, Letters(), ids=IDS)


def test_what_a_search_refuses(index):
    with pytest.raises(KbertError, match=r"vectors of 8 numbers, .*\(1, 7\).*another model"):
        index.search(np.ones(7))
    with pytest.raises(KbertError, match=r"vectors\[1\] holds NaN"):
        index.search([[1.0] * 8, [np.nan] * 8])
    with pytest.raises(KbertError, match="top_k must be"):
        index.search(np.ones(8), top_k=0)


@pytest.mark.parametrize("name", ["vectors.bin", "texts.bin", "ids.starts.bin"])
def test_a_file_that_was_cut_or_lost(index, name):
    path = index.folder / name
    whole = path.read_bytes()
    for changed in (whole[:-1], whole + b"\0", b""):
        path.write_bytes(changed)
        with pytest.raises(KbertError, match=rf"{name}: {len(changed)} bytes where .* says"):
            SentenceIndex.open(index.folder)
    path.unlink()
    with pytest.raises(KbertError, match=f"the file {name} is missing"):
        SentenceIndex.open(index.folder)
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(KbertError, match=r"sha256|do not rise"):
        SentenceIndex.open(index.folder, check_contents=True)


HOSTILE = {
    "count": [-1, 11, 10**15, 10**30, 1.5, "10", None, True],
    "dimension": [0, -8, 7, 10**12, 8.0],
    "precision": ["int4", "object", 5, "float16"],
    "columns": [["texts"], ["../../etc/passwd"], "texts", [["texts"]], [None], ["ids", "texts"]],
    "files": [{}, [], {"../a": {"bytes": 1}}, None],
    "model": [5, ["a"]],
    "format_version": [2, "1", 1.5],
    "more": [1],
}


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, each in HOSTILE.items() for v in each])
def test_a_hostile_manifest(index, key, value):
    path = index.folder / "manifest.json"
    manifest = json.loads(path.read_text()) | {key: value}
    path.write_text(json.dumps(manifest))
    with pytest.raises(KbertError, match=r"manifest.json|vectors.bin"):
        SentenceIndex.open(index.folder)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"a": NaN}', b"\xff\xfe", b"[" * 50_000, b" " * 70_000, b"\x80\x04K\x01."],
)
def test_a_manifest_that_is_none(index, data):
    (index.folder / "manifest.json").write_bytes(data)
    with pytest.raises(KbertError, match=r"manifest.json"):
        SentenceIndex.open(index.folder)


@pytest.mark.parametrize(
    "starts",
    [
        [1, *range(2, 12)],
        [0, 5, 4, *range(6, 14)],
        [0, 10**15, *range(10**15, 10**15 + 9)],
        [0, *range(-9, 0), 5],
    ],
)
def test_hostile_starts(index, starts):
    (index.folder / "texts.starts.bin").write_bytes(np.array(starts, "<i8").tobytes())
    with pytest.raises(KbertError, match="the starts do not rise from 0 to"):
        SentenceIndex.open(index.folder)


def test_texts_that_are_no_texts_and_vectors_that_are_none(index):
    (index.folder / "texts.bin").write_bytes(b"\xff" * sum(len(t.encode()) for t in TEXTS))
    opened = SentenceIndex.open(index.folder)
    with pytest.raises(KbertError, match="string 0 is not UTF-8"):
        _ = opened.texts[0]
    vectors = np.array(opened.vectors)
    vectors[3, 3] = np.nan
    (index.folder / "vectors.bin").write_bytes(vectors.tobytes())
    with pytest.raises(KbertError, match="some hold NaN or infinity"):
        SentenceIndex.open(index.folder).search(np.ones(8))
    with pytest.raises(IndexError):
        _ = opened.texts[10]


def test_what_is_not_there(tmp_path):
    with pytest.raises(KbertError, match=r"no index: it has no manifest.json"):
        SentenceIndex.open(tmp_path)
