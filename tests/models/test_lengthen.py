"""A trained model that reads longer rows: what it gives stays where it can; positions repeat."""

import json

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.models import new_model

TASKS = ("encoder", "pretraining", "sequence-classification", "token-classification")


def number(tensor):
    return ops.convert_to_numpy(tensor)


def model_for(task, small, tokenizer=None, **more):
    labels = {"labels": ["가", "나"]} if "classification" in task else {}
    model = new_model(task, "bert", {**small, **labels, **more})
    model.tokenizer = tokenizer
    return model


def outputs(model, inputs):
    found = model(
        {name: inputs[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    )
    if not isinstance(found, dict):
        return [number(found)]
    return [number(found[name]) for name in ("last_hidden_state", "mlm", "nsp") if name in found]


@pytest.mark.parametrize("task", TASKS)
def test_short_rows_give_what_they_gave(task, small, inputs, tokenizer, tmp_path):
    model = model_for(task, small, tokenizer)
    before = outputs(model, inputs)
    real = inputs["attention_mask"].astype(bool)

    def at_tokens(arrays):
        return [array[real] if array.shape[:2] == (2, 7) else array for array in arrays]

    same = kbert.lengthen(model, 40, attention_window=None)
    for one, two in zip(before, outputs(same, inputs), strict=True):
        np.testing.assert_array_equal(one, two)
    longer = kbert.lengthen(model, 40, attention_window=6)  # 7 positions see each other
    for one, two in zip(at_tokens(before), at_tokens(outputs(longer, inputs)), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)
    narrow = kbert.lengthen(model, 40, attention_window=1)
    assert np.abs(at_tokens(outputs(narrow, inputs))[0] - at_tokens(before)[0]).max() > 1e-2

    longer.save(tmp_path / "longer.keras")
    again = kbert.load(tmp_path / "longer.keras")
    assert again.get_config() == longer.get_config() and again.max_length == 40
    rows = {"input_ids": np.tile(inputs["input_ids"][:1], (1, 5))}
    rows |= {"token_type_ids": rows["input_ids"] * 0, "attention_mask": rows["input_ids"] * 0 + 1}
    for one, two in zip(outputs(longer, rows), outputs(again, rows), strict=True):
        np.testing.assert_array_equal(one, two)


def test_positions_are_tiled_behind_the_paddings_id(small, tokenizer):
    """17 rows of the old table; the tokenizer's padding is 0, so a Longformer's begin at 1."""
    model = model_for("masked-lm", small, tokenizer)
    old = number(model.bert.embeddings.position_table)
    longer = kbert.lengthen(model, 40)
    config = longer.get_config()
    assert (config["position_offset"], config["max_position_embeddings"]) == (1, 41)
    expected = np.concatenate([np.zeros((1, 12)), old, old, old[:6]])
    np.testing.assert_array_equal(number(longer.bert.embeddings.position_table), expected)
    # Where positions begin behind it already, they stay.
    roberta = kbert.lengthen(model_for("masked-lm", small, position_offset=2), 31)
    table = number(roberta.bert.embeddings.position_table)
    np.testing.assert_array_equal(table[17:], table[2:18])
    assert roberta.get_config()["position_offset"] == 2
    for layer in longer.bert.encoder_layers:
        attend = layer.self_attention
        both = np.concatenate(
            [number(attend.global_query.kernel), number(attend.global_key_value.kernel)], axis=1
        )
        np.testing.assert_array_equal(both, number(attend.query_key_value.kernel))


def test_what_is_long_already_is_longer(small, tokenizer, inputs):
    """Its own projections of global tokens stay, and a BigBird's blocks."""
    model = kbert.lengthen(model_for("sequence-classification", small, tokenizer), 40, 4)
    for weight in model.bert.encoder_layers[0].self_attention.global_query.weights:
        weight.assign(weight + 0.5)
    longer = kbert.lengthen(model, 60, 4)
    np.testing.assert_allclose(*(outputs(each, inputs)[0] for each in (model, longer)), atol=1e-6)
    blocks = kbert.lengthen(model_for("encoder", small, block_size=1), 40, None)
    assert blocks.get_config()["block_size"] == 1 and blocks.max_length == 40


def test_a_sentence_model_is_not_cut_as_before(small, inputs):
    model = kbert.SentenceBert(max_seq_length=9, **small)
    longer = kbert.lengthen(model, 40, attention_window=None)
    assert (model.max_length, longer.max_length) == (9, 40)
    rows = {"input_ids": np.tile(inputs["input_ids"][:1], (1, 5))}  # of 35
    own = number(longer.bert(rows)["last_hidden_state"]).mean(axis=1)
    np.testing.assert_allclose(number(longer(rows)), own, atol=1e-6)


def test_albert_shares_them(small):
    model = model_for("encoder", small, num_hidden_groups=1, embedding_size=8)
    assert kbert.lengthen(model, 20).embeddings.position_table.shape == (20, 8)


def test_to_transformers(small, tokenizer, inputs, tmp_path):
    """A BERT that is longer goes out as a Longformer, which computes the same."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    # Epsilon and segments as there; a head of transformers' own, whose pooler is the encoder's.
    model = model_for("sequence-classification", small, tokenizer)
    longer = kbert.lengthen(model, 64, attention_window=3)
    kbert.export_huggingface(longer, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "longformer"
    reference = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ids = np.random.default_rng(0).integers(5, 29, (2, 50)).astype("int32")
    mask = (np.arange(50) < [[50], [41]]).astype("int32")
    given = {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": ids % 2 * mask}
    with torch.no_grad():
        expected = reference(**{n: torch.tensor(a).long() for n, a in given.items()}).logits
    np.testing.assert_allclose(number(longer(given)), expected.numpy(), atol=1e-4)
    again = kbert.load(tmp_path)
    np.testing.assert_allclose(number(again(given)), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("max_length", "window", "message"),
    [
        (
            17,
            4,
            "max_length 17 is not more than the 17 tokens that the encoder reads already",
        ),
        (0, 4, "max_length must be a whole number from 1"),
        ("4096", 4, "max_length must be a whole number from 1"),
        (40, 0, "attention_window, if it is not None, must be a whole number from 1"),
    ],
)
def test_what_cannot_be(max_length, window, message, small):
    with pytest.raises(KbertError, match=message):
        kbert.lengthen(model_for("encoder", small), max_length, window)


def test_models_that_cannot_be(small):
    with pytest.raises(KbertError, match="a ModernBert has no table of positions"):
        kbert.lengthen(kbert.ModernBert(**small), 40)
    with pytest.raises(KbertError, match="a MobileBert is none of the encoders that can be"):
        kbert.lengthen(kbert.MobileBert(**small), 40)
    with pytest.raises(KbertError, match=r"blocks .* pass attention_window=None"):
        kbert.lengthen(model_for("encoder", small, block_size=4), 40)
    with pytest.raises(KbertError, match="expected a model of kbert, not a str"):
        kbert.lengthen("klue/bert-base", 40)
    adapted = model_for("encoder", small)
    kbert.add_lora(adapted)
    with pytest.raises(KbertError, match="adapters"):
        kbert.lengthen(adapted, 40)
