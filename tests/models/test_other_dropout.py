import numpy as np
import pytest
from keras import ops

from kbert import BertForPreTraining, KbertError
from kbert.models.other_dropout import with_dropout


@pytest.mark.parametrize("rate", [0.0, 0.6])
def test_only_what_is_dropped_in_training_changes(small, inputs, tokenizer, rate):
    """From rates of 0.2 and 0.3, to none, which has no random numbers, and to more."""
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    model.mlm.bias.assign(np.arange(40) / 10)
    other = with_dropout(model, rate)
    config = {"hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate}
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
        with_dropout(BertForPreTraining(**small), 1.5)
