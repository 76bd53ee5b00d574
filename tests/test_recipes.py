import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kbert

ROOT = Path(__file__).parents[1]
SENTENCES = [
    "대한민국은 민주공화국이다.",
    "대한민국의 주권은 국민에게 있고, 모든 권력은 국민으로부터 나온다.",
    "국회는 국민의 보통 선거에 의하여 선출된 국회의원으로 구성한다.",
    "대통령은 국가의 원수이며, 외국에 대하여 국가를 대표한다.",
    "사법권은 법관으로 구성된 법원에 속한다.",
    "모든 국민은 법률이 정하는 바에 의하여 교육을 받을 권리를 가진다.",
]


def run(recipe: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "recipes" / recipe), *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **environment},
        cwd=environment.get("CWD", ROOT),
    )


@pytest.fixture
def corpus(tmp_path) -> Path:
    path = tmp_path / "한글 폴더" / "말뭉치.txt"
    path.parent.mkdir()
    path.write_text("\n\n".join("\n".join(SENTENCES[i:] * 3) for i in range(4)), encoding="utf-8")
    return path


def test_from_raw_text_to_a_shared_model(corpus):
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
    again = run("pretrain_ko.py", *settings)
    assert again.returncode == 0 and b"is finished, with 4 steps" in again.stdout
    other = run("pretrain_ko.py", *settings, "--learning-rate", 1e-4)
    assert other.returncode != 0 and b"Traceback" not in other.stderr
    assert b"was begun with learning_rate 0.003, and this is 0.0001" in other.stderr
    vocabulary = (folder / "vocab.txt").read_bytes()
    again = run("pretrain_ko.py", *settings, "--overwrite")
    assert again.returncode == 0, again.stderr.decode()
    assert (folder / "vocab.txt").read_bytes() == vocabulary
    repeated = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in repeated] == [line["loss"] for line in lines]

    scores = run("evaluate.py", "--model", folder / "model.keras", "--corpus", corpus)
    assert scores.returncode == 0, scores.stderr.decode()
    assert "NSP accuracy |" in scores.stdout.decode("utf-8")
    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    strange = run("pretrain_ko.py", *settings, "--overwrite")
    assert strange.returncode != 0 and "mine.txt" in strange.stderr.decode()
    assert (folder / "model.keras").exists()


def loaded_recipe(monkeypatch, name: str, *arguments: object) -> ModuleType:
    """A recipe in this process, which has loaded the backend, with a command line."""
    spec = importlib.util.spec_from_file_location("recipe", ROOT / "recipes" / name)
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    return recipe


def recipe_main(monkeypatch, name: str, *arguments: object) -> None:
    loaded_recipe(monkeypatch, name, *arguments).main()


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
def test_whose_dropout_a_run_has(monkeypatch, options, rate):
    recipe = loaded_recipe(monkeypatch, "pretrain_ko.py", *options)
    assert recipe.parse_arguments().dropout == rate


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


def test_another_text_or_vocabulary_is_refused(corpus, monkeypatch, capsys):
    """For a run that is not finished, and before anything is trained; both values are named."""
    folder = corpus.parent / "실행"
    settings = ["--vocab-size", 140, "--stages", "16:4:2", "24:2:1", "--warmup-steps", 1]
    settings += ["--micro-batches", 2, "--heldout", corpus, "--evaluate-every", 2, "--out", folder]
    recipe_main(monkeypatch, "pretrain_ko.py", "--corpus", corpus, *settings)
    assert "held-out 말뭉치: MLM loss" in capsys.readouterr().out
    lines = [json.loads(line) for line in (folder / "heldout.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3]
    scores = lines[1]["sources"]["말뭉치"]
    assert scores["loss"] == pytest.approx(scores["mlm_loss"] + scores["nsp_loss"])
    assert 1 < scores["pseudo_perplexity"] < 1000 and 0 <= scores["nsp_accuracy"] <= 1

    (folder / "model.keras").unlink()  # as if it had been killed before that was written
    other = corpus.with_name("other.txt")
    other.write_text(corpus.read_text("utf-8") + "\n\n" + SENTENCES[0], encoding="utf-8")
    vocabulary = corpus.with_name("vocab.txt")
    vocabulary.write_text((folder / "vocab.txt").read_text("utf-8") + "국민##\n", "utf-8")
    for text, more, message in (
        (other, [], "was begun with .*text '.* tokens in 4 documents, .*and this is '.* in 5 docu"),
        (corpus, ["--vocab", vocabulary], "with vocabulary '140 tokens, .* this is '141 tokens"),
    ):
        with pytest.raises(kbert.KbertError, match=message):
            recipe_main(monkeypatch, "pretrain_ko.py", "--corpus", text, *settings, *more)
    recipe_main(monkeypatch, "pretrain_ko.py", "--corpus", corpus, *settings)
    assert "Going on after step 3." in capsys.readouterr().out
    assert (folder / "model.keras").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stages", "128:8"], "a stage is LENGTH:BATCH:STEPS"),
        (["--stages", "128:8:0"], "a stage is LENGTH:BATCH:STEPS"),
        (["--stages", "128:8:9", "--steps", "9"], "--stages stands for"),
    ],
)
def test_stages_that_cannot_be(monkeypatch, capsys, options, message):
    with pytest.raises(SystemExit):
        recipe_main(monkeypatch, "pretrain_ko.py", *options)
    assert message in capsys.readouterr().err


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
    recipe_main(monkeypatch, "pretrain_ko.py", *first, "--out", corpus.parent / "run")
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


