"""A call that is refused says why, in kbert's words, and costs the model nothing."""

from collections import UserDict
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import kbert
from kbert import KbertError
from kbert.data.labelled.examples import Examples
from kbert.training.losses import CrossEntropy
from kbert.training.optimizers import adamw

IDS = np.array([[2, 5, 6, 3], [2, 7, 3, 0]] * 2, "int32")
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]] * 2, "int32")
GOOD = {"input_ids": IDS, "attention_mask": MASK}
BAD = {
    "too long": ({"input_ids": np.full((4, 18), 5)}, "row of 18 tokens is longer .* 17 positions"),
    "no id": ({"input_ids": IDS + 38}, "input_ids holds 4[0-9]: the ids of the vocabulary"),
    "ignored": ({"input_ids": np.where(IDS, IDS, -100)}, "input_ids holds -100"),
    "no segment": (GOOD | {"token_type_ids": IDS}, r"token_type_ids holds \d: .* from 0 to 1"),
    "floats": ({"input_ids": IDS.astype("float32")}, "whole numbers, and these are float32"),
    "rank": ({"input_ids": IDS[..., None]}, r"\(batch, length\), each 1 or more, not \(4, 4, 1\)"),
}
Y = np.array([0, 1, 1, 0])


class Batches(keras.utils.PyDataset):
    """A good batch, and then another."""

    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        if isinstance(self.batches[index], Exception):
            raise self.batches[index]
        return self.batches[index]


@pytest.fixture
def model(small):
    model = kbert.BertForSequenceClassification(
        labels=["부정", "긍정"], **{**small, "num_hidden_layers": 1}
    )
    model.compile(adamw(1e-3, 100), CrossEntropy(), jit_compile=None if jax() else False)
    return model


def jax() -> bool:
    return keras.backend.backend() == "jax"


def refused(model, message, call, error=KbertError):
    """The call is refused in one line, and the model is what it was."""
    before = model.get_weights()
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


