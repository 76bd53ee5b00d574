"""recipes/finetune.py, as it is run: from files to a model, a report and scores."""

import csv
import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

import kbert
from kbert import BertForMaskedLM
from tests.recipe_runs import loaded_recipe, recipe_main, run


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A small masked LM that knows the words of the texts below."""
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] 정말 재미있다 지루하다 영화 . 0 1 2".split()
    model = BertForMaskedLM(
        vocab_size=len(words),
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    model.tokenizer = kbert.Tokenizer(words)
    path = tmp_path_factory.mktemp("model") / "pretrained.keras"
    model.save(path)
    return path


def reviews(path, count=60) -> list[tuple[str, str]]:
    """A table of reviews; no two are alike."""
    digits = "012"
    rows = []
    for i in range(count):
        word, label = (("재미있다", "긍정"), ("지루하다", "부정"))[i % 2]
        number = " ".join(digits[i // 3**place % 3] for place in range(4))
        rows.append((f"영화 {number} 정말 {word}.", label))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("리뷰", "감정"), *rows])
    return rows


COMMON = "--epochs 4 --batch-size 8 --learning-rate 1e-2 --evaluations 4".split()


def test_from_a_table_to_a_model_with_scores_of_two_seeds(
    tmp_path, pretrained, monkeypatch, capsys
):
    rows = reviews(tmp_path / "r.csv")
    reviews(tmp_path / "test.csv", 20)
    columns = "--text 리뷰 --label 감정".split()
    out = tmp_path / "내 실행"
    arguments = [
        *("--train", tmp_path / "r.csv", "--test", tmp_path / "test.csv"),
        *(*columns, "--model", pretrained, "--seeds", "2", "--out", out, *COMMON),
    ]
    recipe_main(monkeypatch, "finetune.py", *arguments)
    shown = capsys.readouterr().out
    assert "2 seeds" in shown and "to be asked at the end" in shown

    model = kbert.load(out / "model.keras")
    assert model.labels == ["긍정", "부정"] and model.tokenizer is not None
    said = [each["label"] for each in kbert.TextClassifier(model)([text for text, _ in rows])]
    assert np.mean([a == b for a, (_, b) in zip(said, rows, strict=True)]) > 0.9

    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))["scores"]
    assert len(scores["held out"]["accuracy"]) == len(scores["test"]["accuracy"]) == 2
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "정답" in report and "시드 2개의 점수는" in report and "골랐으므로" not in report
    assert "4에폭" in report and "예문 20개로 잰 정확도의 95% 구간은" in report
    with (out / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        predictions = list(csv.DictReader(file))
    assert len(predictions) == 20 and predictions[0]["text"] == rows[0][0]
    for seed in (0, 1):
        lines = (out / f"seed-{seed}" / "heldout.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 4
        best = max(json.loads(line)["sources"]["held out"]["macro_f1"] for line in lines)
        assert best == pytest.approx(scores["held out"]["macro_f1"][seed])

    recipe_main(monkeypatch, "finetune.py", *arguments)  # finished: nothing is trained
    assert "step 1/" not in capsys.readouterr().out
    assert json.loads((out / "scores.json").read_text(encoding="utf-8"))["scores"] == scores


def test_the_interval_of_a_share(monkeypatch):
    """scipy.stats.binomtest(9, 12).proportion_ci(method="wilson"): 0.4677 to 0.9111."""
    wilson = loaded_recipe(monkeypatch, "finetune_results.py").wilson
    np.testing.assert_allclose(wilson(0.75, 12), (0.4677, 0.9111), atol=1e-4)
    low, high = wilson(1.0, 20)
    assert low == pytest.approx(0.8389, abs=1e-4) and high == pytest.approx(1.0)


def test_a_run_that_was_ended_goes_on_to_the_bit(tmp_path, pretrained, monkeypatch):
    reviews(tmp_path / "r.csv")
    table = ["--train", tmp_path / "r.csv", "--text", "리뷰", "--label", "감정"]
    weights = []
    for ended in (False, True):
        out = tmp_path / f"ended {ended}"
        arguments = [*table, "--model", pretrained, "--out", out, *COMMON]
        if ended:
            recipe = loaded_recipe(monkeypatch, "finetune.py", *arguments)
            scored, calls = recipe.BestWeights.__call__, []

            def dies(self, model, scored=scored, calls=calls):
                calls.append(model)
                if len(calls) == 3:
                    raise KeyboardInterrupt
                return scored(self, model)

            monkeypatch.setattr(recipe.BestWeights, "__call__", dies)
            with pytest.raises(KeyboardInterrupt):
                recipe.main()
            assert not (out / "model.keras").exists()
        recipe_main(monkeypatch, "finetune.py", *arguments)
        weights.append(kbert.load(out / "model.keras").get_weights())
        report = (out / "report.html").read_text(encoding="utf-8")
        assert "이 예문으로 가중치를 골랐으므로" in report and "시드" not in report
        log = (out / "seed-0" / "log.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["step"] for line in log] == [*range(1, 29)]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_wrong_is_told_in_a_sentence(tmp_path, pretrained):
    reviews(tmp_path / "r.csv")
    table = ["--train", tmp_path / "r.csv", "--text", "리뷰", "--label", "별점"]
    done = run("finetune.py", *table, "--model", pretrained, "--out", tmp_path / "out")
    said = done.stderr.decode()
    assert done.returncode != 0 and "Traceback" not in said and "no column '별점'" in said


@pytest.mark.parametrize(
    ("given", "model", "rate"),
    [
        ([], "kbert-mini-ko", 3e-4),
        (["--lora", 4], "kbert-mini-ko", 5e-4),
        (["--learning-rate", 1e-4], "kbert-mini-ko", 1e-4),
        (["--model", "klue/bert-base"], "klue/bert-base", 5e-5),
    ],
)
def test_the_model_and_the_rate_where_none_is_given(tmp_path, monkeypatch, given, model, rate):
    table = ["--train", "r.csv", "--text", "리뷰", "--label", "감정", "--out", tmp_path / "out"]
    arguments = loaded_recipe(monkeypatch, "finetune.py", *table, *given).parse_arguments()
    assert (arguments.model, arguments.learning_rate) == (model, rate)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--held-out", 0], "--held-out is a share above 0"),
        (["--warmup-share", 2], "--warmup-share is a share, from 0 to 1"),
        (["--limit", 0], "--limit is a number from 1"),
        (["--data", "klue"], "--data is not for --train"),
        (["--dev", "d.csv", "--held-out", 0.2], "--held-out is not for --dev"),
        (["--lora", 4, "--reinitialize", 2], "--lora would leave what --reinitialize begins anew"),
    ],
)
def test_options_that_cannot_be(monkeypatch, capsys, given, said):
    table = ["--train", "r.csv", "--text", "리뷰", "--label", "감정"]
    with pytest.raises(SystemExit):
        loaded_recipe(monkeypatch, "finetune.py", *table, *given).parse_arguments()
    assert said in capsys.readouterr().err


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
        recipe_main(
            monkeypatch,
            "finetune.py",
            *[each for pair in mine.items() if pair[1] is not None for each in pair],
        )

    return run


def test_another_number_of_epochs_is_another_run(command):
    command()
    with pytest.raises(kbert.KbertError, match="with epochs 1, and this is 2"):
        command(epochs=2)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"model": "none.keras"}, "none.keras: no such file"),
        ({"model": "int8.keras"}, r"weights are int8, and --model without --lora takes floats"),
        ({"max_length": 4}, "max_length"),
        ({"freeze": 9}, "encoder layers, not 9"),
        ({"label": "점수"}, "no column '점수'"),
        ({"dev": "dev.csv"}, "dev.csv, row 2: the label '중립' is none of"),
    ],
)
def test_what_cannot_be_leaves_no_folder(command, tmp_path, changed, what):
    (tmp_path / "dev.csv").write_text("리뷰,감정\n국회,중립\n", encoding="utf-8")
    kbert.quantize(kbert.load(tmp_path / "start.keras")).save(tmp_path / "int8.keras")
    with pytest.raises(kbert.KbertError, match=what):
        command(**changed)
    assert not (tmp_path / "out").exists()


def test_a_part_that_is_there_twice_is_not_left_out(command, tmp_path):
    (tmp_path / "multinli.train.ko.tsv").write_text(
        "sentence1\tsentence2\tgold_label\n비가 온다\t날씨가 궂다\tentailment\n", encoding="utf-8"
    )
    for name in "ab":
        (tmp_path / f"xnli.dev.ko.{name}.tsv").write_text("", encoding="utf-8")
    with pytest.raises(kbert.KbertError, match=r"several such files: xnli.dev.ko.a.tsv, xnli"):
        command(train=None, text=None, label=None, task="kornli", data=".")


def test_a_number_and_a_set_of_one_part(command, tmp_path):
    """KLUE-STS's labels are a number, which needs no names; ParaKQC is one file."""
    table = {"train": None, "text": None, "label": None}
    for part, count in (("train", 12), ("dev", 4)):
        pairs = [
            {
                "guid": f"{part}-{i}",
                "sentence1": f"{i}번 {TEXTS[i % 4]}",
                "sentence2": f"{part}{i} {TEXTS[(i + i % 2) % 4]}",
                "labels": {"real-label": 0.0 if i % 2 else 5.0},
            }
            for i in range(count)
        ]
        text = json.dumps(pairs, ensure_ascii=False)
        (tmp_path / f"klue-sts-v1.1_{part}.json").write_text(text, encoding="utf-8")
    command(**table, task="klue-sts", data=tmp_path)
    model = kbert.load("out/model.keras")
    assert (model.problem_type, model.labels) == ("regression", ["score"])
    assert "pearson" in json.loads(Path("out/scores.json").read_text("utf-8"))["scores"]["test"]

    lines = [f"{i}\t{i % 2}\t{i}번 {n} {TEXTS[i % 4]}" for i in range(20) for n in range(10)]
    (tmp_path / "paraKQC_v1.txt").write_text("\n".join(lines), encoding="utf-8")
    command(**table, task="parakqc", data=tmp_path, out="acts")
    counts = json.loads(Path("acts/scores.json").read_text("utf-8"))["examples"]
    assert sum(counts.values()) == 200 and counts["held out"] % 10 == 0  # paraphrases stay together


