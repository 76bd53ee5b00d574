"""The memory that a training step takes at its peak: kbert and transformers, by length.

    python benchmarks/memory.py --size mini --lengths 128 512 1024 2048
    python benchmarks/memory.py --size base --tokens 2048 --only PyTorch --lengths 512

Every figure is of a process of its own, on a CPU, on Linux: the peak of its resident memory during
two steps, less what it held before there was a model. The first step, which compiles, is not
looked at. Batches, models and optimizers are those of `benchmarks/step_time.py`: full rows, 15% of
the positions masked, float32, AdamW with clipping, the same dropout everywhere; as many rows as
make --tokens.

kbert              as it is, and with remat
transformers       BertForPreTraining, eager PyTorch, with `sdpa` attention, its default, and
                   with `eager`

The second table is per token: the peak, less 16 bytes a weight (weight, gradient and AdamW's two
averages, which every contestant must hold), over the tokens.
"""

import argparse
import gc
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

from step_time import VOCABULARY, make_kbert, make_transformers

from kbert.sizes import SIZES
from kbert.sizes.cost import cost

# name: (backend, module to import first, maker of the step, its settings)
KBERT = ("kbert.models.pretraining", make_kbert)
RIVAL = ("transformers.models.bert.modeling_bert", make_transformers)
CONTESTANTS = {
    "kbert, JAX": ("jax", *KBERT, {}),
    "kbert, JAX, remat": ("jax", *KBERT, {"remat": True}),
    "kbert, PyTorch": ("torch", *KBERT, {}),
    "kbert, PyTorch, remat": ("torch", *KBERT, {"remat": True}),
    "kbert, TensorFlow": ("tensorflow", *KBERT, {}),
    "kbert, TensorFlow, remat": ("tensorflow", *KBERT, {"remat": True}),
    "transformers, PyTorch, sdpa": ("torch", *RIVAL, {"attn_implementation": "sdpa"}),
    "transformers, PyTorch, eager": ("torch", *RIVAL, {"attn_implementation": "eager"}),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=list(SIZES), default="mini")
    parser.add_argument("--lengths", type=int, nargs="+", default=[128, 512, 1024, 2048])
    parser.add_argument("--tokens", type=int, default=4096, help="of a batch")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--only", default="", help="contestants whose name has this in it")
    parser.add_argument("--json", type=Path, help="a file for the results")
    parser.add_argument("--worker", choices=list(CONTESTANTS), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.worker:
        print(measure(arguments))
        return

    # 1. A process for each contestant and length.
    peaks: dict[str, list[int]] = {}
    for name, (backend, *_) in CONTESTANTS.items():
        if arguments.only not in name:
            continue
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        peaks[name] = []
        for length in arguments.lengths:
            command = [sys.executable, *sys.argv, "--worker", name, "--lengths", str(length)]
            print(f"{name}, {length}", file=sys.stderr, flush=True)
            worker = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            peaks[name].append(int(worker.stdout.split()[-1]))

    # 2. The tables.
    print(f"size {arguments.size}, {arguments.tokens:,} tokens, dropout {arguments.dropout}")
    print_table("MB at the peak", peaks, arguments.lengths, lambda peak, length: peak / 1e6)
    print_table(
        "KB a token, less the state",
        peaks,
        arguments.lengths,
        lambda peak, length: (peak - state(arguments.size, length)) / arguments.tokens / 1e3,
    )
    if arguments.json:
        arguments.json.write_text(
            json.dumps({**vars(arguments), "json": None, "peak bytes": peaks}, indent=2) + "\n"
        )


def print_table(title: str, peaks: dict[str, list[int]], lengths: list[int], figure) -> None:
    """A line a contestant: figures, and their shares of the less of the two of transformers."""
    print(f"\n{title:32}" + "".join(f"{length:>9,}{'':7}" for length in lengths))
    rivals = [row for name, row in peaks.items() if name.startswith("transformers")]
    for name, row in peaks.items():
        line = f"{name:32}"
        for place, length in enumerate(lengths):
            of_rivals = [figure(rival[place], length) for rival in rivals]
            ours = figure(row[place], length)
            share = f"({ours / min(of_rivals):.2f})" if of_rivals else ""
            line += f"{ours:9,.0f} {share:6}"
        print(line.rstrip())


def state(size: str, length: int) -> int:
    """Bytes of weights, gradients and AdamW's averages."""
    of_step = cost(
        vocab_size=VOCABULARY,
        **SIZES[size],
        max_position_embeddings=positions(length),
        batch_size=1,
        length=length,
    )
    return 16 * of_step.parameters


def positions(length: int) -> int:
    """Rows of the position table."""
    return max(512, length)


def measure(arguments: argparse.Namespace) -> int:
    """Bytes that two steps take at their peak, above what there was without a model."""
    _, module, maker, settings = CONTESTANTS[arguments.worker]
    (arguments.length,) = arguments.lengths
    arguments.batch_size = max(1, arguments.tokens // arguments.length)
    importlib.import_module(module)
    before = of_this_process("VmRSS")
    longest = positions(arguments.length)
    step = maker(arguments, None, max_position_embeddings=longest, **settings)
    step()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    for _ in range(2):
        step()
    return of_this_process("VmHWM") - before


def of_this_process(figure: str) -> int:
    """Bytes, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(figure))


if __name__ == "__main__":
    main()
