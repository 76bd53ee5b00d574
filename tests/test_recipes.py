import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from tests.conftest import SENTENCES
from tests.recipe_runs import loaded_recipe, recipe_main, run

ONE_LAYER = ["--num-hidden-layers", 1]  # where a second would only take time to compile


@pytest.mark.slow
def test_from_raw_text_to_a_shared_model(corpus, monkeypatch, capsys):
    """The whole walk, in a folder with a Korean name and on a console that has no Hangul."""
    folder = corpus.parent / "실행"
    settings = ["--corpus", corpus, "--vocab-size", 140, "--steps", 4, "--batch-size", 4]
    settings += ["--warmup-steps", 2, "--sequence-length", 32, "--out", folder]
    console = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict"}
    done = run("pretrain_ko.py", *settings, **console)
    assert done.returncode == 0, done.stderr.decode()
    names = ["checkpoints", "heldout.jsonl", "log.jsonl", "model.keras", "settings.json"]
    names += ["tokenizer_settings.json", "vocab.txt"]
    assert sorted(path.name for path in folder.iterdir()) == names
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert {"step", "loss", "mlm_loss", "nsp_loss"} <= lines[0].keys()
    shown = done.stdout.decode("ascii")
    for part in ("step 4/4", "tokens/s", "by frequency alone", "of 10 came back", "--model"):
        assert part in shown
    assert json.loads((folder / "settings.json").read_text("utf-8"))["steps"] == 4

    model = kbert.load(folder / "model.keras")
    assert len(model.tokenizer) == 140
    assert model.tokenizer.vocabulary == kbert.Tokenizer.from_file(folder).vocabulary
    assert len(kbert.FillMask(model)("대한민국의 [MASK]은 국민에게 있고", top_k=3)) == 3

    # Again: it is finished; never overwritten unasked; on request, with the same bytes and losses.
    recipe_main(monkeypatch, "pretrain_ko.py", *settings)
    assert "is finished, with 4 steps" in capsys.readouterr().out
    with pytest.raises(kbert.KbertError, match=r"with learning_rate 0\.001, and this is 0\.0001"):
        recipe_main(monkeypatch, "pretrain_ko.py", *settings, "--learning-rate", 1e-4)
    vocabulary = (folder / "vocab.txt").read_bytes()
    by_xla = ("jax", "tensorflow")  # as in the process, for conftest has it otherwise
    monkeypatch.setattr("kbert.training.losses._COMPILED_BY_XLA", by_xla)
    recipe_main(monkeypatch, "pretrain_ko.py", *settings, "--overwrite")
    assert (folder / "vocab.txt").read_bytes() == vocabulary
    repeated = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in repeated] == [line["loss"] for line in lines]

    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    strange = run("pretrain_ko.py", *settings, "--overwrite")
    assert strange.returncode == 1 and b"Traceback" not in strange.stderr
    assert "mine.txt" in strange.stderr.decode()
    assert (folder / "model.keras").exists()


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ([], 0.0),
        (["--preset", "bert"], 0.1),
        (["--preset", "bert", "--dropout", 0.0], 0.0),
        (["--init", "model.keras", "--preset", "bert"], None),  # that of the model
        (["--init", "model.keras", "--dropout", 0.0], 0.0),
    ],
)
@pytest.mark.once
def test_whose_dropout_a_run_has(monkeypatch, options, rate):
    recipe = loaded_recipe(monkeypatch, "pretrain_ko.py", *options)
    assert recipe.parse_arguments().dropout == rate


@pytest.mark.parametrize(
    ("options", "preset", "learning_rate", "vocab_size"),
    [
        ([], "quick", 3e-3, 1500),
        (["--corpus", "texts"], "corpus", 1e-3, 16_000),
        (["--shards", "shards", "--learning-rate", "2e-4"], "corpus", 2e-4, 16_000),
        (["--init", "model.keras", "--corpus", "texts"], "further", 5e-5, None),
        (["--corpus", "texts", "--preset", "bert"], "bert", 1e-4, 32_000),
    ],
)
@pytest.mark.once
def test_which_preset_a_run_has(monkeypatch, options, preset, learning_rate, vocab_size):
    arguments = loaded_recipe(monkeypatch, "pretrain_ko.py", *options).parse_arguments()
    assert arguments.preset == preset
    assert (arguments.learning_rate, arguments.vocab_size) == (learning_rate, vocab_size)


