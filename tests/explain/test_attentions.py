import numpy as np
import pytest

import kbert
from kbert.explain.attentions import Attention
from kbert.explain.read_text import as_array
from tests.explain.conftest import PAIR, TEXT


def test_the_weights_are_softmax_of_queries_and_keys(model, tokenizer):
    seen = kbert.explain.attention(model, TEXT, PAIR, pad_to_length=17)
    inputs = tokenizer(TEXT, PAIR, pad_to_length=17)
    outputs = model.bert(inputs, output_attentions=True)
    padding = inputs["attention_mask"][0] == 0
    assert padding.any() and (seen.of_text == -1).tolist() == padding.tolist()
    for layer in range(2):
        query, key = (as_array(outputs[name][layer])[0] for name in ("queries", "keys"))
        scores = np.einsum("qnh,knh->nqk", query, key) / np.sqrt(4)
        scores[:, :, padding] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        np.testing.assert_allclose(seen.weights[layer], weights, atol=1e-6)
    assert (seen.weights[..., padding] == 0).all()


def by_hand() -> Attention:
    """[CLS] 개 ##가 [SEP] and [PAD]; one layer with two heads."""
    weights = np.zeros((1, 2, 5, 5), "float32")
    weights[0, 0] = [
        [1, 0, 0, 0, 0],
        [0.1, 0.2, 0.3, 0.4, 0],
        [0.5, 0.5, 0, 0, 0],
        [0, 0.25, 0.25, 0.5, 0],
        [1, 0, 0, 0, 0],
    ]
    weights[0, 1] = weights[0, 0]
    weights[0, 1, 1:3] = [0, 1, 0, 0, 0]
    return Attention(
        ["[CLS]", "개", "##가", "[SEP]", "[PAD]"],
        np.array([0, 0, 0, 0, -1]),
        ["[CLS]", "개가", "[SEP]"],
        np.array([0, 1, 1, 2, -1]),
        weights,
    )


def test_eojeols_add_what_they_are_given_and_take_the_mean():
    joined = by_hand().by_eojeol()
    expected = [[1, 0, 0], [0.3, 0.5, 0.2], [0, 0.5, 0.5]]
    np.testing.assert_allclose(joined[0, 0], expected, atol=1e-7)
    np.testing.assert_allclose(joined[0, 1, 1], [0, 1, 0], atol=1e-7)


def test_what_a_word_looks_at():
    seen = by_hand()
    assert seen.what_it_looks_at("개가", head=0) == [
        ("개가", pytest.approx(0.5)),
        ("[CLS]", pytest.approx(0.3)),
        ("[SEP]", pytest.approx(0.2)),
    ]
    assert seen.what_it_looks_at(1)[0] == ("개가", pytest.approx(0.75))  # the mean of the heads
    with pytest.raises(kbert.KbertError, match=r"no eojeol '고양이' here; there are \[CLS\], 개가"):
        seen.what_it_looks_at("고양이")
    with pytest.raises(kbert.KbertError, match="no head 2"):
        seen.what_it_looks_at("개가", head=2)
    with pytest.raises(kbert.KbertError, match="no quarters"):
        seen.quarters()


def test_the_quarters_of_a_pair_are_all_of_it(model):
    seen = kbert.explain.attention(model, "국회에", "나 너")
    assert seen.pieces == ["[CLS]", "국회", "##에", "[SEP]", "나", "너", "[SEP]"]
    quarters = seen.quarters()
    np.testing.assert_array_equal(quarters["A->B"], seen.weights[:, :, :4, 4:])
    np.testing.assert_array_equal(quarters["B->A"], seen.weights[:, :, 4:, :4])
    whole = np.block([[quarters["A->A"], quarters["A->B"]], [quarters["B->A"], quarters["B->B"]]])
    np.testing.assert_array_equal(whole, seen.weights)


def test_eojeols_of_both_texts(model):
    seen = kbert.explain.attention(model, TEXT, PAIR)
    assert seen.eojeols == [
        *("[CLS]", "국회에", "나", "경기를", "[MASK]", "[SEP]", "우리", "법률을", "의결한다."),
        "[SEP]",
    ]
    assert dict(seen.what_it_looks_at("나")).keys() == set(seen.eojeols)


def test_a_pair_without_segments(small):
    tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 나 너".split()
    model = kbert.BertForMaskedLM(**small | {"type_vocab_size": 1})
    model.tokenizer = kbert.Tokenizer(tokens, roberta_pairs=True)
    seen = kbert.explain.attention(model, "나", "너")
    assert seen.pieces == ["[CLS]", "나", "[SEP]", "[SEP]", "너", "[SEP]"]
    assert seen.of_text.tolist() == [0, 0, 0, 1, 1, 1]
