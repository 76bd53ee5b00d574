import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForMaskedLM, BertForSequenceClassification, KbertError
from kbert.compression.importance import head_importance, least_important, neuron_importance
from kbert.compression.prune import prune_heads, prune_neurons
from kbert.models import new_model
from kbert.models.keep_layers import keep_layers
from kbert.training.losses import objective

CASES = {
    "bert": ("bert", {}),
    "albert": ("bert", {"num_hidden_groups": 1, "inner_group_num": 2, "embedding_size": 8}),
    "modernbert": ("modernbert", {"num_hidden_layers": 4, "local_attention": 4}),
    "deberta": ("deberta", {"position_buckets": 4}),
    "deberta, own keys": ("deberta", {"position_buckets": 4, "share_att_key": False}),
    "mobilebert": ("mobilebert", {"embedding_size": 5, "intra_bottleneck_size": 12}),
}


def number(tensor) -> np.ndarray:
    return np.array(ops.convert_to_numpy(tensor))


def model_for(case, small, **more):
    architecture, own = CASES[case]
    return new_model("masked-lm", architecture, {**small, **own, **more})


def texts(inputs):
    return {name: array for name, array in inputs.items() if name != "masked_lm_positions"}


def silence(dense, rows) -> None:
    """Nothing comes through these rows of a kernel."""
    kernel = number(dense.kernel)
    kernel[rows] = 0
    dense.kernel.assign(kernel)


@pytest.mark.parametrize("case", CASES)
def test_without_heads_as_if_they_gave_zeros(case, small, inputs, tmp_path):
    """Head 1 of the first layer is rows 4 to 7 of what its output goes through."""
    model = model_for(case, small)
    pruned = prune_heads(model, {0: [1], 1: [2, 0]})
    left = [2, 1, 3, 3] if case == "modernbert" else [2, 1]
    assert pruned.get_config()["heads_per_layer"] == left
    attend = pruned.bert.encoder_layers[1].self_attention
    assert sum(dense.kernel.shape[1] for dense in attend.token_projections()) == 12
    assert tuple(attend.output_projection.kernel.shape) == (4, 12)
    pruned.save(tmp_path / "pruned.keras")
    again = kbert.load(tmp_path / "pruned.keras")

    layers = model.bert.encoder_layers
    silence(layers[0].self_attention.output_projection, [4, 5, 6, 7])
    silence(layers[1].self_attention.output_projection, [0, 1, 2, 3, 8, 9, 10, 11])
    for other in (pruned, again):
        np.testing.assert_allclose(
            number(other(texts(inputs))), number(model(texts(inputs))), atol=2e-5
        )
    seen = again.bert(texts(inputs), output_attentions=True)
    assert [each.shape[1] for each in seen["attentions"]][:2] == left[:2]
    spec = again.bert.compute_output_spec(
        {name: keras.KerasTensor((2, 7), "int32") for name in texts(inputs)},
        output_attentions=True,
    )
    assert keras.tree.map_structure(lambda each: tuple(each.shape), spec) == (
        keras.tree.map_structure(lambda each: tuple(each.shape), seen)
    )
    twice = prune_heads(again, {0: [0]})
    assert twice.get_config()["heads_per_layer"] == [1, *left[1:]]


@pytest.mark.parametrize("case", [case for case in CASES if case != "mobilebert"])
def test_without_neurons_as_if_they_gave_zeros(case, small, inputs, tmp_path):
    model = model_for(case, small)
    pruned = prune_neurons(model, {1: [0, 19, 7]})
    assert pruned.get_config()["intermediate_sizes"][:2] == [20, 17]
    pruned.save(tmp_path / "pruned.keras")
    again = kbert.load(tmp_path / "pruned.keras")
    silence(model.bert.encoder_layers[1].feed_forward.narrow, [0, 7, 19])
    for other in (pruned, again):
        np.testing.assert_allclose(
            number(other(texts(inputs))), number(model(texts(inputs))), atol=2e-5
        )


def test_neurons_of_several_networks_have_no_numbers(small):
    model = model_for("mobilebert", small)
    for asked in (lambda: prune_neurons(model, {0: [1]}), lambda: neuron_importance(model, [])):
        with pytest.raises(KbertError, match="each layer has 4 feed-forward networks"):
            asked()


def test_equally_narrow_layers_are_a_plain_model(small, inputs, tmp_path):
    model = BertForMaskedLM(**small)
    pruned = prune_neurons(model, {0: [1, 2], 1: [3, 4]})
    assert pruned.get_config()["intermediate_size"] == 18
    assert "intermediate_sizes" not in pruned.get_config()
    assert list(pruned.get_config()) == list(model.get_config())


