import ctypes
import gc
import io
import math
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kbert import Tokenizer

# What JAX compiles, small programs too, is compiled once: for all tests, the processes that they
# start, and the next time. It is kept with what is installed, and goes with that.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(sys.prefix) / "jax-cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# A test compiles much and computes little: without LLVM's passes and XLA's own emitters of fusions
# a step is compiled in a third of the time. Whoever sets options is left alone: with XLA_FLAGS= all
# is compiled as XLA does by itself; what test_killed_runs.py starts always is. For TensorFlow it is
# left, too: it gains little, and a trained sentence model came out as NaN.
if os.environ.get("KERAS_BACKEND") == "jax":
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
        "--xla_cpu_parallel_codegen_split_count=1",
    )

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] 축구 는 ##는 정말 재미있 다 ##다 . 국회 ##에 ##에게 에게 국민 "
    "##의 경기 법률 ##을 의결 한다 ##한다 나 너 우리 는다"
).split()

SENTENCES = [
    "대한민국은 민주공화국이다.",
    "대한민국의 주권은 국민에게 있고, 모든 권력은 국민으로부터 나온다.",
    "국회는 국민의 보통 선거에 의하여 선출된 국회의원으로 구성한다.",
    "대통령은 국가의 원수이며, 외국에 대하여 국가를 대표한다.",
    "사법권은 법관으로 구성된 법원에 속한다.",
    "모든 국민은 법률이 정하는 바에 의하여 교육을 받을 권리를 가진다.",
]

# Sizes that are no defaults, and differ from each other, so that a mixed-up axis shows.
SMALL = {
    "vocab_size": 40,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 17,
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.3,
    "initializer_range": 0.3,
    "layer_norm_eps": 1e-9,
    "seed": 5,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what no backend can change."""
    from tests.once import mark  # it reads the rooms in a test file, which pytest is to load itself

    mark(items)


def pytest_collection_finish() -> None:
    """Looks for garbage seldom, and not in what is imported by now.

    That is a million objects, and a step that is traced makes as many: Python would go through all
    of them again and again, for a fifth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def pytest_terminal_summary(terminalreporter) -> None:
    """What it cost: on a machine that does other things too, the clock does not say."""
    user, system, started_user, started_system, _ = os.times()
    own, started = round(user + system), round(started_user + started_system)
    terminalreporter.write_line(f"CPU: {own} s, and {started} s of processes that it started")


@pytest.fixture(scope="session", autouse=True)
def tensorflow_without_xla() -> Iterator[None]:
    """Steps of TensorFlow, which XLA compiles in up to a minute each, are graphs in tests.

    In the processes that tests start they are compiled as a user's are. Graphs are small and run
    once or twice: to look for better ones takes longer.
    """
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("KERAS_BACKEND") == "tensorflow":
            patch.setattr("kbert.training.losses._COMPILED_BY_XLA", ("jax",))
            if tensorflow := sys.modules.get("tensorflow"):
                options = {"disable_meta_optimizer": True}
                tensorflow.config.optimizer.set_experimental_options(options)
        yield


@pytest.fixture(scope="module", autouse=True)
def garbage_goes() -> Iterator[None]:
    """A file's models go with it, and before there is too much of it what JAX compiled.

    Kept to the end that is 10 GB. The C library of Linux hands back what is freed only when it is
    told to.
    """
    yield
    gc.collect()
    if "jax" in sys.modules and memory() > 4e9:
        sys.modules["jax"].clear_caches()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def memory() -> float:
    """The bytes of memory that this process has; infinity where Linux does not say it."""
    file = Path("/proc/self/statm")
    if not file.exists():
        return math.inf
    return int(file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer(WORDS)


@pytest.fixture
def corpus(tmp_path) -> Path:
    path = tmp_path / "한글 폴더" / "말뭉치.txt"
    path.parent.mkdir()
    path.write_text("\n\n".join("\n".join(SENTENCES[i:] * 3) for i in range(4)), encoding="utf-8")
    return path


@pytest.fixture
def small() -> dict:
    return dict(SMALL)


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    """Two rows of 7, the second with two of padding; 2 masked positions."""
    rng = np.random.default_rng(0)
    attention_mask = np.ones((2, 7), "int32")
    attention_mask[1, 5:] = 0
    return {
        "input_ids": rng.integers(5, 29, (2, 7)).astype("int32") * attention_mask,
        "token_type_ids": np.array([[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]], "int32"),
        "attention_mask": attention_mask,
        "masked_lm_positions": np.array([[1, 5], [2, 0]], "int32"),
    }


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("KBERT_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("KBERT_DATA does not name the folder of real corpora and vocabularies")
    return Path(folder)


@pytest.fixture(scope="session")
def train_sentencepiece():
    """A function: the bytes of a small SentencePiece model of Korean, with settings."""
    spm = pytest.importorskip("sentencepiece")

    def made(**settings) -> bytes:
        rng = random.Random(0)
        stems, ends = (
            "국회 정부 법률 나라 사람 말 글 A1".split(),
            ["", "은", "을", "에", "에서", "."],
        )
        words = [stem + end for stem in stems for end in ends]
        lines = [" ".join(rng.choices(words, k=8)) for _ in range(300)]
        model = io.BytesIO()
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            minloglevel=2,
            **{"model_type": "unigram", "vocab_size": 60, **settings},
        )
        return model.getvalue()

    return made
