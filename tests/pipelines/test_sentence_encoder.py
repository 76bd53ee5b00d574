import logging

import numpy as np
import pytest
from keras import ops

from kbert import (
    ApproximateIndex,
    Bert,
    KbertError,
    SentenceBert,
    SentenceEncoder,
    SentenceIndex,
)
from kbert.models.fingerprint import fingerprint
from kbert.pipelines import sentence_encoder

TEXTS = [
    "국회는 법률을 의결한다.",
    "축구는 정말",
    "나",
    "국회에 국민의 축구 경기",
    "정말 재미있다",
    "너 우리 는다 법률",
]


@pytest.fixture
def model(small, tokenizer):
    model = SentenceBert(**{**small, "hidden_size": 24})
    model.tokenizer = tokenizer
    return model


@pytest.fixture
def encoder(model):
    return SentenceEncoder(model)


def alone(model, text):
    """A text's vector without padding or company."""
    inputs = dict(model.tokenizer([text], max_length=model.max_length))
    return ops.convert_to_numpy(model(inputs))[0]


def cosine(a, b):
    a, b = a.astype(float), b.astype(float)
    return a @ b / np.sqrt((a @ a) * (b @ b))


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_each_text_has_its_own_vector_in_the_order_of_the_texts(model, encoder, batch_size):
    found = encoder.encode(TEXTS, batch_size=batch_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [alone(model, text) for text in TEXTS], atol=3e-6)
    np.testing.assert_allclose(encoder.encode(TEXTS[2]), [alone(model, TEXTS[2])], atol=3e-6)
    assert encoder.encode([]).shape == (0, 24)


