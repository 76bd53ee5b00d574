import keras
import numpy as np
import pytest

from kbert import BertForMaskedLM, BertForSequenceClassification, KbertError, TextClassifier


@pytest.fixture
def classifier(small, tokenizer):
    def made(problem_type="single_label_classification", labels=("부정", "중립", "긍정")):
        model = BertForSequenceClassification(labels=labels, problem_type=problem_type, **small)
        model.tokenizer = tokenizer
        return model

    return made


def logits_of(model, texts, pairs=None) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(model.tokenizer(texts, pairs)))


def test_scores_are_the_softmax_in_the_labels_order(classifier):
    model = classifier()
    texts = ["축구는 정말 재미있다.", "국회", "국민의 경기"]
    logits = logits_of(model, texts)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(TextClassifier(model).scores(texts), expected, atol=2e-6)
    for answer, row in zip(TextClassifier(model)(texts), expected, strict=True):
        assert answer["label"] == model.labels[row.argmax()]
        assert answer["score"] == pytest.approx(row.max(), abs=2e-6)
        assert [*answer["scores"]] == [model.labels[i] for i in np.argsort(-row)]
        assert sum(answer["scores"].values()) == pytest.approx(1)


def test_several_labels_are_each_for_itself(classifier):
    model = classifier("multi_label_classification")
    logits = logits_of(model, ["국회"])[0]
    expected = 1 / (1 + np.exp(-logits))
    threshold = float(np.sort(expected)[1]) - 1e-4  # between the least and the middle one
    answer = TextClassifier(model)("국회", threshold=threshold)
    assert sorted(answer["labels"]) == sorted(
        name for name, score in zip(model.labels, expected, strict=True) if score > threshold
    )
    assert answer["scores"]["부정"] == pytest.approx(expected[0], abs=2e-6)
    assert len(answer["labels"]) == 2


def test_a_quantity_is_a_number(classifier):
    model = classifier("regression", ["점수"])
    assert TextClassifier(model)("국회") == {
        "score": pytest.approx(float(logits_of(model, ["국회"])[0, 0]), abs=2e-6)
    }


def test_pairs_are_read_together(classifier):
    model = classifier()
    pairs = TextClassifier(model).scores(["국회", "나"], ["경기", "너"])
    logits = logits_of(model, ["국회", "나"], ["경기", "너"])
    np.testing.assert_allclose(
        np.log(pairs)[:, 1] - np.log(pairs)[:, 0], logits[:, 1] - logits[:, 0], atol=1e-5
    )
    assert TextClassifier(model)("국회", "경기")["score"] == pytest.approx(pairs[0].max(), abs=1e-6)
    assert TextClassifier(model)([]) == []


def test_other_models_and_lists_that_do_not_pair_are_refused(classifier, small, tokenizer):
    masked = BertForMaskedLM(**small)
    masked.tokenizer = tokenizer
    with pytest.raises(KbertError, match="got a BertForMaskedLM; load it with"):
        TextClassifier(masked)
    with pytest.raises(KbertError, match="do not pair"):
        TextClassifier(classifier())(["국회", "나"], ["경기"])


def test_texts_of_nothing_have_no_label(classifier):
    classify = TextClassifier(classifier())
    for empty in ("", " \n", "\u200b"):
        with pytest.raises(KbertError, match=r"^texts\[1\] holds nothing that the model reads: '"):
            classify(["나", empty])
        with pytest.raises(KbertError, match=r"^pairs\[0\] holds nothing"):
            classify("나", empty)
        with pytest.raises(KbertError, match=r"^texts\[0\] holds nothing"):
            classify(empty)
    assert len(classify(["?!", "쀍"])) == 2  # which is read, as [UNK] at least
    assert classify.scores(["", "나"]).shape == (2, 3)  # as an official set's rows are counted


def test_what_is_cut_is_told(classifier, caplog):
    """17 tokens at most, [CLS] and [SEP] among them; three in a pair."""
    classify = TextClassifier(classifier())
    classify(["나 " * 15, "나"])  # which just fits
    classify(["나 " * 5], ["나 " * 9])
    classify.scores(["나 " * 16])  # of an evaluation, while a model is trained
    assert not caplog.messages
    classify(["나 " * 15, "나 " * 16, "나", "나 " * 40])
    classify("나 " * 5, "나 " * 10)
    assert caplog.messages == [
        "texts of more than 17 tokens are cut off at the end: 2 of 4, the longest of 42; "
        "the model reads no more",
        "pairs of texts of more than 17 tokens are cut off at the end: 1 of 1, the longest of 18; "
        "the model reads no more",
    ]


@pytest.mark.parametrize("threshold", [5, -0.1, float("nan"), "0.5", None])
def test_thresholds_that_are_no_probability(classifier, threshold):
    with pytest.raises(KbertError, match=r"threshold is a probability in \[0, 1\], not"):
        TextClassifier(classifier())("국회", threshold=threshold)
