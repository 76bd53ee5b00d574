"""Recipes, and what `import kbert` does, where no backend is loaded; tested once for all three."""

import importlib.util
import json
import os
import shlex
import subprocess
import sys

import pytest

import kbert
from kbert.runs.console import command
from tests.recipe_runs import ROOT, run

pytestmark = pytest.mark.once


def test_train_vocab_gives_the_same_bytes(corpus):
    out = [corpus.parent / name for name in ("하나", "둘")]
    for processes, folder in enumerate(out, 1):
        settings = ["--corpus", corpus, "--vocab-size", 140, "--processes", processes]
        done = run("train_vocab.py", *settings, "--out", folder)
        assert done.returncode == 0, done.stderr.decode()
    one, two = ((folder / "vocab.txt").read_bytes() for folder in out)
    assert one == two and len(one.decode().splitlines()) == 140


def test_a_vocabulary_whose_size_is_not_given(corpus):
    """As large as the text gives, up to 2,000 tokens; errors speak of the command's options."""
    done = run("train_vocab.py", "--corpus", corpus, "--out", corpus.parent / "out")
    assert done.returncode == 0, done.stderr.decode()
    count = len((corpus.parent / "out/vocab.txt").read_text("utf-8").splitlines())
    assert 100 < count < 200
    for options, message in (
        (["--vocab-size", 2000, "--overwrite"], f"{count} tokens at the most, and 2000"),
        ([], "name another folder, or replace it with --overwrite"),
    ):
        done = run("train_vocab.py", "--corpus", corpus, "--out", corpus.parent / "out", *options)
        assert done.returncode == 1 and message in done.stderr.decode()
        assert len(done.stderr.decode().splitlines()) == 1


@pytest.mark.parametrize("recipe", ["train_vocab.py", "build_shards.py"])
def test_the_librarys_errors_in_a_commands_words(tmp_path, recipe):
    words, old, table = tmp_path / "vocab.txt", tmp_path / "옛글.txt", tmp_path / "댓글.csv"
    words.write_text("\n".join("[PAD] [UNK] [CLS] [SEP] [MASK] 국회".split()), "utf-8")
    old.write_bytes("옛글입니다.".encode("cp949"))
    table.write_text("번호,댓글\n1,국회는 국회다.\n", "utf-8")
    options = ["--vocab", words] if recipe == "build_shards.py" else []
    for path, message in (
        (old, "so try --encoding cp949"),
        (table, "no column 'text'; name one of ['번호', '댓글'] as --field ..."),
        (tmp_path / "none.txt", "no such file or folder"),
    ):
        out = tmp_path / f"out-{path.stem}"
        done = run(recipe, "--corpus", path, "--out", out, "--processes", 1, *options)
        last = done.stderr.decode().strip().splitlines()[-1]
        assert done.returncode == 1 and last.startswith("error: ") and message in last
        assert "Traceback" not in done.stderr.decode()


def test_train_vocab_of_comments(tmp_path):
    path = tmp_path / "comments.txt"
    path.write_text("진짜 대박ㅋㅋㅋㅋㅋ https://a.b/c\n" * 20, encoding="utf-8")
    settings = ["--corpus", path, "--vocab-size", 14, "--web-text", "plainer"]
    done = run("train_vocab.py", *settings, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr.decode()
    tokens = (tmp_path / "out/vocab.txt").read_text("utf-8").splitlines()
    assert "대박ㅋㅋ" in tokens and not any("http" in t or "ㅋㅋㅋ" in t for t in tokens)


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


def test_without_a_backend():
    """`import kbert` and text work; what needs Keras says what to install."""
    script = (
        "import importlib.util as u, os; os.environ.pop('KERAS_BACKEND', 0); find = u.find_spec; "
        "u.find_spec = lambda n, *a: None if n in ('jax', 'tensorflow', 'torch') else find(n, *a); "
        "import kbert; kbert.Tokenizer; kbert.Bert"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "no Keras backend is installed" in done.stderr
    assert 'pip install -e ".[jax]"' in done.stderr


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


@pytest.mark.parametrize(
    "script", ["import kbert; kbert.load", "import kbert.data.pretraining.batches"]
)
def test_a_backend_that_there_is_not(script):
    """A slip of the pen in KERAS_BACKEND."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflwo"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("kbert.errors.KbertError: KERAS_BACKEND is 'tensorflwo'; kbert runs on")
    assert "tensorflow, jax, torch" in last


def test_the_public_names_are_shown_and_no_others():
    assert dir(kbert) == sorted([*kbert.__all__, *kbert._ROOMS])
    assert {"load", "Tokenizer", "FillMask"} <= {*dir(kbert)}


@pytest.mark.parametrize(
    "command", [["-m", "kbert"], ["-c", "import kbert.__main__ as m; m.main()"]]
)
def test_the_command_says_what_there_is(command):
    def shown(option: str) -> str:
        done = subprocess.run([sys.executable, *command, option], capture_output=True, cwd=ROOT)
        return done.stdout.decode("utf-8")

    assert shown("--version").strip() == f"kbert {kbert.__version__}"
    text = shown("--help")
    for part in ("inspect", "FillMask", "load", "recipes/pretrain_ko.py", "demos/fill_mask.py"):
        assert part in text
    assert "pretrain_options" not in text  # no program


def test_commands_to_copy_are_quoted():
    """As the shell takes them apart again."""
    words = [
        "python",
        "-c",
        'print("이 법은 [MASK]")',
        "내 모델/model (1).keras",
        "$HOME;x",
        "~",
        "",
    ]
    assert shlex.split(command(*words)) == words
    assert command("python", "--model", "실행/model.keras") == "python --model 실행/model.keras"


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
        (["--share", 40], "--share 40.0"),
        (["--peak", 100], "--peak and --memory go together"),
        (["--peak", 100, "--memory", -1], "--memory is in GB, above 0, not -1.0"),
        (["--device", "T5"], "invalid choice: 'T5'"),
    ],
)
def test_cost_of_what_cannot_be(arguments, message):
    done = run("cost.py", *arguments)
    assert done.returncode != 0 and not done.stdout
    assert message in done.stderr.decode("utf-8") and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("backend", "plugin", "version", "flags", "expected"),
    [
        ("jax", True, "0.10.2", "", "--xla_backend_extra_options=-nvptx-allow-ftz-atomics"),
        ("jax", True, "0.11.0", "--a", "--a --xla_backend_extra_options=-nvptx-allow-ftz-atomics"),
        ("jax", True, "0.10.1", "", None),
        ("jax", False, "0.10.2", "", None),
        ("torch", True, "0.10.2", "", None),
        ("jax", True, "0.10.2", "--xla_backend_extra_options=x", None),
    ],
)
def test_additions_on_a_gpu_with_jax(monkeypatch, backend, plugin, version, flags, expected):
    """Two versions of JAX add hundreds of times slower to a row that many tokens look up."""
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("XLA_FLAGS", flags)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: plugin or None)
    monkeypatch.setattr("kbert.backend._version", lambda package: version)
    kbert.backend._keep_native_atomics()
    assert os.environ["XLA_FLAGS"] == (flags if expected is None else expected)
