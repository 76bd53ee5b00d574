"""A Bert within one's own Keras model: what `save` and `load_model` make of it."""

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForQuestionAnswering, BertForSequenceClassification, KbertError
from kbert.models.fine_tuning import freeze
from kbert.training.optimizers import adamw

IDS = np.array([[2, 5, 6, 39, 3], [2, 7, 3, 0, 0]], "int32")
INPUTS = {"input_ids": IDS, "attention_mask": (IDS > 0).astype("int32")}


@pytest.fixture
def small(small):
    return {**small, "num_hidden_layers": 1, "vocab_size": 400}


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


@keras.saving.register_keras_serializable("tests")
class Sentiment(keras.Model):
    """What every course writes: a Bert, and a Dense that is built when it is first called."""

    def __init__(self, bert, **kwargs):
        super().__init__(**kwargs)
        self.bert = bert
        self.dense = keras.layers.Dense(3)

    def call(self, inputs, training=None):
        return self.dense(self.bert(inputs, training=training)["pooler_output"])

    def get_config(self):
        return {**super().get_config(), "bert": keras.saving.serialize_keras_object(self.bert)}

    @classmethod
    def from_config(cls, config):
        config = {**config, "bert": keras.saving.deserialize_keras_object(config["bert"])}
        return cls(**config)


@pytest.mark.parametrize("inputs", [INPUTS, IDS])
def test_a_subclass_comes_back_with_its_head(small, inputs, tmp_path):
    model = Sentiment(Bert(**small))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(inputs, np.array([0, 2]), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numbers(again(inputs)), numbers(model(inputs)), atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_inputs_without_a_dtype(small, tmp_path, policy):
    """Keras takes them for floats; id 300 and its neighbours are one number in bfloat16."""
    bert = Bert(**small, dtype=policy)
    symbols = {name: keras.Input((None,), name=name) for name in INPUTS}
    model = keras.Model(symbols, keras.layers.Dense(3)(bert(symbols)["pooler_output"]))
    ids = {**INPUTS, "input_ids": np.where(IDS > 4, IDS + 296, IDS)}
    expected = numbers(bert(ids)["pooler_output"]).astype("float32")
    alone = keras.Model(symbols, bert(symbols)["pooler_output"])
    np.testing.assert_array_equal(numbers(alone(ids)).astype("float32"), expected)
    predicted = alone.predict(ids, verbose=0).astype("float32")
    np.testing.assert_allclose(predicted, expected, atol=1e-6 if policy == "float32" else 0.02)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numbers(again(ids)), numbers(model(ids)), atol=1e-6)


def test_two_encoders_in_one_model(small, tmp_path):
    """A question and an answer, each with an encoder of its own."""
    one, two = Bert(**small, name="question"), Bert(**{**small, "seed": 9})
    two.name = "answer"
    symbols = [keras.Input((None,), dtype="int32", name=name) for name in ("first", "second")]
    pooled = [bert(ids)["pooler_output"] for bert, ids in zip((one, two), symbols, strict=True)]
    model = keras.Model(symbols, keras.layers.Dot(axes=1, normalize=True)(pooled))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numbers(again([IDS, IDS])), numbers(model([IDS, IDS])), atol=1e-6)
    assert [again.get_layer(name).get_config()["seed"] for name in ("question", "answer")] == [5, 9]
    twin = Bert.from_config(two.get_config())
    assert twin.name == twin.get_config()["name"] == "answer"


def parts(model):
    return [weight.path.split("/", 1)[1] for weight in model.trainable_weights]


@pytest.mark.parametrize(
    "frozen",
    [
        lambda model: setattr(model.bert, "trainable", False),
        lambda model: setattr(model.bert.embeddings, "trainable", False),
        lambda model: setattr(model.bert.encoder_layers[0].feed_forward, "trainable", False),
        lambda model: setattr(model, "trainable", False),
        lambda model: freeze(model, layers=1),
    ],
)
def test_what_is_frozen_stays_so_in_the_file(small, tmp_path, frozen):
    model = BertForSequenceClassification(labels=["가", "나"], **{**small, "num_hidden_layers": 2})
    whole = len(parts(model))
    frozen(model)
    assert len(parts(model)) < whole
    model.save(tmp_path / "model.keras")
    for again in (
        kbert.load(tmp_path / "model.keras"),
        keras.models.load_model(tmp_path / "model.keras"),
    ):
        assert parts(again) == parts(model)
        np.testing.assert_array_equal(numbers(again(IDS)), numbers(model(IDS)))
    kept = model.bert.get_weights()
    again.compile(adamw(0.1, 9), "mse")
    if again.trainable_weights:
        again.fit(IDS, np.array([[1.0, 0.0], [0.0, 1.0]]), verbose=0)
    names = [weight.path.split("/", 1)[1] for weight in again.bert.weights]
    moved = [
        name
        for name, old, new in zip(names, kept, again.bert.get_weights(), strict=True)
        if np.abs(old - new).max() > 0
    ]
    assert set(moved) <= set(parts(model))


def test_a_frozen_encoder_within_ones_own_model(small, tmp_path):
    bert = Bert(**small)
    freeze(bert)
    symbol = keras.Input((None,), dtype="int32")
    model = keras.Model(symbol, keras.layers.Dense(3)(bert(symbol)["pooler_output"]))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert len(again.trainable_weights) == len(model.trainable_weights) == 2


@pytest.mark.parametrize("frozen", ["embeddings", ["embedding"], [1], [["embeddings"]]])
def test_a_config_that_freezes_what_is_not_there(small, frozen):
    with pytest.raises(KbertError, match="frozen is a list of the model's layers"):
        Bert.from_config({**Bert(**small).get_config(), "frozen": frozen})


def test_a_new_task_trains_all(small, tmp_path):
    bert = Bert(**small)
    freeze(bert)
    bert.save(tmp_path / "bert.keras")
    model = kbert.load(tmp_path / "bert.keras", "sequence-classification", labels=["가", "나"])
    assert len(model.trainable_weights) == len(model.weights)


@pytest.mark.parametrize("fitted", ["fit", "train_on_batch"])
@pytest.mark.parametrize(
    ("made", "settings", "labels", "names"),
    [
        (
            BertForSequenceClassification,
            {"labels": ["가", "나"]},
            np.array([0, 1]),
            {"loss", "accuracy"},
        ),
        (
            BertForQuestionAnswering,
            {},
            {"start": np.array([0, 1]), "end": np.array([1, 1])},
            {"loss", "start_loss", "end_loss", "start_accuracy", "end_accuracy"},
        ),
    ],
)
def test_a_first_step_is_traced_once(small, monkeypatch, made, settings, labels, names, fitted):
    """On TensorFlow one that makes variables, as the optimizer's, would be traced again."""
    model = made(**settings, **small)
    traced = []
    step = made.train_step
    monkeypatch.setattr(made, "train_step", lambda *a, **k: traced.append(1) or step(*a, **k))
    model.compile(adamw(0.1, 9), **kbert.objective(model))
    if fitted == "fit":
        assert set(model.fit(IDS, labels, verbose=0).history) == names
    else:
        model.train_on_batch(IDS, labels)
    assert len(traced) == 1
