"""Metrics, on examples whose values the official code gave.

The values marked "official" are what the functions of KLUE-benchmark/KLUE-baseline (with
scikit-learn 1.9.1 and seqeval 1.2.2) and KorQuAD's evaluate-v1.0.py return for these lists; the
others are worked by hand beside them.
"""

import time

import numpy as np
import pytest

from kbert.errors import KbertError
from kbert.tasks.label_names import DEPENDENCIES, RELATIONS
from kbert.tasks.metrics.answers import klue_mrc, korquad
from kbert.tasks.metrics.dependencies import attachment, klue_dp
from kbert.tasks.metrics.entities import entities, klue_ner
from kbert.tasks.metrics.labels import (
    classification,
    correlation,
    klue_re,
    klue_sts,
    multi_label,
    quantity,
)
from kbert.tasks.metrics.states import klue_wos


def percent(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(100 * score, 4) for name, score in scores.items()}


def test_macro_f1_is_the_mean_of_the_labels_that_occur():
    # Official for YNAT. F1 of the three labels: 2/3, 2/3, 0.
    scores = percent(classification([0, 0, 1, 1, 2], [0, 1, 1, 1, 1]))
    assert scores == {"accuracy": 60.0, "macro_f1": 44.4444}


def test_klue_sts():
    gold, predicted = [0, 1, 2.9, 3, 4.2, 5], [0.5, 1.2, 3.1, 2.8, 4, 4.9]
    official = {"pearson": 99.5858, "f1": 66.6667, "spearman": 94.2857}
    assert percent(klue_sts(gold, predicted)) == official
    assert klue_sts([3.0, 0.0], [3.0, 0.0])["f1"] == 1  # 3.0 itself is "the same"


def test_numbers_that_correlate_may_be_wrong():
    found = quantity([50, 60, 70], [52, 64, 76])  # 1.2 times, less 8
    assert found == pytest.approx({"pearson": 1, "spearman": 1, "mae": 4})


def test_equal_numbers_share_a_rank():
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: r = 4.5 / sqrt(4.5 * 5).
    assert correlation([1, 2, 2, 5], [1, 2, 3, 4])["spearman"] == pytest.approx(0.9**0.5)


def test_a_constant_correlates_with_nothing():
    assert correlation([1, 2, 3], [2, 2, 2]) == {"pearson": 0, "spearman": 0}


@pytest.mark.parametrize(
    ("predicted", "entity", "character"),  # official
    [
        ("O B-PS I-PS I-PS O B-LC I-LC O", 100.0, 100.0),
        ("O I-PS I-PS I-PS O B-LC I-LC O", 50.0, 90.7692),  # I where B should be
        ("O B-PS I-PS I-PS I-PS B-LC I-LC O", 50.0, 96.9231),  # the particle taken in
        ("O O O O O B-LC I-LC O", 50.0, 82.0513),  # one not found
        ("O B-PS I-PS I-PS O B-LC I-LC B-DT", 66.6667, 90.7692),  # one too many
    ],
)
def test_klue_ner(predicted, entity, character):
    gold = "O B-PS I-PS I-PS O B-LC I-LC O".split()
    scores = percent(klue_ner(gold, predicted.split()))
    assert (scores["entity_f1"], scores["char_f1"]) == (entity, character)


def test_the_honest_scores_of_entities():
    gold = "O B-PS I-PS I-PS O B-LC I-LC O".split()
    scores = percent(klue_ner(gold, "O I-PS I-PS I-PS O B-LC I-LC O".split()))
    # Lenient, the I- begins the same entity; strict, 1 predicted of 2 gold: 2 * 1 / (1 + 2).
    assert scores["entity_micro_f1_lenient"] == 100
    assert scores["entity_micro_f1"] == 66.6667
    # B-PS 0, I-PS 2 * 2 / (3 + 2), B-LC 1, I-LC 1; O is left out.
    assert scores["char_f1_without_o"] == 70
    assert percent(klue_ner(gold, ["O"] * 8))["char_f1_without_o"] == 0


