"""ModernBERT beside transformers': long rows, gradients, each way in which a config says things."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.formats.families import FAMILIES
from kbert.formats.huggingface.weights import places
from tests.formats.checkpoints import make_reference, torch, write_checkpoint
from tests.formats.test_huggingface_import import assert_close, rewrite_config, rewrite_weights

LENGTH = 210  # more than three blocks of 64: layers with a window go by `local_blocks`


@pytest.fixture
def long_rows():
    """Two rows, the second with 60 places of padding."""
    ids = np.random.default_rng(0).integers(5, 38, (2, LENGTH)).astype("int32")
    mask = np.ones((2, LENGTH), "int32")
    mask[1, 150:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def answer(reference, inputs):
    with torch.no_grad():
        return reference(**{name: torch.tensor(array).long() for name, array in inputs.items()})


@pytest.mark.parametrize("window", [4, 20])
@pytest.mark.parametrize("ending", ["ForMaskedLM", "ForSequenceClassification"])
def test_rows_longer_than_every_window(window, ending, tmp_path, long_rows):
    reference = make_reference("modernbert", ending, local_attention=window)
    model = kbert.load(write_checkpoint(reference, tmp_path))
    mask = long_rows["attention_mask"] if ending == "ForMaskedLM" else None
    expected = answer(reference, long_rows).logits
    assert_close(model(long_rows), expected, mask)
    # The window counts: a wider one gives other numbers.
    rewrite_config(tmp_path, local_attention=window + 2)
    wider = ops.convert_to_numpy(kbert.load(tmp_path)(long_rows))
    assert np.abs(wider - expected.numpy()).max() > 1e-2


def test_lengths_and_whole_masks_say_the_same(tmp_path, long_rows):
    model = kbert.load(
        write_checkpoint(make_reference("modernbert", "ForSequenceClassification"), tmp_path)
    )
    expected = ops.convert_to_numpy(model(long_rows))
    mask = long_rows["attention_mask"]
    for said in (
        {"lengths": mask.sum(axis=1)},
        {"attention_mask": np.repeat(mask[:, None], LENGTH, axis=1) * mask[:, :, None]},
    ):
        got = model({"input_ids": long_rows["input_ids"], **said})
        np.testing.assert_allclose(ops.convert_to_numpy(got), expected, atol=1e-5)


def test_the_gradients_are_those_of_transformers(tmp_path, long_rows):
    """Of every weight, after one step of gradient descent on all logits of real tokens."""
    reference = make_reference("modernbert", "ForMaskedLM")
    model = kbert.load(write_checkpoint(reference, tmp_path))
    mask = long_rows["attention_mask"][..., None].astype("float32")

    logits = reference(**{n: torch.tensor(a).long() for n, a in long_rows.items()}).logits
    (torch.sum((logits * torch.tensor(mask)) ** 2) / mask.sum()).backward()

    def loss(real, got):
        return ops.sum((got * real) ** 2) / float(mask.sum())

    before = [ops.convert_to_numpy(weight.value).copy() for weight in model.weights]
    model.compile(keras.optimizers.SGD(1.0), loss)
    model.train_on_batch(long_rows, mask)
    by_variable = {id(w): b for w, b in zip(model.weights, before, strict=True)}
    gradients = {name: p.grad.numpy() for name, p in reference.named_parameters()}
    count = 0
    for place in places(model, FAMILIES["modernbert"]):
        ours = by_variable[id(place.variable)] - ops.convert_to_numpy(place.variable.value)
        (theirs,) = (gradients[name] for name in place.names)
        scale = np.abs(theirs).max()
        assert scale > 1e-3
        # A difference of weights is rounded to theirs: 1e-7 of some 1.
        np.testing.assert_allclose(
            ours, theirs.T if place.is_kernel else theirs, atol=2e-4 * scale + 1e-6
        )
        count += 1
    assert count == len(gradients)


def test_sixteen_bit_files(tmp_path, long_rows):
    """As skt/A.X-Encoder-base and mmBERT are published."""
    reference = make_reference("modernbert", "ForMaskedLM").to(torch.bfloat16)
    model = kbert.load(write_checkpoint(reference, tmp_path))
    assert model.dtype_policy.name == "float32"
    # Opened anew: `to` has rounded the speeds of its rotations, too, which are in no file.
    reference = type(reference).from_pretrained(tmp_path, dtype=torch.float32).eval()
    expected = answer(reference, long_rows).logits
    assert_close(model(long_rows), expected, long_rows["attention_mask"])


@pytest.mark.parametrize("local_theta", [9.0, None])
def test_configs_of_an_older_transformers(local_theta, tmp_path, long_rows):
    """A rule in place of a list, and thetas by name; without a local one the global one holds."""
    reference = make_reference("modernbert", "ForMaskedLM")
    if local_theta is None:
        settings = {"rope_type": "default", "rope_theta": 50.0}
        thetas = {"full_attention": settings, "sliding_attention": settings}
        reference = make_reference("modernbert", "ForMaskedLM", rope_parameters=thetas)
    folder = write_checkpoint(reference, tmp_path)
    rewrite_config(
        folder,
        layer_types=...,
        rope_parameters=...,
        global_attn_every_n_layers=3,
        global_rope_theta=50.0,
        local_rope_theta=local_theta,
        sparse_prediction=False,
        reference_compile=None,
    )
    expected = answer(reference, long_rows).logits
    assert_close(kbert.load(folder)(long_rows), expected, long_rows["attention_mask"])


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooling_is_as_the_config_says(pooling, tmp_path, long_rows):
    reference = make_reference(
        "modernbert", "ForSequenceClassification", classifier_pooling=pooling
    )
    model = kbert.load(write_checkpoint(reference, tmp_path))
    assert model.get_config()["classifier_pooling"] == pooling
    assert_close(model(long_rows), answer(reference, long_rows).logits)


def test_another_task_takes_the_head_that_is_shared(tmp_path):
    """As in transformers: the dense layer and norm of the words' scores begin the labels', too."""
    reference = make_reference("modernbert", "ForMaskedLM")
    folder = write_checkpoint(reference, tmp_path / "words")
    for task, part in (("sequence-classification", "bert.pooler"), ("token-classification", "x")):
        model = kbert.load(folder, task, ["가", "나"])
        assert model.load_report.new == ("classifier.dense",)
        head = model.bert.pooler if part == "bert.pooler" else model.transform
        np.testing.assert_array_equal(
            ops.convert_to_numpy(head.dense.kernel.value),
            reference.head.dense.weight.detach().numpy().T,
        )
    labels = make_reference("modernbert", "ForSequenceClassification")
    model = kbert.load(write_checkpoint(labels, tmp_path / "labels"), "masked-lm")
    assert model.load_report.new == ("mlm.transform", "mlm.layer_norm", "mlm")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"layer_types": ["full_attention"]},
            "layer_types names 1 layer, and num",
        ),
        ({"layer_types": ["chunked_attention"] * 4}, "layer_types are 'full_attention' and"),
        ({"layer_types": "full_attention"}, "layer_types is a list"),
        ({"layer_types": [1, 2, 3, 4]}, "layer_types are 'full_attention' and"),
        ({"layer_types": ..., "global_attn_every_n_layers": 0}, "global_attn_every_n_layers"),
        ({"local_attention": 0}, "local_attention must be a whole number from 2, not 0"),
        ({"local_attention": "4"}, "local_attention must be a whole number from 2"),
        ({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "rope_parameters are an"),
        ({"rope_parameters": [1]}, "rope_parameters are an object"),
        (
            {"rope_parameters": {"full_attention": {"rope_theta": 0}}},
            "global_rope_theta is a number above 1",
        ),
        ({"rope_scaling": {"factor": 2}}, "rope_scaling"),
        ({"norm_bias": True}, "norm_bias is True; kbert's ModernBert has only False"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"mlp_bias": True}, "mlp_bias is True"),
        ({"decoder_bias": False}, "decoder_bias is False"),
        ({"classifier_activation": "relu"}, "classifier_activation is 'relu'"),
        ({"classifier_pooling": "max"}, "classifier_pooling is one of mean, cls, not 'max'"),
        ({"num_hidden_layers": 10**9, "layer_types": ...}, "asks for 1000000000 layers"),
        ({"num_hidden_layers": 3, "layer_types": ...}, "layers.3|unused|not used"),
        ({"num_attention_heads": 4}, "a head's halves are turned against each other: 3 is not"),
        ({"max_position_embeddings": 0}, "max_position_embeddings must be"),
    ],
)
def test_configs_that_cannot_be(changes, message, tmp_path):
    folder = write_checkpoint(make_reference("modernbert", "ForMaskedLM"), tmp_path)
    rewrite_config(folder, **changes)
    if changes.get("num_hidden_layers") == 3:  # a layer that is left over is told of
        assert "layers.3.mlp.Wo.weight" in kbert.load(folder).load_report.unused
        return
    with pytest.raises(KbertError, match=message):
        kbert.load(folder)


def test_a_layer_that_is_not_whole(tmp_path):
    folder = write_checkpoint(make_reference("modernbert", "ForMaskedLM"), tmp_path)
    name = "model.layers.1.attn_norm.weight"
    rewrite_weights(folder, lambda tensors: {n: a for n, a in tensors.items() if n != name})
    with pytest.raises(KbertError, match=r"lacks 'layers\.1\.attn_norm\.weight'"):
        kbert.load(folder)


def test_a_row_that_is_too_long(tmp_path):
    folder = write_checkpoint(make_reference("modernbert", "Model"), tmp_path)
    with pytest.raises(KbertError, match="100000 tokens is longer than the model's 400 positions"):
        kbert.load(folder)(np.zeros((1, 100_000), "int32"))


def test_what_an_older_transformers_reads_is_written_where_it_says_the_same(tmp_path):
    model = kbert.load(write_checkpoint(make_reference("modernbert", "Model"), tmp_path / "in"))
    kbert.export_huggingface(model, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["global_attn_every_n_layers"] == 3
    assert (config["global_rope_theta"], config["local_rope_theta"]) == (50.0, 9.0)
