"""From examples to scores, for the tasks whose labels are neither names nor spans."""

import numpy as np
import pytest

from kbert import BertForDependencyParsing, BertForMultipleChoice, DependencyParser, MultipleChoice
from kbert.data.labelled.examples import Examples
from kbert.evaluation.evaluate import evaluate
from kbert.evaluation.report import write_report


@pytest.fixture
def parser(small, tokenizer):
    model = BertForDependencyParsing(labels=["NP", "VP"], arc_size=9, relation_size=7, **small)
    model.tokenizer = tokenizer
    return model


@pytest.fixture
def chooser(small, tokenizer):
    model = BertForMultipleChoice(**small)
    model.tokenizer = tokenizer
    return model


def test_what_a_parser_says_is_scored_and_its_errors_are_found(parser):
    texts = ["국회는 법률을 의결한다", "나는 너", "우리는 축구"]
    labels = [
        [(word["head"], word["relation"], "NNG") for word in words]
        for words in DependencyParser(parser)(texts)
    ]
    examples = Examples("dependency-parsing", texts, labels=labels, label_names=["NP", "VP"])
    right = evaluate(parser, examples)
    assert dict(right) == {"uas": 1.0, "las": 1.0} and right.errors() == []

    head, relation, _ = labels[1][0]
    labels[1][0] = (head, "NP" if relation == "VP" else "VP", "NNG")
    wrong = evaluate(parser, examples)
    assert dict(wrong) == {"uas": 1.0, "las": pytest.approx(6 / 7)}
    (error,) = wrong.errors()
    assert (error["text"], error["label"]) == ("나는 너", labels[1]) and 0 < error["score"] <= 1
    assert error["predicted"][0] == (head, relation)


def test_what_is_chosen_is_scored(chooser):
    texts = ["축구는", "국회는", "나는"]
    choices = [["재미있다", "법률"], ["의결한다", "경기"], ["너", "우리"]]
    said = [answer["choice"] for answer in MultipleChoice(chooser)(texts, choices)]
    examples = Examples("multiple-choice", texts, choices, said)
    scores = evaluate(chooser, examples)
    assert scores["accuracy"] == 1.0
    assert scores.predictions.scores.shape == (3, 2)
    np.testing.assert_allclose(scores.predictions.scores.sum(axis=1), 1, atol=1e-5)

    examples.labels = [1 - said[0], *said[1:]]
    scores = evaluate(chooser, examples)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    (error,) = scores.errors()
    assert error["pair"] == choices[0] and error["predicted"] == said[0]


def test_choices_need_not_be_as_many(chooser):
    examples = Examples(
        "multiple-choice", ["축구", "나"], [["너", "우리"], ["너", "나", "우리"]], [0, 2]
    )
    scores = evaluate(chooser, examples)
    assert scores.predictions.scores.shape == (2,) and 0 <= scores["accuracy"] <= 1


def test_the_report_tells_choices_by_their_texts_and_of_parses_what_differs(
    parser, chooser, tmp_path
):
    said = MultipleChoice(chooser)("축구는", ["재미있다", "법률을"])["choice"]
    chosen = Examples("multiple-choice", ["축구는"], [["재미있다", "법률을"]], [1 - said])
    write_report(evaluate(chooser, chosen), tmp_path / "choices.html")
    page = (tmp_path / "choices.html").read_text(encoding="utf-8")
    right, wrong = (["재미있다", "법률을"][place] for place in (1 - said, said))
    assert f"<td>{right}</td><td>{wrong}</td>" in page

    text = "국회는 법률을 의결한다"
    words = DependencyParser(parser)(text)
    labels = [(word["head"], word["relation"], "NNG") for word in words]
    other = "NP" if labels[1][1] == "VP" else "VP"
    labels[1] = (labels[1][0], other, "NNG")
    parsed = Examples("dependency-parsing", [text], labels=[labels], label_names=["NP", "VP"])
    write_report(evaluate(parser, parsed), tmp_path / "parses.html")
    page = (tmp_path / "parses.html").read_text(encoding="utf-8")
    head = ["ROOT", *text.split()][labels[1][0]]
    assert (
        f"<td>법률을 → {head} ({other})</td><td>법률을 → {head} ({words[1]['relation']})</td>"
        in page
    )
