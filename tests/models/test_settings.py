import numpy as np
import pytest
from keras import ops

from kbert import BertForPreTraining, KbertError


@pytest.mark.parametrize("rate", [0.0, 0.6])
def test_only_what_is_dropped_in_training_changes(small, inputs, tokenizer, rate):
    """From rates of 0.2 and 0.3, to none, which has no random numbers, and to more."""
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    model.mlm.bias.assign(np.arange(40) / 10)
    config = {"hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate}
    other = model.with_settings(**config)
    assert other.get_config() == {**model.get_config(), **config}
    assert other.tokenizer is tokenizer
    before, after = model(inputs), other(inputs)
    for head in ("mlm", "nsp"):
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (before[head], after[head])))
    fresh = BertForPreTraining(**{**small, **config})
    fresh.set_weights(model.get_weights())
    trained = [ops.convert_to_numpy(each(inputs, training=True)["mlm"]) for each in (other, fresh)]
    np.testing.assert_array_equal(*trained)
    still = ops.convert_to_numpy(other(inputs)["mlm"])
    assert (np.abs(trained[0] - still).max() < 1e-5) == (rate == 0)


def test_what_is_no_rate_is_refused(small):
    with pytest.raises(KbertError, match=r"1\.5"):
        BertForPreTraining(**small).with_settings(hidden_dropout_prob=1.5)


def test_other_settings_with_the_same_weights(small, inputs, tokenizer):
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    other = model.with_settings(remat=True, hidden_dropout_prob=0.0, attention_window=9)
    assert other.get_config() == model.get_config() | {
        "remat": True,
        "hidden_dropout_prob": 0.0,
        "attention_window": 9,
    }
    for name, logits in model(inputs).items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(other(inputs)[name]), ops.convert_to_numpy(logits), atol=1e-6
        )
    assert other.tokenizer is tokenizer and model.with_settings(remat=False) is not model
    half = model.with_settings(dtype="mixed_bfloat16")
    assert half.bert.encoder_layers[0].compute_dtype == "bfloat16"
    with pytest.raises(KbertError, match="vocab_size is none of dtype, remat, attention_window"):
        model.with_settings(vocab_size=9)
    with pytest.raises(KbertError, match="attention_window, if it is not None,"):
        model.with_settings(attention_window=0)


def test_what_was_frozen_stays_frozen(small):
    model = BertForPreTraining(**small)
    model.bert.trainable = False
    other = model.with_settings(remat=True)
    assert [w.trainable for w in other.weights] == [w.trainable for w in model.weights]
    assert len(other.trainable_weights) == len(model.trainable_weights) < len(model.weights)


def test_adapters_cannot_come_along(small):
    model = BertForPreTraining(**small)
    model.bert.encoder_layers[0].self_attention.query_key_value.enable_lora(2)
    with pytest.raises(
        KbertError,
        match=r"adapters .LoRA., or whose weights are being pruned, cannot",
    ):
        model.with_settings(remat=True)
