import random
import unicodedata

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError, Tokenizer
from kbert.formats.tensorflow_text import GraphTokenizer, export_with_tokenizer
from kbert.text.korean.jamo import JAMO_TOKENS

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")
BACKEND = keras.backend.backend()
once = pytest.mark.once  # a tokenizer alone knows of no backend

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 ##는 한다 漢 字 ##字 abc ##c é e · · ㅋㅋ".split()


def assert_same_rows(got, expected):
    assert set(got) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name].numpy(), array)
        assert got[name].dtype == tf.int32


def characters(seed, count):
    """Strings of Hangul, of other scripts and signs, and of any character of Unicode."""
    rng = random.Random(seed)
    spans = [(0xAC00, 0xD7A4), (0x1100, 0x1200), (0x3130, 0x318F), (0x20, 0x7F), (0xA0, 0x250)]
    spans += [(0x300, 0x320), (0x2000, 0x2070), (0x4E00, 0x9FFF), (0, 0x20), (0xE000, 0x110000)]

    def piece():
        low, high = rng.choice(spans)
        return "".join(chr(rng.randrange(low, high)) for _ in range(3)) + rng.choice(["", " "])

    return ["".join(piece() for _ in range(8)) for _ in range(count)]


SETTINGS = {  # each setting in both of its states at least once
    "as it is": {},
    "uncased": {"lowercase": True, "strip_accents": None, "split_cjk": False},
    "ours": {"lowercase": True, "rules": ["middle_dots", "fillers", "width"]},
    "jamo": {"form": "NFKD"},
    "fallback": {"jamo_fallback": True},
}


@once
@pytest.mark.parametrize("name", SETTINGS)
def test_same_ids_on_random_strings(name):
    texts = characters(len(name), 2000)
    whole = "".join(texts)
    letters = sorted({c for f in ("NFC", "NFKD") for c in unicodedata.normalize(f, whole.lower())})
    words = [*WORDS[:5], *letters, *(f"##{letter}" for letter in letters), *JAMO_TOKENS]
    tokenizer = Tokenizer(dict.fromkeys(words), **SETTINGS[name])
    texts += [unicodedata.normalize("NFD", text) for text in texts[:200]]
    texts += ["", " ", "[MASK]", "가" * 100, "가" * 101, "[MASK]가[SEP][MASK", "a[UNK]a", "\0a\0"]
    expected = tokenizer.encode(texts)
    known = sum(index != tokenizer.unk_id for ids in expected for index in ids)
    assert known > 0.5 * sum(map(len, expected))
    in_graph = GraphTokenizer(tokenizer, 24)
    assert in_graph.encode(texts).to_list() == expected
    assert_same_rows(in_graph(texts), tokenizer(texts, max_length=24))
    assert_same_rows(in_graph(texts, texts[::-1]), tokenizer(texts, texts[::-1], max_length=24))


@once
def test_rows_in_a_dataset(tokenizer):
    texts, pairs = (
        ["국민에게 축구는", "나", "", "나 너 우리 나 너"],
        ["너", "국민에게 [MASK]", "", "나"],
    )
    in_graph = GraphTokenizer(tokenizer, 6)
    dataset = tf.data.Dataset.from_tensor_slices((texts, pairs)).batch(4).map(in_graph)
    assert_same_rows(next(iter(dataset)), tokenizer(texts, pairs, max_length=6))
    assert_same_rows(in_graph(texts), tokenizer(texts, max_length=6))
    assert in_graph(tf.zeros([0], tf.string))["input_ids"].shape == (0, 0)


@once
def test_special_tokens_of_other_models():
    names = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    words = "<s> <pad> </s> <unk> 국회 ##에 <mask> [E.1] [E".split()
    tokenizer = Tokenizer(
        words, special_tokens=names, roberta_pairs=True, added_tokens=["[E", "[E.1]"]
    )
    texts = ["국회<mask>에 [E.1]국회", "[E 국회", "[Ex1]"]
    in_graph = GraphTokenizer(tokenizer, 8)
    assert_same_rows(in_graph(texts), tokenizer(texts))
    assert_same_rows(in_graph(texts, texts[::-1]), tokenizer(texts, texts[::-1], max_length=8))


