"""Layers that share their weights: which layer runs when, what is saved by it, what it forbids."""

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, KbertError
from kbert.sizes.cost import cost


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def shared(small):
    return {**small, "num_hidden_layers": 6, "num_hidden_groups": 1, "embedding_size": 8}


@pytest.mark.parametrize(
    ("layers", "groups", "inner", "turns"),
    [
        (3, 1, 1, [0, 0, 0]),
        (6, 2, 2, [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3]),
        (5, 2, 1, [0, 0, 0, 1, 1]),  # int(i / 2.5)
        (4, 4, 1, [0, 1, 2, 3]),
    ],
)
def test_which_layer_is_run_when(layers, groups, inner, turns, small):
    bert = Bert(
        **{**small, "num_hidden_layers": layers}, num_hidden_groups=groups, inner_group_num=inner
    )
    assert [bert.encoder_layers.index(layer) for layer in bert.layers_in_order] == turns
    assert len(bert.encoder_layers) == groups * inner


def test_a_group_of_one_is_a_layer_run_again_and_again(small, inputs):
    """Beside a Bert with layers of their own that hold the same weights."""
    del inputs["masked_lm_positions"]
    shared = Bert(**{**small, "num_hidden_layers": 3}, num_hidden_groups=1, embedding_size=8)
    plain = Bert(**{**small, "num_hidden_layers": 3}, embedding_size=8)
    for part in ("embeddings", "pooler"):
        getattr(plain, part).set_weights(getattr(shared, part).get_weights())
    for layer in plain.encoder_layers:
        layer.set_weights(shared.encoder_layers[0].get_weights())
    one, two = (bert(inputs, output_hidden_states=True) for bert in (shared, plain))
    for ours, theirs in zip(one["hidden_states"], two["hidden_states"], strict=True):
        np.testing.assert_allclose(number(ours), number(theirs), atol=1e-6)


def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_turns(small, inputs):
    """One step of gradient descent at a rate of 1 moves it by as much as all its copies."""
    settings = {**small, "num_hidden_layers": 3, "embedding_size": 8}
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    labels = {"labels": ["가", "나"]}
    shared = kbert.BertForSequenceClassification(**settings, num_hidden_groups=1, **labels)
    plain = kbert.BertForSequenceClassification(**settings, **labels)
    for part in ("embeddings", "pooler"):
        getattr(plain.bert, part).set_weights(getattr(shared.bert, part).get_weights())
    plain.classifier.set_weights(shared.classifier.get_weights())
    before = shared.bert.encoder_layers[0].feed_forward.widen.get_weights()[0]
    for layer in plain.bert.encoder_layers:
        layer.set_weights(shared.bert.encoder_layers[0].get_weights())
    del inputs["masked_lm_positions"]
    for model in (shared, plain):
        model.compile("sgd", "mse", run_eagerly=True, jit_compile=False)
        model.optimizer.learning_rate = 1.0
        model.train_on_batch(inputs, np.array([[0.0, 1.0], [1.0, 0.0]], "float32"))
    moved = shared.bert.encoder_layers[0].feed_forward.widen.get_weights()[0] - before
    apart = [
        layer.feed_forward.widen.get_weights()[0] - before for layer in plain.bert.encoder_layers
    ]
    assert np.abs(moved).max() > 1e-3
    np.testing.assert_allclose(moved, sum(apart), atol=1e-5)


def test_a_published_count():
    """11,683,584 weights of albert-base (Lan et al. 2020, table 1: 12 M) without a pooler's."""
    shape = {"vocab_size": 30_000, "hidden_size": 768, "num_hidden_layers": 12}
    shape |= {"num_attention_heads": 12, "intermediate_size": 3072, "embedding_size": 128}
    counted = cost(**shape, num_hidden_groups=1, batch_size=1, length=8)
    model = kbert.BertForPreTraining(**shape, num_hidden_groups=1)
    assert model.bert.count_params() == 11_683_584
    assert counted.parameters == model.count_params()
    # It takes as long as a BERT of as many layers.
    apart = cost(**shape, batch_size=1, length=8)
    assert counted.forward_flops == apart.forward_flops
    assert apart.parameters - counted.parameters == 11 * 7_087_872


def test_every_turn_drops_anew(shared, inputs):
    """With weights of 0 in the layer, what differs between its turns is what was dropped."""
    bert = Bert(**{**shared, "hidden_dropout_prob": 0.5, "num_hidden_layers": 2})
    states = bert({"input_ids": inputs["input_ids"]}, training=True, output_hidden_states=True)
    layer = bert.encoder_layers[0]
    first, second = layer.feed_forward_dropout.draw(), layer.feed_forward_dropout.draw()
    assert number(first).tolist() != number(second).tolist()
    assert len(states["hidden_states"]) == 3
    count = int(number(second)[1])
    assert count == 3  # 0 and 1 were the two turns'


def test_a_place_within_a_group_is_no_place_to_cut(shared):
    bert = Bert(**shared)
    for change in (kbert.freeze, kbert.reinitialize_top):
        with pytest.raises(KbertError, match="share their weights"):
            change(bert, 3)
        change(bert, 0)
        change(bert, 6)
    two = Bert(**{**shared, "num_hidden_groups": 2})
    kbert.freeze(two, 3)
    assert [layer.trainable for layer in two.encoder_layers] == [False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_groups": 7}, "num_hidden_groups 7 is more than num_hidden_layers 6"),
        ({"num_hidden_groups": 0}, "num_hidden_groups, if it is not None, must be a whole number"),
        ({"inner_group_num": 0}, "inner_group_num must be a whole number from 1"),
        ({"num_hidden_groups": None, "inner_group_num": 2}, "takes num_hidden_groups"),
    ],
)
def test_groups_that_cannot_be(change, message, shared):
    with pytest.raises(KbertError, match=message):
        Bert(**{**shared, **change})


def test_rates_by_layer_count_shared_layers_once(shared):
    from kbert.training.layerwise_rates import layer_scales

    paths = [weight.path for weight in Bert(**shared).weights]
    scales = dict(zip(paths, layer_scales(paths, 0.5), strict=True))
    assert {scale for path, scale in scales.items() if "encoder_layer_0" in path} == {1.0}
    assert {scale for path, scale in scales.items() if "embeddings" in path} == {0.5}