@pytest.mark.parametrize(
    ("tags", "strict", "lenient"),
    [
        ("B-A I-A B-A O I-A", [(0, 2, "A"), (2, 3, "A")], [(0, 2, "A"), (2, 3, "A"), (4, 5, "A")]),
        ("I-A I-B B-B I-A", [(2, 3, "B")], [(0, 1, "A"), (1, 2, "B"), (2, 3, "B"), (3, 4, "A")]),
        ("O O", [], []),
        ("B-B I-B", [(0, 2, "B")], [(0, 2, "B")]),
    ],
)
def test_where_entities_begin_and_end(tags, strict, lenient):
    from kbert.tasks.metrics.entities import _entities

    names = tags.split()
    kind = np.array(["AB".find(name[-1]) if name != "O" else -1 for name in names])
    begins = np.array([name[0] == "B" for name in names])
    for wanted, is_lenient in ((strict, False), (lenient, True)):
        places = np.transpose(_entities(kind, begins, is_lenient)).tolist()
        assert [(start, end, "AB"[type_]) for start, end, type_ in places] == wanted


def test_without_any_entity_the_scores_are_zero():
    scores = klue_ner(["O"] * 3, ["O"] * 3)
    assert (scores["entity_f1"], scores["entity_micro_f1"], scores["char_f1"]) == (0, 0, 1)


def test_klue_re():
    gold = [RELATIONS[i] for i in (0, 0, 1, 2, 2, 9)]
    predicted = [RELATIONS[i] for i in (0, 1, 1, 2, 0, 2)]
    assert percent(klue_re(gold, predicted)) == {"micro_f1": 50.0, "accuracy": 50.0}  # official


def test_area_under_precision_and_recall():
    # "b" by falling probability: right, wrong, right. Points (recall, precision): (0, 1), (1/2, 1),
    # (1/2, 1/2), (1, 2/3): 1/2 * 1 + 1/2 * (1/2 + 2/3) / 2. "a" is its mirror: wrong first, then
    # (0, 0), (1, 1/2), (1, 1/3): 1/4. Of the third label gold has none: 1/2.
    table = [[0.1, 0.9, 0], [0.2, 0.8, 0], [0.3, 0.7, 0]]
    scores = klue_re(["b", "a", "b"], ["b", "b", "b"], table, ["a", "b", "c"])
    assert scores["auprc"] == pytest.approx((1 / 4 + (1 / 2 + 7 / 24) + 1 / 2) / 3)


@pytest.mark.parametrize(
    ("heads", "types", "uas", "las", "micro"),  # official
    [
        ([2, 3, 0, 2, 0], [3, 5, 2, 3, 2], 100, 100, (100, 100)),
        ([2, 3, 0, 2, 1], [3, 5, 2, 3, 2], 66.6667, 66.6667, (80, 80)),
        ([2, 3, 0, 2, 0], [3, 5, 2, 1, 2], 100, 66.6667, (100, 80)),
    ],
)
def test_klue_dp(heads, types, uas, las, micro):
    gold = words([2, 3, 0, 2, 0], [3, 5, 2, 3, 2])
    scores = percent(klue_dp([gold], [words(heads, types)]))
    assert (scores["uas_macro_f1"], scores["las_macro_f1"]) == (uas, las)
    assert (scores["uas_micro"], scores["las_micro"]) == micro


def test_klue_dp_makes_one_of_the_rare_relations():
    gold, predicted = words([0], [20]), words([0], [16])
    scores = percent(klue_dp([gold], [predicted]))
    assert (scores["las_macro_f1"], scores["las_micro"]) == (100, 0)
    assert klue_dp([words([0], [14])], [words([0], [15])])["las_macro_f1"] == 0


def words(heads: list[int], types: list[int]) -> list[tuple[int, str]]:
    return [(head, DEPENDENCIES[type_]) for head, type_ in zip(heads, types, strict=True)]


def test_attachment_counts_words_over_all_sentences():
    gold = [[(2, "a"), (0, "root")], [(0, "root")]]
    predicted = [[(2, "b"), (1, "root")], [(0, "root")]]
    assert attachment(gold, predicted) == {"uas": 2 / 3, "las": 1 / 3}


@pytest.mark.parametrize(
    ("predicted", "gold", "em", "rouge"),  # official
    [
        ("한 달간", ["한 달가량", "한 달"], 0, 0.8571),
        ("《토지》", ["토지"], 0, 0.6667),
        ("'토지'", ["토지"], 1, 1),
        ("(주)카카오", ["카카오"], 0, 0.8571),
        ("서울 특별시", ["서울특별시"], 0, 0.5455),
        ("1,000원", ["1000원"], 1, 1),
        ("KBS", ["kbs"], 1, 1),
        ("이순신 장군", ["장군 이순신"], 0, 0.5),
        ("", [], 1, 1),
        ("서울", [], 0, 0),
        ("", ["서울"], 0, 0),
    ],
)
def test_klue_mrc(predicted, gold, em, rouge):
    scores = klue_mrc([gold], [predicted])
    assert (scores["em"], round(scores["rouge_w"], 4)) == (em, rouge)


