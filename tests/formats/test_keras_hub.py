import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError, Tokenizer

keras_hub = pytest.importorskip("keras_hub")

# What KerasHub's BERT computes: our model is then the same.
LIKE_HUB = {
    "hidden_act": "gelu_new",
    "layer_norm_eps": 1e-12,
    "attention_probs_dropout_prob": 0.2,
}


def hub_inputs(inputs):
    names = {
        "input_ids": "token_ids",
        "token_type_ids": "segment_ids",
        "attention_mask": "padding_mask",
        "masked_lm_positions": "mask_positions",
    }
    return {names[name]: array for name, array in inputs.items()}


def assert_close(one, two, atol):
    one, two = ops.convert_to_numpy(one), ops.convert_to_numpy(two)
    np.testing.assert_allclose(one, two, rtol=0, atol=atol)


def scrambled(model):
    """The model, of whose weights none is 0 or 1."""
    rng = np.random.default_rng(3)
    for weight in model.weights:
        value = ops.convert_to_numpy(weight.value)
        weight.assign(value + rng.normal(0, 0.2, value.shape).astype("float32"))
    return model


def assert_same_backbone(ours, theirs, inputs, atol=1e-5):
    inputs.pop("masked_lm_positions")
    one, two = ours(inputs), theirs(hub_inputs(inputs))
    tokens = inputs["attention_mask"].astype(bool)
    vectors = [ops.convert_to_numpy(one["last_hidden_state"])[tokens]]
    assert_close(vectors[0], ops.convert_to_numpy(two["sequence_output"])[tokens], atol)
    assert_close(one["pooler_output"], two["pooled_output"], atol)


def assert_equal_weights(one, two):
    for a, b in zip(one.weights, two.weights, strict=True):
        assert_close(a.value, b.value, atol=0)


def test_a_backbone_out_and_back(small, inputs):
    bert = scrambled(kbert.Bert(**{**small, **LIKE_HUB}))
    backbone = kbert.to_keras_hub(bert)
    assert type(backbone) is keras_hub.models.BertBackbone
    again = kbert.from_keras_hub(backbone)
    assert again.load_report == ((), (), ())
    assert_equal_weights(bert, again)
    arguments = {"name", "seed", "initializer_range"}
    one, two = bert.get_config(), again.get_config()
    assert {name for name in one if one[name] != two[name]} <= arguments
    assert_same_backbone(bert, backbone, inputs)


def test_a_backbone_of_keras_hub(inputs):
    backbone = scrambled(
        keras_hub.models.BertBackbone(
            vocabulary_size=40,
            num_layers=1,
            num_heads=2,
            hidden_dim=12,
            intermediate_dim=20,
            max_sequence_length=9,
            num_segments=3,
        )
    )
    assert_same_backbone(kbert.from_keras_hub(backbone), backbone, inputs)


def test_a_masked_lm_out_and_back(small, tokenizer, inputs, tmp_path):
    model = scrambled(kbert.BertForMaskedLM(**{**small, **LIKE_HUB}))
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="the head's activation is gelu there and gelu_new here"):
        kbert.to_keras_hub(model)
    task = kbert.to_keras_hub(model, approximate=True)
    approximate = ops.convert_to_numpy(task(hub_inputs(inputs)))
    # KerasHub's head is not like its encoder: exact gelu, and another epsilon.
    model.mlm.hidden_act, model.mlm.layer_norm.epsilon = "gelu", 1e-5
    assert_close(model(inputs), approximate, atol=1e-5)
    task.save(tmp_path / "task.keras")
    opened = keras.saving.load_model(tmp_path / "task.keras", compile=False)
    assert_close(opened(hub_inputs(inputs)), approximate, atol=0)

    with pytest.raises(KbertError, match="layer_norm_eps is 1e-05 there and 1e-12 here"):
        kbert.from_keras_hub(opened)
    again = kbert.from_keras_hub(opened, approximate=True)
    assert_equal_weights(model, again)
    assert again.load_report.unused == ("pooled_dense.kernel", "pooled_dense.bias")
    assert again.tokenizer.vocabulary == tokenizer.vocabulary


def test_exact_gelu_is_said_and_nearly_the_same(small, inputs):
    bert = kbert.Bert(**{**small, **LIKE_HUB, "hidden_act": "gelu"})
    with pytest.raises(KbertError, match="activation is gelu_new there and gelu here"):
        kbert.to_keras_hub(bert)
    backbone = kbert.to_keras_hub(bert, approximate=True)
    assert_same_backbone(bert, backbone, inputs, atol=1e-3)


@pytest.mark.parametrize("lowercase", [False, True])
def test_a_tokenizer_out_and_back(tokenizer, lowercase):
    ours = Tokenizer([*tokenizer.vocabulary, "abc", "##é", "憲", "法"], lowercase=lowercase)
    theirs = kbert.to_keras_hub(ours)
    texts = ["축구는 정말 재미있는 [MASK]다.", "국회에게, ABC 憲法 abcé", "국민의경기 넢"]
    assert [[int(i) for i in ids] for ids in theirs(texts)] == ours.encode(texts)
    again = kbert.from_keras_hub(theirs)
    assert (again.vocabulary, again.settings) == (ours.vocabulary, ours.settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"position_offset": 2}, "cannot have position_offset=2"),
        ({"type_vocab_size": 0}, "cannot have type_vocab_size=0"),
        ({"embedding_size": 8}, "cannot have embedding_size=8"),
        ({"hidden_act": "relu"}, "cannot have hidden_act='relu'"),
        ({"attention_window": 4}, "cannot have attention_window=4"),
        ({"extra_size": 3}, "cannot have extra_size=3"),
    ],
)
def test_what_keras_hub_cannot_express(arguments, message, small):
    with pytest.raises(KbertError, match=message):
        kbert.to_keras_hub(kbert.Bert(**{**small, **arguments}), approximate=True)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
def test_what_is_no_model_to_convert(small, tokenizer):
    with pytest.raises(KbertError, match=r"not a BertForPreTraining; .* convert model\.bert"):
        kbert.to_keras_hub(kbert.BertForPreTraining(**small))
    with pytest.raises(KbertError, match="BertTokenizer of KerasHub, not a Tokenizer"):
        kbert.from_keras_hub(tokenizer)
    with pytest.raises(KbertError, match="plain WordPiece, and cannot have rules"):
        kbert.to_keras_hub(Tokenizer(tokenizer.vocabulary, rules=["width"]))
    adapted = kbert.Bert(**{**small, **LIKE_HUB})
    kbert.add_lora(adapted)
    with pytest.raises(KbertError, match=r"has adapters \(LoRA\): give merge_lora"):
        kbert.to_keras_hub(adapted)
    backbone = kbert.to_keras_hub(kbert.Bert(**{**small, **LIKE_HUB}))
    backbone.quantize("int8")
    with pytest.raises(KbertError, match="a quantised model cannot be converted"):
        kbert.from_keras_hub(backbone)
