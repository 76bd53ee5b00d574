"""A model of some of another's layers."""

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError, keep_layers
from kbert.models.keep_layers import evenly_spaced


def number(tensor):
    return ops.convert_to_numpy(tensor)


def test_which_layers_distilbert_took():
    """Of 12: scripts/extract_distilbert.py of its authors; those of DistilKoBERT were given."""
    assert evenly_spaced(6, 12) == [0, 2, 4, 7, 9, 11]
    assert evenly_spaced(12, 12) == list(range(12)) and evenly_spaced(1, 12) == [0]


@pytest.mark.parametrize("own", [{}, {"architecture": "deberta", "position_buckets": 4}])
def test_the_layers_that_stay_compute_what_they_did(own, small, inputs, tokenizer):
    """Run one after the other by hand, between the embeddings and the head."""
    small |= {"num_hidden_layers": 4}
    model = kbert.BertForMaskedLM(**small, **own)
    model.tokenizer = tokenizer
    model.bert.encoder_layers[0].trainable = False
    smaller = keep_layers(model, [0, 2, 3])
    assert smaller.bert.get_config()["num_hidden_layers"] == 3
    assert smaller.tokenizer is tokenizer and smaller.bert.encoder_layers[0].trainable
    for index, layer in zip((0, 2, 3), smaller.bert.encoder_layers, strict=True):
        for one, two in zip(
            layer.get_weights(), model.bert.encoder_layers[index].get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, two)
    del inputs["masked_lm_positions"]
    states = model.bert(inputs, output_hidden_states=True)["hidden_states"]
    first = smaller.bert(inputs, output_hidden_states=True)["hidden_states"]
    np.testing.assert_array_equal(number(first[0]), number(states[0]))
    np.testing.assert_allclose(number(first[1]), number(states[1]), atol=1e-6)
    whole = keep_layers(model, 4)
    np.testing.assert_array_equal(number(whole(inputs)), number(model(inputs)))


def test_the_kinds_of_modernberts_layers_go_with_them(small, inputs):
    small |= {"num_hidden_layers": 4, "architecture": "modernbert", "local_attention": 4}
    model = kbert.BertForMaskedLM(**small)
    types = model.bert.get_config()["layer_types"]
    assert keep_layers(model, [0, 1, 3]).bert.get_config()["layer_types"] == [
        types[index] for index in (0, 1, 3)
    ]
    with pytest.raises(KbertError, match=r"stays the first: layers .2, 3. begin with another"):
        keep_layers(model, [2, 3])


def test_layers_by_numpy(small):
    model = kbert.Bert(**{**small, "num_hidden_layers": 4})
    for layers, same in ((np.array([0, 3]), [0, 3]), ([np.int64(1)], [1]), (np.int32(2), 2)):
        one, two = (keep_layers(model, each).get_weights() for each in (layers, same))
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layers", [0, 3, 2.0, [], [2], [1, 0], [0, 0], [True], "01", [0.0], None])
def test_layers_that_there_are_not(layers, small):
    with pytest.raises(KbertError, match="layers is"):
        keep_layers(kbert.Bert(**small), layers)


def test_layers_that_share_their_weights(small):
    with pytest.raises(KbertError, match="share their weights"):
        keep_layers(kbert.Bert(**small, num_hidden_groups=1), 1)
    with pytest.raises(KbertError, match="share their weights"):
        keep_layers(kbert.Bert(**small, num_hidden_groups=2), 1)