@once
def test_bytes_that_are_no_text_are_dropped(tokenizer):
    assert GraphTokenizer(tokenizer).encode(
        [b"\xff\xea\xb5 \xed\xa0\x80", "국회".encode()]
    ).to_list() == [
        [],
        tokenizer.encode(["국회"])[0],
    ]


def test_what_has_no_form_in_the_graph(tokenizer, small, tmp_path, monkeypatch):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁국회"]
    with pytest.raises(KbertError, match="unigram"):
        GraphTokenizer(Tokenizer(pieces, scores=[0.0] * 6))
    words = [*tokenizer.vocabulary, "COVID-19"]
    for token in ("COVID-19", {"content": "COVID-19", "normalized": False, "single_word": True}):
        with pytest.raises(KbertError, match="'COVID-19' has no form in the graph"):
            GraphTokenizer(Tokenizer(words, lowercase=True, added_tokens=[token]))
    with pytest.raises(KbertError, match="max_length 2 leaves no room"):
        GraphTokenizer(tokenizer, 2)
    with pytest.raises(KbertError, match="max_length 4 leaves no room"):
        GraphTokenizer(tokenizer, 4)(["나"], ["너"])
    model = kbert.BertForMaskedLM(**small)
    with pytest.raises(KbertError, match="no tokenizer to export"):
        export_with_tokenizer(model, tmp_path / "served")
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match=r"a folder, not the file 'served\.keras'"):
        export_with_tokenizer(model, tmp_path / "served.keras")
    longformer = {"attention_window": 2, "global_attention": True}
    questions = kbert.BertForQuestionAnswering(**small, **longformer)
    questions.tokenizer = tokenizer
    with pytest.raises(KbertError, match="takes global_positions, which no tokenizer in a graph"):
        export_with_tokenizer(questions, tmp_path / "served")
    if BACKEND == "torch":
        with pytest.raises(KbertError, match="cannot be written from PyTorch"):
            export_with_tokenizer(model, tmp_path / "served")
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_text", None)
    with pytest.raises(KbertError, match=r"\[tensorflow-text\]"):
        GraphTokenizer(tokenizer)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch writes no SavedModel")
def test_a_saved_model_takes_texts(tokenizer, small, tmp_path):
    model = kbert.BertForSequenceClassification(
        **{**small, "num_hidden_layers": 1}, labels=["가", "나"]
    )
    model.tokenizer = tokenizer
    export_with_tokenizer(model, tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    texts, pairs = ["국민에게 축구는 정말 재미있다. " * 5, "나", "[MASK]"], ["너", "국회에", ""]
    for name, inputs in (("serving_default", [texts]), ("pair", [texts, pairs])):
        tensors = dict(zip(("text", "pair"), map(tf.constant, inputs), strict=False))
        got = served[name](**tensors)
        rows = tokenizer(*inputs, max_length=model.max_length)
        assert set(got) == {"logits", "input_ids"}
        np.testing.assert_array_equal(got["input_ids"], rows["input_ids"])
        expected = ops.convert_to_numpy(model(rows))
        np.testing.assert_allclose(got["logits"], expected, atol=1e-4, rtol=0)


@once
@pytest.mark.real_data
@pytest.mark.parametrize("name", ["klue-bert-base", "kr-bert-subchar12367"])
def test_real_text_with_real_vocabularies(real_data, name):
    form = "NFKD" if "subchar" in name else "NFC"
    tokenizer = Tokenizer.from_file(real_data / "vocabs" / f"{name}.vocab.txt", form=form)
    in_graph = GraphTokenizer(tokenizer)
    for file in sorted((real_data / "heldout").glob("*.txt")):
        lines = file.read_text(encoding="utf-8").split("\n")
        assert in_graph.encode(lines).to_list() == tokenizer.encode(lines)
