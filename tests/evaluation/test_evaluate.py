import keras
import numpy as np
import pytest

import kbert
from kbert import BertForSequenceClassification, Examples, KbertError, Tokenizer
from kbert.evaluation.ceiling import ceiling
from kbert.evaluation.evaluate import Evaluation, evaluate, shown
from kbert.evaluation.predictions import Predictions, predict_examples
from kbert.evaluation.report import write_report
from kbert.tasks.score import best_by

NAMES = ["부정", "긍정"]


def evaluated(gold, said, scores=None, **settings) -> Evaluation:
    examples = Examples(
        settings.pop("task", "sequence-classification"),
        [f"글 {i} <b>" for i in range(len(gold))],
        labels=gold,
        label_names=settings.pop("names", NAMES),
        **settings,
    )
    return Evaluation({"accuracy": 0.5}, examples, Predictions(said, scores))


def test_the_surest_mistakes_come_first():
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.05, 0.95], [0.7, 0.3]])
    found = evaluated(["긍정", "부정", "부정", "부정"], ["부정", "긍정", "긍정", "부정"], scores)
    wrong = found.errors()
    assert [each["where"] for each in wrong] == ["example 2", "example 0", "example 1"]
    assert wrong[0] == {
        "where": "example 2",
        "text": "글 2 <b>",
        "label": "부정",
        "predicted": "긍정",
        "score": pytest.approx(0.95),
    }
    assert len(found.errors(1)) == 1
    assert found.confusion().tolist() == [[1, 2], [1, 0]]


def test_what_is_wrong_depends_on_the_task():
    several = evaluated(
        [["가", "나"], ["가"]],
        [["나", "가"], []],
        np.array([[0.9, 0.8], [0.1, 0.2]]),
        problem_type="multi_label_classification",
        names=["가", "나"],
    )
    assert [each["where"] for each in several.errors()] == ["example 1"]
    numbers = evaluated([1.0, 5.0], [1.5, 2.0], problem_type="regression", names=["점수"])
    assert [each["score"] for each in numbers.errors()] == [3.0, 0.5]
    answers = evaluated(
        [[(0, "글"), (0, "글 0")], [], [(0, "글")]],
        ["글 0", "", ""],
        np.array([0.5, 0.5, 0.25]),
        task="question-answering",
        pairs=["글 0", "글", "글"],
        names=[],
    )
    assert [each["where"] for each in answers.errors()] == ["example 2"]
    for found in (several, numbers, answers):
        with pytest.raises(KbertError, match="a confusion matrix is of texts"):
            found.confusion()


def test_scores_are_shown_for_people():
    found = evaluated(["긍정"], ["긍정"])
    assert str(found) == "accuracy 50.0%"
    assert shown("mean_squared_error", 0.25) == "0.250"
    assert shown("mae", 7.5) == "7.500"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_report_is_one_page_without_foreign_code(tmp_path, language):
    scores = np.array([[0.9, 0.1], [0.4, 0.6]])
    examples = evaluated(["긍정", "긍정"], ["부정", "긍정"], scores)
    examples.examples.texts[0] = "<script>alert(1)</script>"
    write_report(examples, tmp_path / "r.html", language)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page
    assert "http" not in page and "<b>50.0%</b>" in page and ">90%<" in page
    assert ("정답" in page) == (language == "ko")
    assert f"<small>{'데이터 0' if language == 'ko' else 'example 0'}</small>" in page
    with pytest.raises(KbertError, match="language is one of ko, en"):
        write_report(examples, tmp_path / "r.html", "fr")


