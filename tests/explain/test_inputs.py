import numpy as np
import pytest

import kbert
from kbert.explain.read_text import as_array
from tests.explain.conftest import PAIR, TEXT


def given_to_the_norm(model, monkeypatch, inputs) -> np.ndarray:
    """What the embeddings' LayerNorm is called with."""
    norm, seen = model.bert.embeddings.layer_norm, []
    call = norm.call

    def recorded(total, *args, **kwargs):
        seen.append(as_array(total))
        return call(total, *args, **kwargs)

    monkeypatch.setattr(norm, "call", recorded)
    model(inputs)
    return seen[0][0]


def test_the_sum_is_what_the_layer_computes_before_its_norm(model, tokenizer, monkeypatch):
    rows = kbert.explain.input_rows(model, TEXT, PAIR, pad_to_length=17)
    total = given_to_the_norm(model, monkeypatch, tokenizer(TEXT, PAIR, pad_to_length=17))
    np.testing.assert_allclose(rows.total, total, atol=1e-6, rtol=0)
    added = rows.token_embeddings + rows.segment_embeddings + rows.position_embeddings
    np.testing.assert_allclose(added, total, atol=1e-6, rtol=0)


@pytest.mark.parametrize("segments", [0, 1])
def test_other_families_positions_and_segments(small, tokenizer, monkeypatch, segments):
    settings = {"type_vocab_size": segments, "position_offset": 2, "embedding_size": 6}
    model = kbert.BertForMaskedLM(**small | settings)
    model.tokenizer = tokenizer
    rows = kbert.explain.input_rows(model, TEXT)
    total = given_to_the_norm(model, monkeypatch, tokenizer(TEXT))
    assert rows.positions[0] == 2
    np.testing.assert_allclose(rows.total, total, atol=1e-6, rtol=0)


def test_figure_2_of_a_pair(model):
    rows = kbert.explain.input_rows(model, "국회에", "나", pad_to_length=7)
    assert rows.pieces == ["[CLS]", "국회", "##에", "[SEP]", "나", "[SEP]", "[PAD]"]
    assert rows.ids.tolist() == [2, 13, 14, 3, 25, 3, 0]
    assert rows.segments.tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert rows.positions.tolist() == [0, 1, 2, 3, 4, 5, 6]  # [CLS] and [SEP] count
    assert rows.mask.tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_what_cannot_be_looked_into(model):
    with pytest.raises(kbert.KbertError, match="longer"):
        kbert.explain.input_rows(model, "나 " * 16)
    with pytest.raises(TypeError, match="text is a text"):
        kbert.explain.input_rows(model, ["나"])
    model.tokenizer = None
    with pytest.raises(kbert.KbertError, match="no vocabulary"):
        kbert.explain.input_rows(model, "나")
