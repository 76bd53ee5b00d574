"""MobileBERT beside transformers': its variants, gradients, and what a config cannot ask for."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.formats.families import FAMILIES
from kbert.formats.huggingface.weights import places
from tests.formats.checkpoints import (
    VOCABULARY,
    batch,
    make_reference,
    torch,
    transformers,
    write_checkpoint,
)
from tests.formats.test_huggingface_import import assert_close, rewrite_config, rewrite_weights
from tests.formats.test_modernbert import answer

# The paper's tiny model.
TINY = {
    "use_bottleneck_attention": True,
    "key_query_shared_bottleneck": False,
    "classifier_activation": False,
}


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    "settings",
    [
        TINY,
        {"classifier_activation": False},
        {"num_feedforward_networks": 1, "hidden_act": "gelu", "type_vocab_size": 3},
    ],
)
def test_every_variant(settings, tmp_path):
    reference = make_reference("mobilebert", "Model", **settings)
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    assert model.load_report == ((), (), ())
    inputs = batch("mobilebert")
    expected = answer(reference, inputs)
    kbert.export_huggingface(model, tmp_path / "out")
    back, info = type(reference).from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info.values()), info
    for theirs in (expected, answer(back.eval(), inputs)):
        got = model(inputs)
        assert_close(got["last_hidden_state"], theirs.last_hidden_state, inputs["attention_mask"])
        assert_close(got["pooler_output"], theirs.pooler_output)
    labels = kbert.load(tmp_path / "in", "sequence-classification", ["가", "나"])
    assert labels.load_report.new == ("classifier.dense",)


def test_a_narrowing_that_nothing_looks_at_is_told_of(tmp_path):
    """transformers makes it where queries and keys could share one, and does not use it here."""
    settings = {**TINY, "key_query_shared_bottleneck": True}
    reference = make_reference("mobilebert", "Model", **settings)
    model = kbert.load(write_checkpoint(reference, tmp_path))
    unused = model.load_report.unused
    assert unused and all(".bottleneck.attention." in name for name in unused)
    expected = answer(reference, batch("mobilebert")).last_hidden_state
    assert_close(model(batch("mobilebert"))["last_hidden_state"], expected)


def test_the_last_token_sees_padding_as_in_transformers(tmp_path):
    """The same text with padding and without is not the same, unless [PAD]'s vector is zero."""
    reference = make_reference("mobilebert", "Model")
    model = kbert.load(write_checkpoint(reference, tmp_path))
    padded = {name: array[1:] for name, array in batch("mobilebert").items()}
    short = {name: array[:, :5] for name, array in padded.items()}
    found = []
    for inputs in (padded, short):
        expected = answer(reference, inputs).last_hidden_state
        found.append(number(model(inputs)["last_hidden_state"])[0, :5])
        np.testing.assert_allclose(found[-1], expected[0, :5].numpy(), atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_the_gradients_are_those_of_transformers(tmp_path):
    """Of every weight, after one step of gradient descent on all logits of real tokens."""
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    reference = make_reference("mobilebert", "ForMaskedLM", **no_dropout)
    model = kbert.load(write_checkpoint(reference, tmp_path))
    inputs = batch("mobilebert")
    mask = inputs["attention_mask"][..., None].astype("float32")

    logits = reference(**{n: torch.tensor(a).long() for n, a in inputs.items()}).logits
    (torch.sum((logits * torch.tensor(mask)) ** 2) / mask.sum()).backward()

    def loss(real, got):
        return ops.sum((got * real) ** 2) / float(mask.sum())

    before = [number(weight.value).copy() for weight in model.weights]
    model.compile(keras.optimizers.SGD(1.0), loss)
    model.train_on_batch(inputs, mask)
    by_variable = {id(w): b for w, b in zip(model.weights, before, strict=True)}
    gradients = {name: p.grad for name, p in reference.named_parameters() if p.grad is not None}
    count = 0
    for place in places(model, FAMILIES["mobilebert"]):
        ours = by_variable[id(place.variable)] - number(place.variable.value)
        theirs = place.join([gradients.pop(name).numpy() for name in place.names])
        if place.part == "bert.embeddings.token_table":  # transformers never trains that of [PAD]
            ours, theirs = ours[1:], theirs[1:]
        scale = np.abs(theirs).max()
        assert scale > 1e-4
        np.testing.assert_allclose(ours, theirs, atol=2e-4 * scale + 1e-6)
        count += 1
    assert count == len(model.weights) and not gradients


def test_fine_tuned_and_read_by_transformers(tmp_path):
    """Trained by `fit`; the file and the export give what the model does."""
    reference = make_reference("mobilebert", "ForSequenceClassification")
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    inputs = batch("mobilebert")
    model.compile(optimizer=keras.optimizers.Adam(0.003), **kbert.objective(model))
    inner = model.bert.encoder_layers[0].feed_forwards[1].widen.kernel
    before = number(inner).copy()
    losses = model.fit(inputs, np.array([1, 0]), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0] and np.abs(number(inner) - before).max() > 1e-3
    kbert.export_huggingface(model, tmp_path / "out")
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert_close(model(inputs), answer(again.eval(), inputs).logits)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        number(kbert.load(tmp_path / "model.keras")(inputs)), number(model(inputs))
    )


