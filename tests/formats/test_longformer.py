"""Longformer beside transformers': windows, global tokens by task, gradients, configs."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.formats.families import FAMILIES
from kbert.formats.huggingface.weights import places
from tests.formats.checkpoints import VOCABULARY, make_reference, torch, write_checkpoint
from tests.formats.test_huggingface_import import assert_close, rewrite_config


def rows(length, padding, global_tokens=()):
    """Two rows, the second with padding and one global token less; ours, and transformers'."""
    ids = np.random.default_rng(length).integers(5, 38, (2, length)).astype("int32")
    mask = np.ones((2, length), "int32")
    mask[1, length - padding :] = 0
    inputs = {"input_ids": np.where(mask, ids, 1).astype("int32"), "attention_mask": mask}
    theirs = {name: torch.tensor(array).long() for name, array in inputs.items()}
    if global_tokens:
        chosen = np.array([global_tokens, [*global_tokens[:-1], -1]], "int32")
        inputs["global_positions"] = chosen
        is_global = (chosen[:, :, None] == np.arange(length)).any(axis=1)
        theirs["global_attention_mask"] = torch.tensor(is_global).long()
    return inputs, theirs


# 7 is no more than a window; 61 and 300 are no multiple of one; 300 go by blocks of 64.
@pytest.mark.parametrize(
    ("length", "padding", "global_tokens"),
    [(7, 2, (0, 2)), (61, 9, ()), (61, 9, (0, 30, 1)), (300, 40, (0, 5, 17, 200))],
)
def test_windows_and_global_tokens(length, padding, global_tokens, tmp_path):
    reference = make_reference("longformer", "Model")
    model = kbert.load(write_checkpoint(reference, tmp_path))
    config = model.get_config()
    assert config["attention_window"] == [2, 4] and config["global_attention"] is True
    inputs, theirs = rows(length, padding, global_tokens)
    with torch.no_grad():
        expected = reference(**theirs, output_hidden_states=True)
    mask = inputs["attention_mask"]
    got = model(inputs, output_hidden_states=True)
    for ours, of_theirs in zip(got["hidden_states"], expected.hidden_states, strict=True):
        assert_close(ours, of_theirs[:, :length], mask)
    assert_close(got["pooler_output"], expected.pooler_output)
    by_weights = model(inputs, output_attentions=True)["last_hidden_state"]
    assert_close(by_weights, expected.last_hidden_state, mask)


def test_every_way_to_say_what_is_padding(tmp_path):
    reference = make_reference("longformer", "Model")
    model = kbert.load(write_checkpoint(reference, tmp_path))
    inputs, _ = rows(30, 7, (0, 9))
    mask = inputs.pop("attention_mask")
    expected = ops.convert_to_numpy(model({**inputs, "attention_mask": mask})["last_hidden_state"])[
        mask > 0
    ]
    whole = np.repeat(mask[:, None], 30, axis=1)  # (B, L, L)
    for said in ({"lengths": mask.sum(axis=1)}, {"attention_mask": whole}):
        got = ops.convert_to_numpy(model({**inputs, **said})["last_hidden_state"])[mask > 0]
        np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("ending", ["MaskedLM", "SequenceClassification", "TokenClassification"])
def test_global_tokens_by_task(ending, tmp_path):
    """transformers has [CLS] see all where rows are classified, and nothing else elsewhere."""
    reference = make_reference("longformer", f"For{ending}")
    model = kbert.load(write_checkpoint(reference, tmp_path))
    inputs, theirs = rows(61, 9)
    with torch.no_grad():
        expected = reference(**theirs).logits
    assert_close(model(inputs), expected, None if "Seq" in ending else inputs["attention_mask"])
    if "Seq" in ending:
        without = model({**inputs, "global_positions": np.full((2, 1), -1)})
        assert np.abs(ops.convert_to_numpy(without) - expected.numpy()).max() > 1e-2


