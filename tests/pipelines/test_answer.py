import numpy as np
import pytest

from kbert import BertForQuestionAnswering, KbertError, QuestionAnswering
from kbert.pipelines.answer import _ranked, _second_text, _Span, _spans
from kbert.pipelines.windows import to_windows


@pytest.fixture
def pipeline(small, tokenizer):
    model = BertForQuestionAnswering(**small)
    model.tokenizer = tokenizer
    return QuestionAnswering(model)


def test_the_best_span_by_hand(tokenizer):
    context = "나 국회에 너"
    (window,) = to_windows(tokenizer, ["우리"], [context], 17)
    tokens = [tokenizer.token(i) for i in window.row["input_ids"]]
    assert tokens == ["[CLS]", "우리", "[SEP]", "나", "국회", "##에", "너", "[SEP]"]
    assert _second_text(window).tolist() == [3, 4, 5, 6]
    start = np.array([9.0, 9, 9, 0, 5, 4, 1, 9])  # outside the context nothing counts
    end = np.array([9.0, 9, 9, 6, 1, 4, 3, 9])
    spans, nothing = _spans(window, start, end, longest=2)
    assert nothing == 18
    best = max(spans)
    assert (best.score, context[best.start : best.end]) == (9, "국회에")
    # 나 (0 + 6) is better than 국회 (5 + 1) to no one, and a span of three tokens is too long
    assert {context[span.start : span.end] for span in spans} == {
        "나",
        "나 국회",
        "국회",
        "국회에",
        "에",
        "에 너",
        "너",
    }


def test_scores_are_probabilities_among_what_could_be_given():
    spans = [_Span(2.0, 0, 1), _Span(1.0, 2, 3), _Span(0.0, 0, 1), _Span(1.5, 0, 0)]
    ranked = _ranked("가나다", spans)
    assert [(each["answer"], each["start"]) for each in ranked] == [("가", 0), ("", 0), ("다", 2)]
    weights = np.exp([2.0, 1.5, 1.0])
    np.testing.assert_allclose([e["score"] for e in ranked], weights / weights.sum())


def test_answers_are_slices_of_contexts_longer_than_the_model(pipeline):
    context = "축구는 정말 국회에 나 너 우리는 " * 12
    answers = pipeline("국민의 경기", context, top_k=5, no_answer=True)
    assert len(answers) == 5
    assert all(each["answer"] == context[each["start"] : each["end"]] for each in answers)
    assert answers == sorted(answers, key=lambda each: -each["score"])
    assert max(each["end"] for each in pipeline("국민", context, top_k=500)) > 100


def test_lists_come_back_in_their_order(pipeline):
    questions, contexts = ["국민", "경기"], ["나 너 우리", "국회에 국민의 경기"]
    both = pipeline(questions, contexts)
    for question, context, answer in zip(questions, contexts, both, strict=True):
        alone = pipeline(question, context)
        assert (alone["start"], alone["end"]) == (answer["start"], answer["end"])
        assert alone["score"] == pytest.approx(answer["score"], abs=1e-5)
    assert pipeline([], []) == []


def test_a_long_question_is_cut(pipeline):
    long, short = "국민의 " * 40, "국민의 국민의"
    context = "나 너 우리"
    assert (
        pipeline(long, context, max_question_length=4)["start"]
        == pipeline(short, context, max_question_length=4)["start"]
    )


def test_bad_input_is_named(pipeline):
    for arguments, settings, what in (
        ((["국민"], ["나", "너"]), {}, "1 question and 2 contexts do not pair"),
        ((["국민", " "], ["나", "너"]), {}, r"questions\[1\] is empty"),
        (("국민", ""), {}, r"contexts\[0\] is empty"),
        (("국민", "나"), {"top_k": 0}, "top_k must be"),
        (("국민", "나"), {"max_answer_length": 0}, "max_answer_length must be"),
    ):
        with pytest.raises(KbertError, match=what):
            pipeline(*arguments, **settings)


def test_an_answer_where_the_best_starts_are_behind_the_best_ends(tokenizer):
    """20 of each are looked at: of 41 tokens none of the one goes with one of the other."""
    context = "나 " * 41
    (window,) = to_windows(tokenizer, ["우리"], [context], 64)
    start = np.arange(64.0)
    end = 2.0 * (64 - np.arange(64))
    (span,), _ = _spans(window, start, end, longest=30)
    assert (span.score, span.start, span.end) == (3 + 2 * 61, 0, 1)  # the sum is largest in front


def test_a_context_that_is_not_read(pipeline):
    with pytest.raises(KbertError, match=r"contexts\[1\] holds nothing .*'.u200b'"):
        pipeline(["국민", "국민"], ["나 너", "\u200b"])
    assert pipeline("국민", "\u200b", no_answer=True)["answer"] == ""
