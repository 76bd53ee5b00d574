import numpy as np
import pytest
from keras import ops

from kbert import Bert, BertForSequenceClassification, CrossEncoder, KbertError

TEXTS = ["국회는 법률을 의결한다.", "축구는 정말", "나", "국회에 국민의 축구 경기"]


def made(small, tokenizer, labels, **settings):
    model = BertForSequenceClassification(labels=labels, **settings, **small)
    model.tokenizer = tokenizer
    return model


def logits(model, query, text):
    inputs = dict(model.tokenizer([query], [text], max_length=model.max_length))
    return ops.convert_to_numpy(model(inputs))[0].astype(float)


@pytest.mark.parametrize("label", [None, "0", "1"])
def test_two_labels(small, tokenizer, label):
    model = made(small, tokenizer, ["0", "1"])
    expected = []
    for text in TEXTS:
        zero, one = logits(model, "나 너", text)
        expected.append(1 / (1 + np.exp((one - zero) * (1 if label == "0" else -1))))
    reranker = CrossEncoder(model, label)
    found = reranker.scores(["나 너"] * 4, TEXTS)
    assert found.shape == (4,) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    ranked = reranker.rank("나 너", TEXTS)
    assert [hit["index"] for hit in ranked] == np.argsort(-np.array(expected)).tolist()
    assert [hit["text"] for hit in ranked] == [TEXTS[hit["index"]] for hit in ranked]
    assert reranker.rank("나 너", TEXTS, top_k=2) == ranked[:2]


def test_regression_gives_its_number(small, tokenizer):
    model = made(small, tokenizer, ["유사도"], problem_type="regression")
    expected = [logits(model, "너", text)[0] for text in TEXTS]
    np.testing.assert_allclose(CrossEncoder(model).scores(["너"] * 4, TEXTS), expected, atol=1e-5)


def test_of_more_labels_one_is_named(small, tokenizer):
    model = made(small, tokenizer, ["함의", "중립", "모순"])
    with pytest.raises(KbertError, match="the labels 함의, 중립, 모순: name the one"):
        CrossEncoder(model)
    with pytest.raises(KbertError, match="label is one of 함의, 중립, 모순, not '관련'"):
        CrossEncoder(model, "관련")
    values = np.exp(logits(model, "나", TEXTS[0]))
    found = CrossEncoder(model, "함의").scores("나", TEXTS[0])
    np.testing.assert_allclose(found, [values[0] / values.sum()], atol=1e-5)


def test_equal_scores_keep_their_order(small, tokenizer):
    """With a head of zeros every pair has one half."""
    model = made(small, tokenizer, ["0", "1"])
    for weight in model.classifier.weights:
        weight.assign(np.zeros(weight.shape))
    reranker = CrossEncoder(model)
    ranked = reranker.rank("나", TEXTS)
    assert [(hit["index"], hit["score"]) for hit in ranked] == [(i, 0.5) for i in range(4)]
    assert reranker.rank("나", []) == []


def test_what_is_cut_is_told(small, tokenizer, caplog):
    CrossEncoder(made(small, tokenizer, ["0", "1"])).rank("나", ["너", "너 " * 14])
    assert caplog.messages == [
        "pairs of texts of more than 17 tokens are cut off at the end: 1 of 2, the longest of 18; "
        "the model reads no more"
    ]


def test_what_is_refused(small, tokenizer):
    with pytest.raises(KbertError, match=r"CrossEncoder takes a .* and got a Bert"):
        CrossEncoder(Bert(**small))
    reranker = CrossEncoder(made(small, tokenizer, ["0", "1"]))
    with pytest.raises(KbertError, match="1 first text and 2 second texts do not pair"):
        reranker.scores(["나"], TEXTS[:2])
    with pytest.raises(TypeError, match=r"texts\[1\] is None"):
        reranker.rank("나", ["너", None])
    with pytest.raises(KbertError, match="query is empty"):
        reranker.rank(" ", TEXTS)
    with pytest.raises(KbertError, match=r"texts\[1\] holds nothing"):
        reranker.rank("나", ["너", ""])
    with pytest.raises(TypeError, match="query is a text"):
        reranker.rank(["나"], TEXTS)
    with pytest.raises(KbertError, match="top_k must be"):
        reranker.rank("나", TEXTS, top_k=0)
