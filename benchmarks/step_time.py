"""How long a pretraining step takes on a CPU: kbert, KerasHub and transformers, side by side.

    python benchmarks/step_time.py --size mini --batch-size 32 --length 128 --dropout 0.1
    python benchmarks/step_time.py --size base --batch-size 4 --dropout 0 --only kbert

Every contestant is a process of its own, on its own backend. They take turns: each runs a few steps
while the others wait, then again; medians are compared. All see batches of one shape, full rows
with 15% of the positions masked, float32, a vocabulary of 32,000, AdamW with gradients clipped by
their norm, and the same dropout everywhere.

kbert                BertForPreTraining: masked words and next sentence
KerasHub             BertMaskedLM: masked words only, so a little less work; on TensorFlow as Keras
                     compiles it, and with XLA
transformers         BertForPreTraining: both, with logits at all positions, as it computes them;
                     AdamW fused

The peak is the fastest of several float32 matrix products with PyTorch on the same cores, and a
contestant's share of it is what kbert's step needs (`kbert.sizes.cost`) in the contestant's time.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kbert.runs.malloc import keep_freed_memory
from kbert.sizes import SIZES
from kbert.sizes.cost import cost

VOCABULARY, LEARNING_RATE = 32_000, 1e-4
# name: (backend, maker of the step, whether XLA compiles it, None for Keras's choice)
CONTESTANTS = {
    "kbert, JAX": ("jax", "kbert", None),
    "kbert, PyTorch": ("torch", "kbert", None),
    "kbert, TensorFlow": ("tensorflow", "kbert", None),
    "KerasHub, JAX": ("jax", "keras_hub", None),
    "KerasHub, PyTorch": ("torch", "keras_hub", None),
    "KerasHub, TensorFlow": ("tensorflow", "keras_hub", None),
    "KerasHub, TensorFlow with XLA": ("tensorflow", "keras_hub", True),
    "transformers, PyTorch": ("torch", "transformers", None),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=list(SIZES), default="mini")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="a turn")
    parser.add_argument("--only", default="", help="contestants whose name has this in it")
    parser.add_argument("--json", type=Path, help="a file for the results")
    parser.add_argument(
        "--keep-memory",
        action="store_true",
        help="everybody keeps what is freed (kbert.runs.malloc)",
    )
    parser.add_argument("--worker", choices=list(CONTESTANTS), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.worker:
        work(arguments)
        return

    # 1. A process for each contestant, which compiles and runs a step.
    workers = {}
    for name in CONTESTANTS:
        if arguments.only in name:
            workers[name] = start(name, CONTESTANTS[name][0])
            seconds = ask(workers[name], "1")
            print(f"{name}: first step after {seconds:.0f} s", file=sys.stderr, flush=True)
            ask(workers[name], "1")
    peak = matrix_peak()
    facts = {
        "device": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "size": arguments.size,
        "shape": f"{arguments.batch_size} x {arguments.length}",
        "dropout": arguments.dropout,
        "keep memory": arguments.keep_memory,
        "peak GFLOP/s": round(peak / 1e9, 1),
        "versions": {
            name: version(name)
            for name in ("keras", "jax", "torch", "tensorflow", "keras-hub", "transformers")
        },
    }
    print(json.dumps(facts, indent=2), flush=True)

    # 2. Turns.
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(arguments.turns):
        for name, worker in workers.items():
            seconds[name].append(ask(worker, str(arguments.steps)) / arguments.steps)
    memory = {name: ask(worker, "memory") for name, worker in workers.items()}

    # 3. The table.
    of_step = cost(
        vocab_size=VOCABULARY,
        **SIZES[arguments.size],
        batch_size=arguments.batch_size,
        length=arguments.length,
        masked=number_masked(arguments.length),
    )
    best = {name: statistics.median(runs) for name, runs in seconds.items()}
    print(f"\n{'':30} ms a step   range       tokens/s  of peak  peak MB  against kbert there")
    for name, median in best.items():
        ours = best.get(f"kbert, {name.split(', ')[1].removesuffix(' with XLA')}")
        print(
            f"{name:30} {1e3 * median:8.0f} {1e3 * min(seconds[name]):6.0f}-"
            f"{1e3 * max(seconds[name]):<6.0f} {of_step.tokens / median:8.0f} "
            f"{100 * of_step.training_flops / median / peak:6.0f} % {memory[name] / 1e6:8.0f}  "
            + (f"{median / ours:.2f} x its time" if ours else "")
        )
    if arguments.json:
        results = {**facts, "seconds": seconds, "peak bytes": memory}
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def start(name: str, backend: str, *options: str) -> subprocess.Popen:
    """A contestant: this program again, as a process that waits for questions."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, *sys.argv, "--worker", name, *options]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ask(worker: subprocess.Popen, question: str) -> float:
    """The answer to a question; of `work` here the seconds of so many steps, or "memory"."""
    worker.stdin.write(question + "\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        sys.exit(f"a contestant failed: {' '.join(map(str, worker.args))}")
    return float(line)


def matrix_peak() -> float:
    """Operations a second of the fastest of some square matrix products."""
    import torch

    fastest = 0.0
    for size in (1024, 2048, 4096):
        matrix = torch.ones((size, size))
        for _ in range(5):
            begin = time.perf_counter()
            matrix @ matrix
            fastest = max(fastest, 2 * size**3 / (time.perf_counter() - begin))
    return fastest


def work(arguments: argparse.Namespace) -> None:
    """A contestant: answers questions from standard input."""
    _, maker, jit_compile = CONTESTANTS[arguments.worker]
    if arguments.keep_memory:
        keep_freed_memory()
    begin = time.perf_counter()
    step = None
    for question in sys.stdin:
        if question.strip() == "memory":
            answer = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        else:
            if step is None:
                step = MAKERS[maker](arguments, jit_compile)
            else:
                begin = time.perf_counter()
            for _ in range(int(question)):
                step()
            answer = time.perf_counter() - begin
        print(answer, flush=True)


def number_masked(length: int) -> int:
    """15% of a row, rounded up."""
    return -(-length * 15 // 100)


def batch(arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """A batch of full rows: ids, where they are masked, and what stood there."""
    rng = np.random.default_rng(0)
    rows, length = arguments.batch_size, arguments.length
    masked = number_masked(length)
    ids = rng.integers(5, VOCABULARY, (rows, length), dtype=np.int32)
    positions = np.sort(rng.random((rows, length)).argsort(axis=1)[:, :masked], axis=1)
    labels = np.take_along_axis(ids, positions, axis=1)
    np.put_along_axis(ids, positions, 4, axis=1)
    return {
        "input_ids": ids,
        "token_type_ids": (np.arange(length) >= length // 2).astype(np.int32)[None].repeat(rows, 0),
        "attention_mask": np.ones((rows, length), np.int32),
        "masked_lm_positions": positions.astype(np.int32),
        "labels": labels,
        "nsp": rng.integers(0, 2, rows, dtype=np.int32),
    }


def make_kbert(arguments: argparse.Namespace, jit_compile: bool | None, **settings):
    """A step of kbert, as `model.fit` runs it; settings are the model's."""
    import kbert
    from kbert.training.losses import objective
    from kbert.training.optimizers import adamw

    x = batch(arguments)
    y = {"mlm": x.pop("labels"), "nsp": x.pop("nsp")}
    weights = {name: np.ones(array.shape, np.float32) for name, array in y.items()}
    model = kbert.BertForPreTraining(
        vocab_size=VOCABULARY,
        **SIZES[arguments.size],
        hidden_dropout_prob=arguments.dropout,
        attention_probs_dropout_prob=arguments.dropout,
        **settings,
    )
    model.compile(adamw(LEARNING_RATE, 1_000_000), **objective("pretraining"))
    return lambda: model.train_on_batch(x, y, weights)


def make_keras_hub(arguments: argparse.Namespace, jit_compile: bool | None):
    """A step of KerasHub's BertMaskedLM."""
    import keras
    import keras_hub

    from kbert.training.optimizers import adamw

    given = batch(arguments)
    x = {
        "token_ids": given["input_ids"],
        "segment_ids": given["token_type_ids"],
        "padding_mask": given["attention_mask"],
        "mask_positions": given["masked_lm_positions"],
    }
    size = SIZES[arguments.size]
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=size["num_hidden_layers"],
        num_heads=size["num_attention_heads"],
        hidden_dim=size["hidden_size"],
        intermediate_dim=size["intermediate_size"],
        dropout=arguments.dropout,
    )
    model = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
    model.compile(
        optimizer=adamw(LEARNING_RATE, 1_000_000),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy()],
        jit_compile="auto" if jit_compile is None else jit_compile,
    )
    weights = np.ones(given["labels"].shape, np.float32)
    return lambda: model.train_on_batch(x, given["labels"], weights)


def make_transformers(arguments: argparse.Namespace, jit_compile: bool | None, **settings):
    """A step of transformers' BertForPreTraining; settings are its config's."""
    import torch
    import transformers

    given = {name: torch.tensor(array).long() for name, array in batch(arguments).items()}
    positions, truth = given.pop("masked_lm_positions"), given.pop("labels")
    labels = torch.full_like(given["input_ids"], -100).scatter(1, positions, truth)
    next_sentence = given.pop("nsp")
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        **SIZES[arguments.size],
        hidden_dropout_prob=arguments.dropout,
        attention_probs_dropout_prob=arguments.dropout,
        **settings,
    )
    model = transformers.BertForPreTraining(config).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, weight_decay=0.01, eps=1e-6, fused=True
    )

    def step() -> None:
        outputs = model(**given, labels=labels, next_sentence_label=next_sentence)
        optimizer.zero_grad()
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


MAKERS = {"kbert": make_kbert, "keras_hub": make_keras_hub, "transformers": make_transformers}

if __name__ == "__main__":
    main()
