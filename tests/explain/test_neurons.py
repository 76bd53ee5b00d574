import numpy as np
import pytest

import kbert
from kbert.explain.read_text import as_array
from tests.explain.conftest import PAIR, TEXT


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize(("layer", "head", "token"), [(0, 0, 1), (1, 2, "[MASK]"), (-1, 1, -1)])
def test_the_numbers_add_up_to_the_layers_own_output(small, tokenizer, layer, head, token, window):
    model = kbert.BertForPreTraining(**small | {"attention_window": window})
    model.tokenizer = tokenizer
    view = kbert.explain.neuron_view(model, TEXT, layer, head, token, pair=PAIR)
    outputs = model.bert(tokenizer(TEXT, PAIR), output_hidden_states=True, output_attentions=True)
    attend = model.bert.encoder_layers[layer].self_attention
    own = as_array(attend(outputs["hidden_states"][:-1][layer]))[0, view.token]
    np.testing.assert_allclose(view.output, own, atol=1e-5, rtol=0)
    weights = as_array(outputs["attentions"][layer])[0, head, view.token]
    np.testing.assert_allclose(view.weights, weights, atol=1e-5, rtol=0)
    query = as_array(outputs["queries"][layer])[0, view.token, head]
    np.testing.assert_allclose(view.query, query, atol=1e-5, rtol=0)


def test_each_step_follows_from_the_one_before(model):
    view = kbert.explain.neuron_view(model, TEXT, 0, 1, "국회")
    np.testing.assert_allclose(view.products, view.query * view.keys, rtol=1e-6)
    np.testing.assert_allclose(view.scores, view.keys @ view.query, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(view.scaled, view.scores / 2, rtol=1e-6)  # D 12, N 3: H is 4
    exponents = np.exp(view.scaled)
    np.testing.assert_allclose(view.weights, exponents / exponents.sum(), rtol=1e-5)
    np.testing.assert_allclose(view.context, view.weights @ view.values, rtol=1e-4, atol=1e-6)
    rows = as_array(model.bert.encoder_layers[0].self_attention.output_projection.kernel)[4:8]
    np.testing.assert_allclose(view.projected, view.context @ rows, rtol=1e-4, atol=1e-6)


def test_no_such_place(model):
    for arguments, message in (
        ((2, 0, 0), "no layer 2 here; there are 0, 1"),
        ((0, 3, 0), "no head 3"),
        ((0, 0, "개"), r"no token '개' here; there are \[CLS\], 국회"),
    ):
        with pytest.raises(kbert.KbertError, match=message):
            kbert.explain.neuron_view(model, TEXT, *arguments)


def test_a_global_token_is_seen_by_all_and_asked_otherwise(small, tokenizer):
    """Longformer's [CLS] under a classifier: all see it; it looks by projections of its own."""
    of_long = {"attention_window": 1, "global_attention": True}
    model = kbert.BertForSequenceClassification(labels=["가", "나"], **small | of_long)
    model.tokenizer = tokenizer
    view = kbert.explain.neuron_view(model, TEXT, 1, 0, 4, pair=PAIR)
    weights = kbert.explain.attention(model, TEXT, PAIR).weights[1, 0, 4]
    assert weights[0] > 0 and weights[2] == 0
    np.testing.assert_allclose(view.weights, weights, atol=1e-5, rtol=0)
    with pytest.raises(kbert.KbertError, match=r"\[CLS\] is a global token here"):
        kbert.explain.neuron_view(model, TEXT, 1, 0, "[CLS]")
    tagger = kbert.BertForTokenClassification(labels=["가", "나"], **small | of_long)
    tagger.tokenizer = tokenizer  # without global tokens
    view = kbert.explain.neuron_view(tagger, TEXT, 1, 0, 0)
    weights = kbert.explain.attention(tagger, TEXT).weights[1, 0, 0]
    np.testing.assert_allclose(view.weights, weights, atol=1e-5, rtol=0)


def test_rows_that_are_seen_in_blocks(small, tokenizer):
    model = kbert.BertForMaskedLM(**small | {"block_size": 1, "num_random_blocks": 0})
    model.tokenizer = tokenizer
    with pytest.raises(kbert.KbertError, match=r"seen in blocks, .* up to 5 tokens"):
        kbert.explain.neuron_view(model, TEXT, 0, 0, 1)
    view = kbert.explain.neuron_view(model, "국회에", 0, 0, 1)
    weights = kbert.explain.attention(model, "국회에").weights[0, 0, 1]
    np.testing.assert_allclose(view.weights, weights, atol=1e-5, rtol=0)
