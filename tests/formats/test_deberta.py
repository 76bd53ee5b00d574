"""DeBERTa beside transformers': long rows, gradients, each way in which files say things."""

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
from tests.formats.test_modernbert import answer

LENGTH = 300  # more than 256 keys: attention goes some queries at a time
WIDE = {"position_buckets": 32, "max_relative_positions": 64, "max_position_embeddings": 400}


@pytest.fixture(scope="module")
def long_rows():
    """Two rows, the second with 90 places of padding."""
    ids = np.random.default_rng(0).integers(5, 38, (2, LENGTH)).astype("int32")
    mask = np.ones((2, LENGTH), "int32")
    mask[1, 210:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"share_att_key": False, "norm_rel_ebd": "none"},
        {"position_buckets": -1, "max_relative_positions": -1},  # each distance has its own row
        {"pos_att_type": "p2c|c2p"},
    ],
)
def test_rows_longer_than_the_exact_distances(settings, tmp_path, long_rows):
    reference = make_reference("deberta-v2", "Model", **{**WIDE, **settings})
    model = kbert.load(write_checkpoint(reference, tmp_path))
    assert not model.load_report.new and not model.load_report.unused
    expected = answer(reference, long_rows).last_hidden_state
    got = model(long_rows)["last_hidden_state"]
    assert_close(got, expected, long_rows["attention_mask"])
    # Where a token stands counts: by its neighbours alone it would be the same in another place.
    turned = {name: array[:, ::-1].copy() for name, array in long_rows.items()}
    back = ops.convert_to_numpy(model(turned)["last_hidden_state"])[:, ::-1]
    assert np.abs(back - ops.convert_to_numpy(got))[0].max() > 1e-2


def test_the_gradients_are_those_of_transformers(tmp_path, long_rows):
    """Of every weight, the table of distances too, after one step on all logits of real tokens."""
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    reference = make_reference("deberta-v2", "ForMaskedLM", **WIDE, **no_dropout)
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
    for place in places(model, FAMILIES["deberta-v2"]):
        ours = by_variable[id(place.variable)] - ops.convert_to_numpy(place.variable.value)
        theirs = place.join([gradients[name] for name in place.names])
        scale = np.abs(theirs).max()
        assert scale > 1e-3
        # A difference of weights is rounded to theirs: 1e-7 of some 1.
        np.testing.assert_allclose(ours, theirs, atol=2e-4 * scale + 1e-6)
        count += len(place.names)
    assert count == len(gradients)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("said", [True, False])
def test_both_names_of_the_words_head(legacy, said, tmp_path, long_rows):
    """`legacy` is about names; Microsoft's own files have the other ones, and no word of it."""
    reference = make_reference("deberta-v2", "ForMaskedLM", legacy=legacy, **WIDE)
    folder = write_checkpoint(reference, tmp_path / "in")
    if not said:
        rewrite_config(folder, legacy=...)
    model = kbert.load(folder)
    assert model.load_report == ((), (), ())
    expected = answer(reference, long_rows).logits
    assert_close(model(long_rows), expected, long_rows["attention_mask"])
    kbert.export_huggingface(model, tmp_path / "out")
    again = type(reference).from_pretrained(tmp_path / "out").eval()
    assert_close(model(long_rows), answer(again, long_rows).logits, long_rows["attention_mask"])


def test_a_file_of_version_3_says_what_its_words_head_is(tmp_path, caplog):
    """As microsoft/deberta-v3-*: a head for replaced tokens, and another model's for words."""
    folder = write_checkpoint(make_reference("deberta-v2", "ForMaskedLM"), tmp_path)
    own = {
        f"mask_predictions.{name}": np.ones(3, "float32")
        for name in ("dense.weight", "dense.bias", "LayerNorm.weight", "classifier.bias")
    }
    rewrite_weights(folder, lambda tensors: tensors | own)
    model = kbert.load(folder)
    (note,) = model.load_report.notes
    assert "pretrained to find replaced tokens" in note and "worth nothing until it is" in note
    assert "find replaced tokens" in caplog.text
    assert set(model.load_report.unused) == set(own)
    assert kbert.load(folder, "encoder").load_report.notes == ()


def test_sixteen_bit_files(tmp_path, long_rows):
    """As microsoft/deberta-v3-base and mdeberta-v3-base are published."""
    reference = make_reference("deberta-v2", "ForMaskedLM", **WIDE).half()
    model = kbert.load(write_checkpoint(reference, tmp_path))
    assert model.dtype_policy.name == "float32"
    expected = answer(reference.float(), long_rows).logits
    assert_close(model(long_rows), expected, long_rows["attention_mask"])