def test_reports_of_other_tasks(tmp_path):
    spans = evaluated(
        [[(0, 1, "PS")]], [[(0, 3, "PS")]], task="token-classification", names=["O", "B-PS", "I-PS"]
    )
    write_report(spans, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "글 (PS)" in page and "글 0 (PS)" in page
    numbers = evaluated([1.0, 5.0], [1.5, 2.0], problem_type="regression", names=["점수"])
    write_report(numbers, tmp_path / "r.html")
    assert "3.00" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_evaluate_is_what_the_model_says(small, tokenizer):
    model = BertForSequenceClassification(labels=NAMES, **small)
    model.tokenizer = tokenizer
    texts = ["국회", "축구는 정말", "나 너 우리", "경기"]
    said = [each["label"] for each in kbert.TextClassifier(model)(texts)]
    assert evaluate(model, (texts, said))["accuracy"] == 1.0
    other = [NAMES[1 - NAMES.index(name)] for name in said]
    mixed = said[:3] + other[3:]
    found = evaluate(model, (texts, mixed))
    assert found["accuracy"] == 0.75 and [each["text"] for each in found.errors()] == ["경기"]
    assert evaluate(model, (texts, [NAMES.index(name) for name in mixed])) == found


def test_words_are_those_that_have_a_label(small, tokenizer):
    """As in UD_Korean-GSD, where a full stop is a word."""
    model = kbert.BertForTokenClassification(labels=["NOUN", "PUNCT"], **small)
    model.tokenizer = tokenizer
    spans = [[(0, 2, "NOUN"), (2, 3, "PUNCT"), (4, 6, "NOUN")]]
    examples = Examples("token-classification", ["축구. 국회"], labels=spans)
    examples.label_names = model.labels
    logits = keras.ops.convert_to_numpy(model(tokenizer("축구. 국회")))[0]  # (5, 2)
    right = (logits[1:4].argmax(axis=-1) == [0, 1, 0]).sum()
    assert evaluate(model, examples)["accuracy"] == pytest.approx(right / 3)


def test_what_cannot_be_evaluated_is_refused(small, tokenizer):
    model = BertForSequenceClassification(labels=NAMES, **small)
    with pytest.raises(KbertError, match="the model has no vocabulary"):
        evaluate(model, (["국회"], ["긍정"]))
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="examples need labels"):
        evaluate(model, ["국회"])
    words = kbert.BertForMaskedLM(**small)
    words.tokenizer = tokenizer
    with pytest.raises(KbertError, match="'masked-lm', which learns from no labels: load the"):
        evaluate(words, (["가"], [0]))
    with pytest.raises(KbertError, match="load the model with task='question-answering'"):
        predict_examples(model, Examples("question-answering", ["가"], pairs=["나"]))


def test_the_ceiling_of_a_vocabulary(tokenizer):
    names = ["O", "B-LC", "I-LC"]
    texts, spans = ["국회에 나", "너 국회에게"], [[(0, 2, "LC")], [(2, 6, "LC")]]
    tags = Examples("token-classification", texts, labels=spans, label_names=names)
    assert ceiling(tags, tokenizer)["entity_f1"] == 1.0  # 국회 ##에, 국회 ##에게
    tags.labels = [[(0, 2, "LC")], [(2, 5, "LC")]]  # ends within ##에게
    assert ceiling(tags, tokenizer)["entity_micro_f1"] == 0.5
    answers = Examples(
        "question-answering",
        ["가", "나", "다"],
        pairs=["국회에 나", "너 국회에게", "나"],
        labels=[[(0, "국회")], [(2, "국회에")], []],
    )
    assert ceiling(answers, tokenizer)["em"] == pytest.approx(2 / 3)
    with pytest.raises(KbertError, match="a ceiling is of entities or answers"):
        ceiling(Examples("sequence-classification", ["가"], labels=["가"]), tokenizer)


@pytest.mark.real_data
def test_the_ceiling_of_klue_ner(real_data):
    examples = kbert.read_task("klue-ner", real_data / "finetune" / "klue", "dev")
    tokenizer = Tokenizer.from_file(real_data / "vocabs" / "klue-bert-base.vocab.txt")
    found = ceiling(examples, tokenizer)
    # By KLUE's own conversion, which gives all of a word with [UNK] one label, 97.78 and 97.43.
    assert 0.97 < found["entity_f1"] < 1 and 0.97 < found["entity_micro_f1"] < 1


def test_labels_that_cannot_be_are_named_before_a_model_is_asked(small, tokenizer):
    model = BertForSequenceClassification(labels=NAMES, **small)
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="example 1: the label '중립' is none of"):
        evaluate(model, (["국회", "나"], ["긍정", "중립"]))
    model = BertForSequenceClassification(labels=["점수"], problem_type="regression", **small)
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match=r"example 1: .*a finite number, not nan"):
        evaluate(model, (["국회", "나"], [1.0, float("nan")]))
    model.classifier.weights[-1].assign([65.0])  # beside which what the encoder says is small
    found = evaluate(model, (["국회", "나"], [50.0, 90.0]))
    said = found.predictions.labels
    assert found["mae"] == pytest.approx((abs(said[0] - 50) + abs(said[1] - 90)) / 2)
    assert 15 < found["mae"] < 25 and f"mae {found['mae']:.3f}" in str(found)
    assert best_by(found.examples) == "pearson"