@pytest.mark.parametrize(
    ("options", "warmup_steps"),
    [
        ([], 400),
        (["--steps", "240"], 24),
        (["--corpus", "texts"], 1000),
        (["--corpus", "texts", "--steps", "240"], 24),
        (["--corpus", "texts", "--steps", "100000"], 1000),
        (["--corpus", "texts", "--steps", "9"], 0),
        (["--corpus", "texts", "--stages", "128:8:90", "512:2:10"], 10),
        (["--corpus", "texts", "--steps", "240", "--warmup-steps", "200"], 200),
        (["--preset", "bert"], 10_000),
    ],
)
@pytest.mark.once
def test_a_warm_up_that_is_not_given_fits_the_run(monkeypatch, options, warmup_steps):
    arguments = loaded_recipe(monkeypatch, "pretrain_ko.py", *options).parse_arguments()
    assert arguments.warmup_steps == warmup_steps


@pytest.mark.once
def test_a_vocabulary_whose_size_is_not_given_is_as_large_as_the_text_gives(corpus, monkeypatch):
    """16,000 would be the most; who asks for them is told that there are fewer."""
    read = []
    for options in ([], ["--vocab-size", "16000"]):
        options = ["--corpus", corpus, *options]
        recipe = loaded_recipe(monkeypatch, "pretrain_ko.py", *options)
        read.append((recipe.read_text, recipe.parse_arguments()))
    (read_text, arguments), (_, exact) = read
    tokenizer = read_text(arguments, None).tokenizer
    assert 100 < len(tokenizer) < 200
    with pytest.raises(
        kbert.KbertError, match=f"of {len(tokenizer)} tokens at the most, and 16000"
    ):
        read_text(exact, None)


def test_evaluate_prints_a_row_for_each_model_and_file(corpus, tokenizer, monkeypatch, capsys):
    paths = []
    for make in (kbert.BertForPreTraining, kbert.BertForMaskedLM, kbert.Bert):
        model = make(vocab_size=len(tokenizer), **kbert.SIZES["tiny"], max_position_embeddings=24)
        model.tokenizer = tokenizer
        paths.append(corpus.parent / f"{make.__name__}.keras")
        model.save(paths[-1])
    other = corpus.parent / "other.txt"
    other.write_text("국회에 법률을 의결한다.\n나 는 축구다.\n\n너 는 정말 재미있다.", "utf-8")
    common = ["--corpus", corpus, other, "--masking", "eojeol", "--batch-size", 4]

    recipe_main(monkeypatch, "evaluate.py", "--model", *paths[:2], *common)
    printed = capsys.readouterr().out
    _, line, *rows = [row.strip("| ").split(" | ") for row in printed.splitlines()]
    assert line == ["---"] * 9
    assert [row[:2] for row in rows] == [
        [text, str(path)] for path in paths[:2] for text in ("말뭉치.txt", "other.txt")
    ]
    for _, _, tokens, unknown, loss, baseline, accuracy, perplexity, nsp in rows:
        assert int(tokens) > 5 and float(unknown[:-1]) < 100 and 0 < float(baseline) < 4
        assert abs(float(loss) - math.log(len(tokenizer))) < 1  # it has learned nothing
        assert 0 <= float(accuracy[:-1]) <= 100 and 10 < float(perplexity) < 100
        assert nsp == "-" or 0 <= float(nsp[:-1]) <= 100
    assert [row[-1] == "-" for row in rows] == [False, False, True, True]

    recipe_main(monkeypatch, "evaluate.py", "--model", *paths[:2], *common)
    assert capsys.readouterr().out == printed
    with pytest.raises(kbert.KbertError, match="holds a Bert; a BertForPreTraining or a"):
        recipe_main(monkeypatch, "evaluate.py", "--model", paths[2], *common)
    with pytest.raises(kbert.KbertError, match="reads 24 tokens, fewer than 32"):
        recipe_main(
            monkeypatch, "evaluate.py", "--model", paths[0], *common, "--sequence-length", 32
        )


