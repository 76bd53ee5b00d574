"""recipes/finetune.py: from a table to a model, on again, and what it leaves where it cannot be."""

import csv
import json

import pytest

import kbert
from tests.recipe_runs import recipe_main

TEXTS = ["국회는 법률을 의결한다", "국민의 축구 경기", "정말 재미있다", "우리는 너"]


@pytest.fixture
def command(tmp_path, small, tokenizer, monkeypatch):
    """The recipe on a table of 40 reviews and a small model, in an empty folder."""
    model = kbert.Bert(**small)
    model.tokenizer = tokenizer
    model.save(tmp_path / "start.keras")
    rows = [f"{i}번 {TEXTS[i % 4]},{'긍정' if i % 2 else '부정'}" for i in range(40)]
    (tmp_path / "reviews.csv").write_text("\n".join(["리뷰,감정", *rows]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = {
        "--train": "reviews.csv",
        "--text": "리뷰",
        "--label": "감정",
        "--model": "start.keras",
        "--max-length": 16,
        "--epochs": 1,
        "--evaluations": 2,
        "--out": "out",
    }

    def run(**changed):
        mine = {
            **settings,
            **{f"--{name.replace('_', '-')}": each for name, each in changed.items()},
        }
        recipe_main(monkeypatch, "finetune.py", *[each for pair in mine.items() for each in pair])

    return run


def test_from_a_table_to_a_model_and_on_again(command, tmp_path, capsys):
    command(seeds=2)
    names = ["model.keras", "predictions.csv", "report.html", "scores.json"]
    names += ["seed-0", "seed-1", "settings.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    scores = json.loads((tmp_path / "out" / "scores.json").read_text("utf-8"))["scores"]
    assert len(scores["held out"]["accuracy"]) == 2
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [*csv.DictReader(file)]
    right = [row["label"] == row["predicted"] for row in rows]
    assert sum(right) / len(right) == max(scores["held out"]["accuracy"])
    model = kbert.load(tmp_path / "out" / "model.keras")
    assert kbert.TextClassifier(model)(rows[0]["text"])["label"] == rows[0]["predicted"]

    capsys.readouterr()
    command(seeds=2)  # nothing is trained again, and nothing changes
    assert "step 1/" not in capsys.readouterr().out
    again = json.loads((tmp_path / "out" / "scores.json").read_text("utf-8"))["scores"]
    assert again == scores
    with pytest.raises(kbert.KbertError, match="with epochs 1, and this is 2"):
        command(seeds=2, epochs=2)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"model": "none.keras"}, "none.keras: no such file"),
        ({"max_length": 4}, "max_length"),
        ({"freeze": 9}, "encoder layers, not 9"),
        ({"label": "점수"}, "no column '점수'"),
        ({"dev": "dev.csv"}, "dev.csv, row 2: the label '중립' is none of"),
    ],
)
def test_what_cannot_be_leaves_no_folder(command, tmp_path, changed, what):
    (tmp_path / "dev.csv").write_text("리뷰,감정\n국회,중립\n", encoding="utf-8")
    with pytest.raises(kbert.KbertError, match=what):
        command(**changed)
    assert not (tmp_path / "out").exists()