def test_length_one_and_precisions(encoder):
    raw, ones = encoder.encode(TEXTS), encoder.encode(TEXTS, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(ones, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(ones * np.linalg.norm(raw, axis=1, keepdims=True), raw, atol=1e-5)
    half = encoder.encode(TEXTS, precision="float16")
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, raw, atol=2e-3)
    whole = encoder.encode(TEXTS, precision="int8")
    expected = np.rint(raw / np.abs(raw).max(axis=1, keepdims=True) * 127)
    assert whole.dtype == np.int8 and np.abs(whole - expected).max() <= 1
    bits = encoder.encode(TEXTS, precision="binary")
    assert bits.shape == (6, 3) and bits.dtype == np.uint8
    np.testing.assert_array_equal(np.unpackbits(bits, axis=1), raw > 0)


def test_long_texts_by_windows_by_hand(model, encoder):
    """17 tokens at most: 15 of a text in a window, of which 3 are of the one before."""
    long = "국회 법률 경기 나 너 " * 7  # 35 tokens: 15, 12 more, 8 more
    ids = model.tokenizer.encode([long])[0]
    assert len(ids) == 35
    parts = [ids[:15], ids[12:27], ids[24:]]
    cls, sep = model.tokenizer.cls_id, model.tokenizer.sep_id
    windows = [
        ops.convert_to_numpy(model({"input_ids": np.array([[cls, *part, sep]])}))[0].astype(float)
        for part in parts
    ]
    mean = sum(len(part) * window for part, window in zip(parts, windows, strict=True)) / 41
    lengths = [len(p) * np.linalg.norm(w) for p, w in zip(parts, windows, strict=True)]
    expected = mean / np.linalg.norm(mean) * sum(lengths) / 41
    found = encoder.encode([TEXTS[0], long, TEXTS[1]])
    np.testing.assert_allclose(found[1], expected, atol=3e-6)
    np.testing.assert_allclose(found[::2], [alone(model, t) for t in TEXTS[:2]], atol=3e-6)
    cut = encoder.encode([TEXTS[0], long], long_texts="cut")
    np.testing.assert_allclose(cut[1], windows[0], atol=3e-6)


def test_windows_of_a_model_whose_vectors_have_length_one(small, tokenizer):
    model = SentenceBert(normalize=True, **small)
    model.tokenizer = tokenizer
    found = SentenceEncoder(model).encode(["국회 법률 경기 나 너 " * 7, "나"])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_similarity_of_texts_and_of_vectors(model, encoder):
    vectors = [alone(model, text) for text in TEXTS]
    expected = [[cosine(a, b) for b in vectors[2:]] for a in vectors[:2]]
    for a in (TEXTS[:2], encoder.encode(TEXTS[:2]), 5 * encoder.encode(TEXTS[:2])):
        np.testing.assert_allclose(encoder.similarity(a, TEXTS[2:]), expected, atol=1e-6)
    int8 = encoder.encode(TEXTS, precision="int8")
    np.testing.assert_allclose(encoder.similarity(int8[:2], int8[2:]), expected, atol=2e-2)
    one = encoder.similarity(TEXTS[0], TEXTS[0])
    assert one.shape == (1, 1) and one[0, 0] == pytest.approx(1)
    # Of bits, by hand: 1 less twice the share of bits that differ.
    bits = encoder.encode(TEXTS[:2], precision="binary")
    differ = np.unpackbits(bits[0] ^ bits[1]).sum()
    assert encoder.similarity(bits[:1], bits[1:])[0, 0] == pytest.approx(1 - 2 * differ / 24)


def test_search_in_texts_vectors_and_an_index(model, encoder, tmp_path):
    queries = ["국민의 법률", "너"]
    cosines = np.array(
        [[cosine(alone(model, q), alone(model, text)) for text in TEXTS] for q in queries]
    )
    order = np.argsort(-cosines, axis=1)[:, :3]
    ids = [f"faq-{i}" for i in range(6)]
    index = SentenceIndex.build(tmp_path / "a", TEXTS, encoder, ids=ids)
    bare = SentenceIndex.from_vectors(tmp_path / "b", encoder.encode(TEXTS))
    for corpus, keys in (
        (TEXTS, ["index", "score", "text"]),
        (tuple(TEXTS), ["index", "score", "text"]),
        (np.array(TEXTS, object), ["index", "score", "text"]),
        (dict.fromkeys(TEXTS).keys(), ["index", "score", "text"]),
        (encoder.encode(TEXTS), ["index", "score"]),
        (encoder.encode(TEXTS).tolist(), ["index", "score"]),
        (index, ["index", "score", "text", "id"]),
        (bare, ["index", "score"]),
    ):
        found = encoder.search(queries, corpus, top_k=3)
        assert [[hit["index"] for hit in hits] for hits in found] == order.tolist()
        scores = [[hit["score"] for hit in hits] for hits in found]
        np.testing.assert_allclose(scores, np.take_along_axis(cosines, order, 1), atol=2e-6)
        assert [*found[0][0]] == keys
        assert encoder.search(queries[1], corpus, top_k=1) == [pytest.approx(found[1][0], abs=1e-6)]
    best = int(order[0, 0])
    hit = encoder.search(queries[0], index)[0]
    assert (hit["text"], hit["id"]) == (TEXTS[best], ids[best])
    assert encoder.search([], TEXTS) == [] and encoder.search("나", []) == []


def test_search_by_a_graph_gives_the_same_hits(encoder, tmp_path):
    pytest.importorskip("faiss")
    index = SentenceIndex.build(tmp_path / "a", TEXTS, encoder, ids=list("abcdef"))
    queries = ["국민의 법률", "너"]
    assert encoder.search(queries, ApproximateIndex(index)) == encoder.search(queries, index)


def test_rank_orders_all(encoder):
    ranked = encoder.rank("국민의 법률", TEXTS)
    found = encoder.search("국민의 법률", TEXTS, top_k=6)
    assert ranked == found and sorted(hit["index"] for hit in ranked) == [*range(6)]
    assert encoder.rank("국민의 법률", TEXTS, top_k=2) == found[:2]
    assert encoder.rank("국민의 법률", []) == []


def test_an_index_of_another_model(model, small, tokenizer, encoder, tmp_path):
    index = SentenceIndex.build(tmp_path / "a", TEXTS, encoder)
    other = SentenceBert(**{**small, "hidden_size": 24, "seed": 9})
    other.tokenizer = tokenizer
    with pytest.raises(KbertError, match=f"another model .fingerprint {encoder.fingerprint}"):
        SentenceEncoder(other).search("나", index)
    narrow = SentenceBert(**small)
    narrow.tokenizer = tokenizer
    with pytest.raises(KbertError, match="vectors of 24 numbers, and the model gives 12"):
        SentenceEncoder(narrow).search("나", index)
    with pytest.raises(KbertError, match="vectors of 12 numbers"):
        SentenceEncoder(narrow).search("나", encoder.encode(TEXTS))
    assert encoder.search("나", SentenceIndex.open(tmp_path / "a"))[0]["text"] == "나"


def test_texts_of_nothing_and_of_unknown_words(encoder, caplog, tmp_path):
    for empty in ("", " \n", "\u200b"):
        with pytest.raises(KbertError, match=r"texts\[1\] holds nothing that the model reads"):
            encoder.encode(["나", empty])
    with pytest.raises(KbertError, match=r"texts\[0\] holds nothing"):
        encoder.search("", TEXTS)
    with pytest.raises(KbertError, match=r"texts\[2\] holds nothing"):
        SentenceIndex.build(tmp_path / "a", ["나", "너", ""], encoder)
    with caplog.at_level(logging.WARNING, "kbert"):
        found = encoder.encode(["나", "쀍 뷁", "똠 펲"])
    (record,) = caplog.records
    assert "2 of 3 texts hold only words" in record.getMessage() and "쀍 뷁" in record.getMessage()
    np.testing.assert_allclose(found[1], found[2], atol=1e-6)


def test_a_model_that_gives_nan(model, encoder):
    weights = model.get_weights()
    weights[0][model.tokenizer.vocabulary.index("국민")] = np.nan
    model.set_weights(weights)
    with pytest.raises(KbertError, match="the model gives NaN or infinity"):
        encoder.encode(["국민", "나"])


def test_what_is_refused(encoder, small):
    with pytest.raises(KbertError, match=r'takes a SentenceBert.*task="sentence-embedding"'):
        SentenceEncoder(Bert(**small))
    with pytest.raises(KbertError, match="the model has no vocabulary"):
        SentenceEncoder(SentenceBert(**small))
    with pytest.raises(KbertError, match="long_texts is windows or cut, not 'drop'"):
        encoder.encode(TEXTS, long_texts="drop")
    with pytest.raises(KbertError, match="precision is one of"):
        encoder.encode(TEXTS, precision="int4")
    with pytest.raises(TypeError, match=r"texts\[1\] is None"):
        encoder.encode(["나", None])
    with pytest.raises(TypeError, match="query is a text"):
        encoder.rank(["나"], TEXTS)
    with pytest.raises(KbertError, match="top_k must be"):
        encoder.search("나", TEXTS, top_k=0)
    for corpus in (5, None, iter(TEXTS), [1, [2]]):
        with pytest.raises(KbertError, match=r"corpus is no array of vectors, \(N, 24\)"):
            encoder.search("나", corpus)
    with pytest.raises(KbertError, match=r"encoder is a kbert.SentenceEncoder.model., not a Sent"):
        SentenceIndex.build("unused", TEXTS, encoder.model)
    with pytest.raises(KbertError, match=r"b\[0\] holds NaN"):
        encoder.similarity("나", np.full((2, 24), np.nan))


def test_binary_vectors_are_whole_bytes(small, tokenizer):
    model = SentenceBert(**small)  # of 12 numbers
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="whole bytes, and 12 numbers are none"):
        SentenceEncoder(model).encode(TEXTS, precision="binary")


