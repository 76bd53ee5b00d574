"""Folders of sentence-transformers', in and out, beside sentence-transformers itself."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError, SentenceBert
from tests.formats.checkpoints import make_reference, write_checkpoint
from tests.formats.wrong_values import with_one_change

torch = pytest.importorskip("torch")
sentence_transformers = pytest.importorskip("sentence_transformers")
models = pytest.importorskip("sentence_transformers.sentence_transformer.modules")  # of 6 or later

TEXTS = ["가나 다라", "축구 경기", "", "가 나 다 라 마 바 사 아 자 차 카 타 파 하 " * 3]
CLOSE = {"atol": 1e-5, "rtol": 0}


def vectors(model: SentenceBert, texts: list[str] = TEXTS) -> np.ndarray:
    return ops.convert_to_numpy(model(model.tokenizer(texts, max_length=model.max_length)))


def theirs(folder: Path, texts: list[str] = TEXTS) -> np.ndarray:
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(texts)


def written(folder: Path, family: str = "bert", *parts, longest: int | None = 11) -> Path:
    """A small random model, written by sentence-transformers."""
    encoder = write_checkpoint(make_reference(family, "Model"), folder / "encoder")
    first = models.Transformer(str(encoder), max_seq_length=longest)
    sentence_transformers.SentenceTransformer(modules=[first, *parts], device="cpu").save(
        str(folder / "whole")
    )
    return folder / "whole"


def dense(outputs: int, activation: str, bias: bool = True):
    torch.manual_seed(3)
    function = {"tanh": torch.nn.Tanh, "linear": torch.nn.Identity}[activation]()
    return models.Dense(12, outputs, bias=bias, activation_function=function)


@pytest.mark.parametrize(
    ("family", "mode", "more"),
    [
        ("bert", "mean", ""),
        ("roberta", "cls", "Normalize"),
        ("xlm-roberta", "max", "tanh"),
        ("electra", "weightedmean", "linear Normalize"),
        ("distilbert", "mean", "without bias"),
        ("albert", "mean", ""),
        ("deberta-v2", "mean", ""),
    ],
)
def test_the_same_vectors_in_and_out(family, mode, more, tmp_path):
    parts = [models.Pooling(12, mode)]
    if more.startswith(("tanh", "linear")):
        parts.append(dense(7, more.split()[0]))
    if more == "without bias":
        parts.append(dense(15, "tanh", bias=False))
    if more.endswith("Normalize"):
        parts.append(models.Normalize())
    folder = written(tmp_path, family, *parts)
    expected = theirs(folder)

    model = kbert.load(folder)
    assert type(model) is SentenceBert and model.max_length == 11
    assert not model.load_report.new and not model.load_report.notes
    np.testing.assert_allclose(vectors(model), expected, **CLOSE)
    assert np.abs(expected - expected[0]).max() > 0.01

    kbert.export_sentence_transformers(model, tmp_path / "out")
    np.testing.assert_allclose(theirs(tmp_path / "out"), expected, **CLOSE)
    again = kbert.load(tmp_path / "out")
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(vectors(again), vectors(model))

    model.save(tmp_path / "whole.keras")
    np.testing.assert_array_equal(vectors(kbert.load(tmp_path / "whole.keras")), vectors(model))


def test_modernbert_goes_out(tmp_path):
    encoder = kbert.load(write_checkpoint(make_reference("modernbert", "Model"), tmp_path / "in"))
    model = SentenceBert.from_encoder(encoder, pooling="cls", normalize=True, max_seq_length=11)
    kbert.export_sentence_transformers(model, tmp_path / "out")
    np.testing.assert_allclose(vectors(model), theirs(tmp_path / "out"), **CLOSE)
    again = kbert.load(tmp_path / "out")
    assert again.bert.architecture == "modernbert"
    np.testing.assert_array_equal(vectors(again), vectors(model))


def test_a_folder_as_they_were_before_version_6(tmp_path):
    folder = written(tmp_path, "bert", models.Pooling(12, "max"), models.Normalize())
    flags = {
        "word_embedding_dimension": 12,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": True,
    }
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    shutil.rmtree(folder / "2_Normalize")  # of old ones it is empty, and so in no repository
    names = ["", "1_Pooling", "2_Normalize"]
    kinds = ["Transformer", "Pooling", "Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": names[i], "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 6}')
    model = kbert.load(folder)
    assert (model.pooling, model.normalize, model.max_length) == ("max", True, 6)
    np.testing.assert_allclose(vectors(model), theirs(folder), **CLOSE)

    # The encoder in a folder of its own, as the first of them have it.
    (folder / "0_Transformer").mkdir()
    for path in list(folder.iterdir()):
        if path.is_file() and path.name != "modules.json":
            path.rename(folder / "0_Transformer" / path.name)
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    np.testing.assert_array_equal(vectors(kbert.load(folder)), vectors(model))


def test_a_folder_in_the_cache_of_the_hub(tmp_path):
    """There a snapshot's files, and those of its folders, are links to blobs."""
    folder = written(tmp_path, "bert", models.Pooling(12, "cls"), dense(5, "tanh"))
    blobs, snapshot = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / ("0" * 40)
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.is_file():
            place = snapshot / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(blobs / f"blob{number}")
            place.symlink_to(blobs / f"blob{number}")
    assert kbert.load(snapshot).embedding_size == 5


