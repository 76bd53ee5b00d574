"""What labels may be; every message names the example, where it is from."""

from types import SimpleNamespace

import numpy as np
import pytest

from kbert import Examples, KbertError
from kbert.data.labelled.check_labels import check_labels
from kbert.data.labelled.examples import Origin, as_examples

SINGLE, TAGS = ["부정", "긍정"], ["O", "B-PS", "I-PS"]


def examples(task, label, text="이순신이", **settings):
    settings.setdefault("origins", [Origin("표.csv", 7)])
    return Examples(task, [text], labels=[label], **settings)


@pytest.mark.parametrize(
    ("task", "label", "names", "settings", "what"),
    [
        ("sequence-classification", "중립", SINGLE, {}, r"'중립' is none of \['부정', '긍정'\]"),
        ("sequence-classification", None, SINGLE, {}, "None is none of"),
        ("sequence-classification", ["긍정"], SINGLE, {}, r"\['긍정'\] is none of"),
        ("sequence-classification", "긍정", SINGLE, {"pairs": [None]}, "second text is None"),
        ("several", "긍정", SINGLE, {}, "a list of names, not '긍정'"),
        ("several", ["긍정", "중립"], SINGLE, {}, "'중립' is none of"),
        ("number", float("nan"), ["점수"], {}, "a finite number, not nan"),
        ("number", "삼", ["점수"], {}, "a finite number, not '삼'"),
        ("number", None, ["점수"], {}, "a finite number, not None"),
        ("token-classification", [(0, 5, "PS")], TAGS, {}, r"outside its text of 4 characters"),
        ("token-classification", [(-1, 2, "PS")], TAGS, {}, "outside its text"),
        ("token-classification", [(2, 2, "PS")], TAGS, {}, "empty or outside"),
        ("token-classification", [(0, 3, "LC")], TAGS, {}, "'B-LC' is none of"),
        ("token-classification", [(0, 3, "PS"), (2, 4, "PS")], TAGS, {}, "overlaps the 'PS' .* 3"),
        ("token-classification", ["B-PS", "I-PS"], TAGS, {}, r"spans, as \[\(0, 3, 'PS'\)\]"),
        ("token-classification", None, TAGS, {}, "spans, as"),
        ("token-classification", [(0, 4, "VV")], ["NNG", "JKS"], {}, "'VV' is none of"),
        ("question-answering", "이", [], {"pairs": ["이순신"]}, "answers, as"),
        ("question-answering", [("이", 0)], [], {"pairs": ["이순신"]}, "answers, as"),
        ("question-answering", [(0, "이")], [], {"pairs": [None]}, "second text is None"),
        ("multiple-choice", 2, [], {"pairs": [["가", "나"]]}, "from 0, not 2"),
        ("multiple-choice", True, [], {"pairs": [["가", "나"]]}, "from 0, not True"),
    ],
)
def test_a_label_that_cannot_be_is_named_with_its_row(task, label, names, settings, what):
    problems = {"several": "multi_label_classification", "number": "regression"}
    if task in problems:
        settings = {**settings, "problem_type": problems[task]}
        task = "sequence-classification"
    with pytest.raises(KbertError, match=f"표.csv, row 7: .*{what}"):
        check_labels(examples(task, label, **settings), names)


def test_second_texts_and_labels_are_as_many_as_texts():
    with pytest.raises(KbertError, match="have their contexts in pairs"):
        check_labels(examples("question-answering", [(0, "이")]), [])
    with pytest.raises(KbertError, match="1 first text and 2 second texts"):
        check_labels(examples("question-answering", [], pairs=["가", "나"]), [])
    with pytest.raises(KbertError, match="1 text and 2 labels"):
        check_labels(Examples("sequence-classification", ["가"], labels=SINGLE), SINGLE)


def test_what_can_be_passes():
    for task, label, names, settings in (
        ("sequence-classification", "긍정", SINGLE, {"pairs": [""]}),
        ("sequence-classification", [], SINGLE, {"problem_type": "multi_label_classification"}),
        ("sequence-classification", 3, ["점수"], {"problem_type": "regression"}),
        ("token-classification", [], TAGS, {}),
        ("token-classification", [(0, 3, "PS"), (3, 4, "PS")], TAGS, {}),
        ("token-classification", [[np.int64(0), np.int64(3), "PS"]], TAGS, {}),
        ("token-classification", [(0, 4, "NNG")], ["NNG", "JKS"], {}),
        ("question-answering", [], [], {"pairs": ["이순신"]}),
        ("multiple-choice", np.int32(1), [], {"pairs": [["가", "나"]]}),
    ):
        assert check_labels(examples(task, label, **settings), names) is None


def test_columns_of_pandas_and_numpy_are_lists():
    pandas = pytest.importorskip("pandas")
    model = SimpleNamespace(task="sequence-classification", labels=SINGLE)
    frame = pandas.DataFrame({"글": ["하나", "둘"], "감정": ["긍정", "부정"]})
    found = as_examples((frame["글"], frame["감정"]), model)
    assert (found.texts, found.labels) == (["하나", "둘"], ["긍정", "부정"])
    assert as_examples((np.array(["하나"]), np.array([1])), model).labels == ["긍정"]
    with pytest.raises(KbertError, match="labels are a list, one for each text, not '긍정'"):
        as_examples((["하나"], "긍정"), model)


def test_whole_numbers_of_regression_are_no_places_of_names():
    model = SimpleNamespace(
        task="sequence-classification", labels=["점수"], problem_type="regression"
    )
    assert as_examples((["하나", "둘"], [0, 5]), model).labels == [0, 5]


def test_label_names_have_an_order():
    texts = ["재미있다", "지루하다"]
    with pytest.raises(KbertError, match=r"not a dict: label_names=\['부정', '긍정'\]$"):
        Examples("sequence-classification", texts, label_names={"긍정": 1, "부정": 0})
    with pytest.raises(KbertError, match="not a frozenset, which has no order"):
        Examples("sequence-classification", texts, label_names=frozenset(["긍정", "부정"]))
    with pytest.raises(KbertError, match="label_names has an empty name"):
        Examples("sequence-classification", texts, label_names=["긍정", ""])
