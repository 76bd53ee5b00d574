"""What `kbert.load` is asked for beside the task: seeds, what labels mean, names on the Hub."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.formats.huggingface.hub import is_hub_name


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture(params=["keras", "folder"])
def source(request, small, tokenizer, tmp_path):
    model = kbert.BertForMaskedLM(**small)
    model.tokenizer = tokenizer
    if request.param == "folder":
        kbert.export_huggingface(model, tmp_path / "checkpoint")
        return tmp_path / "checkpoint"
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def head_and_drop(model, inputs):
    """A head's starting weights, and what an encoder gives where it drops."""
    dropped = model.bert(inputs, training=True)["last_hidden_state"]
    return number(model.classifier.dense.kernel), number(dropped)


def test_a_seed_makes_another_head_and_drops_otherwise(source, inputs):
    labels = ["부정", "중립", "긍정"]
    runs = {}
    for name, seed, global_seed in [
        ("silent", None, 1),
        ("again", None, 2),
        ("1", 1, 1),
        ("1 again", 1, 2),
        ("2", 2, 1),
    ]:
        keras.utils.set_random_seed(global_seed)
        model = kbert.load(source, "sequence-classification", labels, seed=seed)
        runs[name] = head_and_drop(model, inputs)
        if seed is not None:
            assert model.get_config()["seed"] == seed
        expected = kbert.load(source, "encoder").get_weights()
        for own, theirs in zip(model.bert.get_weights(), expected, strict=False):
            np.testing.assert_array_equal(own, theirs)
    for one, two in (("silent", "again"), ("1", "1 again")):
        for first, second in zip(runs[one], runs[two], strict=True):
            np.testing.assert_array_equal(first, second)
    for one, two in (("silent", "1"), ("silent", "2"), ("1", "2")):
        for first, second in zip(runs[one], runs[two], strict=True):
            assert np.abs(first - second).max() > 0.01


def test_a_seed_stays_in_the_file_and_changes_no_weight_that_is_there(source, tmp_path, inputs):
    model = kbert.load(source, seed=7)
    assert model.get_config()["seed"] == 7
    for own, theirs in zip(model.get_weights(), kbert.load(source).get_weights(), strict=True):
        np.testing.assert_array_equal(own, theirs)
    model.save(tmp_path / "seven.keras")
    again = kbert.load(tmp_path / "seven.keras")
    assert again.get_config()["seed"] == 7
    first, second = (
        number(m.bert(inputs, training=True)["last_hidden_state"]) for m in (model, again)
    )
    np.testing.assert_array_equal(first, second)
    other = again.with_settings(seed=8)
    assert other.get_config()["seed"] == 8
    third = number(other.bert(inputs, training=True)["last_hidden_state"])
    assert np.abs(third - second).max() > 0.01
    np.testing.assert_allclose(number(other(inputs)), number(model(inputs)), atol=1e-6)


@pytest.mark.parametrize("seed", ["1", 1.5, -1, True, [1], 2**63])
def test_seeds_that_are_none(source, seed):
    with pytest.raises(KbertError, match=r"seed (must be|is) a whole number"):
        kbert.load(source, seed=seed)


def test_what_labels_mean_can_be_asked_for_and_is_kept(source, tmp_path):
    labels = ["기쁨", "슬픔", "분노"]
    asked = kbert.load(
        source, "sequence-classification", labels, problem_type="multi_label_classification"
    )
    assert asked.problem_type == "multi_label_classification"
    silent = kbert.load(source, "sequence-classification", labels)
    assert silent.problem_type == "single_label_classification"
    assert kbert.load(source, "sequence-classification", ["점수"]).problem_type == "regression"
    numeric = kbert.load(source, "sequence-classification", problem_type="regression")
    assert (numeric.labels, numeric.problem_type) == (["score"], "regression")

    asked.problem_type = "regression"
    asked.labels = ["하나", "둘", "셋"]
    asked.save(tmp_path / "later.keras")
    kbert.export_huggingface(asked, tmp_path / "later")
    config = json.loads((tmp_path / "later" / "config.json").read_text(encoding="utf-8"))
    assert config["problem_type"] == "regression" and config["id2label"]["1"] == "둘"
    for later in ("later.keras", "later"):
        again = kbert.load(tmp_path / later)
        assert again.problem_type == "regression" and again.labels == ["하나", "둘", "셋"]
        changed = kbert.load(tmp_path / later, problem_type="single_label_classification")
        assert changed.problem_type == "single_label_classification"
        assert changed.load_report == ((), (), ())
        np.testing.assert_array_equal(
            number(changed.classifier.dense.kernel), number(asked.classifier.dense.kernel)
        )
    with pytest.raises(KbertError, match="scores 3 labels"):
        asked.labels = ["하나", "둘"]
    assert asked.labels == ["하나", "둘", "셋"]


