"""Predictions in the form of labels -> the metric of the set or of the task."""

import pytest

from kbert import KbertError
from kbert.data.labelled.examples import Examples
from kbert.tasks.score import best_by, score
from kbert.tasks.sets import SETS

GOLD = {  # for each task a label, and what is predicted if it is right
    "token-classification": ([(0, 1, "PS")], [(0, 1, "PS")]),
    "question-answering": ([(0, "가")], "가"),
    "dependency-parsing": ([(0, "root", "NOUN")], [(0, "root")]),
    "dialogue-state-tracking": (["a-b-c"], ["a-b-c"]),
    "multiple-choice": (1, 1),
    "regression": (3.5, 3.5),
    "multi_label_classification": (["성차별"], ["성차별"]),
}


@pytest.mark.parametrize("name", SETS)
def test_gold_scores_one_by_each_set_s_own_metric(name):
    task_set = SETS[name]
    gold, predicted = GOLD.get(task_set.task) or GOLD.get(
        task_set.problem_type, (task_set.label_names[-1:] or [""]) * 2
    )
    if name == "klue-dp":
        gold, predicted = [(0, "VP", "VV")], [(0, "VP")]
    elif name == "kote":
        gold = predicted = ["기쁨"]
    elif name.endswith("-pos"):
        gold = predicted = [(0, 1, "NOUN")]
    others = (1.0, 1.0) if task_set.problem_type == "regression" else (gold, predicted)
    examples = Examples(
        task_set.task,
        ["가", "나"],
        labels=[gold, others[0]],
        label_names=list(task_set.label_names),
        problem_type=task_set.problem_type,
        set_name=name,
    )
    scores = score(examples, [predicted, others[1]])
    assert scores[best_by(examples)] == pytest.approx(1)


def test_a_table_of_one_s_own_is_scored_as_is_usual_for_its_task():
    tagged = Examples(
        "token-classification",
        ["유 열이", "나"],
        labels=[[(0, 3, "PS")], []],
        label_names=["O", "B-PS", "I-PS"],
    )
    # Without the space: B I O and O; predicted B I I and O.
    scores = score(tagged, [[(0, 4, "PS")], []])
    assert (scores["entity_f1"], best_by(tagged)) == (0, "entity_f1")
    # O 2 of 1 and 2 each -> 2/3; B 1; I 1 of 2 and 1 -> 2/3.
    assert scores["char_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    words = Examples(
        "token-classification",
        ["나는 간다"],
        labels=[[(0, 2, "NP"), (3, 5, "VV")]],
        label_names=["NP", "VV"],
    )
    assert score(words, [[(0, 2, "NP"), (3, 5, "NP")]])["accuracy"] == 0.5
    with pytest.raises(KbertError, match=r"example 0 has the words \[\(0, 2\), \(3, 5\)\]"):
        score(words, [[(0, 2, "NP")]])
    answers = Examples("question-answering", ["수도는?"], ["서울이다"], [[(0, "서울")]])
    assert score(answers, ["서울이"]) == {"em": 0, "f1": pytest.approx(0.8)}


def test_klue_re_is_scored_with_its_probabilities():
    names = list(SETS["klue-re"].label_names)
    gold = names[:2]
    examples = Examples(
        "sequence-classification", ["가", "나"], labels=gold, label_names=names, set_name="klue-re"
    )
    table = [[float(name == label) for name in names] for label in gold]
    scores = score(examples, gold, table)
    assert scores["auprc"] == pytest.approx((2 + 28 * 0.5) / 30)  # of 28 labels gold has none


def test_what_cannot_be_scored_is_named():
    examples = Examples("sequence-classification", ["가"], label_names=["참", "거짓"])
    with pytest.raises(KbertError, match="have no labels"):
        score(examples, ["참"])
    examples.labels = ["참"]
    with pytest.raises(KbertError, match="1 example, but 2 predictions"):
        score(examples, ["참", "참"])
