import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.data.corpus.corpus import read_documents
from kbert.data.shards.shard_builder import build_shards
from kbert.data.shards.shard_files import open_shards
from kbert.data.shards.shards import encode_documents

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
WORDS = "국회 는 예산안 을 의결 한다 정부 가 법률안 제출 하고 대통령 이 공포 에서 부터 까지".split()


@pytest.fixture(scope="module")
def tokenizer():
    signs = "[PAD] [UNK] [CLS] [SEP] [MASK] .".split()
    return Tokenizer([*signs, *WORDS, *(f"##{word}" for word in WORDS)])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Files of three kinds, some tiny; every seventh document and some lines stood before."""
    folder, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)

    def line():
        eojeols = ("".join(rng.choice(WORDS, 2)) for _ in range(rng.integers(5, 20)))
        return " ".join(eojeols) + ". " + "".join(rng.choice(WORDS, 3)) + "한다."

    documents = [[line() for _ in range(rng.integers(1, 6))] for _ in range(600)]
    for number in range(7, 600, 7):
        documents[number] = documents[number - 5]
        documents[number - 1] = [*documents[number - 1], documents[number - 4][0], "ⓒ 한국신문"]
    texts = ["\n".join(document) for document in documents]
    (folder / "a.txt").write_text("\n\n".join(texts[:300]), encoding="utf-8")
    for number in range(300, 330):
        (folder / f"b{number}.txt").write_text(texts[number], encoding="utf-8")
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts[330:]]
    (folder / "c.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def run(task, folder, names):
    """An engine that is this process, and takes the tasks from the last to the first."""
    for name in reversed(list(names)):
        yield task(folder, name)


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def start(corpus, tokenizer, out, *more):
    vocabulary = out.parent / "vocabulary"
    if not vocabulary.exists():
        tokenizer.save(vocabulary)
    command = [sys.executable, ROOT / "recipes" / "build_shards.py", "--corpus", corpus]
    command += ["--vocab", vocabulary, "--out", out, "--characters", "3000", *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*map(str, command)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process):
    output, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


@pytest.fixture(scope="module")
def expected(corpus, tokenizer, tmp_path_factory):
    """The bytes that every run is to give, by one process without an engine of its own."""
    folder = tmp_path_factory.mktemp("expected") / "shards"
    build_shards([corpus], tokenizer, folder, run, characters=3000)
    return contents(folder)


def test_nothing_is_lost_or_reordered(corpus, tokenizer, tmp_path):
    everything = {"boilerplate": False, "duplicate_lines": None, "duplicate_documents": False}
    manifest = build_shards(
        [corpus], tokenizer, tmp_path / "s", run, characters=3000, min_hangul=0, **everything
    )
    opened = open_shards(tmp_path / "s", check_contents=True)
    whole = encode_documents(read_documents([corpus]), tokenizer, eojeols=True)
    assert len(opened.shards) > 30
    assert np.concatenate([shard.ids for shard in opened.shards]).tolist() == whole.ids.tolist()
    marks = [shard.marks for shard in opened.shards if shard.marks is not None]
    assert np.concatenate(marks).tolist() == whole.marks.tolist()
    for starts in ("sentence_starts", "document_starts"):
        lengths = [np.diff(getattr(shard, starts)) for shard in opened.shards]
        assert np.concatenate(lengths).tolist() == np.diff(getattr(whole, starts)).tolist()
    assert manifest["counts"]["documents_read"] == 600
    # 30 small files in groups, so that a shard is no smaller for them
    assert len({shard["name"].split("-")[0] for shard in manifest["shards"]}) < 10


@pytest.mark.parametrize(
    ("web_text", "expected"),
    [("plainer", "국회는 1000 의결한다ㅋㅋ"), ("kcbert", "국회는 100 의결한다ㅋㅋ")],
)
def test_comments_are_made_plainer(tokenizer, tmp_path, web_text, expected):
    path = tmp_path / "a.txt"
    path.write_text(
        "국회는 1000 의결한다ㅋㅋㅋㅋㅋ https://a.b\n\nhttps://a.b/c\n", encoding="utf-8"
    )
    manifest = build_shards([path], tokenizer, tmp_path / "s", run, web_text=web_text)
    assert manifest["settings"]["web_text"] == web_text
    (shard,) = open_shards(tmp_path / "s").shards
    assert shard.ids.tolist() == tokenizer(expected)["input_ids"][0, 1:-1].tolist()
    with pytest.raises(KbertError, match="web_text was"):
        build_shards([path], tokenizer, tmp_path / "s", run)


def test_cleaning_is_counted(corpus, tokenizer, tmp_path):
    counts = build_shards([corpus], tokenizer, tmp_path / "s", run)["counts"]
    assert counts["documents_read"] == 600
    assert counts["duplicate_documents"] == 85  # 7, 14, ..., 595
    assert counts["boilerplate_lines"] == 85
    assert counts["documents"] == 600 - 85 - counts["emptied_documents"]
    assert counts["duplicate_lines"] > 80 and counts["little_hangul_lines"] == 0


@pytest.mark.parametrize("processes", ["1", "3"])
def test_the_same_bytes_by_any_number_of_processes(
    corpus, tokenizer, expected, tmp_path, processes
):
    output = finish(start(corpus, tokenizer, tmp_path / "s", "--processes", processes))
    assert contents(tmp_path / "s") == expected
    assert "documents read" in output and "shards in" in output


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes as Linux shows them")
def test_a_killed_run_goes_on_and_gives_the_same_bytes(corpus, tokenizer, expected, tmp_path):
    out = tmp_path / "s"
    kept: dict[Path, int] = {}
    for step in ("read", "clean", "compare", "encode"):
        process = start(corpus, tokenizer, out, "--processes", "2")
        while not any((out / "work" / step).glob("*.json")) or not children(process.pid):
            assert process.poll() is None, process.communicate()[1].decode()
            time.sleep(0.001)
        workers = children(process.pid)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        deadline = time.monotonic() + 300
        while any(is_running(pid) for pid in workers):  # they end with the run that was killed
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for path, changed in kept.items():  # what an earlier run had finished was not redone
            assert path.stat().st_mtime_ns == changed
        kept = {path: path.stat().st_mtime_ns for path in (out / "work" / step).glob("*.json")}
        assert not (out / "manifest.json").exists()
        with pytest.raises(KbertError, match="not finished"):
            open_shards(out)
    finish(start(corpus, tokenizer, out, "--processes", "2"))
    assert contents(out) == expected


def test_two_processes_cannot_build_in_one_folder(corpus, tokenizer, expected, tmp_path):
    out = tmp_path / "s"
    process = start(corpus, tokenizer, out, "--processes", "1")
    while not (out / "work" / "plan.json").exists():  # it has the lock, and all is to be done yet
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.001)
    with pytest.raises(KbertError, match=rf"another run .*\(process {process.pid}\)"):
        build_shards([corpus], tokenizer, out, run, characters=3000)
    finish(process)
    assert contents(out) == expected  # the lock is gone, and the first was not disturbed
    build_shards([corpus], tokenizer, out, run, characters=3000)


class PowerCutError(Exception):
    pass


def test_a_run_that_stops_at_any_write_goes_on(corpus, tokenizer, tmp_path, monkeypatch):
    files = [corpus / f"b{number}.txt" for number in range(300, 304)]
    settings = {"characters": 300, "duplicate_documents": False, "duplicate_lines": None}
    calls = 0

    def fsync(descriptor, at=None):
        nonlocal calls
        calls += 1
        if calls == at:
            raise PowerCutError

    monkeypatch.setattr(os, "fsync", fsync)
    build_shards(files, tokenizer, tmp_path / "whole", run, **settings)
    expected, writes = contents(tmp_path / "whole"), calls
    assert len(expected) > 10 and writes > 40
    for at in range(1, writes + 1):  # before each file has its name, and just after
        monkeypatch.setattr(os, "fsync", lambda descriptor, at=at: fsync(descriptor, at))
        out, calls = tmp_path / str(at), 0
        with pytest.raises(PowerCutError):
            build_shards(files, tokenizer, out, run, **settings)
        build_shards(files, tokenizer, out, run, **settings)
        assert contents(out) == expected


def children(pid):
    """The processes that a process has started (Linux)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_finished_run_is_left_as_it_is_and_another_is_refused(corpus, tokenizer, tmp_path):
    out = tmp_path / "s"
    first = build_shards([corpus], tokenizer, out, run)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}

    def no_engine(task, folder, names):
        raise AssertionError("there is nothing to do")

    assert build_shards([corpus], tokenizer, out, no_engine) == first
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    for settings, message in (
        ({"min_hangul": 0.5}, "min_hangul was 0.3 and is now 0.5"),
        ({"sentences": "lines"}, "sentences was 'rule' and is now 'lines'"),
    ):
        with pytest.raises(KbertError, match=message):
            build_shards([corpus], tokenizer, out, no_engine, **settings)
    with pytest.raises(KbertError, match="inputs was"):
        build_shards([corpus / "a.txt"], tokenizer, out, no_engine)
    with pytest.raises(KbertError, match="size was 40 and is now 41"):
        build_shards([corpus], Tokenizer([*tokenizer.vocabulary, "새"]), out, no_engine)