@pytest.mark.parametrize(
    ("predicted", "gold", "em", "f1"),  # official
    [
        ("2월 15일", "1989년 2월 15일", 0, 0.6667),
        ("임종석이", "임종석", 0, 0.8571),
        ("《토지》", "토지", 1, 1),
        ("서울 특별시", "서울특별시", 0, 1),
        ("이순신 장군", "장군 이순신", 0, 1),
        ("", "서울", 0, 0),
        ("!", "?", 1, 0),
        ("교육, 문화", "교육·문화", 0, 0.8889),
        (None, "서울", 0, 0),
    ],
)
def test_korquad(predicted, gold, em, f1):
    scores = korquad([[gold]], [predicted])
    assert (scores["em"], round(scores["f1"], 4)) == (em, f1)


def test_the_best_of_the_gold_answers_counts():
    assert korquad([["서울", "서울시"]], ["서울시"]) == {"em": 1, "f1": 1}


@pytest.mark.parametrize(("predicted", "right"), [("", 1), ("서울", 0)])
def test_a_question_without_an_answer(predicted, right):
    """As in SQuAD 2.0's official code: both figures are 1 where "" is said, else 0."""
    assert korquad([[]], [predicted]) == {"em": right, "f1": right}
    assert klue_mrc([[]], [predicted]) == {"em": right, "rouge_w": right}


def test_klue_wos():
    gold = [[], ["a"], ["a", "b"], ["a"], []]
    predicted = [[], ["a"], ["a"], ["a", "c"], ["c"]]
    official = {"joint_goal_accuracy": 40.0, "slot_f1": 66.6667}
    assert percent(klue_wos(gold, predicted)) == official


def test_multi_label():
    gold, predicted = [["a", "b"], ["b"], []], [["a"], ["b", "c"], []]
    # a: 1 right of 1 and 1; b: 1 of 1 and 2 -> 2/3; c: 0. Together 2 right, 3 predicted, 3 gold.
    scores = percent(multi_label(gold, predicted))
    assert scores == {"micro_f1": 66.6667, "macro_f1": 55.5556, "exact_match": 33.3333}
    assert multi_label(gold, predicted, list("abcd")) == multi_label(gold, predicted)
    assert multi_label([[]], [[]]) == {"micro_f1": 0, "macro_f1": 0, "exact_match": 1}
    with pytest.raises(KbertError, match="'c' is none of"):
        multi_label(gold, predicted, ["a", "b"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classification([1], [1, 2]), "1 gold label, but 2 predictions"),
        (lambda: classification([], []), "nothing to score"),
        (lambda: correlation([1, 2], [1, float("nan")]), r"predicted\[1\] is nan"),
        (lambda: klue_ner(["O"], ["B-XX"]), "'B-XX' is none of"),
        (lambda: entities(["A"], ["A"], ["A"]), "begins with 'B-' or 'I-', not 'A'"),
        (lambda: klue_dp([[(0, "VP")]], [[(0, "XYZ")]]), "'XYZ' is none of KLUE-DP's"),
        (lambda: attachment([[(0, "a")]], [[]]), r"gold\[0\] has 1 word, and predicted\[0\] 0"),
        (lambda: klue_re(["a"], ["a"], [[1.0]]), "need label_names"),
        (lambda: klue_re(["a"], ["a"], [[1.0]], ["a", "b"]), r"\(1, 2\).*not \(1, 1\)"),
        (lambda: klue_re(["a"], ["a"], [[1.0]], ["b"]), r"\['a'\] have no column"),
    ],
)
def test_what_cannot_be_scored_is_named(call, message):
    with pytest.raises(KbertError, match=message):
        call()


def test_metrics_are_fast_enough_for_several_times_an_epoch():
    rng = np.random.default_rng(0)
    names = [str(name) for name in rng.choice(["부정", "긍정"], 50_000)]
    tags = rng.choice("B-PS I-PS B-LC I-LC O".split(), 300_000).tolist()
    answers = ["대한민국의 수도 서울특별시"] * 6000
    start = time.process_time()  # of work, whatever else the machine does
    classification(names, names[::-1])
    klue_ner(tags, tags[::-1])
    klue_mrc([[answer[2:]] for answer in answers], answers)
    klue_re(RELATIONS * 260, RELATIONS[::-1] * 260, rng.random((7800, 30)), RELATIONS)
    assert time.process_time() - start < 5  # measured: 0.6 s
