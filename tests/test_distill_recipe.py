"""recipes/distill.py: from a teacher to a student's file and DistilBERT's figures."""

import json

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from tests.recipe_runs import loaded_recipe, recipe_main


@pytest.fixture
def teacher(tmp_path, corpus):
    words = corpus.read_text("utf-8").split()
    tokenizer = kbert.Tokenizer.train(words, 90)
    model = kbert.BertForMaskedLM(
        vocab_size=90,
        hidden_size=12,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
    )
    model.tokenizer = tokenizer
    model.save(tmp_path / "teacher.keras")
    return model


def test_a_student_from_text(corpus, teacher, tmp_path, monkeypatch, capsys):
    options = ["--teacher", tmp_path / "teacher.keras", "--layers", "0,2", "--corpus", corpus]
    options += ["--heldout", corpus, "--steps", 3, "--batch-size", 4, "--sequence-length", 16]
    options += ["--soft-targets", "all", "--out", tmp_path / "run"]
    recipe_main(monkeypatch, "distill.py", *options)
    shown = capsys.readouterr().out
    student = kbert.load(tmp_path / "run" / "model.keras")
    assert student.task == "masked-lm" and len(student.bert.encoder_layers) == 2
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in lines]
    for line in lines:
        whole = 5 * line["soft_loss"] + 2 * line["mlm_loss"] + line["hidden_loss"]
        assert line["loss"] == pytest.approx(whole, rel=1e-4)
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["teacher"]["parameters"] == teacher.count_params()
    assert scores["student"]["parameters"] == student.count_params()
    smaller = 100 * (1 - student.count_params() / teacher.count_params())
    assert f"{smaller:.0f}% smaller" in shown and "(32 rows of 16 tokens)" in shown
    assert "% as good" in shown and "finetune.py" in shown

    with pytest.raises(KbertError, match=r"with temperature 2\.0, and this is 4\.0"):
        recipe_main(monkeypatch, "distill.py", *options, "--temperature", 4)

    small = kbert.quantize(teacher, "int8")  # whose student is trained nevertheless
    small.save(tmp_path / "int8.keras")
    options = ["--teacher", tmp_path / "int8.keras", *options[2:-1], tmp_path / "other"]
    recipe_main(monkeypatch, "distill.py", *options)
    student = kbert.load(tmp_path / "other" / "model.keras")
    assert small.get_config()["weights"] == "int8" and "weights" not in student.get_config()
    taught, learned = (
        np.array(ops.convert_to_numpy(each.bert.encoder_layers[0].feed_forward.widen.kernel))
        for each in (small, student)
    )
    assert 0 < np.abs(learned - taught).max() < 0.01  # of three steps
    options = ["--teacher", tmp_path / "teacher.keras", "--student", tmp_path / "int8.keras"]
    options += ["--corpus", corpus, "--out", tmp_path / "third"]
    with pytest.raises(KbertError, match=r"weights are int8, and --student takes floats: name"):
        recipe_main(monkeypatch, "distill.py", *options)
    assert not (tmp_path / "third").exists()


def test_a_student_of_a_fine_tuned_teacher(corpus, teacher, tmp_path, monkeypatch, capsys):
    labelled = kbert.load(tmp_path / "teacher.keras", "sequence-classification", ["법", "말"])
    labelled.save(tmp_path / "classifier.keras")
    lines = [line for line in corpus.read_text("utf-8").splitlines() if line]
    rows = [f'"{line} {i}",{"법" if i % 2 else "말"}' for i, line in enumerate(lines)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["글,갈래", *rows]), "utf-8")
    options = ["--teacher", tmp_path / "classifier.keras", "--layers", 1, "--train", table]
    options += ["--text", "글", "--label", "갈래", "--epochs", 1, "--sequence-length", 16]
    recipe_main(monkeypatch, "distill.py", *options, "--out", tmp_path / "run")
    student = kbert.load(tmp_path / "run" / "model.keras")
    assert student.labels == ["법", "말"] and len(student.bert.encoder_layers) == 1
    shown = capsys.readouterr().out
    assert "as good" in shown and "The score is macro_f1 of " in shown and "predict.py" in shown
    lines = (tmp_path / "run" / "heldout.jsonl").read_text("utf-8").splitlines()
    scores = [json.loads(each)["sources"]["held out"] for each in lines]
    best = kbert.load(tmp_path / "run" / "best.keras")
    rest = kbert.read_table(table, text="글", label="갈래").split(0.2, seed=0)[1]
    again = kbert.evaluate(best, rest.split(0.5, seed=0)[0])
    assert again["accuracy"] == max(each["accuracy"] for each in scores)
    for one, two in zip(best.get_weights(), student.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    expected = (line["soft_loss"] + line["labels_loss"]) / 2
    assert np.isclose(line["loss"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name one of --corpus"),
        (["--corpus", "a", "--task", "nsmc"], "name one of --corpus"),
        (["--corpus", "a"], "name --layers or --student"),
        (["--corpus", "a", "--layers", "2", "--student", "b"], "name --layers or --student"),
        (["--train", "a", "--layers", "2"], "--train needs --text and --label"),
        (["--task", "nsmc", "--layers", "2"], "--task nsmc needs --data"),
        (
            ["--train", "a", "--text", "b", "--label", "c", "--layers", "2", "--steps", "4"],
            "--steps is not for --train",
        ),
        (["--corpus", "a", "--layers", "2", "--label", "b"], "--label is not for --corpus"),
        (["--corpus", "a", "--layers", "2,x"], "no list as 0,2,4,7,9,11"),
        (["--corpus", "a", "--layers", "2", "--weights", "soft"], "is no weight, as soft=5"),
    ],
)
@pytest.mark.once
def test_a_command_line_that_cannot_be(options, message, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        loaded_recipe(monkeypatch, "distill.py", "--teacher", "t", *options).parse_arguments()
    assert message in capsys.readouterr().err


@pytest.mark.once
def test_what_is_said_of_distilbert(monkeypatch):
    """110 and 66 million, 668 s and 410 s (tables 1 and 3)."""
    recipe = loaded_recipe(monkeypatch, "distill.py")
    teacher = {"parameters": 110e6, "seconds": 668.0, "score": 0.795}
    student = {"parameters": 66e6, "seconds": 410.0, "score": 0.770}
    assert recipe.compared(teacher, student, 1, 128) == (
        "40% smaller, 63% faster (1 row of 128 tokens), 97% as good"
    )