def test_the_fingerprint_is_that_of_what_is_answered(model, small, tokenizer, tmp_path):
    import kbert

    first = fingerprint(model)
    model.save(tmp_path / "a.keras")
    assert fingerprint(kbert.load(tmp_path / "a.keras")) == first
    assert fingerprint(model.with_settings(dtype="mixed_bfloat16", remat=True)) == first
    pooled = SentenceBert.from_encoder(model, pooling="max")
    assert fingerprint(pooled) != first
    weights = model.get_weights()
    weights[-1][0] += 1e-6
    model.set_weights(weights)
    assert fingerprint(model) != first
    same = SentenceBert.from_encoder(model)
    assert fingerprint(same) == fingerprint(model)
    same.tokenizer = kbert.Tokenizer(tokenizer.vocabulary, lowercase=True)
    assert fingerprint(same) != fingerprint(model)


def test_joined_keeps_what_stands_alone():
    vectors = np.array([[1, 2], [0, 4], [3, 0], [5, 5]], np.float32)
    made = sentence_encoder.joined(vectors, np.array([0, 1, 1, 2]), np.array([9, 1, 1, 4]))
    np.testing.assert_array_equal(made[[0, 2]], vectors[[0, 3]])
    # The mean of (0, 4) and (3, 0) is (1.5, 2), of length 2.5; the mean length is 3.5.
    np.testing.assert_allclose(made[1], [1.5 * 3.5 / 2.5, 2 * 3.5 / 2.5])