def test_questions_are_global(tmp_path):
    """The pipeline's rows, and those that it is trained on, are what transformers makes of ids."""
    reference = make_reference("longformer", "ForQuestionAnswering")
    model = kbert.load(write_checkpoint(reference, tmp_path))
    question, context = "가 나다 라", " ".join(VOCABULARY[5:19] * 2)
    row = model.tokenizer([question], [context])
    end = row["input_ids"][0].tolist().index(model.tokenizer.sep_id)
    ids = torch.tensor(row["input_ids"]).long()
    # Said, as transformers finds a question only where pairs have three separators.
    is_global = (torch.arange(ids.shape[1]) < end).long()[None]
    with torch.no_grad():
        expected = reference(ids, torch.ones_like(ids), is_global)
    got = model({**row, "global_positions": np.arange(end)[None]})
    assert_close(got["start"], expected.start_logits)
    assert_close(got["end"], expected.end_logits)

    answers = kbert.QuestionAnswering(model)(question, context, top_k=3)
    start, stop = (expected[name][0].numpy() for name in ("start_logits", "end_logits"))
    second = range(end + 1, len(start) - 1)  # each token of the context is a character
    spans = {(i, j): start[i] + stop[j] for i in second for j in second if i <= j < i + 30}
    best = {}
    for (i, j), score in spans.items():
        text = context[2 * (i - end - 1) : 2 * (j - end - 1) + 1]
        best[text] = max(best.get(text, -np.inf), score)
    assert [answer["answer"] for answer in answers] == sorted(best, key=best.get)[:-4:-1]

    examples = kbert.Examples(
        task="question-answering", texts=[question], pairs=[context], labels=[[(0, "가")]]
    )
    x, _, _ = kbert.LabelledBatches(examples, model, batch_size=2)[0]
    assert x["global_positions"].tolist() == [[*range(end), *[-1] * (16 - end)]] * 2
    trained_on = ops.convert_to_numpy(model(x)["start"])[:, : len(start)]
    np.testing.assert_allclose(trained_on, np.stack([start] * 2), atol=1e-4)


def test_the_gradients_are_those_of_transformers(tmp_path):
    """Of every weight, after one step of gradient descent on all logits of real tokens."""
    no_dropout = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    reference = make_reference("longformer", "ForMaskedLM", **no_dropout)
    model = kbert.load(write_checkpoint(reference, tmp_path))
    inputs, theirs = rows(300, 40, (0, 5, 200))
    mask = inputs["attention_mask"][..., None].astype("float32")
    logits = reference(**theirs).logits
    (torch.sum((logits * torch.tensor(mask)) ** 2) / mask.sum()).backward()

    before = [ops.convert_to_numpy(weight.value).copy() for weight in model.weights]
    model.compile(
        keras.optimizers.SGD(1.0),
        lambda real, got: ops.sum((got * real) ** 2) / float(mask.sum()),
    )
    model.train_on_batch(inputs, mask)
    by_variable = {id(w): b for w, b in zip(model.weights, before, strict=True)}
    gradients = {name: p.grad.numpy() for name, p in reference.named_parameters()}
    for place in places(model, FAMILIES["longformer"]):
        ours = by_variable[id(place.variable)] - ops.convert_to_numpy(place.variable.value)
        for part, name in zip(place.split(ours), place.names, strict=True):
            expected = gradients.pop(name)
            scale = np.abs(expected).max()
            # A bias of keys adds the same to all scores of a query, so it changes nothing.
            assert scale > (0 if "key" in name and "bias" in name else 1e-3), name
            # A difference of weights is rounded to theirs: 1e-7 of some 1.
            np.testing.assert_allclose(part, expected, atol=2e-4 * scale + 2e-6, err_msg=name)
    assert not gradients