def test_layers_that_were_pruned_before_keep_what_they_have(small):
    model = prune_heads(Bert(**{**small, "num_hidden_layers": 3}), {1: [0]})
    model = prune_neurons(model, {2: [5]})
    config = keep_layers(model, [1, 2]).get_config()
    assert config["heads_per_layer"] == [2, 3] and config["intermediate_sizes"] == [20, 19]
    assert keep_layers(model, [1]).get_config()["heads_per_layer"] == [2]


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({0: [0, 1, 2]}, r"all 3 heads of layer 0, and one must be left"),
        ({2: [0]}, r"layer 2 is none of the model's, which are 0 to 1"),
        ({0: [3]}, r"head 3 is none of layer 0's, which are 0 to 2"),
        ({0: [-1]}, r"a head must be a whole number from 0, not -1"),
        ({"0": [1]}, r"a layer must be a whole number"),
        ({0: 0}, r"heads are a list for each layer, as \{0: \[1, 2\]\}, not 0"),
        ({0: [[1]]}, r"a head must be a whole number from 0, not \[1\]"),
        ([1], r"heads are a dict, as \{0: \[1, 2\]\}, not \[1\]"),
    ],
)
def test_heads_that_cannot_go(small, heads, message):
    with pytest.raises(KbertError, match=message):
        prune_heads(Bert(**small), heads)


def test_neurons_that_cannot_go(small):
    with pytest.raises(KbertError, match=r"all 20 neurons of layer 1, and one must be left"):
        prune_neurons(Bert(**small), {1: range(20)})


def test_where_unequal_layers_do_not_go(small, tokenizer, tmp_path):
    pruned = prune_heads(BertForMaskedLM(**small), {0: [1]})
    pruned.tokenizer = tokenizer
    with pytest.raises(KbertError, match=r"heads_per_layer is \[2, 3\] after pruning"):
        kbert.export_huggingface(pruned, tmp_path)
    with pytest.raises(KbertError, match=r"the layers have \[2, 3\] heads"):
        kbert.explain.attention(pruned, "국회에")
    view = kbert.explain.neuron_view(pruned, "국회에", layer=0, head=1, token="국회")
    assert view.query.shape == (4,)
    for model in (kbert.quantize(pruned),):
        with pytest.raises(KbertError, match="weights are int8, and pruning takes floats"):
            prune_heads(model, {0: [0]})
    kbert.add_lora(pruned)
    with pytest.raises(KbertError, match="has adapters"):
        prune_neurons(pruned, {0: [0]})


def test_a_pruned_model_is_quantized_and_another_task_loaded(small, inputs, tmp_path):
    pruned = prune_neurons(prune_heads(BertForMaskedLM(**small), {0: [1]}), {1: [2]})
    kbert.quantize(pruned).save(tmp_path / "both.keras")
    model = kbert.load(tmp_path / "both.keras", "token-classification", ["가", "나"])
    assert model.get_config()["heads_per_layer"] == [2, 3]
    assert tuple(model(texts(inputs)).shape) == (2, 7, 2)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"heads_per_layer": [3]}, "heads_per_layer is a number for each of 2 layers"),
        ({"heads_per_layer": [3, 4]}, "of at most num_attention_heads 3, not"),
        ({"heads_per_layer": [3, 0]}, r"heads_per_layer\[1\] must be a whole number from 1"),
        ({"heads_per_layer": 3}, "heads_per_layer is None, or a list of whole numbers, not 3"),
        ({"intermediate_sizes": [20, 21]}, "of at most intermediate_size 20"),
        ({"intermediate_sizes": []}, "a list of whole numbers"),
    ],
)
def test_arguments_that_cannot_be(small, argument, message):
    with pytest.raises(KbertError, match=message):
        Bert(**small, **argument)


# Importance.


@pytest.fixture
def classifier(small):
    rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    model = BertForSequenceClassification(labels=["가", "나"], **{**small, **rates})
    model.compile(**objective(model))
    return model


BATCH = (
    np.array([[2, 5, 6, 9, 3], [2, 7, 8, 3, 0]], "int32"),
    np.array([0, 1], "int32"),
)


def loss(model, row) -> float:
    """-log p of a row's label."""
    logits = number(model(BATCH[0][row : row + 1]))[0].astype(np.float64)
    return float(np.log(np.exp(logits).sum()) - logits[BATCH[1][row]])


