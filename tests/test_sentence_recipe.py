"""recipes/sentence_bert.py, as it is run: from the official files to one model and its scores."""

import json

import numpy as np
import pytest

import kbert
from kbert import BertForMaskedLM, KbertError
from tests.recipe_runs import loaded_recipe, recipe_main, run

WORDS = "국회 법률 축구 경기 나라 사람 비 눈".split()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A small model that knows the words, and files as KLUE-NLI's, KLUE-STS's and KorSTS's."""
    folder = tmp_path_factory.mktemp("sentences")
    tokens = [*"[PAD] [UNK] [CLS] [SEP] [MASK]".split(), *WORDS]
    model = BertForMaskedLM(
        vocab_size=len(tokens),
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=16,
        initializer_range=0.3,
    )
    model.tokenizer = kbert.Tokenizer(tokens)
    model.save(folder / "start.keras")

    rng = np.random.default_rng(0)

    def text(first):
        return " ".join([WORDS[first], *rng.choice(WORDS, 2)])

    premises = [text(word) for word in range(len(WORDS))]
    nli, sts = [], []
    for i in range(32):
        word = i % len(WORDS)
        label = ("entailment", "contradiction", "neutral")[i % 3]
        other = word if label == "entailment" else (word + 3) % len(WORDS)
        nli.append({"premise": premises[word], "hypothesis": text(other), "gold_label": label})
        score = float(i % 6)
        other = word if score > 2 else (word + 3) % len(WORDS)
        sts.append((text(word), text(other), score))
    for part in ("train", "dev"):
        write = (folder / f"klue-nli-v1.1_{part}.json").write_text
        write(json.dumps([{"guid": str(i), **each} for i, each in enumerate(nli)]), "utf-8")
        rows = [
            {"guid": str(i), "sentence1": a, "sentence2": b, "labels": {"real-label": score}}
            for i, (a, b, score) in enumerate(sts)
        ]
        (folder / f"klue-sts-v1.1_{part}.json").write_text(json.dumps(rows), "utf-8")
    header = "genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2"
    lines = [f"g\tf\t2020\t{i}\t{score}\t{a}\t{b}" for i, (a, b, score) in enumerate(sts)]
    for part in ("train", "dev", "test"):
        (folder / f"sts-{part}.tsv").write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return folder


def test_inference_then_similarity_then_scores_of_two_seeds(place, tmp_path, monkeypatch, capsys):
    out = tmp_path / "내 실행"
    recipe_main(
        monkeypatch,
        "sentence_bert.py",
        *("--model", place / "start.keras", "--out", out, "--seeds", 2, "--epochs", 2),
        *("--nli", f"klue-nli={place}", "--sts", f"korsts={place}", f"klue-sts={place}"),
        *("--learning-rate", 3e-3, "--evaluations", 2, "--verbose", 0, "--pooling", "max"),
    )
    shown = capsys.readouterr().out
    assert "2 steps of inference, softmax" in shown and "korsts, 2 seeds: spearman" in shown
    assert "ko-sroberta-multitask" in shown and "SimCSE-BERT-KO" in shown  # beside the published

    model = kbert.load(out / "model.keras")
    assert type(model) is kbert.SentenceBert and model.pooling == "max"
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert len(scores["held_out"]) == len(scores["korsts"]["spearman"]) == 2
    best = int(np.argmax(scores["held_out"]))
    asked = kbert.read_task("korsts", place, "test")
    found = kbert.evaluate(model, asked)
    assert found["spearman"] == pytest.approx(scores["korsts"]["spearman"][best], abs=1e-5)
    assert not np.array_equal(
        *(kbert.load(out / f"seed-{i}" / "best.keras").get_weights()[0] for i in (0, 1))
    )


def test_in_batch_a_few_and_a_run_that_was_ended(place, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    command = ["--model", place / "start.keras", "--out", out, "--epochs", 1, "--limit", 16]
    command += ["--nli", f"klue-nli={place}", "--sts", f"klue-sts={place}", "--verbose", 0]
    command += ["--objective", "in-batch", "--evaluations", 1, "--precision", "mixed_bfloat16"]
    recipe_main(monkeypatch, "sentence_bert.py", *command)
    assert "inference, in-batch" in capsys.readouterr().out
    model = kbert.load(out / "model.keras")
    assert model.dtype_policy.name == "float32"  # what was trained in 16 bits is asked in 32
    whole = model.get_weights()

    for name in ("model.keras", "scores.json", "seed-0/best.keras"):  # as if ended in step 3
        (out / name).unlink()
    recipe_main(monkeypatch, "sentence_bert.py", *command)
    shown = capsys.readouterr().out
    assert "of inference" not in shown and "1 step of similarity" in shown
    for one, other in zip(whole, kbert.load(out / "model.keras").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

    with pytest.raises(kbert.KbertError, match="was begun with epochs 1, and this is 3"):
        recipe_main(monkeypatch, "sentence_bert.py", *command, "--epochs", 3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--nli", "klue-nli"], "'klue-nli' is no klue-nli=FOLDER or kornli=FOLDER"),
        (["--nli", "korsts=."], "'korsts=.' is no klue-nli=FOLDER"),
    ],
)
@pytest.mark.once
def test_a_command_line_that_cannot_be(monkeypatch, capsys, changed, message):
    arguments = ["--model", "start.keras", "--sts", "klue-sts=.", *changed]
    with pytest.raises(SystemExit):
        loaded_recipe(monkeypatch, "sentence_bert.py", *arguments).parse_arguments()
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("given", "expected"), [([], "cls"), (["--pooling", "max"], "max")])
def test_a_sentence_model_pools_as_it_did_unless_told(
    place, tmp_path, monkeypatch, given, expected
):
    encoder = kbert.load(place / "start.keras")
    kbert.SentenceBert.from_encoder(encoder, pooling="cls").save(tmp_path / "sentences.keras")
    command = ["--model", tmp_path / "sentences.keras", "--sts", f"klue-sts={place}", *given]
    recipe = loaded_recipe(monkeypatch, "sentence_bert.py", *command, "--out", tmp_path / "out")
    assert recipe.load(recipe.parse_arguments(), 0).pooling == expected


def test_both_parts_are_trained_in_16_bits(place, tmp_path, monkeypatch):
    command = ["--model", place / "start.keras", "--sts", f"klue-sts={place}"]
    command += ["--precision", "mixed_bfloat16", "--pooling", "cls"]
    recipe = loaded_recipe(monkeypatch, "sentence_bert.py", *command)
    arguments = recipe.parse_arguments()
    first = recipe.load(arguments, 0)
    first.save(tmp_path / "nli.keras")
    second = recipe.load(arguments, 0, tmp_path / "nli.keras")
    assert first.dtype_policy.name == second.dtype_policy.name == "mixed_bfloat16"
    assert second.pooling == "cls"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--pooling", "sum"], "pooling is one of"),
        (["--sts", "klue-sts=nowhere"], "nowhere is neither a folder nor a file"),
    ],
)
def test_what_cannot_be_leaves_no_folder(place, tmp_path, monkeypatch, changed, message):
    arguments = ["--model", place / "start.keras", "--sts", f"klue-sts={place}", *changed]
    with pytest.raises(KbertError, match=message):
        recipe_main(monkeypatch, "sentence_bert.py", *arguments, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_is_told_in_a_sentence(place, tmp_path):
    arguments = ["--model", place / "none.keras", "--sts", f"klue-sts={place}"]
    done = run("sentence_bert.py", *arguments, "--out", tmp_path / "out")
    said = done.stderr.decode()
    assert done.returncode != 0 and "Traceback" not in said and "none.keras: no such file" in said