def test_a_run_by_the_clock_of_a_size_of_its_own(corpus, monkeypatch, capsys):
    """--hours, and the options beside --size."""
    folder = corpus.parent / "run"
    settings = ["--corpus", corpus, "--hours", 0.001, "--batch-size", 4, "--sequence-length", 16]
    settings += ["--num-hidden-layers", 1, "--hidden-size", 24, "--embedding-size", 8]
    settings += ["--num-attention-heads", 3, "--out", folder]
    recipe_main(monkeypatch, "pretrain_ko.py", *settings)
    shown = capsys.readouterr().out
    assert "step 1  loss" in shown and "99999999" not in shown.replace(",", "")
    config = kbert.load(folder / "model.keras").bert.get_config()
    sizes = "num_hidden_layers hidden_size num_attention_heads intermediate_size embedding_size"
    assert [config[name] for name in sizes.split()] == [1, 24, 3, 96, 8]
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["seconds"] >= 3.6
    recipe_main(monkeypatch, "pretrain_ko.py", *settings)
    assert "is finished, after 0.001 hours" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ([], (2, 128, 2, 512)),
        (["--num-hidden-layers", "6"], (6, 128, 2, 512)),
        (["--hidden-size", "384"], (2, 384, 6, 1536)),
        (["--size", "base", "--hidden-size", "384", "--num-attention-heads", "12"],
         (12, 384, 12, 1536)),
        (["--hidden-size", "32", "--intermediate-size", "50"], (2, 32, 1, 50)),
    ],
)  # fmt: skip
@pytest.mark.once
def test_options_beside_the_size(monkeypatch, options, sizes):
    recipe = loaded_recipe(monkeypatch, "pretrain_options.py", *options)
    found = recipe.size_arguments(recipe.parse_arguments())
    names = "num_hidden_layers hidden_size num_attention_heads intermediate_size"
    assert found == dict(zip(names.split(), sizes, strict=True))


@pytest.mark.parametrize("architecture", [None, "bert", "modernbert", "deberta", "mobilebert"])
@pytest.mark.once
def test_a_new_model_of_every_architecture(monkeypatch, tokenizer, architecture):
    options = ["--num-hidden-layers", 2, "--hidden-size", 32, "--sequence-length", 24]
    options += ["--architecture", architecture] if architecture else []
    arguments = loaded_recipe(monkeypatch, "pretrain_options.py", *options).parse_arguments()
    recipe = loaded_recipe(monkeypatch, "pretrain_models.py")
    model = recipe.new_model(arguments, tokenizer, 24)
    assert isinstance(model, kbert.BertForPreTraining) and model.max_length == 24
    assert model.bert.architecture == (architecture or "bert")
    assert model.bert.hidden_size == 32 and model.tokenizer is tokenizer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--init", "m.keras", "--architecture", "bert"], "--init brings its own architecture"),
        (["--architecture", "deberta", "--num-hidden-groups", "1"], "--num-hidden-groups is for"),
        (
            ["--architecture", "modernbert", "--objective", "replaced-token-detection"],
            "is for --architecture bert, as its generator is one",
        ),
        (["--architecture", "mobilebert", "--objective", "causal"], "its tokens see the next one"),
    ],
)
@pytest.mark.once
def test_architectures_that_cannot_be(monkeypatch, capsys, options, message):
    with pytest.raises(SystemExit):
        loaded_recipe(monkeypatch, "pretrain_options.py", *options).parse_arguments()
    assert message in capsys.readouterr().err


def test_a_lengthened_model_is_trained_further(corpus, tokenizer, monkeypatch, capsys):
    """Its global tokens' projections, too, though masked words alone are asked for."""
    model = kbert.BertForMaskedLM(
        vocab_size=len(tokenizer),
        **kbert.SIZES["tiny"],
        max_position_embeddings=16,
        initializer_range=0.2,  # so that it matters what [CLS] sees
    )
    model.tokenizer = tokenizer
    longer, folder = kbert.lengthen(model, 48, attention_window=4), corpus.parent / "run"
    longer.save(corpus.parent / "longer.keras")
    settings = ["--init", corpus.parent / "longer.keras", "--corpus", corpus, "--out", folder]
    settings += ["--objective", "masked-lm", "--stages", "48:4:2", "--learning-rate", 1e-3]
    recipe_main(monkeypatch, "pretrain_ko.py", *settings)
    trained = kbert.load(folder / "model.keras")
    assert trained.max_length == 48 and trained.get_config()["attention_window"] == 4
    new, was = (
        ops.convert_to_numpy(each.bert.encoder_layers[0].self_attention.global_key_value.kernel)
        for each in (trained, longer)
    )
    assert np.abs(new - was).max() > 1e-5
    model.save(corpus.parent / "short.keras")
    settings[1] = corpus.parent / "short.keras"
    with pytest.raises(kbert.KbertError, match=r"longer than the 16 .* kbert.lengthen makes"):
        recipe_main(monkeypatch, "pretrain_ko.py", *settings, "--overwrite")


