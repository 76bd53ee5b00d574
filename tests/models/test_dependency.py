import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import BertForDependencyParsing, KbertError
from kbert.training.losses import objective
from kbert.training.optimizers import adamw

LABELS = ["NP_SBJ", "NP_OBJ", "VP", "AP"]


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def sizes(small):
    return {**small, "labels": LABELS, "arc_size": 9, "relation_size": 7, "parser_dropout": 0.1}


@pytest.fixture
def sentences(inputs):
    """Two rows of 7: three words, and two with one of padding."""
    del inputs["masked_lm_positions"]
    return {
        **inputs,
        "first_pieces": np.array([[1, 3, 5], [1, 2, 0]], "int32"),
        "last_pieces": np.array([[2, 4, 5], [1, 3, 0]], "int32"),
        "words": np.array([[1, 1, 1], [1, 1, 0]], "int32"),
    }


def role(words, layer):
    before = words @ number(layer.dense.kernel) + number(layer.dense.bias)
    return np.where(before > 0, before, np.expm1(before))


def test_scores_are_those_of_the_paper_worked_out_in_numpy(sizes, sentences):
    model = BertForDependencyParsing(**sizes)
    got = {name: number(scores) for name, scores in model(sentences).items()}
    assert got["heads"].shape == (2, 3, 4) and got["relations"].shape == (2, 3, 4, 4)

    hidden = number(model.bert(sentences)["last_hidden_state"])
    for b, count in ((0, 3), (1, 2)):
        cls = np.concatenate([hidden[b, 0], hidden[b, 0]])
        words = [
            np.concatenate([hidden[b, first], hidden[b, last]])
            for first, last in zip(
                sentences["first_pieces"][b], sentences["last_pieces"][b], strict=True
            )
        ]
        nodes = np.stack([cls, *words])
        for name, layer, dependent, head in (
            ("heads", model.arc, model.arc_dependent, model.arc_head),
            ("relations", model.relation, model.relation_dependent, model.relation_head),
        ):
            d, h = role(nodes[1:], dependent), role(nodes, head)
            size = d.shape[1]
            kernel = number(layer.kernel).reshape(size, -1, size)
            expected = np.einsum("wi,icj,hj->whc", d, kernel, h)
            expected += (d @ number(layer.dependent_kernel))[:, None]
            expected += (h @ number(layer.head_kernel))[None]
            mine = got[name][b] if name == "relations" else got[name][b][..., None]
            nodes_there = count + 1
            np.testing.assert_allclose(
                mine[:count, :nodes_there], expected[:count, :nodes_there], atol=2e-5
            )
    assert (got["heads"][1, :, 3] == -1e9).all()  # the padding is nobody's head
    assert (got["heads"][1, :2, :3] > -1e3).all()


def test_relations_of_given_heads_are_those_among_all(sizes, sentences):
    model = BertForDependencyParsing(**sizes)
    heads = np.array([[2, 0, 2], [0, 1, 0]], "int32")
    of_all = number(model(sentences)["relations"])
    given = model({**sentences, "heads": heads})
    expected = np.take_along_axis(of_all, heads[..., None, None], axis=2)[:, :, 0]
    np.testing.assert_allclose(number(given["relations"]), expected, atol=2e-5)
    np.testing.assert_allclose(number(given["heads"]), number(model(sentences)["heads"]), atol=2e-5)


def test_padding_changes_no_score(sizes, sentences):
    model = BertForDependencyParsing(**sizes)
    alone = {name: array[1:] for name, array in sentences.items()}
    short = {name: array[:, :5] for name, array in alone.items() if array.shape[1] == 7}
    short |= {name: array[:, :2] for name, array in alone.items() if array.shape[1] == 3}
    one, two = model(sentences), model(short)
    np.testing.assert_allclose(number(one["heads"])[1, :2, :3], number(two["heads"])[0], atol=2e-5)
    np.testing.assert_allclose(
        number(one["relations"])[1, :2, :3], number(two["relations"])[0], atol=2e-5
    )


def test_saved_and_loaded(sizes, sentences, tokenizer, tmp_path):
    model = BertForDependencyParsing(**sizes)
    model.tokenizer = tokenizer
    model.save(tmp_path / "parser.keras")
    again = kbert.load(tmp_path / "parser.keras")
    assert type(again) is BertForDependencyParsing
    assert again.get_config() == model.get_config() and again.labels == LABELS
    for one, two in zip(model(sentences).values(), again(sentences).values(), strict=True):
        np.testing.assert_array_equal(number(one), number(two))


