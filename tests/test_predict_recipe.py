"""recipes/predict.py: a table in, and the table with a model's answers out."""

import csv
import json
import unicodedata

import pytest

import kbert
from tests.recipe_runs import loaded_recipe

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 법률 나 너 가다".split()
TEXTS = ["국회 나", "", "법률 너", "너 가다 국회"]


@pytest.fixture
def table(tmp_path):
    """Four rows, one without text, as Excel on a Korean Windows writes them."""
    path = tmp_path / "new.csv"
    with path.open("w", encoding="cp949", newline="") as file:
        rows = [(i, text, "나, 너") for i, text in enumerate(TEXTS)]
        csv.writer(file).writerows([("번호", "글", "둘째"), *rows])
    return path


def answered(monkeypatch, tmp_path, model, table, *options) -> list[dict[str, str]]:
    model.tokenizer = kbert.Tokenizer(WORDS)
    model.save(tmp_path / "m.keras")
    out = tmp_path / "answers.csv"
    arguments = ["--model", tmp_path / "m.keras", "--table", table, "--text", "글", "--out", out]
    recipe = loaded_recipe(monkeypatch, "predict.py", *arguments, *options)
    monkeypatch.setattr(recipe, "ROWS", 3)  # so that a table is answered in parts
    recipe.main()
    with out.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def sizes(small) -> dict:
    return small | {"vocab_size": len(WORDS), "num_hidden_layers": 1}


def test_labels_stand_beside_the_columns(small, table, tmp_path, monkeypatch, capsys):
    model = kbert.BertForSequenceClassification(labels=["부정", "긍정"], **sizes(small))
    rows = answered(monkeypatch, tmp_path, model, table)
    assert [row["글"] for row in rows] == TEXTS and rows[3]["둘째"] == "나, 너"
    expected = kbert.TextClassifier(model)([text for text in TEXTS if text])
    for row, one in zip([rows[0], rows[2], rows[3]], expected, strict=True):
        assert row["predicted"] == one["label"]
        assert float(row["predicted_score"]) == pytest.approx(one["score"], abs=6e-5)
    assert rows[1]["predicted"] == "" and "1 row without text left blank" in capsys.readouterr().out

    rows = answered(monkeypatch, tmp_path, model, table, "--pair", "둘째", "--all-scores")
    one = kbert.TextClassifier(model)(TEXTS[3], "나, 너")
    assert float(rows[3]["predicted_score_부정"]) == pytest.approx(one["scores"]["부정"], abs=6e-5)


def test_several_labels_a_number_entities_and_answers(small, table, tmp_path, monkeypatch):
    kinds = {"multi_label_classification": ["가", "나"], "regression": ["점수"]}
    for kind, labels in kinds.items():
        model = kbert.BertForSequenceClassification(
            labels=labels, problem_type=kind, **sizes(small)
        )
        row = answered(monkeypatch, tmp_path, model, table)[0]
        one = kbert.TextClassifier(model)(TEXTS[0])
        if kind == "regression":
            assert float(row["predicted"]) == pytest.approx(one["score"], abs=6e-5)
        else:
            assert row["predicted"] == ", ".join(one["labels"])
            assert float(row["predicted_score_나"]) == pytest.approx(one["scores"]["나"], abs=6e-5)
    tagger = kbert.BertForTokenClassification(labels=["O", "B-PS", "I-PS"], **sizes(small))
    row = answered(monkeypatch, tmp_path, tagger, table)[3]
    found = kbert.TokenClassifier(tagger)(TEXTS[3])
    assert json.loads(row["predicted"]) == [[e["start"], e["end"], e["label"]] for e in found]
    reader = kbert.BertForQuestionAnswering(**sizes(small))
    row = answered(monkeypatch, tmp_path, reader, table, "--pair", "둘째")[0]
    assert row["predicted"] == kbert.QuestionAnswering(reader)(TEXTS[0], "나, 너")["answer"]
    with pytest.raises(kbert.KbertError, match="answers from a text: its column is --pair"):
        answered(monkeypatch, tmp_path, reader, table)
    with pytest.raises(kbert.KbertError, match="tags the words of one text"):
        answered(monkeypatch, tmp_path, tagger, table, "--pair", "둘째")


def test_a_table_is_answered_wholly_or_not_at_all(small, table, tmp_path, monkeypatch):
    model = kbert.BertForSequenceClassification(labels=["부정", "긍정"], **sizes(small))
    whole = answered(monkeypatch, tmp_path, model, table)
    jsonl = tmp_path / "new.jsonl"
    rows = [{"글": text, "번호": i} for i, text in enumerate(TEXTS[:3])]
    rows += [{"글": TEXTS[3], "번호": 3}, {"글": None}, {"글": " "}]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    jsonl.write_text("\n".join(lines), encoding="utf-8")
    parts = answered(monkeypatch, tmp_path, model, jsonl)
    scores = [each["predicted_score"] for each in parts]
    assert scores == [*(each["predicted_score"] for each in whole), "", ""]
    decomposed = unicodedata.normalize("NFD", "둘째")  # as macOS may have it
    one = answered(monkeypatch, tmp_path, model, table, "--pair", decomposed)[3]
    expected = kbert.TextClassifier(model)(TEXTS[3], "나, 너")["score"]
    assert float(one["predicted_score"]) == pytest.approx(expected, abs=6e-5)
    answered(monkeypatch, tmp_path, model, jsonl)
    before = (tmp_path / "answers.csv").read_bytes()
    for options, message in (
        (["--pair", "없음"], "no column '없음'; it has 글, 번호"),
        (["--encoding", "utf-7x"], "there is no encoding 'utf-7x'"),
    ):
        with pytest.raises(kbert.KbertError, match=message):
            answered(monkeypatch, tmp_path, model, jsonl, *options)
    with pytest.raises(kbert.KbertError, match="has a column 'predicted' already"):
        answered(monkeypatch, tmp_path, model, tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_bytes() == before


def test_texts_that_only_look_like_some_have_no_answer(monkeypatch):
    recipe = loaded_recipe(monkeypatch, "predict.py")
    rows = [["나", "너"], ["\u200b", "너"], ["가다", " "], ["?", "쀍"]]
    assert recipe.with_text(kbert.Tokenizer(WORDS), rows) == [0, 3]
