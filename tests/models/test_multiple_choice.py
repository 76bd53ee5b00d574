import numpy as np
import pytest
from keras import ops

import kbert
from kbert import BertForMultipleChoice, BertForSequenceClassification, KbertError
from kbert.training.losses import objective
from kbert.training.optimizers import adamw


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def choices(inputs):
    """Three examples of two choices: (3, 2, 7)."""
    del inputs["masked_lm_positions"]
    return {name: np.stack([each, each[::-1], each]) for name, each in inputs.items()}


def test_a_choice_is_scored_as_a_row_of_one_label_is(small, choices):
    model = BertForMultipleChoice(**small)
    classifier = BertForSequenceClassification(labels=["맞다"], **small)
    classifier.set_weights(model.get_weights())
    rows = {name: each.reshape(6, 7) for name, each in choices.items()}
    got, expected = number(model(choices)), number(classifier(rows)).reshape(3, 2)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert abs(got[0, 0] - got[0, 1]) > 1e-3
    ids = choices["input_ids"]
    np.testing.assert_allclose(number(model(ids)), number(model({"input_ids": ids})), atol=1e-6)


def test_lengths_and_masks_say_the_same(small, choices):
    model = BertForMultipleChoice(**small)
    mask = choices.pop("attention_mask")
    by_lengths = model({**choices, "lengths": mask.sum(axis=-1).astype("int32")})
    square = np.broadcast_to(mask[..., None, :], (*mask.shape, 7)).astype("int32")
    expected = number(model({**choices, "attention_mask": mask}))
    np.testing.assert_allclose(number(by_lengths), expected, atol=1e-6)
    got = number(model({**choices, "attention_mask": square}))
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_another_number_of_choices_than_before(small, choices):
    model = BertForMultipleChoice(**small)
    three = {name: np.concatenate([each, each[:, :1]], axis=1) for name, each in choices.items()}
    got = number(model(three))
    np.testing.assert_allclose(got[:, :2], number(model(choices)), atol=1e-6)
    np.testing.assert_allclose(got[:, 2], got[:, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_ids": np.zeros((2, 7), "int32")}, r"\(batch, choices, length\).*\(2, 7\)"),
        ({"input_ids": np.full((3, 2, 7), 40, "int32")}, "input_ids holds 40"),
        ({"token_type_ids": np.zeros((3, 7), "int32")}, r"token_type_ids is \(3, 2, 7\)"),
        ({"attention_mask": np.ones((6, 7), "int32")}, r"attention_mask is \(3, 2, 7\)"),
        ({"lengths": np.ones(3, "int32")}, r"lengths is \(3, 2\)"),
    ],
)
def test_inputs_that_cannot_be(small, choices, change, message):
    with pytest.raises(KbertError, match=message):
        BertForMultipleChoice(**small)({**choices, **change})


def test_saved_and_loaded(small, choices, tokenizer, tmp_path):
    model = BertForMultipleChoice(classifier_dropout=0.4, **small)
    model.tokenizer = tokenizer
    model.save(tmp_path / "choice.keras")
    again = kbert.load(tmp_path / "choice.keras")
    assert type(again) is BertForMultipleChoice
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(number(again(choices)), number(model(choices)))


def test_a_head_for_a_pretrained_encoder(small, choices, tokenizer, tmp_path):
    pretrained = kbert.BertForPreTraining(**small)
    pretrained.tokenizer = tokenizer
    pretrained.save(tmp_path / "pretrained.keras")
    model = kbert.load(tmp_path / "pretrained.keras", "multiple-choice")
    assert model.load_report.new == ("classifier.dense",)
    scores = number(model(choices))
    assert np.abs(scores[:, 0] - scores[:, 1]).min() > 1e-4  # neither zeros nor one number
    with pytest.raises(KbertError, match="labels are for"):
        kbert.load(tmp_path / "pretrained.keras", "multiple-choice", ["가", "나"])


@pytest.mark.parametrize("task", ["multiple-choice", "sequence-classification"])
def test_heads_of_one_name_are_not_taken_for_each_other(small, tokenizer, tmp_path, task):
    # Both are called `classifier`, and with one label both are (1, D).
    choice = BertForMultipleChoice(**small)
    label = BertForSequenceClassification(labels=["점수"], problem_type="regression", **small)
    source, other = (label, choice) if task == "multiple-choice" else (choice, label)
    source.tokenizer = tokenizer
    source.save(tmp_path / "source.keras")
    kbert.export_huggingface(source, tmp_path / "folder")
    for path in (tmp_path / "source.keras", tmp_path / "folder"):
        labels = None if task == "multiple-choice" else ["점수"]
        model = kbert.load(path, task, labels)
        assert type(model) is type(other) and "classifier.dense" in model.load_report.new


def test_steps_lower_the_loss(small, choices):
    model = BertForMultipleChoice(**{**small, "hidden_dropout_prob": 0.0})
    model.compile(adamw(3e-3, 30), **objective(model))
    labels, weights = np.array([0, 1, 0]), np.ones(3, "float32")
    losses = [
        float(model.train_on_batch(choices, labels, weights, return_dict=True)["loss"])
        for _ in range(30)
    ]
    assert losses[-1] < 0.3 < losses[0]
    assert number(model(choices)).argmax(axis=1).tolist() == [0, 1, 0]


def test_what_is_not_exported_says_so(small, tmp_path):
    with pytest.raises(KbertError, match="BertForMultipleChoice is not exported"):
        BertForMultipleChoice(**small).export(tmp_path / "model.onnx", "onnx")


def test_a_pooler_is_needed(small):
    with pytest.raises(KbertError, match="needs a pooler"):
        BertForMultipleChoice(**small, add_pooling_layer=False)