CALLS = {
    "predict": lambda model, x: model.predict(x, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "fit": lambda model, x: model.fit(x, Y, verbose=0),
    "validation": lambda model, x: model.fit(GOOD, Y, validation_data=(x, Y), verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, Y, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, Y),
    "test_on_batch": lambda model, x: model.test_on_batch(x, Y),
    "fit batches": lambda model, x: model.fit(Batches((x, Y)), verbose=0),
    "evaluate batches": lambda model, x: model.evaluate(Batches((x, Y)), verbose=0),
    "predict batches": lambda model, x: model.predict(Batches((x,)), verbose=0),
    "predict bare batches": lambda model, x: model.predict(Batches(x), verbose=0),
    "predict a generator": lambda model, x: model.predict((each for each in [(x,)]), verbose=0),
}


def test_whatever_cannot_be_and_however_it_is_called(model, tmp_path):
    for call in CALLS.values():
        for inputs, message in BAD.values():
            refused(model, message, lambda call=call, inputs=inputs: call(model, inputs))
    expected = keras.ops.convert_to_numpy(model(GOOD))
    np.testing.assert_allclose(model.predict(GOOD, verbose=0), expected, atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = kbert.load(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(again(GOOD)), expected, atol=1e-6)
    model.fit(GOOD, Y, verbose=0)
    assert np.abs(model.predict(GOOD, verbose=0) - expected).max() > 0


class Column:
    """A column of texts, as one of pandas is to numpy: no list, and no array yet."""

    shape = (2,)

    def __array__(self, dtype=None, copy=None):
        return np.array(TEXTS, object)


TEXTS = ["국회는", "법률을"]
EXAMPLES = Examples(
    "sequence-classification", TEXTS, labels=["부정", "긍정"], label_names=["부정", "긍정"]
)


def test_text_in_any_form_is_no_batch(model):
    for text in (np.array(TEXTS), np.array(TEXTS, object), Column(), (TEXTS, ["부정", "긍정"])):
        for call in CALLS.values():
            refused(model, "this is text: call it with", lambda c=call, x=text: c(model, x))
        refused(model, "this is text: call it with", lambda x=text: model(x))


def test_examples_are_no_batch(model):
    message = r"these are examples, .*: pass kbert.LabelledBatches\(examples, model\)"
    for call in (model, model.fit, model.evaluate, model.predict, model.train_on_batch):
        refused(model, message, lambda call=call: call(EXAMPLES))
    refused(model, message, lambda: model.fit(GOOD, Y, validation_data=EXAMPLES, verbose=0))


def test_a_model_that_is_not_compiled(model):
    new = type(model).from_config(model.get_config())
    for call in (new.fit, new.evaluate, new.train_on_batch, new.test_on_batch):
        message = r"not compiled: call model.compile\(.*kbert.objective\(model\)\) before"
        refused(new, message, lambda call=call: call(GOOD, Y))
    refused(new, "not compiled", lambda: new.evaluate(Batches((GOOD, Y))))


def test_batches_are_not_split(model):
    message = r"hold rows out before, as train, dev = examples.split\(0.1\)"
    for batches in (Batches((GOOD, Y)), (each for each in [(GOOD, Y)])):
        refused(model, message, lambda x=batches: model.fit(x, validation_split=0.1))


@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_a_later_batch_that_cannot_be(model, name):
    batches = Batches((GOOD, Y), (BAD["too long"][0], Y))
    refused(model, "18 tokens is longer", lambda: getattr(model, name)(batches, verbose=0))


def test_a_later_batch_in_fit_leaves_the_steps_before_it(model):
    """Two steps are taken, and the third is none; the next `fit` goes on from there."""
    twin = type(model).from_config(model.get_config())
    twin.compile(adamw(1e-3, 100), CrossEntropy(), jit_compile=None if jax() else False)
    twin.fit(Batches((GOOD, Y), (GOOD, Y)), shuffle=False, verbose=0)
    with pytest.raises(KbertError, match="18 tokens is longer"):
        batches = Batches((GOOD, Y), (GOOD, Y), (BAD["too long"][0], Y))
        model.fit(batches, shuffle=False, verbose=0)
    for one, two in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    model.fit(GOOD, Y, verbose=0)


def test_an_error_of_ones_own_batches_comes_as_it_is(model):
    batches = Batches((GOOD, Y), KeyError("no such file"))
    for call in (model.evaluate, model.predict):
        refused(
            model,
            "no such file",
            lambda call=call: call(batches, verbose=0),
            error=KeyError,
        )
    with pytest.raises(KeyError, match="no such file"):
        model.fit(batches, shuffle=False, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 2, 0]), "the labels hold 2: they go from 0 to 1, and -100 does not count"),
        ([0, 1, -1, 0], "the labels hold -1"),
        (["부정", "긍정", "긍정", "부정"], "index of a name in model.labels, not '부정'"),
    ],
)
def test_labels_that_cannot_be(model, labels, message):
    refused(model, message, lambda: model.fit(GOOD, np.array(labels), verbose=0))
    refused(model, message, lambda: model.train_on_batch(GOOD, np.array(labels)))
    batches = Batches((GOOD, np.array(labels)))
    refused(model, message, lambda: model.evaluate(batches, verbose=0))


def test_an_answer_beyond_the_row(small):
    model = kbert.BertForQuestionAnswering(**{**small, "num_hidden_layers": 1})
    model.compile("sgd", {"start": CrossEntropy(), "end": CrossEntropy()})
    good = {"start": np.array([1, 0, 2, 3]), "end": np.array([1, 3, 2, -100])}
    model.evaluate(GOOD, good, verbose=0)
    message = "the labels of 'end' hold 4: they go from 0 to 3"
    bad = good | {"end": np.array([1, 4, 2, 3])}
    refused(model, message, lambda: model.evaluate(GOOD, bad, verbose=0))


