"""Published scores, and what keeps one's own from standing beside them."""

import pytest

from kbert.tasks.published import published, why_not_comparable
from kbert.tasks.sets import SETS


def test_each_number_is_in_its_column():
    rows = {(row.model, row.source[:6]): row for row in published("klue-mrc")}
    assert rows["KLUE-RoBERTa-large", "KLUE-b"].scores == {"em": 0.7558, "rouge_w": 0.8059}
    assert [row.scores["accuracy"] for row in published("nsmc")][-1] == 0.9171  # KcELECTRA-base
    assert published("korquad")[-1].scores == {"em": 0.706, "f1": 0.9011}
    assert published("klue-wos")[0].scores == {"joint_goal_accuracy": 0.3546, "slot_f1": 0.8863}
    # KcELECTRA's README has no hate speech.
    assert [row.model for row in published("korean-hate-speech")][-1] == "KoELECTRA-base-v3"
    assert len(published("klue-ner")) == 8 and len(published("nsmc")) == 13


def test_published_scores_have_the_names_that_the_metric_gives():
    names = {name for name in SETS if published(name)}
    klue = {name for name in SETS if name.startswith("klue-")}
    assert names >= klue and len(names) == len(klue) + 7
    for name in names:
        assert all(SETS[name].best_by in row.scores for row in published(name)), name


@pytest.mark.parametrize(
    ("arguments", "trained_on", "reasons"),
    [
        (("nsmc", "test", 50_000), 150_000, []),
        (("nsmc", "test", 49_310), None, ["49,310 of the 50,000 examples of test"]),
        (
            ("klue-ner", "dev", 5000),
            4982,
            [
                "published on the test part, this is dev",
                "trained on 4,982 of the 21,008 examples of train",
            ],
        ),
        (("kote", "test", 5000), None, []),
    ],
)
def test_why_a_score_must_not_stand_beside_others(arguments, trained_on, reasons):
    assert why_not_comparable(*arguments, trained_on=trained_on) == reasons