def test_steps_are_compiled_where_the_backend_can():
    """In a process of its own, for conftest has them otherwise on TensorFlow."""
    code = "import kbert; print(kbert.objective('pretraining')['jit_compile'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(keras.backend.backend() != "torch")


def test_another_text_or_vocabulary_is_refused(corpus, monkeypatch, capsys):
    """For a run that is not finished, and before anything is trained; both values are named."""
    folder = corpus.parent / "실행"
    settings = ["--stages", "16:4:2", "24:2:1", "--warmup-steps", 1, *ONE_LAYER]
    settings += ["--micro-batches", 2, "--heldout", corpus, "--evaluate-every", 2, "--out", folder]
    tokens = kbert.Tokenizer.train(SENTENCES, 80).vocabulary
    first, other_words = corpus.with_name("first.txt"), corpus.with_name("vocab.txt")
    for path, words in ((first, tokens), (other_words, [*tokens, "국민##"])):
        path.write_text("".join(f"{word}\n" for word in words), "utf-8")
    settings += ["--vocab"]
    recipe_main(monkeypatch, "pretrain_ko.py", "--corpus", corpus, *settings, first)
    assert "held-out 말뭉치: MLM loss" in capsys.readouterr().out
    lines = [json.loads(line) for line in (folder / "heldout.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3]
    scores = lines[1]["sources"]["말뭉치"]
    assert scores["loss"] == pytest.approx(scores["mlm_loss"] + scores["nsp_loss"])
    assert 1 < scores["pseudo_perplexity"] < 1000 and 0 <= scores["nsp_accuracy"] <= 1

    (folder / "model.keras").unlink()  # as if it had been killed before that was written
    other = corpus.with_name("other.txt")
    other.write_text(corpus.read_text("utf-8") + "\n\n" + SENTENCES[0], encoding="utf-8")
    for text, words, message in (
        (other, first, "was begun with .*text '.* tokens in 4 documents, .*and this is '.* in 5"),
        (
            corpus,
            other_words,
            f"with vocabulary '{len(tokens)} tokens, .* this is '{len(tokens) + 1} tokens",
        ),
    ):
        with pytest.raises(kbert.KbertError, match=message):
            recipe_main(monkeypatch, "pretrain_ko.py", "--corpus", text, *settings, words)
    recipe_main(monkeypatch, "pretrain_ko.py", "--corpus", corpus, *settings, first)
    assert "Going on after step 3." in capsys.readouterr().out
    assert (folder / "model.keras").exists()


def test_left_to_right_from_text_to_figures(corpus, monkeypatch, capsys):
    """--objective causal: trained, evaluated, continued, and scored by evaluate.py as it was."""
    folder = corpus.parent / "run"
    settings = ["--corpus", corpus, "--vocab-size", 140, "--stages", "16:4:4", "--warmup-steps", 1]
    settings += ["--objective", "causal", "--heldout", corpus, "--evaluate-every", 2]
    first = ["--micro-batches", 2, *ONE_LAYER, "--out", folder]
    recipe_main(monkeypatch, "pretrain_ko.py", *settings, *first)
    shown = capsys.readouterr().out
    for part in (
        "held-out 말뭉치: next-token loss",
        "Next-token loss",
        "Ten beginnings",
        "--causal",
    ):
        assert part in shown
    assert "MLM" not in shown and "next token" in shown and "FillMask" not in shown
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert all(line["next_token_loss"] == line["loss"] for line in log) and len(log) == 4
    lines = [json.loads(line) for line in (folder / "heldout.jsonl").read_text().splitlines()]
    scores = lines[-1]["sources"]["말뭉치"]
    assert scores["perplexity"] == pytest.approx(math.exp(scores["next_token_loss"]))
    assert lines[-1]["step"] == 4 and 0 <= scores["next_token_accuracy"] <= 1

    model = folder / "model.keras"
    assert type(kbert.load(model)).__name__ == "BertForMaskedLM"
    common = ["--model", model, "--corpus", corpus, "--batch-size", 4]
    recipe_main(monkeypatch, "evaluate.py", *common, "--causal")
    columns, _, row = (
        line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()
    )
    assert len(columns) == len(row) == 8 and columns[4] == "next-token loss"
    assert float(row[4]) == pytest.approx(scores["next_token_loss"], abs=6e-4)
    assert float(row[7]) == pytest.approx(scores["perplexity"], abs=0.06)
    # The mask of attention matters: from both sides the same weights are asked something else.
    recipe_main(monkeypatch, "evaluate.py", *common)
    other = capsys.readouterr().out.splitlines()[2].strip("| ").split(" | ")
    assert other[4] != row[4]

    further = ["--init", model, "--corpus", corpus, *settings[4:], "--out", corpus.parent / "on"]
    recipe_main(monkeypatch, "pretrain_ko.py", *further)
    assert (corpus.parent / "on/model.keras").exists()


def test_a_run_of_another_version_is_not_continued(corpus, monkeypatch):
    """Its settings lack a name; the message says so, and nothing is lost."""
    folder = corpus.parent / "run"
    settings = ["--corpus", corpus, "--vocab-size", 140, "--stages", "16:4:1", "--out", folder]
    settings += ONE_LAYER
    recipe_main(monkeypatch, "pretrain_ko.py", *settings)
    path = folder / "settings.json"
    former = json.loads(path.read_text("utf-8"))
    del former["precision"], former["remat"]
    path.write_text(json.dumps(former), "utf-8")
    message = "another version of kbert, which did not have the setting precision and remat"
    with pytest.raises(kbert.KbertError, match=message):
        recipe_main(monkeypatch, "pretrain_ko.py", *settings)
    assert (folder / "model.keras").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stages", "128:8"], "a stage is LENGTH:BATCH:STEPS"),
        (["--stages", "128:8:0"], "a stage is LENGTH:BATCH:STEPS"),
        (["--stages", "128:8:9", "--steps", "9"], "--stages stands for"),
        (["--stages", "128:8:9", "--steps", "0"], "--stages stands for"),
        (["--steps", "0"], "--steps is a number from 1, not 0"),
        (["--batch-size", "-1"], "--batch-size is a number from 1, not -1"),
        (["--sequence-length", "0"], "--sequence-length is a number from 1, not 0"),
        (["--vocab-size", "0"], "--vocab-size is a number from 1, not 0"),
        (["--micro-batches", "0"], "--micro-batches is a number from 1, not 0"),
        (["--warmup-steps", "-1"], "--warmup-steps is a number from 0, not -1"),
        (["--steps", "9", "--warmup-steps", "10"], "--warmup-steps 10 are more than the 9"),
        (["--save-every", "0"], "--save-every is a number from 1, not 0"),
        (["--evaluate-every", "0"], "--evaluate-every is a number from 1, not 0"),
        (["--preset", "further"], "name it with --init"),
        (["--hours", "0"], "--hours is a number above 0, not 0.0"),
        (["--hours", "nan"], "--hours is a number above 0"),
        (["--hours", "1", "--steps", "9"], "--hours stands for"),
        (["--hours", "1", "--stages", "128:8:9"], "--hours stands for"),
        (["--hours", "1", "--warmup-steps", "9"], "--hours stands for"),
        (["--num-hidden-layers", "0"], "--num-hidden-layers is a number from 1, not 0"),
        (["--init", "model.keras", "--hidden-size", "64"], "--init brings its own size"),
        (["--objective", "causal", "--masking", "eojeol"], "causal masks nothing"),
        (["--objective", "causal", "--mask-rate", "0.3"], "causal masks nothing"),
        (["--objective", "causal", "--ngram", "3"], "causal masks nothing"),
        (["--objective", "masked-lm", "--negatives", "swapped"], "has no pairs"),
        (["--hours", "1", "--decay-steps", "9"], "--hours stands for"),
        (["--steps", "9", "--decay-steps", "10"], "are more than the 9 steps of the run"),
        (["--ngram", "0"], "--ngram is a number from 1, not 0"),
        (["--init", "model.keras", "--vocab", "vocab.txt"], "--init brings its own vocabulary"),
        (["--init", "model.keras", "--size", "mini"], "--size is not for --init"),
        (["--shards", "shards", "--vocab-size", "9"], "--vocab-size is not for --shards"),
        (["--corpus", "a.txt", "--unpaired", "a.txt"], "--unpaired is not for a run without"),
        (["--heldout", "a/wiki.txt", "b/wiki.txt.xz"], "has 2 files whose name is wiki"),
    ],
)
@pytest.mark.once
def test_options_that_cannot_be(monkeypatch, capsys, options, message):
    with pytest.raises(SystemExit):
        recipe_main(monkeypatch, "pretrain_ko.py", *options)
    shown = capsys.readouterr().err
    assert message in shown and len(shown.splitlines()) == 2  # no page of usage