def test_weights_that_are_set_stay_when_a_call_is_refused(model):
    """Keras would give the model the state of the call before, at the next chance."""
    bad = BAD["too long"][0]
    for call in (
        lambda: model.train_on_batch(bad, Y),
        lambda: model.fit(Batches((bad, Y)), verbose=0),
        lambda: model.evaluate(Batches((GOOD, Y), (bad, Y)), verbose=0),
    ):
        model.train_on_batch(GOOD, Y)
        new = [weight + 1 for weight in model.get_weights()]
        model.set_weights(new)
        with pytest.raises(KbertError):
            call()
        model.evaluate(GOOD, Y, verbose=0)
        for one, two in zip(new, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


def test_predictions_from_threads(model):
    """As a web server asks for them: none sees weights that another call has."""
    expected = model.predict(GOOD, verbose=0)

    def ask(number):
        if number % 3 == 0:
            return keras.ops.convert_to_numpy(model(GOOD))
        return model.predict(GOOD, verbose=0) if number % 3 == 1 else model.predict_on_batch(GOOD)

    with ThreadPoolExecutor(4) as threads:
        for answer in threads.map(ask, range(40)):
            np.testing.assert_allclose(answer, expected, atol=1e-6)


@pytest.mark.skipif(not jax(), reason="only JAX donates")
def test_inference_donates_nothing(model):
    held = [weight.value for weight in model.weights]
    model.predict(GOOD, verbose=0)
    model.predict_on_batch(GOOD)
    model.evaluate(GOOD, Y, verbose=0)
    model.test_on_batch(GOOD, Y)
    assert not any(value.is_deleted() for value in held)
    model.fit(GOOD, Y, verbose=0)
    assert any(value.is_deleted() for value in held)


def test_the_forms_in_which_inputs_come(model):
    """Transformers' BatchEncoding is a UserDict; with lists, if it was not asked for arrays."""
    expected = keras.ops.convert_to_numpy(model(GOOD))
    lists = UserDict({name: array.tolist() for name, array in GOOD.items()})
    for given in (UserDict(GOOD), lists):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(given)), expected)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(**given)), expected)
        np.testing.assert_allclose(model.predict(given, verbose=0), expected, atol=1e-6)
    alone = keras.ops.convert_to_numpy(model(IDS))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(IDS.tolist())), alone)
    for given, message in (
        ([IDS, MASK, IDS * 0], "a list does not say which array is which: pass a dict"),
        ("국회는", "a model takes ids, and this is text"),
        (
            ["국회는"],
            r"this is text: .*model.fit\(kbert.LabelledBatches\(\(texts, labels\), model\)",
        ),
        ([[2, 5, 3], [2, 3]], "the rows of input_ids are not of one length: pad them"),
        (None, "received None"),
    ):
        for call in (model, lambda x: model.predict(x, verbose=0)):
            refused(model, message, lambda call=call, given=given: call(given))
    refused(model, "given twice", lambda: model(IDS, attention_mask=MASK))


def test_what_the_heads_did_is_asked_of_the_encoder(model):
    message = r"output_attentions is an argument of the encoder within: model.bert\(inputs, "
    refused(model, message, lambda: model(GOOD, output_attentions=True))
    refused(model, "output_attentions", lambda: model.predict(GOOD, output_attentions=True))
    assert len(model.bert(GOOD, output_attentions=True)["attentions"]) == 1


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "binary_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.categorical_crossentropy,
        keras.losses.CategoricalFocalCrossentropy(),
        "KLDivergence",
        {"start": "mse", "end": "sparse_categorical_crossentropy"},
    ],
)
def test_losses_that_expect_probabilities(model, loss):
    with pytest.raises(KbertError, match=r"expects probabilities, and a .* gives logits: compile"):
        model.compile("sgd", loss=loss)


def test_losses_that_take_logits(model):
    def binary_crossentropy(y_true, y_pred):  # one's own, by a name that Keras has too
        return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)

    of_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for loss in (of_logits, "mse", None, binary_crossentropy, CrossEntropy()):
        model.compile("sgd", loss=loss)
