"""Google's own checkpoints: written here by TensorFlow, read without it."""

import json

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.formats.readers.tensorflow import open_tensorflow
from tests.conftest import WORDS

pytestmark = pytest.mark.once  # a file's reading is the same on every backend
tf = pytest.importorskip("tensorflow")

CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 12,
    "initializer_range": 0.02,
    "intermediate_size": 20,
    "max_position_embeddings": 17,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": 40,
}
INPUTS = {
    "input_ids": np.array([[2, 5, 9, 3, 8, 3], [2, 7, 3, 0, 0, 0]], "int32"),
    "token_type_ids": np.array([[0, 0, 0, 0, 1, 1], [0] * 6], "int32"),
    "attention_mask": np.array([[1] * 6, [1, 1, 1, 0, 0, 0]], "int32"),
}


def variables(model):
    """A model's weights by the names and in the shapes of google-research/bert, modeling.py."""
    bert, found = model.bert, {}

    def dense(name, layer):
        found[f"{name}/kernel"], found[f"{name}/bias"] = layer.kernel, layer.bias

    def norm(name, layer):
        found[f"{name}/gamma"], found[f"{name}/beta"] = layer.gamma, layer.beta

    tables = bert.embeddings
    found["bert/embeddings/word_embeddings"] = tables.token_table
    found["bert/embeddings/position_embeddings"] = tables.position_table
    found["bert/embeddings/token_type_embeddings"] = tables.segment_table
    norm("bert/embeddings/LayerNorm", tables.layer_norm)
    for i, layer in enumerate(bert.encoder_layers):
        name, attend = f"bert/encoder/layer_{i}", layer.self_attention
        kernels = np.split(ops.convert_to_numpy(attend.query_key_value.kernel), 3, axis=1)
        biases = np.split(ops.convert_to_numpy(attend.query_key_value.bias), 3)
        for part, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            found[f"{name}/attention/self/{part}/kernel"] = kernel
            found[f"{name}/attention/self/{part}/bias"] = bias
        dense(f"{name}/attention/output/dense", attend.output_projection)
        norm(f"{name}/attention/output/LayerNorm", layer.attention_norm)
        dense(f"{name}/intermediate/dense", layer.feed_forward.widen)
        dense(f"{name}/output/dense", layer.feed_forward.narrow)
        norm(f"{name}/output/LayerNorm", layer.feed_forward_norm)
    dense("bert/pooler/dense", bert.pooler.dense)
    dense("cls/predictions/transform/dense", model.mlm.transform)
    norm("cls/predictions/transform/LayerNorm", model.mlm.layer_norm)
    found["cls/predictions/output_bias"] = model.mlm.bias
    found["cls/seq_relationship/output_weights"] = np.transpose(
        ops.convert_to_numpy(model.nsp.dense.kernel)
    )
    found["cls/seq_relationship/output_bias"] = model.nsp.dense.bias
    return {name: ops.convert_to_numpy(weight) for name, weight in found.items()}