def test_shards_whole_words_and_going_on_from_a_model(corpus, monkeypatch, capsys):
    """Shards of two folders, masked LM alone by eojeol; then its model, with more tokens."""
    words = corpus.parent / "words"
    sentences = [line for line in corpus.read_text("utf-8").splitlines() if line]
    kbert.Tokenizer.train(sentences, 140).save(words)
    shards = [corpus.parent / "글", corpus.parent / "댓글"]
    for folder in shards:
        build = ["--corpus", corpus, "--vocab", words, "--out", folder, "--processes", 1]
        recipe_main(monkeypatch, "build_shards.py", *build)
    sizes = ["--steps", 2, "--batch-size", 4, "--sequence-length", 16, "--warmup-steps", 1]
    first = ["--shards", *shards, "--weights", 1, 2, "--unpaired", shards[1], *sizes]
    first += ["--objective", "masked-lm", "--masking", "eojeol", "--heldout", corpus]
    recipe_main(monkeypatch, "pretrain_ko.py", *first, *ONE_LAYER, "--out", corpus.parent / "run")
    shown = capsys.readouterr().out
    assert "held-out 말뭉치: MLM loss" in shown and "NSP" not in shown
    model = kbert.load(corpus.parent / "run/model.keras")
    assert type(model).__name__ == "BertForMaskedLM"
    log = (corpus.parent / "run/log.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["step"] for line in lines] == [1, 2] and "mlm_accuracy" in lines[0]

    more = corpus.parent / "more.txt"
    more.write_text("민주공화국이다\n", encoding="utf-8")
    second = ["--init", corpus.parent / "run/model.keras", "--corpus", corpus, *sizes]
    second += ["--precision", "mixed_float16", "--remat"]
    out = corpus.parent / "further"
    dropped = ["--add-tokens", more, "--dropout", 0.25, "--out", out]
    recipe_main(monkeypatch, "pretrain_ko.py", *second, *dropped)
    longer = kbert.load(out / "model.keras")
    rates = [each.get_config()["hidden_dropout_prob"] for each in (model, longer)]
    assert rates == [0, 0.25]
    assert type(longer).__name__ == "BertForPreTraining"
    assert longer.tokenizer.vocabulary == [*model.tokenizer.vocabulary, "민주공화국이다"]
    assert longer.dtype_policy.name == "float32" and longer.get_config()["remat"]
    state = (out / "checkpoints/step-00000002/state.safetensors").read_bytes()
    assert b"dynamic_scale" in state  # trained in float16, with a scaled loss
    with pytest.raises(kbert.KbertError, match="longer than the 16 that"):
        long = [*second, "--sequence-length", 32, "--out", corpus.parent / "long"]
        recipe_main(monkeypatch, "pretrain_ko.py", *long)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"", [], "the corpus is empty"),
        (b"\n\n \n", [], "the corpus is empty"),
        ("하나뿐인 문서이다.\n둘째 문장이다.".encode(), ["--vocab-size", 18], "has only one"),
        ("한글".encode("cp949"), [], "encoding='cp949'"),
        ("\n\n".join(SENTENCES).encode(), ["--vocab-size", 9000], "tokens at the most"),
        ("\n\n".join(SENTENCES).encode(), ["--vocab-size", 20], "is too small"),
    ],
)
@pytest.mark.once
def test_bad_corpora(tmp_path, monkeypatch, content, arguments, message):
    path, folder = tmp_path / "말뭉치.txt", tmp_path / "out"
    path.write_bytes(content)
    folder.mkdir()
    (folder / "vocab.txt").write_text("a former run", encoding="utf-8")
    options = ["--corpus", path, "--steps", 1, "--out", folder, "--overwrite", *arguments]
    with pytest.raises(kbert.KbertError, match=message):
        recipe_main(monkeypatch, "pretrain_ko.py", *options)
    assert (folder / "vocab.txt").read_text() == "a former run"  # an error costs nothing


