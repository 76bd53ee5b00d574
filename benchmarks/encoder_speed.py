"""How fast each encoder is on a CPU, and in how much memory: kbert's beside transformers' own.

    python benchmarks/encoder_speed.py --size mini
    python benchmarks/encoder_speed.py --families modernbert --size tiny --layers 3 --lengths 8192
    python benchmarks/encoder_speed.py --families albert --size tiny --tokens 512 --turns 2  # a try

A checkpoint of each family with random weights is written by kbert, and read by all contestants:
the same config, weights and ids, float32, a vocabulary of 32,000, a classifier of two labels. As
many rows as make --tokens, of which the last is a quarter padding. An answer is a call without
gradients; a step is of fine-tuning: dropout as the family is trained (ALBERT and ModernBERT 0, the
others 0.1), cross-entropy, AdamW with gradients clipped by their norm. All must give the same
answer first.

kbert              on each backend, as `predict_on_batch` and `train_on_batch` run it
transformers       eager PyTorch with the attention that it takes by itself, AdamW fused;
                   "eager": the same with the formula in place of PyTorch's kernel, where it is not
                   what is taken anyway (DeBERTa, Longformer); "full": BigBird without its blocks

Every contestant is a process of its own. They take turns: each runs a few steps while the others
wait, then again; medians are compared. On a machine that does other things too, --processor-time
counts the time of all of a process's threads in place of the clock's; set OMP_NUM_THREADS=1 with
it, since threads of PyTorch that wait for each other count as well. Memory, on Linux: the peak of
the process during one answer and during one step, less what it held before there was a model.
"""

import argparse
import gc
import json
import os
import platform
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from memory import of_this_process
from step_time import LEARNING_RATE, VOCABULARY, ask, start

from kbert.sizes import SIZES

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# name: (backend, maker, what a rival's config says otherwise)
CONTESTANTS = {
    "kbert, PyTorch": ("torch", "kbert", {}),
    "kbert, JAX": ("jax", "kbert", {}),
    "kbert, TensorFlow": ("tensorflow", "kbert", {}),
    "transformers": ("torch", "transformers", {}),
    "transformers, eager": ("torch", "transformers", {"attn_implementation": "eager"}),
    "transformers, full": ("torch", "transformers", {"attention_type": "original_full"}),
}
OURS = "kbert, PyTorch"  # what the others are compared with


class Family(NamedTuple):
    """What is a family's own.

    Attributes:
        length: of rows, unless --lengths says otherwise: longer than its windows and blocks.
        dropout: of hidden vectors and of attention's weights.
        rival: how many rivals there are beside transformers' default: its name's end, or None.
        arguments: of `BertForSequenceClassification`.
    """

    length: int
    dropout: float
    rival: str | None
    arguments: dict[str, Any]


