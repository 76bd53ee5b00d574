import io
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForMaskedLM, BertForSequenceClassification, KbertError, quantize
from kbert.layers.dense import Dense
from kbert.layers.quantized import Quantized, stored_as
from kbert.models import new_model
from kbert.models.fingerprint import fingerprint
from kbert.training.losses import objective
from kbert.training.optimizers import adamw

CASES = {
    "bert": {},
    "albert": {"num_hidden_groups": 1, "inner_group_num": 2, "embedding_size": 8},
    "modernbert": {"num_hidden_layers": 4, "local_attention": 4},
    "deberta": {"position_buckets": 4},
    "mobilebert": {"embedding_size": 5, "intra_bottleneck_size": 6},
}


def number(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


def matrix(weights: str, rows: list) -> Quantized:
    found = Quantized(keras.layers.Layer(), np.shape(rows), weights, "kernel")
    found.assign(np.array(rows, "float32"))
    return found


def test_int8_by_hand():
    """A row's scale is its largest number / 127; a row of zeros stays one."""
    found = matrix("int8", [[1.27, -0.634, 0.004], [0, 0, 0], [-254, 3, 1]])
    np.testing.assert_allclose(number(found.scale)[:, 0], [0.01, 1, 2], rtol=1e-6)
    assert number(found.values).tolist() == [[127, -63, 0], [0, 0, 0], [-127, 2, 0]]
    expected = [[1.27, -0.63, 0], [0, 0, 0], [-254, 4, 0]]
    np.testing.assert_allclose(number(found.floats()), expected, atol=1e-6)
    np.testing.assert_allclose(
        number(found.floats(np.array([[2, 0]]))), [[expected[2], expected[0]]], atol=1e-6
    )


def test_int4_by_hand():
    """Two a byte, the first half of a row beside the second: 16 b + a; one is left over."""
    found = matrix("int4", [[0.7, -0.3, 0.1, -0.7, 0.22], [7, 6, -5, 4, -3]])
    # 7 -3 1 -7 2: (7, -7), (-3, 2), (1, nothing)
    assert number(found.values).tolist() == [[7 - 112, -3 + 32, 1], [7 + 64, 6 - 48, -5]]
    expected = [[0.7, -0.3, 0.1, -0.7, 0.2], [7, 6, -5, 4, -3]]
    np.testing.assert_allclose(number(found.floats()), expected, atol=1e-6)


def test_int4_has_a_scale_for_64_numbers():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, 128)) * np.repeat([1, 100], 64)
    found = matrix("int4", rows)
    scale = np.abs(rows.reshape(3, 2, 64)).max(-1) / 7
    np.testing.assert_allclose(number(found.scale), scale, rtol=1e-6)
    nearest = np.round(rows.reshape(3, 2, 64) / scale[..., None]) * scale[..., None]
    np.testing.assert_allclose(number(found.floats()), nearest.reshape(3, 128), rtol=1e-5)


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_a_dense_layer_and_its_gradient(weights):
    """y = x Q + b by the whole numbers, and the gradient for x by them, too."""
    with stored_as(weights):
        dense = Dense(3)
        dense.build((None, 4))
    kernel = np.array([[7, 1, -2], [0, 7, 3], [-7, 2, 7], [5, -4, 1]], "float32")
    dense.quantized.assign(kernel.T)  # a scale of 1 in int4, and 7 / 127 in int8
    dense.bias.assign(np.array([1, 2, 3], "float32"))
    x = np.array([[1, 2, 3, 4], [0.5, 0, -1, 2]], "float32")
    np.testing.assert_allclose(number(dense.kernel), kernel, atol=0.03)
    exact = number(dense.kernel)
    for training in (False, True):
        np.testing.assert_allclose(
            number(dense(x, training=training)), x @ exact + [1, 2, 3], rtol=1e-5
        )
    assert [weight.name for weight in dense.trainable_weights] == ["bias"]
    if keras.backend.backend() == "torch":
        given = ops.convert_to_tensor(x).requires_grad_()
        dense(given, training=True).sum().backward()
        np.testing.assert_allclose(number(given.grad)[0], exact.sum(1), rtol=1e-5)


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("case", CASES)
def test_saved_and_opened_again(case, weights, small, inputs, tokenizer, tmp_path):
    architecture = case if case in ("modernbert", "deberta", "mobilebert") else "bert"
    model = new_model("masked-lm", architecture, {**small, **CASES[case]})
    model.tokenizer = tokenizer
    given = {name: array for name, array in inputs.items() if name != "masked_lm_positions"}
    fewer = quantize(model, weights)
    fewer.save(tmp_path / "fewer.keras")
    again = kbert.load(tmp_path / "fewer.keras")
    assert again.get_config()["weights"] == weights
    np.testing.assert_array_equal(number(again(given)), number(fewer(given)))
    assert fingerprint(again) == fingerprint(fewer) != fingerprint(model)
    floats = quantize(again, "float32")
    assert floats.get_config() == model.get_config()
    np.testing.assert_allclose(number(floats(given)), number(fewer(given)), atol=1e-5)
    # Floats that are whole numbers times a scale already become the same ones again.
    np.testing.assert_allclose(
        number(quantize(floats, weights)(given)), number(fewer(given)), atol=1e-4
    )
    every = [w for w in fewer.weights if w.dtype == "int8"]
    tables = 2 if case in ("albert", "mobilebert") else 1  # with the projection
    layers = len(model.bert.encoder_layers)
    assert len(every) == tables + layers * (14 if case == "mobilebert" else 4)
    task = kbert.load(tmp_path / "fewer.keras", "sequence-classification", ["가", "나"])
    np.testing.assert_array_equal(
        number(task.bert(given)["last_hidden_state"]),
        number(fewer.bert(given)["last_hidden_state"]),
    )