def write(folder, arrays):
    """What google-research/bert, run_pretraining.py, leaves: weights, moments, and a step."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in arrays.items():
            tf.compat.v1.get_variable(name, initializer=array)
            for moment in ("adam_m", "adam_v"):
                tf.compat.v1.get_variable(f"{name}/{moment}", initializer=array * 0 + 9)
        tf.compat.v1.train.get_or_create_global_step()
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "bert_model.ckpt"))
    (folder / "bert_config.json").write_text(json.dumps(CONFIG))
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model():
    return kbert.BertForPreTraining(**{**CONFIG, "initializer_range": 0.3})


@pytest.fixture
def folder(model, tmp_path):
    return write(tmp_path, variables(model))


def test_it_computes_what_was_written(model, folder):
    loaded = kbert.load(folder)
    assert type(loaded) is kbert.BertForPreTraining and loaded.load_report == ((), (), ())
    assert loaded.get_config()["initializer_range"] == 0.02
    assert loaded.tokenizer.vocabulary == WORDS
    for name, logits in model(INPUTS).items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(loaded(INPUTS)[name]), ops.convert_to_numpy(logits), atol=1e-6
        )
    labelled = kbert.load(folder, "sequence-classification", ["가", "나"])
    assert labelled.load_report.new == ("classifier.dense",)


def test_its_tensors_are_those_that_tensorflow_reads(folder):
    found, theirs = (
        open_tensorflow(folder / "bert_model.ckpt.index"),
        tf.train.load_checkpoint(str(folder / "bert_model.ckpt")),
    )
    shapes = theirs.get_variable_to_shape_map()
    assert {name: list(tensor.shape) for name, tensor in found.items()} == shapes
    assert len(found) > 120 and found["global_step"].dtype == "I64"
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor.read(), theirs.get_tensor(name))


def test_without_heads_it_is_an_encoder(model, tmp_path):
    own = {name: array for name, array in variables(model).items() if name.startswith("bert/")}
    write(tmp_path, own)
    assert type(kbert.load(tmp_path)) is kbert.Bert
    words = kbert.load(tmp_path, "masked-lm")
    assert "mlm.transform" in words.load_report.new


def test_numbers_of_16_bits(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        numbers = tf.constant([0.5, -2.0, 3e38])
        tf.compat.v1.get_variable("a", initializer=tf.cast(numbers, tf.bfloat16))
        tf.compat.v1.get_variable("b", initializer=tf.cast(numbers[:2], tf.float16))
        tf.compat.v1.get_variable("text", initializer=tf.constant("국회"))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "x.ckpt"))
    found = open_tensorflow(tmp_path / "x.ckpt.index")
    assert set(found) == {"a", "b"}  # a text is no weight
    np.testing.assert_allclose(found["a"].read(), [0.5, -2, 3e38], rtol=2**-8)
    assert found["b"].read().tolist() == [0.5, -2]


def without(name):
    return lambda folder: (folder / name).unlink()


def shorter(name, count):
    def change(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:-count])

    return change


def replaced(old, new):
    def change(folder):
        path = folder / "bert_model.ckpt.index"
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))

    return change


DATA = "bert_model.ckpt.data-00000-of-00001"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("bert_config.json"), "has no config.json; expected .* or one of Google's"),
        (without("bert_model.ckpt.index"), "bert_model.ckpt.index; it has none"),
        (without(DATA), f"lacks {DATA}, which belongs to bert_model.ckpt.index"),
        (shorter(DATA, 1), "takes .* bytes; the entry says"),
        (shorter("bert_model.ckpt.index", 1), "not an index of a TensorFlow checkpoint"),
        (replaced(b"bert/embeddings/LayerNorm/beta", b"bert/embeddings/LayerNorm/Beta"), "lacks"),
        (
            lambda folder: (folder / "b.ckpt.index").write_bytes(b""),
            "it has b.ckpt.index, bert_model.ckpt.index",
        ),
        (
            lambda folder: (folder / "bert_config.json").write_text(
                json.dumps({**CONFIG, "num_hidden_layers": 10**9})
            ),
            "asks for 1000000000 layers",
        ),
    ],
)
def test_what_is_damaged_is_refused(change, message, folder):
    change(folder)
    with pytest.raises(KbertError, match=message):
        kbert.load(folder)


def test_accidents_in_an_index(folder):
    """Each of 400 is refused by a KbertError, or read as tensors within the files."""
    path = folder / "bert_model.ckpt.index"
    data, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path.write_bytes(bytes(changed))
        try:
            found = open_tensorflow(path)
            assert all(tensor.read().shape == tensor.shape for tensor in found.values())
        except KbertError:
            refused += 1
    assert refused > 100


def varint(number):
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def test_names_that_grow_without_end(tmp_path):
    """Each is the one before it and a byte more: together a thousand times the file."""
    entries = b"".join(varint(i) + b"\x01\x00a" for i in range(20_000))
    block = entries + bytes(4) + (1).to_bytes(4, "little")
    handle = varint(0) + varint(len(block))
    listing = b"\x00\x01" + varint(len(handle)) + b"z" + handle + bytes(4)
    listing += (1).to_bytes(4, "little")
    begin = len(block) + 5
    footer = b"\x00\x00" + varint(begin) + varint(len(listing))
    path = tmp_path / "x.ckpt.index"
    magic = bytes.fromhex("57fb808b247547db")
    path.write_bytes(block + bytes(5) + listing + bytes(5) + footer.ljust(40, b"\x00") + magic)
    with pytest.raises(KbertError, match="a name or an entry that is too long"):
        open_tensorflow(path)