@pytest.mark.parametrize("given", [None, 3, "", " ", b"model.keras", ["model.keras"]])
def test_what_is_no_source(given):
    with pytest.raises(KbertError, match="source is the name of a model, or the path"):
        kbert.load(given)


def test_what_labels_cannot_mean(source):
    with pytest.raises(KbertError, match="problem_type is one of single_label"):
        kbert.load(source, "sequence-classification", ["a", "b"], problem_type="ranking")
    with pytest.raises(KbertError, match="problem_type is for sequence-classification"):
        kbert.load(source, "token-classification", ["a", "b"], problem_type="regression")
    with pytest.raises(KbertError, match="problem_type is for sequence-classification"):
        kbert.load(source, problem_type="regression")
    model = kbert.load(source, "sequence-classification", ["a", "b"])
    with pytest.raises(KbertError, match="problem_type is one of"):
        model.problem_type = "multilabel"
    for bad in ("줄\n바꿈", "\x1b[31m", "가" * 101):
        with pytest.raises(KbertError, match="a label is a name of up to 100 printable"):
            kbert.load(source, "sequence-classification", ["a", bad])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("klue/bert-base", True),
        ("bert-base-multilingual-cased", True),
        ("xlm-roberta-base", True),
        ("google/electra-small-v1.1", True),
        ("albert-base-v1.1", True),
        ("model.keras", False),
        ("vocab.TXT", False),
        ("a/b/c", False),
        ("../x", False),
        ("/x", False),
        ("", False),
    ],
)
def test_names_that_the_hub_may_have(name, expected):
    assert is_hub_name(name) is expected


class FakeHub(BaseHTTPRequestHandler):
    """What `huggingface_hub` asks a Hub for, from a folder."""

    folder, commit = None, "0123456789abcdef0123456789abcdef01234567"

    def answer(self, data: bytes, **headers: str):
        self.send_response(200)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def do_GET(self):
        path = unquote(self.path.split("?")[0])
        if path.startswith("/api/models/"):
            files = [{"rfilename": path.name} for path in sorted(self.folder.iterdir())]
            described = {"id": "x", "modelId": "x", "sha": self.commit, "siblings": files}
            if "/tree/" in path:
                described = [
                    {"type": "file", "path": path.name, "oid": "0", "size": path.stat().st_size}
                    for path in sorted(self.folder.iterdir())
                ]
            self.answer(json.dumps(described).encode(), Content_Type="application/json")
            return
        data = (self.folder / path.rpartition("/")[2]).read_bytes()
        etag = f'"{hash(data) & 2**63 - 1:040x}"'
        self.answer(data, ETag=etag, X_Repo_Commit=self.commit, Accept_Ranges="bytes")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args):
        pass


@pytest.mark.parametrize("name", ["klue/bert-base", "bert-base-multilingual-cased"])
def test_a_whole_repository_in_the_cache(name, small, tokenizer, tmp_path, monkeypatch, inputs):
    """As `huggingface_hub` itself lays it out: links into blobs, .gitattributes among them."""
    from huggingface_hub import constants, snapshot_download

    model = kbert.BertForMaskedLM(**small)
    model.tokenizer = tokenizer
    monkeypatch.setattr(FakeHub, "folder", tmp_path / "repository")
    kbert.export_huggingface(model, FakeHub.folder)
    for other in (".gitattributes", "한글 이름.md", "eval results.json", "-x"):
        (FakeHub.folder / other).write_text(other)
    cache = tmp_path / "cache"
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        folder = snapshot_download(name, cache_dir=cache, endpoint=endpoint, etag_timeout=5)
    finally:
        server.shutdown()
        server.server_close()
    links = [path.name for path in (tmp_path / "cache").rglob(".gitattributes")]
    assert links == [".gitattributes"]
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for source in (name, folder):
        np.testing.assert_allclose(
            number(kbert.load(source)(inputs)), number(model(inputs)), atol=1e-6
        )
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "cache" / "secret").write_text("secret")
    for target in (tmp_path / "secret", "../../../secret"):
        link = Path(folder, ".gitignore")
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with pytest.raises(KbertError, match="is a link out of its folder"):
            kbert.load(folder)