def test_corrections_are_merged_before_the_model_is_written(command, tmp_path):
    command(lora=2, learning_rate=0.05, warmup_share=0)
    assert not (tmp_path / "out" / "seed-0" / "tensorboard").exists()
    start, found = kbert.load("start.keras"), kbert.load("out/model.keras")
    before = {weight.path.split("bert/")[-1]: weight for weight in start.weights}
    after = {
        weight.path.split("bert/")[-1]: weight
        for weight in found.weights
        if "classifier" not in weight.path
    }
    assert before.keys() == after.keys()
    changed = {path for path in after if (np.array(after[path]) != np.array(before[path])).any()}
    assert changed == {f"encoder_layer_{i}/self_attention/query_key_value/kernel" for i in range(2)}
    command(lora=2, learning_rate=0.05, warmup_share=0)  # finished: nothing is trained
    for one, other in zip(found.weights, kbert.load("out/model.keras").weights, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def test_figures_for_tensorboard(tmp_path, pretrained, monkeypatch):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reviews(tmp_path / "r.csv", 24)
    out = tmp_path / "out"
    table = ["--train", tmp_path / "r.csv", "--text", "리뷰", "--label", "감정", "--epochs", 1]
    few = ["--evaluations", 1, "--batch-size", 8, "--tensorboard"]
    recipe_main(monkeypatch, "finetune.py", *table, "--model", pretrained, "--out", out, *few)
    events = EventAccumulator(str(out / "seed-0" / "tensorboard"))
    events.Reload()
    log = (out / "seed-0" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [(line["step"], line["loss"]) for line in map(json.loads, log)]
    shown = [(event.step, event.value) for event in events.Scalars("loss")]
    assert len(shown) == 3
    np.testing.assert_allclose(shown, losses, rtol=1e-6)


def test_no_layer_is_a_number_of_layers(command):
    """--freeze 0 leaves the tables alone as they are; --reinitialize 0 begins the pooler anew."""
    start = kbert.load("start.keras")
    start.pooler.dense.kernel.assign(np.array(start.pooler.dense.kernel) + 9)
    start.save("start.keras")
    command(freeze=0, reinitialize=0)
    found = kbert.load("out/model.keras").bert
    assert not found.embeddings.trainable and all(each.trainable for each in found.encoder_layers)
    tables = [each.embeddings.get_weights()[0] for each in (start, found)]
    np.testing.assert_array_equal(*tables)
    assert np.abs(np.array(found.pooler.dense.kernel)).max() < 3  # and was 9 and more


def test_what_is_called_otherwise_in_a_recipe_is_named_so(command, tmp_path):
    lines = [f"글 {i},{i}" for i in range(120)]
    (tmp_path / "numbers.csv").write_text("\n".join(["리뷰,점수", *lines]), encoding="utf-8")
    table = ["--train", tmp_path / "numbers.csv", "--text", "리뷰", "--label", "점수"]
    done = run("finetune.py", *table, "--model", tmp_path / "start.keras", CWD=str(tmp_path))
    assert "for a quantity pass --kind number" in done.stderr.decode()


@pytest.mark.once
@pytest.mark.parametrize(
    ("examples", "given", "expected"),
    [
        (36, {}, (8, 20)),
        (200, {}, (20, 10)),
        (1_000, {}, (32, 4)),
        (100_000, {}, (32, 3)),
        (36, {"batch_size": 32}, (32, 20)),
        (36, {"epochs": 3}, (8, 3)),
    ],
)
def test_a_small_table_is_read_more_often(monkeypatch, examples, given, expected):
    options = loaded_recipe(monkeypatch, "finetune_options.py")
    arguments = Namespace(**{"batch_size": None, "epochs": None, **given})
    options.fit_to_size(arguments, examples)
    assert (arguments.batch_size, arguments.epochs) == expected


def test_how_to_go_on_can_be_copied(monkeypatch):
    told = loaded_recipe(monkeypatch, "finetune_results.py").to_go_on
    one = kbert.Examples("sequence-classification", ["재미있다"], labels=["긍정"])
    table = Namespace(train="a.csv", text="리뷰 글", pair=None)
    assert told(table, Path("runs/m.keras"), one) == (
        "What it says of new rows:\n  python recipes/predict.py --model runs/m.keras "
        "--text '리뷰 글' --table FILE --out answers.csv"
    )
    table.pair = "둘째"
    assert "--text '리뷰 글' --pair 둘째 --table FILE" in told(table, Path("m.keras"), one)
    official = Namespace(train=None)
    assert told(official, Path("m.keras"), one) == (
        "To go on, in Python:\n  import kbert\n"
        "  print(kbert.TextClassifier(kbert.load('m.keras'))('재미있다'))"
    )
    choices = kbert.Examples("multiple-choice", ["비가 온다"], pairs=[["쓴다", "간다"]], labels=[0])
    assert "MultipleChoice(kbert.load('m.keras'))('비가 온다', ['쓴다'" in told(
        table, Path("m.keras"), choices
    )