def by_differences(model, dense, rows) -> float:
    """The mean over examples of |dL / dm|, of a factor m on what comes through some rows."""
    kernel, found = number(dense.kernel), []
    for row in (0, 1):
        ends = []
        for factor in (1.02, 0.98):
            changed = kernel.copy()
            changed[rows] *= factor
            dense.kernel.assign(changed)
            ends.append(loss(model, row))
        found.append(abs(ends[0] - ends[1]) / 0.04)
    dense.kernel.assign(kernel)
    return float(np.mean(found))


def test_importance_is_the_slope_of_the_loss(classifier):
    kbert.freeze(classifier)  # which changes no loss
    layers = classifier.bert.encoder_layers
    heads = head_importance(classifier, [BATCH])
    neurons = neuron_importance(classifier, [BATCH])
    assert [each.shape for each in (*heads, *neurons)] == [(3,), (3,), (20,), (20,)]
    for layer, head in ((0, 0), (0, 2), (1, 1)):
        rows = slice(4 * head, 4 * head + 4)
        expected = by_differences(classifier, layers[layer].self_attention.output_projection, rows)
        assert heads[layer][head] == pytest.approx(expected, rel=0.02, abs=2e-5)
    expected = by_differences(classifier, layers[1].feed_forward.narrow, slice(4, 5))
    assert neurons[1][4] == pytest.approx(expected, rel=0.05, abs=2e-5)
    assert not classifier.bert.trainable_weights


def test_each_example_counts_alone(classifier):
    """Two batches of one are a batch of two, and slopes of two signs do not cancel."""
    single = [(BATCH[0][i : i + 1], BATCH[1][i : i + 1]) for i in (0, 1)]
    for one, two in zip(
        head_importance(classifier, single), head_importance(classifier, [BATCH]), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_labelled_texts_are_examples(classifier, tokenizer):
    """Three texts in batches of two: what fills up the second is none."""
    classifier.tokenizer = tokenizer
    texts = [("축구 는", "가"), ("국회 국민", "나"), ("정말", "가")]
    rows = [{"text": text, "label": label} for text, label in texts]
    examples = kbert.read_table(rows, text="text", label="label")
    batches = kbert.LabelledBatches(examples, classifier, batch_size=2)
    single = [
        (dict(tokenizer(text, pad_to_length=16)), np.array([["가", "나"].index(label)]))
        for text, label in texts
    ]
    for one, two in zip(
        head_importance(classifier, batches), head_importance(classifier, single), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-7)


def test_rows_that_fill_up_a_batch_do_not_count(classifier):
    filled = (*(np.concatenate([each, each[:1]]) for each in BATCH), np.array([1, 1, 0], "float32"))
    for one, two in zip(
        head_importance(classifier, [filled]), head_importance(classifier, [BATCH]), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_the_least_important_by_hand():
    """0.6 0.8 | 0.707 0 0.707: the lowest two of five; the best of a layer always stays."""
    importance = [np.array([3.0, 4.0]), np.array([0.1, 0.0, 0.1])]
    assert least_important(importance, 0.4) == {0: [0], 1: [1]}
    assert least_important(importance, 0.99) == {0: [0], 1: [1, 2]}
    assert least_important(importance, 0) == {}
    assert least_important([np.zeros(3)], 0.4) == {0: [1]}
    with pytest.raises(KbertError, match="share"):
        least_important(importance, 1)
    for wrong in (None, "x", [], [[]], np.zeros(4)):
        with pytest.raises(KbertError, match="importance is a list with an array of numbers for"):
            least_important(wrong, 0.5)
    with pytest.raises(KbertError, match="the importance of layer 1 is nan"):
        least_important([np.ones(2), np.array([1, np.nan])], 0.5)


def test_importance_of_nothing(classifier, small):
    with pytest.raises(KbertError, match="no examples"):
        head_importance(classifier, [])
    for batches in (None, "x", {"input_ids": BATCH[0]}):
        with pytest.raises(KbertError, match=r"batches are kbert.LabelledBatches\(examples, model"):
            head_importance(classifier, batches)
    for batch in (None, {"input_ids": BATCH[0]}):
        with pytest.raises(KbertError, match=r"a batch is \(inputs, labels\)"):
            head_importance(classifier, [batch])
    with pytest.raises(KbertError, match="arrays with a row for each, not 0"):
        head_importance(classifier, [(BATCH[0], 0)])
    with pytest.raises(KbertError, match=r"model.compile\(\*\*kbert.objective\(model\)\) before"):
        head_importance(Bert(**small), [BATCH])
    with pytest.raises(KbertError, match="importance takes floats"):
        neuron_importance(kbert.quantize(classifier), [BATCH])
    classifier.classifier.dense.bias.assign([np.nan, 0])
    with pytest.raises(KbertError, match="importance of layer 0 is nan: the model's weights or"):
        head_importance(classifier, [BATCH])