def test_train_vocab_gives_the_same_bytes(corpus):
    out = [corpus.parent / name for name in ("하나", "둘")]
    for processes, folder in enumerate(out, 1):
        settings = ["--corpus", corpus, "--vocab-size", 140, "--processes", processes]
        done = run("train_vocab.py", *settings, "--out", folder)
        assert done.returncode == 0, done.stderr.decode()
    one, two = ((folder / "vocab.txt").read_bytes() for folder in out)
    assert one == two and len(one.decode().splitlines()) == 140


def test_train_vocab_as_klue_did(corpus):
    """On morphemes, with KLUE's layout, beside another vocabulary."""
    pytest.importorskip("mecab")
    other, folder = corpus.parent / "other.vocab.txt", corpus.parent / "out"
    other.write_text("\n".join([*"[PAD] [UNK] [CLS] [SEP] [MASK]".split(), "국민"]), "utf-8")
    settings = ["--vocab-size", 4850, "--syllables", "--unused", 100, "--morphemes", "mecab"]
    settings += ["--heldout", corpus, "--compare", other, "--out", folder]
    done = run("train_vocab.py", "--corpus", corpus, *settings)
    assert done.returncode == 0, done.stderr.decode()
    assert "held-out text" in done.stdout.decode("utf-8")

    tokens = (folder / "vocab.txt").read_text("utf-8").splitlines()
    assert len(tokens) == 4850 and tokens[-1] == "[unused99]"
    assert {"에게", "국민", "##에", "##게"} <= set(tokens) and "국민에게" not in tokens
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert report["this one"]["ksx1001_syllables"] == 2350
    assert report["this one"]["unk_eojeols"] == 0 < report["other.vocab.txt"]["unk_eojeols"]
    saved = json.loads((folder / "settings.json").read_text("utf-8"))
    assert saved["analyser"]["name"] == "mecab" and "python-mecab-ko" in saved["analyser"]
    assert saved["rarest_word_count"] >= 1


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"", [], "the corpus is empty"),
        (b"\n\n \n", [], "the corpus is empty"),
        ("하나뿐인 문서이다.\n둘째 문장이다.".encode(), ["--vocab-size", 18], "has only one"),
        ("한글".encode("cp949"), [], "--encoding cp949"),
        ("\n\n".join(SENTENCES).encode(), ["--vocab-size", 9000], "tokens at the most"),
        ("\n\n".join(SENTENCES).encode(), ["--vocab-size", 20], "is too small"),
    ],
)
def test_bad_corpora(tmp_path, monkeypatch, content, arguments, message):
    path, folder = tmp_path / "말뭉치.txt", tmp_path / "out"
    path.write_bytes(content)
    folder.mkdir()
    (folder / "vocab.txt").write_text("a former run", encoding="utf-8")
    options = ["--corpus", path, "--steps", 1, "--out", folder, "--overwrite", *arguments]
    with pytest.raises(kbert.KbertError, match=message):
        recipe_main(monkeypatch, "pretrain_ko.py", *options)
    assert (folder / "vocab.txt").read_text() == "a former run"  # an error costs nothing


