"""The model that comes with kbert: its answers, the same on every backend."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

import kbert
from kbert.pretrained import bundled_model


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
