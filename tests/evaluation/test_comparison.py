import pytest

from kbert import Examples
from kbert.evaluation.comparison import comparison
from kbert.evaluation.evaluate import Evaluation
from kbert.evaluation.predictions import Predictions

pytestmark = pytest.mark.once


def scored(scores, name, part, count=2, task="sequence-classification"):
    examples = Examples(task, ["가"] * count, labels=["x"] * count, part=part, set_name=name)
    return Evaluation(scores, examples, Predictions(["x"] * count))


def test_beside_the_published_of_another_part():
    table = comparison(
        {
            "a.keras": scored({"accuracy": 0.5, "macro_f1": 0.25}, "klue-nli", "dev", 3000),
            "b.keras": scored({"accuracy": 0.75, "macro_f1": 0.5}, "klue-nli", "dev", 3000),
        }
    )
    lines = table.splitlines()
    assert lines[0] == "| model | accuracy | macro_f1 | measured on | published by |"
    assert lines[2] == "| a.keras | 50.0% | 25.0% | dev, 3,000 examples | - |"
    assert lines[3] == "| b.keras | 75.0% | 50.0% | dev, 3,000 examples | - |"
    assert any(line.startswith("| KLUE-BERT-base | 81.6% | - | test | KLUE") for line in lines)
    reason = "Not to be compared without a word: published on the test part, this is dev."
    assert reason in lines


def test_of_the_published_part_and_of_a_set_that_nobody_published():
    table = comparison({"mine": scored({"accuracy": 0.9}, "nsmc", "test", 50_000)})
    assert "Not to be compared" not in table and "nsmc: no dev part" in table
    assert "| KcELECTRA-base | 91.7% | test | Beomi/KcELECTRA, README |" in table
    table = comparison({"mine": scored({"micro_f1": 0.9}, "kote", "test", 2)})
    assert table.splitlines()[2] == "| mine | 90.0% | test, 2 examples | - |"
    assert "Not to be compared" not in table
    table = comparison({"mine": scored({"accuracy": 0.9}, None, None)})
    assert len(table.splitlines()) == 3
