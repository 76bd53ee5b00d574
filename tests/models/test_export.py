import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.catalog import BY_TASK
from kbert.models import TASKS

BACKEND = keras.backend.backend()
ONNX_TOOL = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnxscript"}[BACKEND]


def batch(rows, length):
    rng = np.random.default_rng(length)
    mask = np.ones((rows, length), "int32")
    mask[-1, length // 2 + 1 :] = 0
    return {
        "input_ids": rng.integers(5, 40, (rows, length)).astype("int32"),
        "token_type_ids": rng.integers(0, 2, (rows, length)).astype("int32"),
        "attention_mask": mask,
    }


def assert_same(got, model, inputs, mask=None):
    """`got` is what the exported file gives, by name; with a mask what it does not mask."""
    expected = model(inputs)
    only = "sentence_embedding" if model.task == "sentence-embedding" else "logits"
    expected = expected if isinstance(expected, dict) else {only: expected}
    assert set(got) == set(expected)
    for name, tensor in expected.items():
        ours, theirs = ops.convert_to_numpy(tensor), got[name]
        if mask is not None:
            assert theirs.shape == ours.shape
            ours, theirs = ours[mask > 0], theirs[mask > 0]
        np.testing.assert_allclose(theirs, ours, atol=1e-4, rtol=0)


@pytest.mark.skipif(BACKEND != "torch", reason="onnxruntime makes it of the same file everywhere")
def test_onnx_in_int8(small, tmp_path):
    """Products by whole numbers: near the model's, and by no float kernel of its layers."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    wide = {**small, "hidden_size": 48, "intermediate_size": 64, "initializer_range": 0.1}
    model = make("encoder", wide)
    model.export(tmp_path / "int8.onnx", format="onnx", weights="int8")
    got = open_onnx(tmp_path / "int8.onnx")(batch(2, 9))["last_hidden_state"]
    expected = ops.convert_to_numpy(model(batch(2, 9))["last_hidden_state"])
    cosine = (got * expected).sum() / np.linalg.norm(got) / np.linalg.norm(expected)
    assert 0.999 < cosine < 1
    graph = onnx.load(tmp_path / "int8.onnx").graph
    products = [node.op_type for node in graph.node]
    assert products.count("MatMulInteger") >= 4 * 2
    floats = [w for w in graph.initializer if w.data_type == onnx.TensorProto.FLOAT]
    assert not [w.name for w in floats if list(w.dims) in ([48, 144], [48, 64], [64, 48])]


def test_int8_is_of_onnx_and_of_floats(small, tmp_path):
    model = make("encoder", small)
    for arguments in (("tf_saved_model", "int8"), ("onnx", "int4"), ("onnx", 8)):
        with pytest.raises(KbertError, match="weights are None, or 'int8' of ONNX"):
            model.export(tmp_path / "x", *arguments)
    with pytest.raises(KbertError, match="weights are int8, and an export takes floats"):
        kbert.quantize(model).export(tmp_path / "x.onnx", "onnx")


def make(task, small, **settings):
    labels = {"labels": ["가", "나", "다"]} if BY_TASK[task].takes_labels else {}
    return TASKS[task](**{**small, **labels, **settings})


def open_onnx(path):
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    for each in session.get_inputs():
        second = "globals" if each.name == "global_positions" else "length"
        assert (each.shape, each.type) == (["batch", second], "tensor(int32)")
    assert names == sorted(names)
    inputs = {i.name for i in session.get_inputs()}
    return lambda x: dict(
        zip(names, session.run(None, {n: x[n] for n in x if n in inputs}), strict=True)
    )


# Each writes a file, which takes seconds: a case stands for a head and for other settings at once.
CASES = {
    "pretraining": {"architecture": "mobilebert"},
    "question-answering": {"hidden_act": "gelu_new", "type_vocab_size": 0, "embedding_size": 8},
    "sequence-classification": {"hidden_act": "relu", "type_vocab_size": 1, "position_offset": 2},
    "encoder": {"num_hidden_layers": 2},
    # 14 tokens see all, and 17 see blocks: which of them, the file finds out.
    "token-classification": {"block_size": 2, "num_random_blocks": 1},
    "masked-lm": {"architecture": "deberta", "position_buckets": 8},
    "sentence-embedding": {"pooling": "weighted-mean", "normalize": True, "dense_size": 5},
}


@pytest.mark.parametrize("task", CASES)
def test_an_onnx_file_gives_the_same_in_onnx_runtime(task, small, tmp_path):
    pytest.importorskip(ONNX_TOOL)
    model = make(task, small, **{"num_hidden_layers": 1, **CASES[task]})
    model.export(tmp_path / "model.onnx", format="onnx")
    run = open_onnx(tmp_path / "model.onnx")
    longest = getattr(model, "bert", model).max_length
    for rows, length in ((2, 7), (1, 1), (3, longest)):
        inputs = batch(rows, length)
        assert_same(run(inputs), model, inputs)
    with pytest.raises(Exception, match="ONNXRuntimeError"):  # and not some other numbers
        run(batch(1, longest + 1))


def test_a_modernbert_in_onnx_runtime(small, tmp_path):
    """Turned positions and windows at any length. (No table of positions bounds a row there.)"""
    pytest.importorskip(ONNX_TOOL)
    modern = {"architecture": "modernbert", "local_attention": 4}
    model = make("sequence-classification", small, **modern)
    model.export(tmp_path / "model.onnx", format="onnx")
    run = open_onnx(tmp_path / "model.onnx")
    for rows, length in ((2, 7), (1, 1), (3, 17)):
        inputs = batch(rows, length)
        assert_same(run(inputs), model, inputs)


def longformer(task, small):
    """Rows of up to 300 tokens, which it computes in blocks where they are longer than 192."""
    sizes = {"max_position_embeddings": 300, "num_hidden_layers": 1, "type_vocab_size": 1}
    return make(task, small, **sizes, attention_window=2, global_attention=True)


def assert_a_longformer_runs(run, model):
    for rows, length in ((2, 7), (1, 1), (3, 220)):
        inputs = batch(rows, length)
        del inputs["token_type_ids"]
        mask = None
        if model.task == "question-answering":
            places = [[0, 3, 5]] * (rows - 1) + [[0, -1, -1]]
            inputs["global_positions"] = np.array(places, "int32")
            mask = inputs["attention_mask"]  # padding sees nothing: what it gives means nothing
        assert_same(run(inputs), model, inputs, mask)


# Questions say which tokens are global; where rows are classified the file itself has [CLS] so.
@pytest.mark.parametrize("task", ["question-answering", "sequence-classification"])
def test_a_longformer_in_onnx_runtime(task, small, tmp_path):
    pytest.importorskip(ONNX_TOOL)
    model = longformer(task, small)
    model.export(tmp_path / "model.onnx", format="onnx")
    assert_a_longformer_runs(open_onnx(tmp_path / "model.onnx"), model)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch writes no SavedModel")
def test_a_longformer_in_tensorflow(small, tmp_path):
    tf = pytest.importorskip("tensorflow")
    model = longformer("question-answering", small)
    model.export(tmp_path / "saved")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert_a_longformer_runs(lambda x: {n: t.numpy() for n, t in loaded.serve(x).items()}, model)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch writes no SavedModel")
@pytest.mark.parametrize("task", ["encoder", "token-classification", "masked-lm"])
def test_a_saved_model_gives_the_same_in_tensorflow(task, small, tmp_path):
    tf = pytest.importorskip("tensorflow")
    deberta = CASES["masked-lm"] if task == "masked-lm" else {}
    model = make(task, small, num_hidden_layers=1, **deberta)
    model.export(tmp_path / "saved")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    for rows, length in ((2, 7), (1, 1), (3, model.get_config()["max_position_embeddings"])):
        inputs = batch(rows, length)
        if deberta:  # which has no segments
            del inputs["token_type_ids"]
        assert_same({n: t.numpy() for n, t in loaded.serve(inputs).items()}, model, inputs)
    tensors = {name: tf.constant(array) for name, array in inputs.items()}
    served = loaded.signatures["serving_default"](**tensors)  # what TensorFlow Serving runs
    assert_same({n: t.numpy() for n, t in served.items()}, model, inputs)


def test_what_cannot_be_exported(small, tmp_path, monkeypatch):
    model = kbert.BertForMaskedLM(**small)
    with pytest.raises(KbertError, match="format is one of tf_saved_model, onnx, not 'litert'"):
        model.export(tmp_path / "model", format="litert")
    with pytest.raises(KbertError, match=r"ends in \.onnx, not 'model'"):
        model.export(tmp_path / "model", format="onnx")
    with pytest.raises(KbertError, match=r"nowhere.model\.onnx is in no folder that exists"):
        model.export(tmp_path / "nowhere" / "model.onnx", format="onnx")
    broken = kbert.Bert(**small)
    broken.pooler.dense.bias.assign(np.full(12, np.inf))
    with pytest.raises(KbertError, match=r"pooler/dense/bias holds NaN or infinity, of which no i"):
        broken.export(tmp_path / "model.onnx", format="onnx", weights="int8")
    half = kbert.BertForMaskedLM(**small, dtype="mixed_bfloat16")
    with pytest.raises(KbertError, match="in float32, and this one is mixed_bfloat16"):
        half.export(tmp_path / "model.onnx", format="onnx")
    expected = "cannot be written from PyTorch" if BACKEND == "torch" else "a folder, not the file"
    with pytest.raises(KbertError, match=expected):
        model.export(tmp_path / "model.onnx")
    monkeypatch.setattr("kbert.models.export.find_spec", lambda name: None)
    with pytest.raises(KbertError, match=rf"needs {ONNX_TOOL}: `pip install -e .*\[onnx"):
        model.export(tmp_path / "model.onnx", format="onnx")
    monkeypatch.setattr(type(model), "count_params", lambda self: 2**29)
    with pytest.raises(KbertError, match="weights are 2,147,483,648 bytes"):
        model.export(tmp_path / "model.onnx", format="onnx")
    assert not list(tmp_path.iterdir())
