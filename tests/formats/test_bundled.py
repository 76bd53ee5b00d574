"""The model that comes with kbert: its answers, the same on every backend."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

import kbert
from kbert.pretrained import LICENCES, bundled_card, bundled_model, bundled_models


@pytest.fixture(scope="module")
def model():
    return kbert.load("kbert-mini-ko")


def test_it_is_small_and_has_a_card():
    path = bundled_model("kbert-mini-ko")
    assert isinstance(path, Path) and path.stat().st_size < 28e6
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "CC BY-SA 4.0" in card and "7,535,746" in card


def test_it_computes_in_32_bits_and_trains_with_dropout(model):
    config = model.get_config()
    assert model.dtype_policy.name == "float32" and model.count_params() == 7_535_746
    assert config["hidden_dropout_prob"] == 0.1 and len(model.tokenizer) == 16_000


def test_what_it_answers(model):
    """As PyTorch computed it when the model was made."""
    fill_mask = kbert.FillMask(model, glued_to_mask="continuation")
    best = fill_mask("제2차 세계 [MASK]은 1945년에 끝났다.", top_k=1)[0]
    assert best["token_str"] == "대전" and best["score"] == pytest.approx(0.9233, abs=2e-4)
    assert fill_mask("함수는 값을 [MASK]합니다.", top_k=1)[0]["token_str"] == "반환"
    follows = kbert.NextSentence(model)("이 영화는 정말 재미있었다.", "배우들의 연기가 좋았다.")
    assert follows["label"] == 0 and follows["next"] == pytest.approx(0.7296, abs=2e-4)


def test_another_task_begins_with_its_encoder(model):
    labels = ["부정", "긍정"]
    classifier = kbert.load("kbert-mini-ko", task="sequence-classification", labels=labels)
    assert "classifier.dense" in str(classifier.load_report)
    tables = [ops.convert_to_numpy(m.bert.embeddings.token_table) for m in (classifier, model)]
    np.testing.assert_array_equal(*tables)


def test_what_is_made_of_it_keeps_its_licence(tmp_path):
    """Fine-tuned, made smaller, saved, and in other hands: the card names sources and licence."""
    assert LICENCES.keys() == bundled_models().keys()
    labels = ["부정", "긍정"]
    made = kbert.load("kbert-mini-ko", task="sequence-classification", labels=labels)
    kbert.keep_layers(made, 1).with_settings(remat=True).save(tmp_path / "shared.keras")
    sentences = kbert.load(tmp_path / "shared.keras", task="sentence-embedding")
    assert sentences.base_model == "kbert-mini-ko"
    again = kbert.SentenceBert.from_encoder(sentences, pooling="cls")
    kbert.export_sentence_transformers(again, tmp_path / "sentences")
    kbert.export_huggingface(again.bert, tmp_path / "encoder")
    sections = bundled_card("kbert-mini-ko")
    assert sections and "| CC0 |" in sections
    for folder in ("sentences", "encoder"):
        card = (tmp_path / folder / "README.md").read_text(encoding="utf-8")
        assert "\nlicense: cc-by-sa-4.0\n---\n" in card and card.endswith(f"\n{sections}\n")


@pytest.mark.parametrize("name", ["a\nlicense: mit", "../x", "", 3, ["klue"]])
def test_no_name_of_a_model_in_a_file(name):
    config = kbert.Bert(vocab_size=9, **kbert.SIZES["tiny"]).get_config()
    with pytest.raises(kbert.KbertError, match="base_model is a name"):
        kbert.Bert.from_config({**config, "base_model": name})