def test_what_it_costs_in_accuracy(small, inputs):
    wide = {**small, "hidden_size": 192, "intermediate_size": 320, "initializer_range": 0.05}
    model = Bert(**wide)
    before = number(model(inputs)["last_hidden_state"]).ravel()
    for weights, least in (("int8", 0.9999), ("int4", 0.98)):
        after = number(quantize(model, weights)(inputs)["last_hidden_state"]).ravel()
        cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
        assert least < cosine < 1


def test_the_file_is_as_much_smaller(small, tmp_path):
    wide = {**small, "hidden_size": 192, "intermediate_size": 768, "vocab_size": 3000}
    sizes = []
    for weights in ("float32", "int8", "int4"):
        quantize(Bert(**wide), weights).save(tmp_path / f"{weights}.keras")
        sizes.append((tmp_path / f"{weights}.keras").stat().st_size)
    assert sizes[0] / sizes[1] > 3.3 and sizes[0] / sizes[2] > 5


def changed(path, change) -> None:
    """Rewrites the weights of a `.keras` file, of which `change(h5)` makes others."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    members["model.weights.h5"] = buffer.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


KERNEL = "encoder_layers/encoder_layer/feed_forward/widen/vars"


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (np.zeros((20, 6), "float32"), "0", "do not fit the config"),  # floats in their place
        (np.zeros((20, 12), "int8"), "0", "do not fit the config"),  # int8 in int4's
        (np.zeros((20, 6), "int16"), "0", "holds int16"),
        (np.zeros((20, 6), "uint8"), "0", "holds uint8"),
        (np.zeros((20, 1), "int8"), "1", "do not fit the config"),  # a scale that is whole
        (np.full((20, 1), np.nan, "float32"), "1", "NaN or infinity"),
    ],
)
def test_a_file_that_was_tampered_with(small, tmp_path, data, name, message):
    path = tmp_path / "int4.keras"
    quantize(Bert(**small), "int4").save(path)
    changed(path, lambda file: None)
    kbert.load(path)

    def change(file) -> None:
        del file[f"{KERNEL}/{name}"]
        file.create_dataset(f"{KERNEL}/{name}", data=data)

    changed(path, change)
    with pytest.raises(KbertError, match=message):
        kbert.load(path)


def test_a_file_that_is_cut(small, tmp_path):
    path = tmp_path / "int4.keras"
    quantize(Bert(**small), "int4").save(path)
    whole = path.read_bytes()
    for share in (0.3, 0.7, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(KbertError):
            kbert.load(path)


def test_only_adapters_are_trained_beside_whole_numbers(small, tmp_path):
    model = quantize(BertForSequenceClassification(labels=["가", "나"], **small))
    ids = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], "int32")
    arguments = objective(model)
    if keras.backend.backend() == "tensorflow":
        arguments |= {"run_eagerly": True}
    model.compile(adamw(0.05, 9), **arguments)
    for train in (model.train_on_batch, model.fit):
        with pytest.raises(KbertError, match=r"int8, which are not trained: kbert.add_lora"):
            train(ids, np.array([0, 1]))
    kbert.add_lora(model, rank=2, feed_forward=True)
    model.compile(adamw(0.05, 9), **arguments)
    before = [np.array(number(w)) for w in model.non_trainable_weights if w.dtype == "int8"]
    for _ in range(2):
        model.train_on_batch(ids, np.array([0, 1]))
    after = [number(w) for w in model.non_trainable_weights if w.dtype == "int8"]
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.abs(number(model.bert.encoder_layers[0].feed_forward.widen.lora_kernel_b)).max() > 0
    expected = number(model(ids))
    (tmp_path / "x.keras").write_text("as it was")
    with pytest.raises(KbertError, match=r"adapters .LoRA. beside weights that are int8"):
        model.save(tmp_path / "x.keras")
    assert (tmp_path / "x.keras").read_text() == "as it was"
    merged = quantize(model, "float32")
    np.testing.assert_allclose(number(merged(ids)), expected, atol=1e-5)
    for refused in (kbert.merge_lora, lambda model: quantize(model, "int4")):
        with pytest.raises(KbertError):
            refused(model)


def test_the_head_is_trained_on_a_frozen_encoder(small):
    model = quantize(BertForSequenceClassification(labels=["가", "나"], **small))
    kbert.freeze(model)
    arguments = objective(model)
    if keras.backend.backend() == "tensorflow":
        arguments |= {"run_eagerly": True}
    model.compile(adamw(0.05, 9), **arguments)
    before = np.array(number(model.classifier.dense.kernel))
    model.train_on_batch(np.array([[2, 5, 3]]), np.array([0]))
    assert np.abs(number(model.classifier.dense.kernel) - before).max() > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_in_half_precision(small, inputs, policy):
    model = quantize(BertForMaskedLM(**small))
    expected = number(model(inputs))
    half = model.with_settings(dtype=policy)
    np.testing.assert_allclose(number(half(inputs)), expected, atol=0.1)
    assert half.get_config()["weights"] == "int8"


def test_what_is_refused(small, tokenizer):
    model = BertForMaskedLM(**small)
    with pytest.raises(KbertError, match=r"one of float32, int8, int4, not 'int3'"):
        quantize(model, "int3")
    with pytest.raises(KbertError, match="expected a model of kbert"):
        quantize(keras.layers.Layer())
    with pytest.raises(KbertError, match=r"weights are one of float32, int8, int4, not 8"):
        Bert(**small, weights=8)
    with pytest.raises(KbertError, match=r"kbert.quantize.model, 'int8'. gives"):
        model.quantize("int8")
    for weights, wrong in (("int8", np.nan), ("int4", np.inf)):
        broken = BertForMaskedLM(**small)
        kernel = broken.bert.encoder_layers[1].feed_forward.narrow.kernel
        kernel.assign(np.where(np.arange(12) == 3, wrong, number(kernel)))
        with pytest.raises(KbertError, match=rf"layer_1/feed_forward/narrow/kernel holds {wrong}"):
            quantize(broken, weights)
    fewer = quantize(model)
    fewer.tokenizer = tokenizer
    for function, *arguments in (
        (kbert.extend_vocabulary, ["국민의"]),
        (kbert.trim_vocabulary, ["국회"]),
        (kbert.reinitialize_top, 1),
        (kbert.export_huggingface, "nowhere"),
    ):
        with pytest.raises(KbertError, match=r"weights are int8, and .* takes floats"):
            function(fewer, *arguments)