def test_a_report_that_cannot_be_written_says_so(tmp_path):
    found = evaluated(["긍정"], ["부정"], np.array([[0.9, 0.1]]))
    with pytest.raises(KbertError, match=r"report.html cannot be written"):
        write_report(found, tmp_path / "none" / "report.html")


def sure_of(model, label, tokenizer):
    """A model that says one label of whatever it is asked."""
    model.classifier.weights[-1].assign(50.0 * (np.array(model.labels) == label))
    model.tokenizer = tokenizer
    return model


def test_a_table_may_lack_a_label_that_the_model_says(small, tokenizer, tmp_path):
    rows = [{"글": "국회", "감정": "나"}, {"글": "축구", "감정": "다"}]
    model = BertForSequenceClassification(labels=["다", "가", "나"], **small)
    found = evaluate(
        sure_of(model, "가", tokenizer), kbert.read_table(rows, text="글", label="감정")
    )
    assert found == {"accuracy": 0.0, "macro_f1": 0.0}
    assert found.confusion().tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]  # 다, 가, 나
    write_report(found, tmp_path / "r.html")
    assert "<small>리스트, 2행</small>" in (tmp_path / "r.html").read_text(encoding="utf-8")

    several = BertForSequenceClassification(
        labels=["다", "가", "나"], problem_type="multi_label_classification", **small
    )
    examples = kbert.read_table(
        rows, text="글", label="감정", problem_type="multi_label_classification"
    )
    found = evaluate(sure_of(several, "가", tokenizer), examples)
    assert found["exact_match"] == found["micro_f1"] == 0.0

    tagger = kbert.BertForTokenClassification(labels=["O", "B-PS", "I-PS", "B-LC", "I-LC"], **small)
    spans = [{"글": "국회", "개체": [[0, 2, "PS"]]}]
    found = evaluate(
        sure_of(tagger, "B-LC", tokenizer), kbert.read_table(spans, text="글", spans="개체")
    )
    assert found["entity_micro_f1"] == 0.0


def test_probabilities_are_those_of_the_labels_that_they_are_scored_by(small, tokenizer):
    """KLUE-RE's area under the curve is of columns; a model may have the labels otherwise."""
    from kbert.tasks.label_names import RELATIONS

    examples = Examples(
        "sequence-classification",
        ["국회", "축구"],
        labels=["per:title", "per:title"],
        label_names=RELATIONS,
        set_name="klue-re",
    )
    areas = [
        evaluate(
            sure_of(BertForSequenceClassification(labels=names, **small), "per:title", tokenizer),
            examples,
        )["auprc"]
        for names in (RELATIONS, RELATIONS[::-1])
    ]
    # 1 for the label that all have, and 0.5 for the 29 that none has.
    assert areas == pytest.approx([(1 + 29 * 0.5) / 30] * 2)


def test_spans_that_are_lists_are_as_right_as_tuples(small, tokenizer):
    tagger = kbert.BertForTokenClassification(labels=["O", "B-PS", "I-PS"], **small)
    found = evaluate(sure_of(tagger, "B-PS", tokenizer), (["국회"], [[[0, 2, "PS"]]]))
    assert found["entity_f1"] == 1.0 and found.errors() == []
    words = kbert.BertForTokenClassification(labels=["NNG", "VV"], **small)
    labels = [[[0, 2, "NNG"], [3, 5, "VV"]]]
    found = evaluate(sure_of(words, "NNG", tokenizer), (["국회 축구"], labels))
    assert found["accuracy"] == 0.5


def test_a_number_is_asked_of_a_model_of_one(small, tokenizer):
    model = BertForSequenceClassification(labels=NAMES, problem_type="regression", **small)
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match=r"one number, and the model gives 2, for .'부정', '긍정'"):
        evaluate(model, (["국회", "축구"], [1.0, 2.0]))


def test_labels_may_be_numbers_of_numpy(small, tokenizer):
    model = BertForSequenceClassification(labels=NAMES, **small)
    model = sure_of(model, "긍정", tokenizer)
    assert evaluate(model, (["국회", "축구"], [np.int64(1), np.int64(0)]))["accuracy"] == 0.5


@pytest.mark.parametrize("scores", [{"accuracy": 1.0}, None])
def test_a_report_is_of_an_evaluation(scores, tmp_path):
    with pytest.raises(KbertError, match=r"a report is of what kbert.evaluate\(model, examples\)"):
        write_report(scores, tmp_path / "r.html")