def test_the_encoder_alone(tmp_path):
    folder = written(tmp_path, "bert", models.Pooling(12, "cls"))
    bert = kbert.load(folder, "encoder")
    assert type(bert) is kbert.Bert
    model = kbert.load(folder)
    rows = model.tokenizer(TEXTS[:2])
    states = ops.convert_to_numpy(bert(rows)["last_hidden_state"])
    np.testing.assert_allclose(vectors(model, TEXTS[:2]), states[:, 0], atol=1e-6)
    with pytest.raises(KbertError, match="labels are for"):
        kbert.load(folder, labels=["가"])


def change(place: str, **values):
    """A value of a JSON file of a folder, or of each of a list, changed; None takes it out."""

    def changed(folder: Path) -> None:
        path = folder / place
        found = json.loads(path.read_text()) if path.exists() else {}
        for each in found if isinstance(found, list) else [found]:
            each.update(values)
        path.write_text(json.dumps(found))

    return changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            change("1_Pooling/config.json", pooling_mode="lasttoken"),
            "lasttoken.*kbert has not",
        ),
        (change("1_Pooling/config.json", pooling_mode=["cls", "mean"]), "several side by side"),
        (change("1_Pooling/config.json", pooling_mode=[]), r"the pooling is \[\]"),
        (change("1_Pooling/config.json", embedding_dimension=13), "embedding_dimension is 13"),
        (change("2_Dense/config.json", activation_function="torch.nn.GELU"), "torch.nn.GELU"),
        (change("2_Dense/config.json", activation_function="os.system"), "os.system"),
        (change("2_Dense/config.json", use_residual=True), "a dense layer on the pooled"),
        (change("2_Dense/config.json", out_features=6), r"expected the tensors .*\(6, 12\)"),
        (change("2_Dense/config.json", bias=False), "expected the tensors"),
        (change("modules.json", path="../encoder"), "not a plain name"),
        (change("modules.json", path="/etc"), "not a plain name"),
        (change("modules.json", path="no_such"), "has no folder 'no_such'"),
        (change("modules.json", type="evil.Transformer"), "the parts are evil.Transformer"),
        (change("modules.json", path=None), "each part has a type and a path"),
        (change("sentence_bert_config.json", max_seq_length="long"), "the longest text has 'long'"),
        (change("sentence_bert_config.json", do_lower_case=True), "do_lower_case is true"),
        (change("sentence_bert_config.json", transformer_task="text-generation"), "encoders only"),
        (lambda folder: (folder / "modules.json").write_text('{"a": 1}'), "a list of parts"),
        (lambda folder: (folder / "2_Dense" / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "2_Dense" / "model.safetensors").unlink(), "neither"),
    ],
)
def test_what_kbert_has_not_is_named(folder, tmp_path, changed, message):
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    changed(mine)
    with pytest.raises(KbertError, match=message):
        kbert.load(mine)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("st"), "bert", models.Pooling(12), dense(5, "tanh"))


def test_a_link_for_a_part_is_refused(folder, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    shutil.rmtree(mine / "1_Pooling")
    (mine / "1_Pooling").symlink_to(folder / "1_Pooling")
    with pytest.raises(KbertError, match="link"):
        kbert.load(mine)


def test_a_pickle_of_a_dense_layer_only_where_it_is_allowed(folder, tmp_path):
    from safetensors.torch import load_file

    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    expected = vectors(kbert.load(mine))
    path = mine / "2_Dense" / "model.safetensors"
    torch.save(load_file(path), mine / "2_Dense" / "pytorch_model.bin")
    path.unlink()
    with pytest.raises(KbertError, match="allow_pickle=True"):
        kbert.load(mine)
    np.testing.assert_array_equal(vectors(kbert.load(mine, allow_pickle=True)), expected)


def test_what_sentence_transformers_does_beside_is_told(folder, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    change(
        "config_sentence_transformers.json",
        prompts={"query": "질문: "},
        default_prompt_name="query",
        truncate_dim=4,
    )(mine)
    notes = " ".join(kbert.load(mine).load_report.notes)
    assert "'질문: ' before each text" in notes and "cuts vectors to 4 numbers" in notes


def test_what_does_not_go_out(small, tokenizer, tmp_path):
    model = SentenceBert(**{**small, "num_hidden_layers": 4}, pooling="last-four")
    with pytest.raises(KbertError, match="no vocabulary"):
        kbert.export_sentence_transformers(model, tmp_path / "out")
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="no pooling 'last-four'"):
        kbert.export_sentence_transformers(model, tmp_path / "out")
    with pytest.raises(KbertError, match=r"expected a SentenceBert, not a Bert:"):
        kbert.export_sentence_transformers(model.bert, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(KbertError, match=r"model.bert; the whole goes out by"):
        kbert.export_huggingface(model, tmp_path / "out")


def test_to_the_hub(small, tokenizer):
    model = SentenceBert(normalize=True, **small)
    model.tokenizer = tokenizer
    files = kbert.push_to_hub(model, "me/my-sentences", dry_run=True)
    assert {"model.safetensors", "modules.json", "1_Pooling/config.json"} <= set(files)
    assert min(files.values()) > 0


@pytest.mark.parametrize(
    "name",
    [
        "modules.json",
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ],
)
def test_one_wrong_value_is_refused_or_does_no_harm(folder, tmp_path, name):
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    expected = vectors(kbert.load(mine))
    good = json.loads((mine / name).read_text())
    for wrong in list(with_one_change(good))[::5]:
        (mine / name).write_text(json.dumps(wrong), encoding="utf-8")
        try:
            found = vectors(kbert.load(mine), TEXTS[:2])
        except KbertError as error:
            assert len(str(error)) < 2100 and "\x1b" not in str(error)
            continue
        assert np.isfinite(found).all()
        if "config_" in name or "_bert_" in name:  # the others may describe another model
            np.testing.assert_allclose(found, expected[:2], atol=1e-6)
