import logging

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import BertForSequenceClassification, KbertError
from kbert.compression.prune_weights import PruneWeights, merge_pruning, share_of_zeros
from kbert.layers.dense import Dense
from kbert.models import new_model
from tests.models.test_encoders import CASES as ENCODER_CASES

CASES = ENCODER_CASES | {
    "deberta, own keys": ("deberta", {"position_buckets": 4, "share_att_key": False})
}
IDS = np.random.default_rng(0).integers(5, 29, (8, 6)).astype("int32")
LABELS = np.arange(8) % 2


def number(tensor) -> np.ndarray:
    return np.array(ops.convert_to_numpy(tensor))


def kernels(model) -> dict[str, np.ndarray]:
    """What the dense layers of the encoder's layers multiply by."""
    layers = [each for layer in model.bert.encoder_layers for each in layer._flatten_layers()]
    return {each.path: number(each.kernel) for each in layers if isinstance(each, Dense)}


@pytest.fixture
def model(small):
    return BertForSequenceClassification(labels=["가", "나"], **small)


def fit(model, *callbacks, labels=LABELS, epochs=4, eagerly=True):
    """Two steps an epoch. What is compiled takes long to be; eager steps are the same."""
    arguments = kbert.objective(model)
    if eagerly and keras.backend.backend() == "tensorflow":
        arguments |= {"run_eagerly": True}
    model.compile(kbert.adamw(0.01, 2 * epochs), **arguments)
    data = {"batch_size": 4, "epochs": epochs, "shuffle": False, "verbose": 0}
    model.fit(IDS, labels, callbacks=list(callbacks), **data)


class Shares(keras.callbacks.Callback):
    """What is used after each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(1 - share_of_zeros(self.model))


@pytest.mark.parametrize("by", ["magnitude", "movement"])
def test_a_run_ends_with_the_wanted_share(model, by, tmp_path):
    """Of 8 steps the first and the second use all, the seventh and eighth a quarter.

    Between, what is left of the way is (1 - (t - 1/4) / (1/2))^3 of it: 27/64, 8/64, 1/64.
    """
    plain = [(weight.path, tuple(weight.shape)) for weight in model.weights]
    before = number(model(IDS))
    shares = Shares()
    pruning = PruneWeights(model, 0.25, by, begin=0.25, end=0.75)
    np.testing.assert_array_equal(number(model(IDS)), before)
    with pytest.raises(KbertError, match="being pruned"):
        PruneWeights(model, 0.5)
    fit(model, pruning, shares, eagerly=False)
    expected = [1, 1, *(0.25 + 0.75 * k / 64 for k in (27, 8, 1)), 0.25, 0.25, 0.25]
    np.testing.assert_allclose(shares.seen, expected, atol=2e-3)

    merged = merge_pruning(model)
    assert [(weight.path, tuple(weight.shape)) for weight in merged.weights] == plain
    assert merged.get_config() == model.get_config()
    model.save(tmp_path / "as_it_is.keras")
    merged.save(tmp_path / "merged.keras")
    loaded = [kbert.load(tmp_path / f"{name}.keras") for name in ("as_it_is", "merged")]
    expected, found = number(model(IDS)), kernels(merged)
    for other in (merged, *loaded):
        np.testing.assert_array_equal(number(other(IDS)), expected)
        assert share_of_zeros(other) == share_of_zeros(model)
    for path, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernel, found[path])
        assert np.count_nonzero(kernel) == round(0.25 * kernel.size)
    others = [weight for weight in merged.weights if "kernel" not in weight.name]
    tables = [number(weight) for weight in others if "embedding" in weight.path]
    assert tables and all(np.count_nonzero(table) == table.size for table in tables)
    assert np.abs(number(merged(IDS)) - before).max() > 0.01


@pytest.mark.parametrize("case", CASES)
def test_every_architecture(case, small, inputs):
    """What is computed with scores is what a plain model does whose kernels have the zeros."""
    architecture, own = CASES[case]
    model = new_model("masked-lm", architecture, {**small, **own})
    PruneWeights(model, 0.3, "movement")
    rng = np.random.default_rng(1)
    expected = {}
    for layer in model._flatten_layers():
        if not isinstance(layer, Dense) or layer.sparse is None:
            continue
        scores = rng.normal(size=layer.kernel.shape)
        layer.sparse.scores.assign(scores)
        layer.sparse.use(0.3)
        left = np.sort(scores.ravel())[-round(0.3 * scores.size)]
        expected[layer.path] = np.where(scores >= left, number(layer._kernel), 0)
    assert expected.keys() == kernels(model).keys()
    merged = merge_pruning(model)
    for path, kernel in kernels(merged).items():
        np.testing.assert_array_equal(kernel, expected[path])
    np.testing.assert_allclose(number(model(inputs)), number(merged(inputs)), atol=1e-5)


def test_scores_of_shared_kernels_are_trained(small):
    """DeBERTa's table of distances goes through the same kernels; remat computes them twice."""
    own = CASES["deberta"][1] | {"labels": ["가", "나"], "remat": True}
    model = new_model("sequence-classification", "deberta", {**small, **own})
    fit(model, PruneWeights(model, 0.4, "movement"))
    assert share_of_zeros(model) == pytest.approx(0.6, abs=1e-3)
    for layer in model.bert.encoder_layers:
        assert (number(layer.self_attention.query_key_value.sparse.scores) != 0).mean() > 0.9