@pytest.mark.parametrize("ending", ["ForMaskedLM", "ForSequenceClassification"])
def test_there_and_back(ending, tmp_path):
    reference = make_reference("longformer", ending)
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    kbert.export_huggingface(model, tmp_path / "out")  # of which family, its global tokens say
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "longformer" and config["attention_window"] == [4, 8]
    inputs, theirs = rows(61, 9)
    with torch.no_grad():
        expected = type(reference).from_pretrained(tmp_path / "out").eval()(**theirs).logits
    mask = inputs["attention_mask"] if ending == "ForMaskedLM" else None
    assert_close(model(inputs), expected, mask)
    model.save(tmp_path / "model.keras")
    same = kbert.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(inputs)) for m in (model, same)))
    one_window = model.with_settings(attention_window=[3, 3])
    assert one_window.get_config()["attention_window"] == 3


EVEN = "attention_window is an even number from 2, both sides of a token together"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_window": 0}, EVEN),
        ({"attention_window": [4, 0]}, EVEN),
        ({"attention_window": [4, 5]}, EVEN),
        ({"attention_window": 7}, EVEN),
        ({"attention_window": []}, EVEN),
        ({"attention_window": "4"}, EVEN),
        ({"attention_window": [4, True]}, EVEN),
        ({"attention_window": [4] * 3}, "has 3 windows, and num_hidden_layers is 2"),
        ({"attention_window": [4] * 10**5}, "has 100000 windows, and num_hidden_layers is 2"),
        ({"pad_token_id": -1}, "pad_token_id is a whole number"),
    ],
)
def test_configs_that_cannot_be(changes, message, tmp_path):
    folder = write_checkpoint(make_reference("longformer", "Model"), tmp_path)
    rewrite_config(folder, **changes)
    with pytest.raises(KbertError, match=message):
        kbert.load(folder)


def test_an_encoder_without_its_global_projections_is_not_whole(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = write_checkpoint(make_reference("longformer", "Model"), tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.attention.self.key_global.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(KbertError, match=r"lacks 'encoder.layer.1.attention.self.key_global"):
        kbert.load(folder)


def test_choices_are_refused(tmp_path):
    folder = write_checkpoint(make_reference("longformer", "Model"), tmp_path)
    with pytest.raises(KbertError, match="a longformer checkpoint has no head for 'multiple-c"):
        kbert.load(folder, "multiple-choice")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[0, 7]] * 2, "global_positions holds 7: the positions .* go from -1 to 6"),
        ([[-2, 0]] * 2, "global_positions holds -2"),
        ([[0, 3, 3]] * 2, "names position 3 twice in a row"),
        ([[0]], r"global_positions is \(2, 1 or more\) with input_ids \(2, 7\), not \(1, 1\)"),
        ([0, 1], r"is \(2, 1 or more\)"),
        (np.zeros((2, 0), int), r"is \(2, 1 or more\)"),
        ([[0.5]] * 2, "global_positions are whole numbers"),
    ],
)
def test_positions_that_cannot_be(given, message, small, inputs):
    model = kbert.Bert(**small, attention_window=2, global_attention=True)
    with pytest.raises(KbertError, match=message):
        model({**inputs, "global_positions": given})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"global_attention": True}, "global_attention takes an attention_window"),
        ({"global_attention": 1, "attention_window": 2}, "global_attention is True or False"),
        ({"attention_window": 0}, "attention_window, if it is not None, must be a whole number"),
        ({"attention_window": [2, 0]}, r"attention_window\[1\] must be a whole number from 1"),
        ({"attention_window": [2] * 3}, "a number, or one for each of 2 layers"),
        ({"attention_window": []}, "attention_window is None, or a list"),
    ],
)
def test_arguments_that_cannot_be(settings, message, small):
    with pytest.raises(KbertError, match=message):
        kbert.Bert(**small, **settings)


def test_models_without_global_tokens_say_so(small, inputs):
    inputs["global_positions"] = np.zeros((2, 1), "int32")
    for model in (kbert.Bert(**small), kbert.ModernBert(**small)):
        with pytest.raises(KbertError, match="are for a Bert with global_attention=True"):
            model(inputs)
