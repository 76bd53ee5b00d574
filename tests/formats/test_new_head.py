import json
import re
import unicodedata

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError

DISTILBERT = {"type_vocab_size": 0, "layer_norm_eps": 1e-12}


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def pretrained(small, tokenizer, tmp_path):
    model = kbert.BertForPreTraining(**small)
    model.tokenizer = tokenizer
    model.save(tmp_path / "pretrained.keras")
    return model, tmp_path / "pretrained.keras"


def test_the_encoder_stays_and_the_head_is_new(pretrained, inputs, caplog):
    model, path = pretrained
    classifier = kbert.load(path, "sequence-classification", ["부정", "긍정"])
    assert classifier.load_report.new == ("classifier.dense",)
    assert "mlm.bias" in classifier.load_report.unused
    (record,) = caplog.records
    assert "pretrained.keras as a BertForSequenceClassification: new" in record.message
    assert classifier.tokenizer.vocabulary == model.tokenizer.vocabulary
    ours, theirs = classifier.bert(inputs), model.bert(inputs)
    for name in theirs:
        np.testing.assert_array_equal(number(ours[name]), number(theirs[name]))
    assert number(classifier.classifier.dense.kernel).std() > 0.1  # initializer_range is 0.3


@pytest.mark.parametrize(
    ("task", "head"), [("masked-lm", "mlm"), ("next-sentence-prediction", "nsp")]
)
def test_a_head_that_both_have_is_kept(pretrained, task, head, inputs, caplog):
    model, path = pretrained
    other = kbert.load(path, task)
    assert not other.load_report.new and not caplog.records
    np.testing.assert_allclose(number(other(inputs)), number(model(inputs)[head]), atol=1e-6)


def test_an_encoder_of_its_own(pretrained, inputs):
    model, path = pretrained
    encoder = kbert.load(path, "encoder")
    assert type(encoder) is kbert.Bert and not encoder.load_report.new
    np.testing.assert_array_equal(
        number(encoder(inputs)["pooler_output"]), number(model.bert(inputs)["pooler_output"])
    )


def test_the_same_task_is_the_model_itself_but_for_its_labels(pretrained, tmp_path, inputs):
    _, path = pretrained
    tagger = kbert.load(path, "token-classification", ["O", "B", "I"])
    tagger.save(tmp_path / "tagger.keras")
    for again in (
        kbert.load(tmp_path / "tagger.keras"),
        kbert.load(tmp_path / "tagger.keras", "token-classification"),
        kbert.load(tmp_path / "tagger.keras", labels=["O", "B", "I"]),
    ):
        assert again.load_report == ((), (), ()) and again.labels == ["O", "B", "I"]
        np.testing.assert_allclose(number(again(inputs)), number(tagger(inputs)), atol=1e-6)
    decomposed = [unicodedata.normalize("NFD", name) for name in ("O", "B-곳", "I-곳")]
    renamed = kbert.load(tmp_path / "tagger.keras", labels=decomposed)
    assert renamed.load_report == ((), (), ()) and renamed.labels == ["O", "B-곳", "I-곳"]
    assert renamed.get_config()["labels"] == ["O", "B-곳", "I-곳"]
    np.testing.assert_allclose(number(renamed(inputs)), number(tagger(inputs)), atol=1e-6)
    other = kbert.load(tmp_path / "tagger.keras", labels=["O", "PS"])
    assert other.load_report.new == ("classifier.dense",)
    # A tagger's head is no classifier's, though it has the same shape.
    classifier = kbert.load(tmp_path / "tagger.keras", "sequence-classification")
    assert classifier.load_report.new == ("bert.pooler.dense", "classifier.dense")


def test_labels_that_are_missing_or_misplaced(pretrained):
    _, path = pretrained
    for task, labels in (
        ("sequence-classification", '["부정", "긍정"]'),
        ("token-classification", '["O", "B-PS", "I-PS"]'),
    ):
        told = rf"'{task}' needs labels, as labels={re.escape(labels)}$"
        with pytest.raises(KbertError, match=told):
            kbert.load(path, task)
    with pytest.raises(KbertError, match="labels are for classification and tagging"):
        kbert.load(path, "question-answering", ["가"])
    with pytest.raises(KbertError, match="names that each stand once"):
        kbert.load(path, "token-classification", ["가", "가"])
    with pytest.raises(KbertError, match="a list of names"):
        kbert.load(path, "token-classification", "가나")


@pytest.mark.parametrize(
    ("own", "task", "activation", "model_type"),
    [
        ({"embedding_size": 8}, "sequence-classification", "gelu", "electra"),
        ({"embedding_size": 8}, "multiple-choice", "gelu", "electra"),
        (DISTILBERT, "sequence-classification", "relu", "distilbert"),
        ({"block_size": 2, "hidden_act": "gelu_new"}, "sequence-classification", None, "big_bird"),
        ({}, "sequence-classification", "tanh", "bert"),
    ],
)
def test_a_new_pooler_is_that_of_the_familys_head(
    own, task, activation, model_type, small, tokenizer, inputs, tmp_path
):
    """What was pretrained without one is fine-tuned and goes out as its family has it."""
    model = kbert.BertForMaskedLM(**{**small, **own})
    model.tokenizer = tokenizer
    model.save(tmp_path / "model.keras")
    labels = ["부정", "긍정"] if task == "sequence-classification" else None
    tuned = kbert.load(tmp_path / "model.keras", task, labels)
    assert tuned.get_config()["pooler_activation"] == (activation or "gelu_new")
    kbert.export_huggingface(tuned, tmp_path / "out")
    again = kbert.load(tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == model_type and not again.load_report.new
    ids = inputs["input_ids"] if labels else inputs["input_ids"][:, None]
    np.testing.assert_allclose(number(again(ids)), number(tuned(ids)), atol=1e-6)