def test_evaluate_of_a_set_beside_published_scores(tmp_path, small, tokenizer, monkeypatch, capsys):
    model = kbert.BertForSequenceClassification(labels=["negative", "positive"], **small)
    model.tokenizer = tokenizer
    model.save(tmp_path / "mine.keras")
    texts = ["국회는 법률을 의결한다", "국민의 축구 경기", "정말 재미있다", "우리는 너"]
    said = [each["label"] for each in kbert.TextClassifier(model)(texts)]
    labels = [int(label == "positive") for label in said]
    labels[3] = 1 - labels[3]  # 3 of 4 are right
    rows = [f"{i}\t{text}\t{labels[i]}" for i, text in enumerate(texts)]
    table = "\n".join(["id\tdocument\tlabel", *rows, ""])
    (tmp_path / "ratings_test.txt").write_text(table, encoding="utf-8")
    common = ["--model", tmp_path / "mine.keras", "--task", "nsmc", "--data", tmp_path]

    recipe_main(monkeypatch, "evaluate.py", *common, "--report", tmp_path / "report.html")
    printed = capsys.readouterr().out
    assert f"| {tmp_path / 'mine.keras'} | 75.0% |" in printed
    assert "| KoBERT | 89.6% |" in printed and "4 of the 50,000 examples of test" in printed
    assert "우리는 너" in (tmp_path / "report.html").read_text(encoding="utf-8")
    with pytest.raises(kbert.KbertError, match="nsmc has the parts train, test, not 'dev'"):
        recipe_main(monkeypatch, "evaluate.py", *common, "--part", "dev")
    (tmp_path / "ratings_test.txt").unlink()
    with pytest.raises(kbert.KbertError, match="has no part of nsmc with labels"):
        recipe_main(monkeypatch, "evaluate.py", *common)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name files with --corpus, or a set with --task"),
        (["--task", "nsmc"], "--task nsmc needs --data"),
        (["--corpus", "a.txt", "--report", "r.html"], "--report is not for --corpus"),
        (["--task", "nsmc", "--data", "nsmc", "--causal"], "--causal is not for --task"),
    ],
)
def test_what_is_to_be_evaluated_is_named(monkeypatch, capsys, options, message):
    with pytest.raises(SystemExit):
        recipe_main(monkeypatch, "evaluate.py", "--model", "a.keras", *options)
    assert message in capsys.readouterr().err