def test_a_killed_run_does_not_go_on_with_other_settings(corpus, tokenizer, tmp_path):
    def stop(task, folder, names):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        build_shards([corpus], tokenizer, tmp_path / "s", stop)
    with pytest.raises(KbertError, match="characters was 8000000 and is now 3000"):
        build_shards([corpus], tokenizer, tmp_path / "s", run, characters=3000)


def test_strange_folders_and_settings_are_refused(corpus, tokenizer, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(KbertError, match=r"holds 'letter.txt', and no shards"):
        build_shards([corpus], tokenizer, tmp_path / "mine", run)
    with pytest.raises(KbertError, match="is a file"):
        build_shards([corpus], tokenizer, tmp_path / "mine" / "letter.txt", run)
    for settings, message in (
        ({"sentences": "kss"}, "sentences is one of rule, kiwi, lines"),
        ({"characters": 0}, "numbers from 1"),
        ({"duplicate_lines": 0}, "numbers from 1"),
        ({"min_hangul": 2}, "a share from 0 to 1"),
        ({"web_text": "kc"}, "web_text is one of plainer, kcbert, not 'kc'"),
        ({"encoding": "utf8mb4"}, "no encoding 'utf8mb4'"),
        ({"morphemes": "jieba"}, "no morpheme analyser 'jieba'"),
    ):
        with pytest.raises(KbertError, match=message):
            build_shards([corpus], tokenizer, tmp_path / "s", run, **settings)
    assert not (tmp_path / "s").exists()


def test_texts_that_cannot_be_and_an_empty_corpus(tokenizer, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "국회\\ud800"}', encoding="utf-8")
    with pytest.raises(KbertError, match=r"a.jsonl: a text holds a lone surrogate"):
        build_shards([path], tokenizer, tmp_path / "s", run)
    (tmp_path / "b.txt").write_text("12345\n\n-----\n\n로그인", encoding="utf-8")
    with pytest.raises(KbertError, match="cleaning has left no text"):
        build_shards([tmp_path / "b.txt"], tokenizer, tmp_path / "t", run)
    # A unit of which nothing is left is no shard.
    (tmp_path / "b.txt").write_text("12345\n\n국회는 의결한다.\r\n", encoding="utf-8")
    manifest = build_shards([tmp_path / "b.txt"], tokenizer, tmp_path / "u", run, characters=1)
    assert [shard["name"] for shard in manifest["shards"]] == ["00000-00001"]
    assert len(open_shards(tmp_path / "u").shards) == 1


def test_a_folder_made_again_in_one_process_is_made_anew(corpus, tokenizer, tmp_path):
    small, counts = corpus / "b300.txt", []
    for vocabulary in (tokenizer.vocabulary, tokenizer.vocabulary[:30]):
        manifest = build_shards([small], Tokenizer(vocabulary), tmp_path / "s", run)
        counts.append(manifest["counts"]["tokens"])
        shutil.rmtree(tmp_path / "s")
    assert counts[0] > counts[1]  # more words are [UNK] as a whole


def test_morphemes_are_marked(corpus, tokenizer, tmp_path):
    pytest.importorskip("mecab")
    small = corpus / "b300.txt"
    manifest = build_shards([small], tokenizer, tmp_path / "s", run, morphemes="mecab")
    assert manifest["settings"]["morphemes"]["name"] == "mecab"
    (shard,) = open_shards(tmp_path / "s").shards
    assert shard.marks is not None
    assert set(shard.marks.tolist()) <= {0, 1, 2, 3} and (shard.marks == 2).any()


CLUSTER = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
input()
cluster.shutdown()
"""


@pytest.mark.slow
def test_ray_gives_the_same_bytes(corpus, tokenizer, expected, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    cluster = subprocess.Popen([sys.executable, "-c", CLUSTER], env=environment, text=True, **pipes)
    try:
        monkeypatch.setenv("RAY_ADDRESS", cluster.stdout.readline().strip())
        finish(start(corpus, tokenizer, tmp_path / "s", "--engine", "ray"))
        bad = tmp_path / "bad.jsonl"
        bad.write_text('{"body": ""}', encoding="utf-8")
        failed = start(bad, tokenizer, tmp_path / "t", "--engine", "ray")
        errors = failed.communicate()[1].decode()
    finally:
        cluster.communicate("\n", timeout=600)
    assert contents(tmp_path / "s") == expected
    assert failed.returncode == 1 and "Traceback" not in errors
    assert 'bad.jsonl, line 1: expected {"text": "..."}' in errors