FAMILIES = {
    "albert": Family(128, 0.0, "eager", {"num_hidden_groups": 1, "hidden_act": "gelu_new"}),
    "modernbert": Family(512, 0.0, "eager", {"architecture": "modernbert"}),
    "deberta": Family(128, 0.1, None, {"architecture": "deberta"}),
    "bigbird": Family(
        1024,
        0.1,
        "full",
        {"block_size": 64, "hidden_act": "gelu_new", "pooler_activation": "gelu_new"},
    ),
    "longformer": Family(
        1024, 0.1, None, {"attention_window": 256, "global_attention": True, "position_offset": 1}
    ),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--families", choices=list(FAMILIES), nargs="+", default=list(FAMILIES))
    parser.add_argument("--size", choices=list(SIZES), default="mini")
    parser.add_argument("--layers", type=int, help="default: the size's")
    parser.add_argument("--lengths", type=int, nargs="+", help="default: a family's own")
    parser.add_argument("--tokens", type=int, default=2048, help="of a batch, at least a row")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="a turn")
    parser.add_argument("--processor-time", action="store_true", help="in place of the clock's")
    parser.add_argument(
        "--contestants", choices=list(CONTESTANTS), nargs="+", default=list(CONTESTANTS)
    )
    parser.add_argument("--json", type=Path, help="a file for the results")
    for hidden in ("--worker", "--folder", "--family", "--length"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.worker:
        work(arguments)
        return
    names = ("keras", "jax", "torch", "tensorflow", "transformers")
    facts = {
        "device": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        **{name: getattr(arguments, name) for name in ("size", "layers", "tokens")},
        "time": "processor" if arguments.processor_time else "clock",
        "versions": {name: version(name) for name in names},
    }
    print(json.dumps(facts, indent=2), flush=True)
    results = []
    for family in arguments.families:
        for length in arguments.lengths or [FAMILIES[family].length]:
            with tempfile.TemporaryDirectory() as folder:
                size = dict(SIZES[arguments.size])
                if arguments.layers:
                    size["num_hidden_layers"] = arguments.layers
                weights = write_checkpoint(family, size, length, folder)
                contestants = measure(family, length, folder, arguments)
            results.append({"family": family, "length": length, "contestants": contestants})
            rows = rows_of(arguments.tokens, length)
            print(f"\n{family}, {rows} x {length:,} tokens, {weights / 1e6:.1f} M weights")
            print(table(contestants), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({**facts, "results": results}, indent=2) + "\n")


def rows_of(tokens: int, length: int) -> int:
    return max(1, tokens // length)


def write_checkpoint(family: str, size: dict[str, int], length: int, folder: str) -> int:
    """A checkpoint of transformers' form; how many weights it has."""
    os.environ["KERAS_BACKEND"] = "torch"
    import kbert

    _, dropout, _, own = FAMILIES[family]
    positions = max(512, length) + own.get("position_offset", 0)
    sizes = {**size, **own, "max_position_embeddings": positions}
    if family == "albert":
        sizes["embedding_size"] = 128
    if family == "modernbert":  # gated: two thirds of the width make as many weights
        sizes["intermediate_size"] = 3 * sizes["hidden_size"] // 2
    model = kbert.BertForSequenceClassification(
        vocab_size=VOCABULARY,
        labels=["부정", "긍정"],
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        **sizes,
    )
    model.tokenizer = kbert.Tokenizer(SPECIAL)
    kbert.export_huggingface(model, folder)
    return model.count_params()


def measure(family: str, length: int, folder: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What each contestant took: seconds of each turn, and bytes."""
    task = ["--folder", folder, "--family", family, "--length", str(length)]
    chosen = [name for name in arguments.contestants if takes_part(name, family)]
    workers = {name: start(name, CONTESTANTS[name][0], *task) for name in chosen}
    answers = {name: ask(worker, "value") for name, worker in workers.items()}
    if np.ptp(list(answers.values())) > 1e-4:
        sys.exit(f"{family}: the contestants differ: {answers}")
    found: dict[str, Any] = {name: {} for name in workers}
    for what in ("answer", "step"):  # memory before steps is that of answers alone
        for name, worker in workers.items():
            ask(worker, f"{what} 1")  # which compiles
            found[name][f"peak bytes of {what}"] = ask(worker, f"peak {what}")
            found[name][what] = []
        for _ in range(arguments.turns):
            for name, worker in workers.items():
                seconds = ask(worker, f"{what} {arguments.steps}") / arguments.steps
                found[name][what].append(seconds)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return found


def takes_part(name: str, family: str) -> bool:
    """Whether a contestant is not what another is already."""
    ending = name.removeprefix("transformers, ")
    return ending == name or ending == FAMILIES[family].rival


def table(contestants: dict[str, Any]) -> str:
    """A line a contestant: medians, and how many times those of kbert on PyTorch."""
    lines = [
        f"{'':22}{'ms an answer':>20}{'ms a step':>20}{'MB, answer':>20}{'MB, step':>20}",
    ]
    for name in contestants:
        line = f"{name:22}"
        for what, scale in (("answer", 1e3), ("step", 1e3), ("peak bytes of answer", 1e-6)):
            line += _cell(contestants, name, what, scale)
        lines.append((line + _cell(contestants, name, "peak bytes of step", 1e-6)).rstrip())
    return "\n".join(lines)


def _cell(contestants: dict[str, Any], name: str, what: str, scale: float) -> str:
    figure = np.median(contestants[name][what])
    share = ""
    if OURS in contestants and name != OURS:
        share = f"({figure / np.median(contestants[OURS][what]):.2f})"
    return f"{scale * figure:12,.0f} {share:7}"


def work(arguments: argparse.Namespace) -> None:
    """A contestant: answers questions from standard input."""
    _, maker, settings = CONTESTANTS[arguments.worker]
    length = int(arguments.length)
    x, labels = batch(rows_of(arguments.tokens, length), length)
    runners = MAKERS[maker](arguments.folder, x, labels, settings)
    clock = time.process_time if arguments.processor_time else time.perf_counter
    before = next(runners)
    what_runs = dict(zip(("answer", "step"), next(runners), strict=True))
    for question in sys.stdin:
        what, _, of = question.strip().partition(" ")
        if what == "value":
            logits = what_runs["answer"]()
            reply = float(logits[-1, 0] - logits[-1, 1])
        elif what == "peak":
            gc.collect()
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            what_runs[of]()
            reply = of_this_process("VmHWM") - before
        else:
            begin = clock()
            for _ in range(int(of)):
                what_runs[what]()
            reply = clock() - begin
        print(reply, flush=True)


def batch(rows: int, length: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Ids and their mask, the last row a quarter padding; and labels."""
    rng = np.random.default_rng(0)
    ids = rng.integers(len(SPECIAL), VOCABULARY, (rows, length), dtype=np.int32)
    mask = np.ones((rows, length), np.int32)
    mask[-1, length - length // 4 :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}, rng.integers(0, 2, rows)


def make_kbert(folder: str, x: dict[str, np.ndarray], labels: np.ndarray, settings: dict):
    """Gives the memory before there is a model, and then how to answer and to train."""
    import kbert
    import kbert.models.classification

    yield of_this_process("VmRSS")
    model = kbert.load(folder)
    model.compile(kbert.adamw(LEARNING_RATE, 1_000_000), **kbert.objective(model))
    yield (lambda: model.predict_on_batch(x)), (lambda: model.train_on_batch(x, labels))


def make_transformers(folder: str, x: dict[str, np.ndarray], labels: np.ndarray, settings: dict):
    """The same of transformers."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = transformers.AutoModelForSequenceClassification
    import_module(kind._model_mapping[type(config)].__module__)
    yield of_this_process("VmRSS")
    model: Any = kind.from_pretrained(folder, **settings)
    given = {name: torch.tensor(array).long() for name, array in x.items()}
    truth = torch.tensor(labels)
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, weight_decay=0.01, eps=1e-6, fused=True
    )

    def answer() -> np.ndarray:
        model.eval()
        with torch.inference_mode():
            return model(**given).logits.numpy()

    def step() -> None:
        model.train()
        loss = model(**given, labels=truth).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    yield answer, step


MAKERS = {"kbert": make_kbert, "transformers": make_transformers}

if __name__ == "__main__":
    main()
