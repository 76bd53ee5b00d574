import importlib.util
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForPreTraining, KbertError, Tokenizer
from kbert.training.losses import objective
from kbert.training.optimizers import adamw

GOLDEN = Path(__file__).parents[1] / "golden"


def golden():
    """tests/golden/make.py as a module."""
    spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_answers(path: Path):
    model = kbert.load(path)
    expected = np.load(path.with_suffix(".npz"))
    outputs = model(golden().INPUTS)
    for name in ("mlm", "nsp"):
        np.testing.assert_allclose(ops.convert_to_numpy(outputs[name]), expected[name], atol=1e-5)
    assert model.tokenizer.lowercase and model.tokenizer.tokenize("축구는")[1] == "##는"


def test_the_golden_file_of_format_1():
    assert_answers(GOLDEN / "format-1.keras")


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_files_of_every_backend(backend, tmp_path):
    """Run on three backends, these are the nine pairs."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    if backend == keras.backend.backend():
        golden().main(tmp_path, backend)
    else:
        subprocess.run(
            [sys.executable, str(GOLDEN / "make.py"), str(tmp_path), backend],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
            capture_output=True,
        )
    assert_answers(tmp_path / f"{backend}.keras")


@pytest.fixture
def saved(tmp_path, small, tokenizer) -> Path:
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    path = tmp_path / "모델.keras"
    model.save(path)
    return path


def test_load_model_opens_it_too(saved, inputs):
    model = keras.models.load_model(saved)
    assert isinstance(model, BertForPreTraining)
    assert model.tokenizer.vocabulary == kbert.load(saved).tokenizer.vocabulary
    one, two = model(inputs)["nsp"], kbert.load(saved)(inputs)["nsp"]
    np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(two))


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_file_holds_no_training_state(saved, small, inputs, tokenizer):
    before = members(saved)
    model = kbert.load(saved)
    model.compile(adamw(1e-3, 10), **objective("pretraining"))
    labels = {"mlm": np.array([[5, 6], [7, 8]]), "nsp": np.array([0, 1])}
    model.fit(inputs, labels, verbose=0)
    model.save(saved)
    after = members(saved)
    assert before.keys() == after.keys()
    assert before["config.json"] == after["config.json"]
    assert len(after["model.weights.h5"]) == len(before["model.weights.h5"])
    assert model.optimizer is not None  # and training can go on
    model.fit(inputs, labels, verbose=0)


def test_saving_is_atomic(saved, monkeypatch):
    before = saved.read_bytes()
    model = kbert.load(saved)

    def fails(self, folder):
        raise OSError("no space left on device")

    monkeypatch.setattr(Bert, "save_assets", fails)
    with pytest.raises(KbertError, match="is as it was: no space"):
        model.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_unigram_tokenizer_is_saved_with_the_model(tmp_path, small):
    names = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    model = BertForPreTraining(**small)
    model.tokenizer = Tokenizer(
        [*names.values(), "▁국회", "에"],
        scores=[0, 0, 0, 0, 0, -1.5, -2],
        special_tokens=names,
        roberta_pairs=True,
    )
    model.save(tmp_path / "unigram.keras")
    again = kbert.load(tmp_path / "unigram.keras").tokenizer
    assert again.settings == model.tokenizer.settings and again.scores == model.tokenizer.scores
    assert again.tokenize("국회에 <mask>") == ["▁국회", "에", "<mask>"]
    damaged = rewritten(
        tmp_path / "unigram.keras", lambda parts: parts.update({"assets/bert/unigram.json": b"{}"})
    )
    with pytest.raises(KbertError, match="expected scores and charsmap"):
        kbert.load(damaged)


def test_saving_elsewhere(saved, tmp_path):
    model = kbert.load(saved)
    with pytest.raises(KbertError, match=r"ends in .keras, not 'x.h5'"):
        model.save(tmp_path / "x.h5")
    with pytest.raises(KbertError, match="exists"):
        model.save(saved, overwrite=False)
    model.tokenizer = None
    model.save(tmp_path / "bare.keras")
    assert kbert.load(tmp_path / "bare.keras").tokenizer is None


def rewritten(path: Path, change, **how) -> Path:
    """A copy of a file whose members were changed by `change(dict)`."""
    parts = members(path)
    extra = change(parts) or []
    out = path.with_name("changed.keras")
    with zipfile.ZipFile(out, "w", how.get("compression", zipfile.ZIP_STORED)) as archive:
        for name, data in [*parts.items(), *extra]:
            archive.writestr(name, data)
    return out


def with_config(**changes):
    def change(parts):
        described = json.loads(parts["config.json"])
        for key, value in changes.items():
            target = described["config"] if key in described["config"] else described
            target[key] = value
        parts["config.json"] = json.dumps(described).encode()

    return change


def bomb(parts):
    """A Lambda layer with code, in the place of the model: Keras's old way in."""
    parts["config.json"] = json.dumps(
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wAAAA"}}},
            "registered_name": None,
        }
    ).encode()


