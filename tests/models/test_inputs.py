"""What a model is called with: what cannot be is named before a backend meets it."""

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForMaskedLM, BertForPreTraining, KbertError

IDS = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], "int32")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"ids": IDS}, r"a dict with 'input_ids', .* received the keys \['ids'\]"),
        (None, "received None"),
        (IDS[0], r"input_ids are \(batch, length\), each 1 or more, not \(4,\)"),
        (IDS[:, :0], r"each 1 or more, not \(2, 0\)"),
        (IDS[:0], r"each 1 or more, not \(0, 4\)"),
        ({"input_ids": IDS + 40}, r"input_ids holds 42: the ids .* go from 0 to 39"),
        ({"token_type_ids": IDS * 0 + 2}, r"token_type_ids holds 2: .* go from 0 to 1"),
        ({"token_type_ids": IDS * 0 - 1}, "token_type_ids holds -1"),
        ({"token_type_ids": IDS[:, 1:] * 0}, r"token_type_ids is \(2, 4\) .* not \(2, 3\)"),
        ({"attention_mask": np.ones((2, 3))}, r"attention_mask is \(2, 4\) or \(2, 4, 4\) with"),
        ({"attention_mask": np.ones((2, 1, 1, 4))}, r"not \(2, 1, 1, 4\)"),
        ({"lengths": np.ones((2, 1), "int32")}, r"lengths is \(2,\) with .* not \(2, 1\)"),
        ({"lengths": np.array([5, 1])}, "lengths holds 5: the lengths .* go from 0 to 4"),
        ({"lengths": np.array([-1, 1])}, "lengths holds -1"),
        ({"input_ids": IDS + 0.5}, "input_ids are whole numbers, and these are float64"),
        ({"token_type_ids": IDS * 0.0}, "token_type_ids are whole numbers, and these are float64"),
        ({"input_ids": IDS > 0}, "input_ids are whole numbers, and these are bool"),
        ({"attention_mask": np.full((2, 4), "1")}, "attention_mask is 1 for a token and 0 for"),
        (
            {"masked_lm_positions": np.array([1, 2])},
            r"is \(2, masked positions\) with .* not \(2,\)",
        ),
        ({"masked_lm_positions": np.array([[1], [4]])}, "masked_lm_positions holds 4: .* 0 to 3"),
        ({"masked_lm_positions": np.array([[1], [-1]])}, "masked_lm_positions holds -1"),
    ],
)
def test_what_cannot_be_is_named(small, inputs, message):
    if isinstance(inputs, dict) and "ids" not in inputs:
        inputs = {"input_ids": IDS} | inputs
    with pytest.raises(KbertError, match=message):
        BertForPreTraining(**small)(inputs)


def test_segments_are_not_looked_at_where_there_are_none(small):
    bert = Bert(**small, type_vocab_size=1)
    got, expected = (
        bert(x)["pooler_output"] for x in ({"input_ids": IDS, "token_type_ids": IDS}, IDS)
    )
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (got, expected)))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
def test_positions_of_any_kind_of_integer(small, dtype):
    """80 rows of 17 places are more than 8 bits can count."""
    model = BertForMaskedLM(**small)
    ids = np.random.default_rng(0).integers(5, 40, (80, 17)).astype("int32")
    positions = np.tile([[3, 16]], (80, 1))
    everywhere = ops.convert_to_numpy(model(ids))
    got = model({"input_ids": ids, "masked_lm_positions": positions.astype(dtype)})
    np.testing.assert_allclose(ops.convert_to_numpy(got), everywhere[:, [3, 16]], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16"])
def test_whole_models_in_16_bits(small, dtype):
    logits = BertForMaskedLM(**small, dtype=dtype)(IDS)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    exact = ops.convert_to_numpy(BertForMaskedLM(**small)(IDS))
    assert np.corrcoef(ops.convert_to_numpy(logits).ravel(), exact.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_norm_eps": -1}, r"layer_norm_eps is a number in \[0, 1.0\), not -1"),
        ({"initializer_range": "x"}, r"initializer_range is a number in \[0, 100.0\), not 'x'"),
        ({"remat": "yes"}, "remat is True or False, not 'yes'"),
        ({"num_hidden_layers": True}, "num_hidden_layers must be a whole number from 1, not True"),
        ({"position_offset": 17}, "position_offset 17 leaves no row of the 17 position embeddings"),
        ({"embedding_size": 0}, "embedding_size must be a whole number from 1, not 0"),
        ({"hidden_dropout_prob": "0.1"}, r"hidden_dropout_prob is a number in \[0, 1\), not '0.1'"),
        ({"hidden_act": ["gelu"]}, r"hidden_act is one of gelu, .* not \['gelu'\]"),
        ({"add_pooling_layer": False}, "BertForPreTraining scores the pooled .CLS.: it needs a"),
    ],
)
def test_arguments_that_cannot_be(small, change, message):
    with pytest.raises(KbertError, match=message):
        BertForPreTraining(**{**small, **change})


def test_numbers_of_numpy_are_numbers(small):
    numpys = {"vocab_size": np.int64(40), "hidden_dropout_prob": np.float32(0.5)}
    config = Bert(**{**small, **numpys}).get_config()
    assert type(config["vocab_size"]) is int and type(config["hidden_dropout_prob"]) is float


def test_what_a_head_is_told(small):
    classifier = kbert.BertForSequenceClassification
    for labels in (2, None, "부정", [], [1, 2]):
        with pytest.raises(KbertError, match="labels is a list of names"):
            classifier(labels=labels, **small)
    for labels in ({"긍정": 1, "부정": 0}, {0: "부정", 1: "긍정"}, {"0": "부정", "1": "긍정"}):
        with pytest.raises(KbertError, match=r"not a dict: labels=\['부정', '긍정'\]$"):
            classifier(labels=labels, **small)
    with pytest.raises(KbertError, match=r'not a dict: as labels=\["부정", "긍정"\]$'):
        classifier(labels={"부정": 0, "긍정": 2}, **small)  # which may mean much
    with pytest.raises(KbertError, match=r"not a set, which has no order"):
        kbert.BertForTokenClassification(labels={"O", "B-PS"}, **small)
    with pytest.raises(KbertError, match=r"labels\[2\] is empty: \['부정', '긍정', ' '\]"):
        classifier(labels=["부정", "긍정", " "], **small)
    with pytest.raises(KbertError, match=r"rate is a number in \[0, 1\), not 1.5"):
        classifier(labels=["가"], classifier_dropout=1.5, **small)
    model = classifier(labels=["부정", "긍정"], **small)
    assert model.classifier.dropout.rate == small["hidden_dropout_prob"]
    with pytest.raises(KbertError, match=r"scores 2 labels, .* and these are 3"):
        model.name_labels(["가", "나", "다"])
    with pytest.raises(KbertError, match=r"a kbert.Tokenizer or None, not 'klue/bert-base'"):
        model.tokenizer = "klue/bert-base"
    with pytest.raises(
        KbertError, match=r"kbert.quantize\(model, 'int8'\) gives a quantized model"
    ):
        model.quantize("int8")
