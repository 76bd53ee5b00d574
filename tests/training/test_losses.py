"""The losses of fine-tuning: what counts, by how much, and what a model is compiled with."""

import unicodedata

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.training.binary_cross_entropy import BinaryCrossEntropy
from kbert.training.losses import Accuracy, CrossEntropy, is_right, objective
from kbert.training.optimizers import adamw

IDS = np.array([[2, 5, 6, 3], [2, 7, 3, 0], [2, 8, 9, 3]], "int32")
LABELS = ["부정", "중립", "긍정"]


def number(tensor):
    return ops.convert_to_numpy(getattr(tensor, "value", tensor))


def log_shares(logits):
    shares = np.exp(logits.astype("float64"))
    return np.log(shares / shares.sum(axis=-1, keepdims=True))


def uncompiled(arguments):
    """For TensorFlow, which takes long to compile a step."""
    if keras.backend.backend() == "tensorflow":
        return arguments | {"run_eagerly": True}
    return arguments


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")


@pytest.fixture
def small(small):
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return {**small, **rates, "num_hidden_layers": 1}


def test_a_label_of_minus_100_is_in_neither_sum(logits):
    labels = np.array([[0, 2, -100, -100], [-100, 1, 1, 0]])
    counts = labels >= 0
    each = -np.take_along_axis(log_shares(logits), np.maximum(labels, 0)[..., None], -1)[..., 0]
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(each[counts].mean(), rel=1e-5)
    weights = np.array([[1, 3, 9, 9], [9, 1, 0, 2]], "float32")
    expected = (each * weights)[counts].sum() / weights[counts].sum()
    assert float(CrossEntropy()(labels, logits, weights)) == pytest.approx(expected, rel=1e-5)
    of_rows = np.array([1.0, 3.0], "float32")
    expected = (each * of_rows[:, None])[counts].sum() / (1 * 2 + 3 * 3)
    assert float(CrossEntropy()(labels, logits, of_rows)) == pytest.approx(expected, rel=1e-5)
    assert float(CrossEntropy()(labels * 0 - 100, logits)) == 0
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits).reshape(-1, 3), torch.tensor(labels).reshape(-1)
    )
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(float(theirs), rel=1e-5)


def test_nor_is_it_right_or_wrong(logits):
    best = logits.argmax(axis=-1)
    labels = best.copy()
    labels[0, 0], labels[1, :] = (best[0, 0] + 1) % 3, -100
    accuracy = Accuracy()
    assert float(accuracy(labels, logits)) == 0.75
    assert float(accuracy(labels * 0 - 100, logits)) == 0.75  # nothing was added
    assert number(is_right(labels, logits)).tolist() == [[0, 1, 1, 1], [0, 0, 0, 0]]


def test_minus_100_in_fit(small):
    """One step with ignored labels is the step of the others' mean, to the last weight."""
    labels = np.array([[-100, 1, 2, -100], [-100, 0, -100, -100], [-100] * 4])
    counted = (labels >= 0).astype("float32")
    trained = []
    for given, weights in ((labels, None), (np.maximum(labels, 0), counted)):
        model = kbert.BertForTokenClassification(labels=LABELS, **small)
        model.compile("sgd", **uncompiled(objective(model)))
        logs = model.train_on_batch(IDS, given, weights, return_dict=True)
        assert np.isfinite(logs["loss"])
        trained.append((logs["loss"], logs["accuracy"], *model.get_weights()))
    for one, two in zip(*trained, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_smoothed_labels(logits):
    """0.2 of each label goes to the three classes evenly: 13/15 stay, 1/15 for each other."""
    labels = np.array([[0, 2, 1, 1], [2, 1, 1, 0]])
    wanted = np.full((2, 4, 3), 1 / 15)
    np.put_along_axis(wanted, labels[..., None], 13 / 15, -1)
    expected = -(wanted * log_shares(logits)).sum(axis=-1).mean()
    loss = CrossEntropy(label_smoothing=0.2)
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5)
    again = CrossEntropy.from_config(loss.get_config())
    assert float(again(labels, logits)) == pytest.approx(expected, rel=1e-5)
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits).reshape(-1, 3), torch.tensor(labels).reshape(-1), label_smoothing=0.2
    )
    assert float(theirs) == pytest.approx(expected, rel=1e-5)


