"""Multiple choice against transformers' classes, of every family that has one."""

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import BertForMultipleChoice
from tests.formats.checkpoints import batch, make_reference, write_checkpoint

torch = pytest.importorskip("torch")

ENDING = "ForMultipleChoice"


def choices(family):
    rows = {name: array[None] for name, array in batch(family).items()}  # (1, 2, L)
    return {name: np.concatenate([array, array[:, ::-1]]) for name, array in rows.items()}


def answer(reference, inputs):
    with torch.no_grad():
        tensors = {name: torch.tensor(array).long() for name, array in inputs.items()}
        return reference(**tensors).logits.numpy()


@pytest.mark.parametrize(
    "family",
    [
        "bert",
        "roberta",
        "xlm-roberta",
        "distilbert",
        "electra",
        "albert",
        "modernbert",
        "deberta-v2",
        "mobilebert",
        "big_bird",
    ],
)
def test_same_scores_as_transformers_both_ways(family, tmp_path):
    reference, inputs = make_reference(family, ENDING), choices(family)
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    assert type(model) is BertForMultipleChoice and model.load_report == ((), (), ())
    expected = answer(reference, inputs)
    np.testing.assert_allclose(ops.convert_to_numpy(model(inputs)), expected, atol=1e-5)
    assert np.abs(expected).max() > 0.01 and len(np.unique(expected.round(4))) > 1

    kbert.export_huggingface(model, tmp_path / "out", model_type=family)
    again, info = type(reference).from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info.values()), info
    np.testing.assert_allclose(answer(again.eval(), inputs), expected, atol=1e-6)


def test_a_model_of_ours_goes_out_as_the_plainest_family(small, tokenizer, tmp_path):
    from transformers import AutoModelForMultipleChoice

    model = BertForMultipleChoice(**small)
    model.tokenizer = tokenizer
    kbert.export_huggingface(model, tmp_path)
    reference = AutoModelForMultipleChoice.from_pretrained(tmp_path).eval()
    assert type(reference).__name__ == "BertForMultipleChoice"
    inputs = {"input_ids": np.array([[[2, 5, 3, 7, 3], [2, 5, 3, 9, 3]]], "int32")}
    expected = answer(reference, inputs)
    np.testing.assert_allclose(ops.convert_to_numpy(model(inputs)), expected, atol=1e-5)