def nested(parts):
    described = json.loads(parts["config.json"])
    described["config"]["dtype"] = {"module": "builtins", "class_name": "function", "config": "x"}
    parts["config.json"] = json.dumps(described).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (bomb, "holds a 'Lambda'; kbert.load opens Bert"),
        (nested, "numbers and names"),
        (with_config(module="os"), "holds a 'kbert>BertForPreTraining'"),
        (with_config(registered_name="kbert>Bert"), "holds a 'kbert>Bert'"),
        (with_config(compile_config={"optimizer": "adam"}), "compile_config"),
        (with_config(fn_ref="x"), "fn_ref"),
        (with_config(format_version=9), "update kbert"),
        (with_config(vocab_size=41), "do not fit"),
        (with_config(num_hidden_layers=3), "do not fit"),
        (with_config(vocab_size=20), "do not fit|embeddings for"),
        (with_config(hidden_size=-4), "hidden_size must be"),
        (with_config(hidden_size=3 * 10**9), "do not fit the config"),
        (with_config(num_hidden_layers=10**9), "1000000000 layers; 200 are the most"),
        (
            lambda parts: parts.update({"../evil.py": b"x"}),
            "'../evil.py' is not a plain relative path",
        ),
        (lambda parts: parts.update({"assets/bert/run.pkl": b"x"}), "run.pkl"),
        (lambda parts: parts.pop("model.weights.h5") and None, "has no model.weights.h5"),
        (lambda parts: parts.update({"config.json": b"{"}), "not JSON"),
        (lambda parts: parts.update({"config.json": b"[" * 100_000}), "not JSON"),
        (lambda parts: parts.update({"config.json": b" " * (2 << 20)}), "larger than"),
        (lambda parts: parts.update({"metadata.json": b"{}"}), "keras_version"),
        (lambda parts: parts.update({"model.weights.h5": b"nothing" * 9999}), "no HDF5 file"),
        (lambda parts: parts.update({"assets/bert/vocab.txt": b"\xff"}), "vocab.txt: not UTF-8"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_files_that_kbert_did_not_write(saved, change, message):
    with pytest.raises(KbertError, match=message):
        kbert.load(rewritten(saved, change))


def test_a_rewritten_file_that_is_right_is_opened(saved):
    assert kbert.load(rewritten(saved, lambda parts: None)).tokenizer is not None


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_twice_and_compressed(saved):
    twice = rewritten(saved, lambda parts: [("config.json", parts["config.json"])])
    with pytest.raises(KbertError, match=r"'config.json' twice"):
        kbert.load(twice)
    packed = rewritten(saved, lambda parts: None, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(KbertError, match="is compressed"):
        kbert.load(packed)


def test_weights_that_point_out_of_the_file(saved, tmp_path):
    """An HDF5 file can link to another file: reading it would show that file's numbers."""
    import h5py

    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["numbers"] = np.ones((12,), "float32")

    def link(parts):
        buffer = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(buffer, "r+") as file:
            group = next(iter_groups(file))
            del group["0"]
            group["0"] = h5py.ExternalLink(str(secret), "numbers")
        parts["model.weights.h5"] = buffer.getvalue()

    def iter_groups(file):
        found = []
        file.visititems(lambda name, item: found.append(item) if name.endswith("vars") else None)
        return (group for group in found if "0" in group)

    with pytest.raises(KbertError, match=r"is a link \(ExternalLink\)"):
        kbert.load(rewritten(saved, link))


def test_what_is_no_keras_file(tmp_path, saved):
    with pytest.raises(KbertError, match="no such file"):
        kbert.load(tmp_path / "none.keras")
    text = tmp_path / "text.keras"
    text.write_text("hello", encoding="utf-8")
    with pytest.raises(KbertError, match=r"not a zip file, or a damaged one"):
        kbert.load(text)
    cut = tmp_path / "cut.keras"
    cut.write_bytes(saved.read_bytes()[:5000])
    with pytest.raises(KbertError, match="damaged"):
        kbert.load(cut)
    with pytest.raises(KbertError, match=r"expected a \.keras file, the folder"):
        kbert.load(tmp_path / "model.h5")


def test_flipped_bytes_never_give_a_model_or_another_error(saved):
    data = saved.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 30).tolist():
        damaged = saved.with_name("damaged.keras")
        damaged.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            kbert.load(damaged)
        except KbertError:
            continue
        assert members(damaged) == members(saved)  # a byte between the members


def test_loading_draws_no_numbers_then_or_later(saved, inputs, monkeypatch):
    """What was built to compare shapes is gone for good, also when a model runs on JAX."""

    def draw(self, shape, dtype=None):
        raise AssertionError("random numbers for weights that are in the file")

    monkeypatch.setattr("numpy.random.default_rng", draw)
    model = kbert.load(saved)
    assert model.predict_on_batch(inputs)