def test_weighted_classes(logits):
    labels = np.array([[0, 2, -100, 1], [2, 1, 1, 0]])
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits).reshape(-1, 3),
        torch.tensor(labels).reshape(-1),
        weight=torch.tensor([1.0, 0.0, 5.0]),
    )
    loss = CrossEntropy(class_weights=[1, 0, 5])
    assert float(loss(labels, logits)) == pytest.approx(float(theirs), rel=1e-5)
    assert CrossEntropy.from_config(loss.get_config()).class_weights == [1.0, 0.0, 5.0]


def test_labels_that_each_hold_or_not():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 3)).astype("float32")
    labels = rng.integers(0, 2, (4, 3)).astype("float32")
    shares = 1 / (1 + np.exp(-logits.astype("float64")))
    each = -(labels * np.log(shares) + (1 - labels) * np.log(1 - shares))
    assert float(BinaryCrossEntropy()(labels, logits)) == pytest.approx(each.mean(), rel=1e-5)
    of_rows = np.array([1, 0, 2, 5], "float32")
    expected = (each.mean(axis=1) * of_rows).sum() / 8
    assert float(BinaryCrossEntropy()(labels, logits, of_rows)) == pytest.approx(expected, rel=1e-5)
    total = BinaryCrossEntropy(reduction="sum")(labels, logits, of_rows)
    assert float(total) == pytest.approx(8 * expected, rel=1e-5)
    of_labels = rng.random((4, 3)).astype("float32")
    expected = (each * of_labels).sum() / of_labels.sum()
    found = float(BinaryCrossEntropy()(labels, logits, of_labels))
    assert found == pytest.approx(expected, rel=1e-5)
    weighted = BinaryCrossEntropy(class_weights=[1, 2, 3])(labels, logits)
    assert float(weighted) == pytest.approx((each * [1, 2, 3]).sum() / 24, rel=1e-5)
    unknown = labels.copy()
    unknown[1, 2] = -100
    expected = np.delete(each.ravel(), 5).mean()
    assert float(BinaryCrossEntropy()(unknown, logits)) == pytest.approx(expected, rel=1e-5)
    smooth = BinaryCrossEntropy(label_smoothing=0.2)
    softened = 0.8 * labels + 0.1
    each = -(softened * np.log(shares) + (1 - softened) * np.log(1 - shares))
    assert float(smooth(labels, logits)) == pytest.approx(each.mean(), rel=1e-5)
    large = float(BinaryCrossEntropy()(labels, logits * 1e4))
    assert np.isfinite(large) and large > 100
    assert BinaryCrossEntropy.from_config(smooth.get_config()).label_smoothing == 0.2


def classifier(problem_type, small):
    return kbert.BertForSequenceClassification(labels=LABELS, problem_type=problem_type, **small)


MODELS = {
    "single": (lambda small: classifier("single_label_classification", small), np.array([0, 2, 1])),
    "multiple": (
        lambda small: classifier("multi_label_classification", small),
        np.array([[0, 1, 1], [0, 0, 0], [1, 0, 1]], "float32"),
    ),
    "regression": (
        lambda small: kbert.BertForSequenceClassification(
            labels=["점수"], problem_type="regression", **small
        ),
        np.array([0.5, 4.0, 2.5], "float32"),
    ),
    "tokens": (
        lambda small: kbert.BertForTokenClassification(labels=LABELS, **small),
        np.array([[-100, 1, 2, -100], [-100, 0, -100, -100], [-100, 2, 2, -100]]),
    ),
    "answers": (
        lambda small: kbert.BertForQuestionAnswering(**small),
        {"start": np.array([1, 0, 2]), "end": np.array([2, 1, 3])},
    ),
    "next": (lambda small: kbert.BertForNextSentencePrediction(**small), np.array([0, 1, 1])),
    "words": (lambda small: kbert.BertForMaskedLM(**small), np.where(IDS > 4, IDS, -100)),
    "both": (
        lambda small: kbert.BertForPreTraining(**small),
        {"mlm": np.where(IDS > 4, IDS, -100), "nsp": np.array([0, 1, -100])},
    ),
}