def test_a_head_for_a_pretrained_encoder_is_drawn(small, sizes, sentences, tokenizer, tmp_path):
    pretrained = kbert.BertForPreTraining(**small)
    pretrained.tokenizer = tokenizer
    pretrained.save(tmp_path / "pretrained.keras")
    model = kbert.load(tmp_path / "pretrained.keras", "dependency-parsing", LABELS)
    assert {"arc_head", "relation"} <= {part.split(".")[0] for part in model.load_report.new}
    ours, theirs = model.bert(sentences), pretrained.bert(sentences)
    np.testing.assert_array_equal(
        number(ours["last_hidden_state"]), number(theirs["last_hidden_state"])
    )
    assert number(model.arc.kernel).std() > 0.1  # initializer_range is 0.3
    assert number(model(sentences)["heads"])[0].std() > 0.01
    with pytest.raises(KbertError, match="needs labels"):
        kbert.load(tmp_path / "pretrained.keras", "dependency-parsing")


def test_steps_lower_the_loss_of_words_and_not_of_padding(sizes, sentences):
    model = BertForDependencyParsing(**{**sizes, "hidden_dropout_prob": 0.0})
    model.compile(adamw(3e-3, 40), **objective(model))
    heads = np.array([[2, 0, 2], [0, 1, 0]], "int32")
    y = {"heads": heads, "relations": np.array([[0, 2, 3], [2, 1, 0]], "int32")}
    counted = sentences["words"].astype("float32")
    x, weights = {**sentences, "heads": heads}, dict.fromkeys(y, counted)

    first = model(x)
    expected = 0.0
    for name in y:  # the mean of five words' cross-entropies
        logits = number(first[name]).astype("float64")
        of_label = np.take_along_axis(logits, y[name][..., None], axis=-1)[..., 0]
        losses = np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1))
        expected += ((losses + logits.max(-1) - of_label) * counted).sum() / 5
    got = model.test_on_batch(x, y, weights, return_dict=True)["loss"]
    assert float(got) == pytest.approx(expected, rel=1e-4)

    for _ in range(40):
        model.train_on_batch(x, y, weights)
    last = float(model.test_on_batch(x, y, weights, return_dict=True)["loss"])
    assert last < 0.2 * float(got)
    found = number(model(sentences)["heads"]).argmax(axis=-1)
    assert (found[counted > 0] == heads[counted > 0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first_pieces": None}, "'first_pieces' and 'last_pieces'"),
        ({"last_pieces": np.full((2, 3), 7, "int32")}, "last_pieces holds 7"),
        ({"last_pieces": np.zeros((2, 4), "int32")}, r"last_pieces is \(batch, words\)"),
        ({"words": np.ones((1, 3), "int32")}, r"words is \(batch, words\)"),
        ({"heads": np.full((2, 3), 4, "int32")}, "heads holds 4.*from 0 to 3"),
        ({"first_pieces": np.zeros((3, 3), "int32")}, "with input_ids"),
    ],
)
def test_inputs_that_cannot_be(sizes, sentences, change, message):
    with pytest.raises(KbertError, match=message):
        BertForDependencyParsing(**sizes)({**sentences, **change})


@pytest.mark.parametrize(
    ("name", "value"), [("arc_size", 0), ("relation_size", 1.5), ("parser_dropout", 1.0)]
)
def test_arguments_that_cannot_be(sizes, name, value):
    with pytest.raises(KbertError, match=name):
        BertForDependencyParsing(**{**sizes, name: value})


def test_what_does_not_go_out_says_so(sizes, tokenizer, tmp_path):
    model = BertForDependencyParsing(**sizes)
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="transformers has no class for 'dependency-parsing'"):
        kbert.export_huggingface(model, tmp_path)
    with pytest.raises(KbertError, match="BertForDependencyParsing is not exported"):
        model.export(tmp_path / "model.onnx", "onnx")


def test_shapes_are_known_before_anything_runs(sizes, sentences):
    model = BertForDependencyParsing(**sizes)
    symbols = {name: keras.KerasTensor(array.shape, "int32") for name, array in sentences.items()}
    found = {name: symbol.shape for name, symbol in model.compute_output_spec(symbols).items()}
    assert found == {name: tuple(scores.shape) for name, scores in model(sentences).items()}