def test_a_student_is_pruned_while_it_is_taught(model, small):
    student = BertForSequenceClassification(labels=["가", "나"], **small | {"num_hidden_layers": 1})
    pruning = PruneWeights(student, 0.5, "movement")
    both = kbert.Distillation(student=student, teacher=model)
    fit(both, pruning, labels={"labels": LABELS, "soft": LABELS}, epochs=2)
    assert share_of_zeros(merge_pruning(student)) == pytest.approx(0.5, abs=1e-3)
    assert share_of_zeros(model) == 0
    assert share_of_zeros(kbert.quantize(merge_pruning(student))) >= 0.5


def test_a_run_that_ends_early(model, caplog):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    pruning = PruneWeights(model, 0.25, "magnitude", begin=0, end=1, updates=1)
    with caplog.at_level(logging.WARNING, "kbert"):
        fit(model, pruning, Stop(), epochs=1)  # one of two steps: 1/4 + 3/4 (1/2)^3
    assert share_of_zeros(model) == pytest.approx(1 - 0.34375, abs=2e-3)
    assert "fit ended after 1 of 2 steps, where 34.4% of the weights are used" in caplog.text


def test_what_is_refused(model, small, tmp_path):
    for arguments, message in (
        ({"keep": 0}, r"keep is a share of the weights, in \(0, 1\], not 0"),
        ({"keep": 1.5}, r"in \(0, 1\], not 1.5"),
        ({"keep": -1}, r"in \(0, 1\], not -1"),
        ({"keep": "half"}, r"in \(0, 1\], not 'half'"),
        ({"keep": 0.5, "begin": -1}, "0 <= begin < end <= 1, not -1 and 0.8"),
        ({"keep": 0.5, "by": "gradient"}, "by is one of magnitude, movement, not 'gradient'"),
        ({"keep": 0.5, "begin": 0.5, "end": 0.5}, "0 <= begin < end <= 1, not 0.5 and 0.5"),
        ({"keep": 0.5, "end": 1.5}, "0 <= begin < end <= 1, not 0.1 and 1.5"),
        ({"keep": 0.5, "updates": 0}, "updates must be a whole number from 1"),
    ):
        with pytest.raises(KbertError, match=message):
            PruneWeights(model, **arguments)
    for takes in (lambda model: PruneWeights(model, 0.5), merge_pruning, share_of_zeros):
        with pytest.raises(KbertError, match="expected a model of kbert, not a str"):
            takes("model.keras")
    with pytest.raises(KbertError, match="weights are int8, and PruneWeights takes floats"):
        PruneWeights(kbert.quantize(model), 0.5)
    with pytest.raises(KbertError, match="are not being pruned"):
        merge_pruning(model)
    other = BertForSequenceClassification(labels=["가", "나"], **small)
    pruning = PruneWeights(other, 0.5, "movement")
    with pytest.raises(KbertError, match="fit trains another model"):
        fit(model, pruning)
    keeps = keras.callbacks.EarlyStopping(restore_best_weights=True)
    for callback in (kbert.KeepBest(([], [])), keeps):
        with pytest.raises(KbertError, match="would restore weights of an early step"):
            fit(other, callback, pruning)
    kbert.freeze(other, layers=1)
    with pytest.raises(KbertError, match=r"encoder_layer_0.* is frozen, and what is not trained"):
        fit(other, pruning)
    for refused, *given in (
        (kbert.add_lora,),
        (kbert.quantize,),
        (kbert.prune_heads, {0: [0]}),
        (kbert.export_huggingface, tmp_path / "nowhere"),
    ):
        with pytest.raises(KbertError, match=r"being pruned .*: give kbert.merge_pruning"):
            refused(other, *given)
    with pytest.raises(KbertError, match="whose weights are being pruned, cannot be changed"):
        other.with_settings(dtype="float32")
    kbert.add_lora(model)
    with pytest.raises(KbertError, match=r"has adapters .LoRA."):
        PruneWeights(model, 0.5)


def test_a_model_that_was_trained_is_compiled_anew(model):
    fit(model, epochs=1)
    pruning = PruneWeights(model, 0.5, "magnitude")
    with pytest.raises(KbertError, match="compile it anew"):
        model.fit(IDS, LABELS, callbacks=[pruning], verbose=0)
    fit(model, pruning, epochs=1)
    assert share_of_zeros(model) == pytest.approx(0.5, abs=1e-3)