@pytest.mark.parametrize("name", ["bert-base-multilingual-cased", "klue/bert-base"])
def test_a_name_that_is_not_to_be_had(name, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(KbertError, match=f"{name}: no such file or folder, not in the cache"):
        kbert.load(name)


def test_what_is_not_there_and_what_is_no_checkpoint(tmp_path):
    for nothing in (tmp_path / "none", "klue/bert-base ", "a/b/c"):
        with pytest.raises(KbertError, match=f"^{nothing}: no such .*; expected a .keras"):
            kbert.load(nothing)
    other = tmp_path / "notes.txt"
    other.write_text("글", encoding="utf-8")
    with pytest.raises(KbertError, match=r"notes.txt: expected a .keras file"):
        kbert.load(other)


def test_a_revision_is_of_the_hub(source):
    with pytest.raises(KbertError, match=r"revision='main' is of a name on the Hub, and .*leave"):
        kbert.load(source, revision="main")
    with pytest.raises(KbertError, match=r"and kbert-mini-ko comes with kbert: leave it out"):
        kbert.load("kbert-mini-ko", revision="main")


def test_a_name_like_that_of_a_bundled_model_is_not_looked_for_elsewhere():
    with pytest.raises(
        KbertError, match=r"kbert-mini: no such .*come with kbert are kbert-mini-ko$"
    ):
        kbert.load("kbert-mini")
    near = (
        "KBERT-MINI-KO",
        "kbert_mini_ko",
        "kbert/kbert-mini-ko",
        "kbert-mini-ko ",
        "Kbert Mini ko",
    )
    for name in (*near, "kbert-mini-ko.keras"):
        with pytest.raises(KbertError, match=f"^{name}: no such .* kbert are kbert-mini-ko$"):
            kbert.load(name)


@pytest.mark.parametrize("task", ["sequence-classification", "token-classification"])
def test_the_same_names_in_another_order_mean_the_same(source, task, tmp_path, inputs):
    names = ["O", "B-PS", "I-PS"]
    model = kbert.load(source, task, names)
    model.classifier.weights[-1].assign([0.0, 1.0, 2.0])
    model.save(tmp_path / "own.keras")
    kbert.export_huggingface(model, tmp_path / "own")
    for place in ("own.keras", "own"):
        again = kbert.load(tmp_path / place, labels=["I-PS", "O", "B-PS"])
        assert again.labels == ["I-PS", "O", "B-PS"]
        np.testing.assert_allclose(
            number(again(inputs)), number(model(inputs))[..., [2, 0, 1]], atol=1e-5
        )
        other = kbert.load(tmp_path / place, labels=["I-PS", "O", "B-LC"])  # other names
        np.testing.assert_allclose(number(other(inputs)), number(model(inputs)), atol=1e-5)


@pytest.mark.parametrize("task", ["sequence-classification", "multiple-choice"])
def test_a_head_of_somebodys_own_class_that_does_not_fit_is_new(small, tokenizer, tmp_path, task):
    """As in checkpoints whose config names no class of transformers, or none at all."""
    model = kbert.BertForSequenceClassification(labels=["부정", "긍정"], **small)
    model.tokenizer = tokenizer
    kbert.export_huggingface(model, tmp_path / "own")
    config = json.loads((tmp_path / "own" / "config.json").read_text(encoding="utf-8"))
    config["architectures"] = ["BertForMultiLabelClassification"]
    (tmp_path / "own" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    labels = ["가", "나", "다"] if task == "sequence-classification" else None
    found = kbert.load(tmp_path / "own", task, labels)
    assert found.load_report.new == ("classifier.dense",)
    assert set(found.load_report.unused) == {"classifier.weight", "classifier.bias"}
    kept = kbert.load(tmp_path / "own", "sequence-classification", ["나쁨", "좋음"])
    np.testing.assert_array_equal(
        number(kept.classifier.dense.kernel), number(model.classifier.dense.kernel)
    )


def test_what_former_labels_meant_says_nothing_of_a_new_head(source, tmp_path):
    task = "sequence-classification"
    for former, kind, labels, expected in (
        (["점수"], "regression", ["부정", "긍정"], "single_label_classification"),
        (["부정", "긍정"], "single_label_classification", ["점수"], "regression"),
        (["가", "나"], "multi_label_classification", ["가", "나", "다"], None),  # None: as before
        (["점수"], "regression", ["별점"], None),
    ):
        model = kbert.load(source, task, former, problem_type=kind)
        model.save(tmp_path / "own.keras")
        kbert.export_huggingface(model, tmp_path / "own")
        for place in ("own.keras", "own"):
            found = kbert.load(tmp_path / place, task, labels)
            assert (found.labels, found.problem_type) == (labels, expected or kind), place