def test_words_more_and_fewer(tmp_path):
    """The head's own columns have a row for each word, too."""
    folder = write_checkpoint(make_reference("mobilebert", "ForMaskedLM"), tmp_path)
    model, inputs = kbert.load(folder), batch("mobilebert")
    before = number(model(inputs))
    longer = kbert.extend_vocabulary(model, ["축구경기"])
    np.testing.assert_allclose(
        number(longer(inputs))[..., : len(VOCABULARY)], before[..., : len(VOCABULARY)], atol=1e-5
    )
    fewer = kbert.trim_vocabulary(model, ["축구 경기"])
    ids = [fewer.tokenizer.id(token) for token in ("[CLS]", "축구", "경기", "[SEP]")]
    theirs = [model.tokenizer.id(token) for token in fewer.tokenizer.vocabulary]
    got = number(fewer(np.array([ids])))[0]
    expected = number(model(np.array([[theirs[i] for i in ids]])))[0][:, theirs]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_mask_of_pairs_is_refused(small):
    model = kbert.BertForMaskedLM(architecture="mobilebert", **small)
    ids = np.array([[2, 5, 6, 3]])
    with pytest.raises(KbertError, match="it does not learn left to right"):
        model({"input_ids": ids, "attention_mask": np.tril(np.ones((1, 4, 4), "int32"))})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trigram_input": False}, "trigram_input is False; kbert's MobileBert has only True"),
        ({"use_bottleneck": False}, "use_bottleneck is False"),
        ({"normalization_type": "layer_norm"}, "normalization_type is 'layer_norm'"),
        ({"key_query_shared_bottleneck": False}, "which transformers' class does not run either"),
        ({"num_feedforward_networks": 0}, "num_feedforward_networks must be a whole number from 1"),
        ({"num_feedforward_networks": "3"}, "num_feedforward_networks must be a whole number"),
        ({"num_feedforward_networks": 10**12}, "the checkpoint has [0-9]+ tensors"),
        ({"num_feedforward_networks": 4}, r"lacks 'encoder\.layer\.0\.ffn\.2"),
        ({"num_hidden_layers": 10**9}, "asks for 1000000000 layers"),
        ({"embedding_size": 12}, "embedding_size of a MobileBert is less than hidden_size, 12"),
        ({"embedding_size": 4}, r"'embeddings.word_embeddings.weight' of shape \(38, 4\)"),
        ({"intra_bottleneck_size": 10**12}, "intra_bottleneck_size 1000000000000 is not a mult"),
        ({"intra_bottleneck_size": 9}, r"'encoder.layer.0.bottleneck.input.dense.weight' of"),
        ({"intra_bottleneck_size": [6]}, "intra_bottleneck_size must be a whole number"),
        ({"num_attention_heads": 4}, "intra_bottleneck_size 6 is not a multiple of num_attention"),
        ({"use_bottleneck_attention": "no"}, "use_bottleneck_attention is True or False"),
        ({"use_bottleneck_attention": True}, r"'encoder.layer.0.attention.self.value.weight' of"),
        ({"classifier_activation": 1}, "classifier_activation is True or False, not 1"),
        ({"type_vocab_size": 0}, "type_vocab_size of a MobileBert is from 1, not 0"),
        ({"hidden_act": "silu"}, "the activation is 'silu'"),
        ({"vocab_size": 10**9}, "asks for 1000000000 tokens"),
        ({"max_position_embeddings": 0}, "max_position_embeddings must be"),
    ],
)
def test_configs_that_cannot_be(changes, message, tmp_path):
    folder = write_checkpoint(make_reference("mobilebert", "ForMaskedLM"), tmp_path)
    rewrite_config(folder, **changes)
    with pytest.raises(KbertError, match=message):
        kbert.load(folder)


def test_a_words_head_that_is_not_whole(tmp_path):
    folder = write_checkpoint(make_reference("mobilebert", "ForMaskedLM"), tmp_path)
    name = "cls.predictions.dense.weight"
    rewrite_weights(folder, lambda tensors: {n: a for n, a in tensors.items() if n != name})
    with pytest.raises(KbertError, match=r"only a part of 'mlm': no mlm\.completion"):
        kbert.load(folder)


def test_what_the_config_says(tmp_path):
    reference = make_reference("mobilebert", "ForMaskedLM")
    model = kbert.load(write_checkpoint(reference, tmp_path / "in"))
    kbert.export_huggingface(model, tmp_path / "out")
    before, after = (
        json.loads((tmp_path / folder / "config.json").read_text()) for folder in ("in", "out")
    )
    left = {"transformers_version", "true_hidden_size", "bos_token_id", "eos_token_id"}
    assert {n: v for n, v in before.items() if n not in left and after.get(n) != v} == {}