def test_albert_and_a_modernbert_further(corpus, monkeypatch):
    """Shared layers, order and runs of words; then an encoder of another architecture goes on."""
    first, second = corpus.parent / "albert", corpus.parent / "modern"
    steps = ["--corpus", corpus, "--stages", "24:4:2", "--warmup-steps", 0]
    albert = ["--num-hidden-groups", 1, "--embedding-size", 16, "--ngram", 3]
    albert += ["--masking", "eojeol", "--vocab-size", 140, "--out", first]
    recipe_main(monkeypatch, "pretrain_ko.py", *steps, *albert, "--negatives", "swapped")
    model = kbert.load(first / "model.keras")
    config = model.get_config()
    assert (config["num_hidden_groups"], config["embedding_size"]) == (1, 16)
    assert len(model.bert.encoder_layers) == 1 and len(model.bert.layers_in_order) == 2
    with pytest.raises(kbert.KbertError, match="negatives 'swapped', and this is 'random'"):
        recipe_main(monkeypatch, "pretrain_ko.py", *steps, *albert)

    size = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
    modern = kbert.BertForMaskedLM(
        architecture="modernbert", vocab_size=model.vocab_size, num_hidden_layers=2, **size
    )
    modern.tokenizer = model.tokenizer
    modern.save(corpus.parent / "modern.keras")
    recipe_main(
        monkeypatch,
        "pretrain_ko.py",
        *steps,
        *("--init", corpus.parent / "modern.keras", "--objective", "masked-lm"),
        *("--mask-rate", 0.3, "--out", second),
    )
    trained = kbert.load(second / "model.keras")
    assert type(trained.bert) is kbert.ModernBert
    before, after = (m.bert.encoder_layers[1].feed_forward.widen for m in (modern, trained))
    assert not np.array_equal(before.get_weights()[0], after.get_weights()[0])