def expected_loss(name, logits, labels):
    """By hand, from a model's outputs."""
    if name == "regression":
        return ((logits[:, 0] - labels) ** 2).mean()
    if name == "multiple":
        shares = 1 / (1 + np.exp(-logits.astype("float64")))
        return -np.where(labels > 0, np.log(shares), np.log(1 - shares)).mean()
    if isinstance(labels, dict):
        return sum(expected_loss("", logits[head], labels[head]) for head in labels)
    each = -np.take_along_axis(log_shares(logits), np.maximum(labels, 0)[..., None], -1)[..., 0]
    return each[labels >= 0].mean()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_itself_what_it_is_compiled_with(small, name):
    make, labels = MODELS[name]
    model = make(small)
    model.compile(adamw(2e-2, 100), **uncompiled(objective(model)))
    logits = keras.tree.map_structure(number, model(IDS))
    figures = model.evaluate(IDS, labels, batch_size=3, verbose=0, return_dict=True)
    before = expected_loss(name, logits, labels)
    assert figures["loss"] == pytest.approx(before, rel=1e-4)
    assert len(figures) == {"both": 5, "answers": 5}.get(name, 2)
    model.fit(IDS, labels, batch_size=3, epochs=12, verbose=0)
    after = model.evaluate(IDS, labels, batch_size=3, verbose=0, return_dict=True)
    assert after["loss"] < 0.6 * before
    if name == "multiple":
        right = ((number(model(IDS)) > 0) == (labels > 0)).mean()
        assert after["accuracy"] == pytest.approx(right)
    if name == "regression":  # (B, 1) is no other than (B,)
        column = model.evaluate(IDS, labels[:, None], batch_size=3, verbose=0, return_dict=True)
        assert column == pytest.approx(after)


def test_weights_of_rows_for_every_kind(small):
    """A row of weight 0 is as if it were not there."""
    for name, (make, labels) in MODELS.items():
        if isinstance(labels, dict):
            continue
        model = make(small)
        model.compile("sgd", **uncompiled(objective(model)))
        weighted = model.test_on_batch(IDS, labels, np.array([1.0, 0.0, 1.0]), return_dict=True)
        fewer = model.test_on_batch(IDS[[0, 2]], labels[[0, 2]], return_dict=True)
        assert weighted == pytest.approx(fewer, rel=1e-4), name


def test_labels_weighed_by_their_names(small):
    model = classifier("single_label_classification", small)
    decomposed = unicodedata.normalize("NFD", "긍정")
    loss = objective(model, class_weights={decomposed: 4.0, "부정": 0.5}, label_smoothing=0.1)[
        "loss"
    ]
    assert (loss.class_weights, loss.label_smoothing) == ([0.5, 1.0, 4.0], 0.1)
    model.compile("sgd", **uncompiled(objective(model, class_weights={"긍정": 4.0, "부정": 0.5})))
    labels = np.array([0, 2, 1])
    each = -np.take_along_axis(log_shares(number(model(IDS))), labels[:, None], -1)[:, 0]
    expected = (each * [0.5, 4, 1]).sum() / 5.5
    assert model.test_on_batch(IDS, labels, return_dict=True)["loss"] == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (lambda small: "regression", {}, "task is a model with a head, or one of pretraining"),
        (lambda small: kbert.Bert(**small), {}, "task is a model with a head"),
        (lambda small: keras.Sequential(), {}, "task is a model with a head"),
        (MODELS["single"][0], {"class_weights": {"긍": 1}}, "names '긍'; the labels are .'부정'"),
        (MODELS["single"][0], {"class_weights": {"긍정": -1}}, "the weight of 긍정 is a number in"),
        (MODELS["single"][0], {"label_smoothing": 1.0}, r"label_smoothing is a number in \[0, 1\)"),
        (MODELS["regression"][0], {"label_smoothing": 0.1}, "is for classes, and regression has"),
        (
            lambda small: kbert.BertForDependencyParsing(labels=["NP", "VP"], **small),
            {"label_smoothing": 0.1},
            "is for classes, and dependency-parsing has",
        ),
        (MODELS["answers"][0], {"class_weights": {}}, "are for a model with labels"),
        (lambda small: "masked-lm", {"class_weights": {}}, "are for a model with labels"),
        (MODELS["single"][0], {"micro_batches": 0}, "micro_batches must be a whole number from 1"),
    ],
)
def test_what_cannot_be_asked_for(small, make, settings, message):
    with pytest.raises(KbertError, match=message):
        objective(make(small), **settings)