def test_without_a_backend(corpus):
    """`import kbert` and text work; what needs Keras says what to install."""
    script = (
        "import importlib.util as u, os; os.environ.pop('KERAS_BACKEND', 0); find = u.find_spec; "
        "u.find_spec = lambda n, *a: None if n in ('jax', 'tensorflow', 'torch') else find(n, *a); "
        "import kbert; kbert.Tokenizer; kbert.Bert"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "no Keras backend is installed" in done.stderr
    assert "pip install kbert[jax]" in done.stderr


@pytest.mark.parametrize("keras_json", [None, '{"backend": "tensorflow"}', "{broken"])
def test_the_installed_backend_is_chosen(tmp_path, keras_json):
    """Keras itself would take TensorFlow, and writes so into keras.json on its first start."""
    if keras_json:
        (tmp_path / "keras.json").write_text(keras_json, encoding="utf-8")
    script = (
        "import importlib.util as u, os; find = u.find_spec; "
        "u.find_spec = lambda n, *a: None if n in ('tensorflow', 'torch') else find(n, *a); "
        "import kbert; print(os.environ['KERAS_BACKEND'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    environment["KERAS_HOME"] = str(tmp_path)
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "jax"


def test_the_users_choice_counts():
    script = "import kbert, os; print(os.environ['KERAS_BACKEND']); kbert.Bert"
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    if importlib.util.find_spec("torch"):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment
        )
        assert done.stdout.strip() == "torch" and done.returncode == 0
    hide = "import importlib.util as u; find = u.find_spec; "
    hide += "u.find_spec = lambda n, *a: None if n == 'torch' else find(n, *a); "
    done = subprocess.run(
        [sys.executable, "-c", hide + script], capture_output=True, text=True, env=environment
    )
    assert "KERAS_BACKEND is 'torch', which is not installed" in done.stderr


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    log = tmp_path / "log.jsonl"
    names = ("loss", "mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy")
    lines = [json.dumps({"step": i, **dict.fromkeys(names, 1 / i)}) for i in range(1, 60)]
    log.write_text("\n".join(lines), encoding="utf-8")
    done = run("plot_log.py", "--log", log, "--out", tmp_path / "a.png", "--baseline", 6)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    log.write_text("\n".join(lines[:9]), encoding="utf-8")
    done = run("plot_log.py", "--log", log, "--out", tmp_path / "b.png")
    assert b"has 9 steps" in done.stderr


def test_cost():
    """Needs no backend; a T4 has no bfloat16, so it is reckoned in float16."""
    nowhere = {"KERAS_BACKEND": "none"}
    done = run("cost.py", "--size", "base", "--device", "T4", "--steps", 1_000_000, **nowhere)
    assert done.returncode == 0, done.stderr.decode()
    shown = done.stdout.decode("utf-8")
    assert "111,243,010 parameters" in shown and "131.1 billion tokens" in shown
    assert "T4           16 GB mixed_float16      65.0" in shown and "34.4 days" in shown
    # Twice the rate at half the share: the same time.
    other = run("cost.py", "--peak", 130, "--memory", 16, "--share", 0.2, **nowhere)
    assert "34.4 days" in other.stdout.decode("utf-8")
    every = run("cost.py", "--arithmetic", "tensorfloat32", **nowhere).stdout.decode("utf-8")
    rows = [line.split() for line in every.splitlines()]
    assert ["T4", "16", "GB", "tensorfloat32", "-"] in rows  # it has no such units
    assert ["A100-40GB", "40", "GB", "tensorfloat32", "156.0"] in [row[:5] for row in rows]


def test_largest_batch_is_the_largest():
    spec = importlib.util.spec_from_file_location("recipe", ROOT / "recipes" / "cost.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)

    def cost_of(rows: int):
        return recipe.cost(
            vocab_size=32000, **kbert.SIZES["base"], batch_size=rows, length=128, remat=True
        )

    for memory in (1e9, 8e9, 16e9):
        rows = recipe.largest_batch(cost_of, memory)
        held = cost_of(max(rows, 1)).training_memory.total
        assert (held <= 0.9 * memory) == (rows > 0)
        assert cost_of(rows + 1).training_memory.total > 0.9 * memory


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "T4", "--arithmetic", "mixed_bfloat16"], "no published rate for 'mixed_bf"),
        (["--batch-size", 0], "batch_size must be a whole number from 1, not 0"),
        (["--share", 40], "share=40.0"),
        (["--peak", 100], "--peak and --memory go together"),
        (["--peak", 100, "--memory", -1], "--memory is in GB, above 0, not -1.0"),
        (["--device", "T5"], "invalid choice: 'T5'"),
    ],
)
def test_cost_of_what_cannot_be(arguments, message):
    done = run("cost.py", *arguments)
    assert done.returncode != 0 and not done.stdout
    assert message in done.stderr.decode("utf-8") and b"Traceback" not in done.stderr
