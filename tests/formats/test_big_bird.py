"""BigBird beside transformers' on rows long enough for its blocks: longer than (5 + 2 r) of them.

transformers' model turns to full attention for good once a row was short, so each length is asked
of a new one.
"""

import json

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from tests.formats.checkpoints import make_reference, torch, write_checkpoint
from tests.formats.test_huggingface_import import assert_close, rewrite_config
from tests.formats.test_modernbert import answer

SPARSE = {
    "attention_type": "block_sparse",
    "block_size": 4,
    "num_random_blocks": 2,
    "max_position_embeddings": 320,
}


def rows(length, padding):
    ids = np.random.default_rng(length).integers(5, 38, (2, length)).astype("int32")
    mask = np.ones((2, length), "int32")
    mask[1, length - padding :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


# 36 sees all; the last block of 37 and 61 is not full; 300 are more than 256 keys at once.
@pytest.mark.parametrize(("length", "padding"), [(36, 5), (37, 0), (61, 9), (64, 30), (300, 40)])
def test_rows_are_cut_into_blocks(length, padding, tmp_path):
    reference = make_reference("big_bird", "Model", **SPARSE)
    model = kbert.load(write_checkpoint(reference, tmp_path))
    config = model.get_config()
    assert (config["block_size"], config["num_random_blocks"]) == (4, 2)
    inputs = rows(length, padding)
    with torch.no_grad():
        expected = reference(
            **{name: torch.tensor(array).long() for name, array in inputs.items()},
            output_hidden_states=True,
        )
    got = model(inputs, output_hidden_states=True)
    for ours, theirs in zip(got["hidden_states"], expected.hidden_states, strict=True):
        assert_close(ours, theirs[:, :length], inputs["attention_mask"])
    assert_close(got["pooler_output"], expected.pooler_output)
    # By weights it is the same, and with full attention something else, where there are blocks.
    weights = model(inputs, output_attentions=True)["last_hidden_state"]
    assert_close(weights, expected.last_hidden_state, inputs["attention_mask"])
    full = ops.convert_to_numpy(model.with_settings(block_size=None)(inputs)["last_hidden_state"])
    difference = np.abs(full - expected.last_hidden_state.numpy())[0].max()
    assert difference > 0.1 if length > 36 else difference < 1e-4


@pytest.mark.parametrize("ending", ["ForMaskedLM", "ForSequenceClassification"])
def test_there_and_back(ending, tmp_path):
    reference = make_reference("big_bird", ending, **SPARSE)
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    inputs = rows(61, 9)
    mask = inputs["attention_mask"] if ending == "ForMaskedLM" else None
    expected = answer(reference, inputs).logits
    assert_close(model(inputs), expected, mask)
    kbert.export_huggingface(model, tmp_path / "out")  # of which family, its blocks say
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "big_bird" and config["attention_type"] == "block_sparse"
    again = type(reference).from_pretrained(tmp_path / "out").eval()
    assert_close(model(inputs), answer(again, inputs).logits, mask)
    model.save(tmp_path / "model.keras")
    same = kbert.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(inputs)) for m in (model, same)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_type": "sparse"}, "attention_type is 'block_sparse' or 'original_full'"),
        ({"attention_type": None}, "attention_type is"),
        ({"block_size": 0}, "block_size, if it is not None, must be a whole number from 1, not 0"),
        ({"block_size": None}, "block_size is null"),
        ({"block_size": "64"}, "block_size, if it is not None, must be a whole number"),
        ({"num_random_blocks": -1}, "num_random_blocks must be a whole number from 0"),
    ],
)
def test_configs_that_cannot_be(changes, message, tmp_path):
    folder = write_checkpoint(make_reference("big_bird", "Model", **SPARSE), tmp_path)
    rewrite_config(folder, **changes)
    with pytest.raises(KbertError, match=message):
        kbert.load(folder)


def test_blocks_or_a_window(small):
    with pytest.raises(KbertError, match=r"blocks .* or a window .*, and not both"):
        kbert.Bert(**small, block_size=4, attention_window=4)


def test_where_there_are_no_blocks_a_file_says_nothing_of_them(small):
    config = kbert.Bert(**small).get_config()
    assert "block_size" not in config and "num_random_blocks" not in config
