import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForMaskedLM, BertForSequenceClassification, KbertError
from kbert.models.fine_tuning import freeze, reinitialize_top
from kbert.training.losses import objective
from kbert.training.optimizers import adamw

IDS = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], "int32")


def uncompiled(arguments):
    """For TensorFlow, which takes long to compile a step."""
    if keras.backend.backend() == "tensorflow":
        return arguments | {"run_eagerly": True}
    return arguments


def of_parts(model) -> dict:
    """Weights by the part of the model that they are in, as one vector each."""
    parts: dict = {}
    for weight in model.weights:
        names = weight.path.split("/")
        part = names[1] if names[0] in ("bert", "other") else names[0]
        parts.setdefault(part, []).append(np.ravel(ops.convert_to_numpy(weight.value)))
    return {part: np.concatenate(values) for part, values in parts.items()}


def differing(one, two) -> set:
    return {part for part in one if np.abs(one[part] - two[part]).max() > 0}


@pytest.fixture
def model(small):
    return BertForSequenceClassification(labels=["가", "나"], **small)


@pytest.mark.parametrize(
    ("layers", "trained"),
    [
        (0, {"encoder_layer_0", "encoder_layer_1", "pooler", "classifier"}),
        (1, {"encoder_layer_1", "pooler", "classifier"}),
        (2, {"pooler", "classifier"}),
        (None, {"classifier"}),
    ],
)
def test_only_what_is_not_frozen_is_trained(model, layers, trained):
    freeze(model, layers)
    model.compile(adamw(0.1, 9), **uncompiled(objective(model)))
    before = of_parts(model)
    model.train_on_batch(IDS, np.array([0, 1]))
    assert differing(before, of_parts(model)) == trained


def test_a_pooler_that_the_source_had_not_is_trained_with_the_head(small, tokenizer, tmp_path):
    """As RoBERTa's: random and frozen it would stay between encoder and labels."""
    for pooled, task in ((False, "masked-lm"), (True, "pretraining")):
        source = kbert.models.TASKS[task](**small)
        source.tokenizer = tokenizer
        source.save(tmp_path / "source.keras")
        for limit in (freeze, kbert.add_lora):
            model = kbert.load(tmp_path / "source.keras", "sequence-classification", ["가", "나"])
            model = model.with_settings(seed=3)
            limit(model)
            trained = {weight.path.split("/")[1] for weight in model.trainable_weights}
            assert ("pooler" in trained) is not pooled
            assert "embeddings" not in trained


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_what_begins_anew(model, small, tmp_path, layers):
    """Upper layers and pooler get the weights of a model that was never trained; others stay."""
    fresh = of_parts(model)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    trained = of_parts(model)
    reinitialize_top(model, layers)
    now = of_parts(model)
    new = {"pooler", *[f"encoder_layer_{2 - place}" for place in range(1, layers + 1)]}
    assert differing(now, trained) == new
    assert differing(now, fresh) == fresh.keys() - new
    model.save(tmp_path / "model.keras")
    assert not differing(now, of_parts(kbert.load(tmp_path / "model.keras")))


def test_an_encoder_alone_and_one_without_a_pooler(small):
    for model in (Bert(**small), BertForMaskedLM(**small)):
        encoder = getattr(model, "bert", model)
        reinitialize_top(model, 2)
        freeze(model)
        assert not encoder.trainable_weights
        for function in (freeze, reinitialize_top):
            with pytest.raises(KbertError, match="the model has 2 encoder layers, not 3"):
                function(model, 3)
            with pytest.raises(KbertError, match="layers must be a whole number from 0, not -1"):
                function(model, -1)