def test_which_tokens_were_replaced_from_text_to_two_checkpoints(corpus, monkeypatch, capsys):
    """A generator and a discriminator, and both again, to be trained further."""
    folder, again = corpus.parent / "run", corpus.parent / "further"
    common = ["--objective", "replaced-token-detection", "--corpus", corpus, "--batch-size", 4]
    common += ["--sequence-length", 24, "--steps", 3, "--heldout", corpus, *ONE_LAYER]
    new = [*common, "--vocab-size", 140, "--embedding-size", 64, "--out", folder]
    recipe_main(monkeypatch, "pretrain_ko.py", *new)
    shown = capsys.readouterr().out
    for part in ("MLM loss", "RTD loss", "of the replaced found", "--generator", "finetune.py"):
        assert part in shown
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for line in lines:
        assert line["loss"] == pytest.approx(line["mlm_loss"] + 50 * line["rtd_loss"], rel=1e-4)
    heldout = json.loads((folder / "heldout.jsonl").read_text("utf-8"))["sources"]["말뭉치"]
    assert {"mlm_loss", "rtd_loss", "rtd_recall", "pseudo_perplexity"} <= set(heldout)

    discriminator, generator = (
        kbert.load(folder / name) for name in ("model.keras", "generator.keras")
    )
    assert discriminator.task == "replaced-token-detection" and generator.task == "masked-lm"
    assert (discriminator.bert.hidden_size, generator.bert.hidden_size) == (128, 32)
    for name, model in (("d", discriminator), ("g", generator)):
        kbert.export_huggingface(model, corpus.parent / name, model_type="electra")
    further = ["--init", corpus.parent / "d", "--generator", corpus.parent / "g"]
    further = [option for option in common if option not in ONE_LAYER] + further
    recipe_main(monkeypatch, "pretrain_ko.py", *further, "--out", again)
    trained = kbert.load(again / "model.keras")
    assert trained.task == discriminator.task and len(trained.tokenizer) == 140
    np.testing.assert_array_equal(
        kbert.load(again / "generator.keras").bert.embeddings.get_weights()[0],
        trained.bert.embeddings.get_weights()[0],
    )
    with pytest.raises(kbert.KbertError, match=r"was begun with generator .* and this is None"):
        recipe_main(monkeypatch, "pretrain_ko.py", *further[:-2], "--out", again)

    kbert.quantize(generator, "int4").save(corpus.parent / "int4.keras")
    none, own = corpus.parent / "none", folder / "model.keras"
    for init, fill, message in (
        (own, own, r"--generator .*model.keras has no head that fills in words"),
        (own, corpus.parent / "int4.keras", "are int4, and --generator takes floats"),
        (corpus.parent / "int4.keras", own, "are int4, and --init takes floats"),
    ):
        pair = ["--init", init, "--generator", fill, "--out", none]
        with pytest.raises(kbert.KbertError, match=message):
            recipe_main(monkeypatch, "pretrain_ko.py", *further[:-4], *pair)
        assert not none.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--generator", "g.keras"], "are for --objective replaced-token-detection"),
        (["--generator-fraction", "0.5"], "are for --objective replaced-token-detection"),
        (["--objective", "replaced-token-detection", "--generator", "g.keras"], "with --init"),
    ],
)
@pytest.mark.once
def test_a_generator_where_there_can_be_none(monkeypatch, capsys, options, message):
    with pytest.raises(SystemExit):
        loaded_recipe(monkeypatch, "pretrain_ko.py", *options).parse_arguments()
    assert message in capsys.readouterr().err