def test_a_pickle_only_on_request(tmp_path, long_rows):
    """As kakaobank/kf-deberta-base is published: a WordPiece vocabulary, and no safetensors."""
    reference = make_reference("deberta-v2", "ForMaskedLM", **WIDE)
    folder = write_checkpoint(reference, tmp_path)
    torch.save(reference.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(KbertError, match=r"only pytorch_model\.bin.*allow_pickle=True"):
        kbert.load(folder)
    model = kbert.load(folder, allow_pickle=True)
    expected = answer(reference, long_rows).logits
    assert_close(model(long_rows), expected, long_rows["attention_mask"])
    model.save(tmp_path / "model.keras")
    again = kbert.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(long_rows)) for m in (model, again)))


@pytest.mark.parametrize(("given", "rate"), [({"cls_dropout": 0.3}, 0.3), ({}, 0.1)])
def test_the_classifications_own_dropout(given, rate, tmp_path):
    reference = make_reference("deberta-v2", "ForSequenceClassification", **given)
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    assert model.classifier.dropout.rate == reference.dropout.p == rate
    kbert.export_huggingface(model, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["cls_dropout"] == given.get("cls_dropout")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conv_kernel_size": 3}, "conv_kernel_size is 3; kbert's Deberta has only 0"),
        ({"relative_attention": False}, "relative_attention is False; kbert's Deberta has only"),
        ({"relative_attention": ...}, "relative_attention is False"),  # transformers' default
        ({"position_biased_input": True}, "position_biased_input is True"),
        ({"type_vocab_size": 2}, "type_vocab_size is 2; kbert's Deberta has only 0"),
        ({"pos_att_type": ["c2p"]}, r"pos_att_type is \['c2p'\]; kbert's Deberta has only"),
        ({"pos_att_type": None}, "pos_att_type is"),
        ({"pos_att_type": 5}, "pos_att_type is 5"),
        ({"pos_att_type": [["c2p"], {}]}, "pos_att_type is"),
        ({"embedding_size": 8}, "embedding_size is 8; kbert's Deberta has only hidden_size, 12"),
        ({"pooler_hidden_size": 8}, "pooler_hidden_size is 8"),
        ({"pooler_hidden_act": "silu"}, "the activation is 'silu'"),
        ({"position_buckets": 0}, r"'encoder.rel_embeddings.weight' of shape \(12, 12\)"),
        ({"position_buckets": 8}, r"'encoder.rel_embeddings.weight' of shape \(16, 12\)"),
        ({"position_buckets": 1}, "position_buckets is 0, or from 2"),
        ({"position_buckets": -7}, "position_buckets must be a whole number from 0, not -7"),
        ({"position_buckets": "4"}, "position_buckets must be a whole number"),
        ({"position_buckets": 10**12}, "position_buckets is 0, or from 2"),
        (
            {"position_buckets": 10**12, "max_relative_positions": 10**13},
            r"'encoder.rel_embeddings.weight' of shape \(2000000000000, 12\)",
        ),
        ({"position_buckets": 4, "max_relative_positions": 3}, "twice max_relative_positions 3"),
        ({"max_relative_positions": 0.5}, "max_relative_positions must be a whole number"),
        ({"norm_rel_ebd": "none"}, "LayerNorm|not used"),
        ({"share_att_key": False}, "lacks 'encoder.layer.0.attention.self.pos_query_proj.weight'"),
        ({"share_att_key": "yes"}, "share_att_key is True or False, not 'yes'"),
        ({"num_attention_heads": 5}, "hidden_size 12 is not a multiple of num_attention_heads 5"),
        ({"num_hidden_layers": 10**9}, "asks for 1000000000 layers"),
        ({"vocab_size": 10**9}, "asks for 1000000000 tokens"),
        ({"max_position_embeddings": 0}, "max_position_embeddings must be"),
        ({"layer_norm_eps": -1}, "layer_norm_eps"),
    ],
)
def test_configs_that_cannot_be(changes, message, tmp_path):
    folder = write_checkpoint(make_reference("deberta-v2", "ForMaskedLM"), tmp_path)
    rewrite_config(folder, **changes)
    if changes.get("norm_rel_ebd"):  # a norm that is left over is told of
        assert "encoder.LayerNorm.weight" in kbert.load(folder).load_report.unused
        return
    with pytest.raises(KbertError, match=message):
        kbert.load(folder)


def test_a_table_of_distances_that_is_not_there(tmp_path):
    folder = write_checkpoint(make_reference("deberta-v2", "ForMaskedLM"), tmp_path)
    name = "deberta.encoder.rel_embeddings.weight"
    rewrite_weights(folder, lambda tensors: {n: a for n, a in tensors.items() if n != name})
    with pytest.raises(KbertError, match=r"lacks 'encoder\.rel_embeddings\.weight'"):
        kbert.load(folder)
