"""How fast kbert pretrains on a GPU: tokens/s, share of the peak (MFU), memory.

    python benchmarks/gpu.py --json gpu.json

BERT-base, vocabulary 32,000, rows of 128, 512 and 2,048 tokens, JAX and PyTorch, a process each; in
16 bits (mixed_bfloat16; mixed_float16 where the GPU has no bfloat16), without dropout; both heads,
15% of the tokens masked, AdamW with clipping: a whole step of `model.fit`. It prints the README's
table, and ends within --minutes. Needed: a GPU, jax[cuda12] and torch; what is missing is said.

- full: every row has all its tokens. padded: rows are as long as Korean text makes them, and the
  rest is padding.
- tokens/s are of real tokens. MFU is the operations that these need (`kbert.sizes.cost`; nothing
  for padding, nor for what is computed twice) over time and the published rate
  (`kbert.sizes.devices`, or --peak). Where there is none, the rate of a large matrix product,
  measured, stands in, and the table says so.
- Rows are as many as fill half of the memory by `kbert.sizes.cost`, a power of two, 65,536 tokens
  at the most; half as many if that does not fit.
- Compilation and the first steps are not timed. Time is the median of windows of steps, each from
  one synchronisation with the device to the next, without any within.

To try it without a GPU:

    python benchmarks/gpu.py --size tiny --lengths 128 --tokens 512 --steps 2
"""

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import kbert
from kbert.data.pretraining.masking import max_masked
from kbert.sizes.cost import Cost, cost
from kbert.sizes.devices import find_device

VOCABULARY = 32_000
MOST_TOKENS = 65_536
MASKED_SHARE = 0.15
MASK_ID = 4
WARM_UP, WINDOWS = 3, 4

# The lengths of rows, as shares of the longest: the middles of ten equal parts. Measured on 3,159
# articles of Korean Wikipedia (3.7 million tokens of KLUE's vocabulary), made into sentence pairs
# by `kbert.data.pretraining.sentence_pairs`; for another length the nearest of the three counts.
SHARES = {
    128: (0.453, 0.953, 1, 1, 1, 1, 1, 1, 1, 1),
    512: (0.178, 0.396, 0.595, 0.766, 0.938, 1, 1, 1, 1, 1),
    2048: (0.052, 0.111, 0.166, 0.209, 0.259, 0.314, 0.394, 0.516, 0.749, 1),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=sorted(kbert.SIZES), default="base")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(SHARES))
    parser.add_argument("--backends", nargs="+", choices=["jax", "torch"], default=["jax", "torch"])
    parser.add_argument("--precision", choices=["mixed_bfloat16", "mixed_float16"])
    parser.add_argument("--tokens", type=int, help="of a batch; default: by the memory")
    parser.add_argument("--steps", type=int, default=40, help="timed, for each kind of batch")
    parser.add_argument("--peak", type=float, help="TFLOPs a second, instead of the published")
    parser.add_argument("--minutes", type=float, default=10, help="what does not fit is left out")
    parser.add_argument("--json", type=Path, help="a file for the results")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in ("steps", "tokens", "peak"):
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            parser.error(f"--{name} is above 0, not {value}")
    if min(arguments.lengths) < 1:
        parser.error(f"--lengths are of 1 or more tokens, not {min(arguments.lengths)}")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    if arguments.child:
        print(json.dumps(measure(arguments, arguments.lengths[0])))
        return
    end = time.monotonic() + 60 * arguments.minutes
    results = []
    rows = list(itertools.product(arguments.lengths, arguments.backends))
    for left, (length, backend) in zip(range(len(rows), 0, -1), rows, strict=True):
        now = time.monotonic()  # one that hangs is not to take the time of all the others
        result = run_child(arguments, backend, length, min(end, now + 2 * (end - now) / left))
        print(json.dumps(result), flush=True)
        results.append(result)
    print(f"\n{table(results)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if any("error" in result for result in results):
        sys.exit("some could not be measured: see above")


def run_child(arguments: argparse.Namespace, backend: str, length: int, end: float) -> dict:
    """Measures one backend and length in a process of its own, with fewer rows if it must."""
    tokens, here = arguments.tokens, {"backend": backend, "length": length}
    while True:
        options = ["--size", arguments.size, "--lengths", length, "--steps", arguments.steps]
        for name in ("precision", "peak"):
            if getattr(arguments, name) is not None:
                options += [f"--{name}", getattr(arguments, name)]
        options += ["--tokens", tokens] if tokens else []
        try:
            done = subprocess.run(
                [sys.executable, __file__, "--child", *map(str, options)],
                env={**os.environ, "KERAS_BACKEND": backend},
                capture_output=True,
                text=True,
                timeout=max(1, end - time.monotonic()),
            )
        except subprocess.TimeoutExpired:
            return {
                **here,
                "error": f"left out: not done in its share of {arguments.minutes:g} minutes",
            }
        lines = done.stdout.strip().splitlines()
        if done.returncode == 0:
            return json.loads(lines[-1])
        complaint = done.stderr.strip()
        full = "out of memory" in complaint.lower() or "RESOURCE_EXHAUSTED" in complaint
        rows = json.loads(lines[0])["rows"] if lines else 0  # what it tried, printed at once
        if not full or rows < 2:
            return {**here, "error": (complaint.splitlines() or ["it died"])[-1][:300]}
        tokens = rows // 2 * length


def measure(arguments: argparse.Namespace, length: int) -> dict:
    """Times both kinds of batches on this process's backend."""
    import keras

    from kbert.training.losses import objective
    from kbert.training.optimizers import adamw

    device = Accelerator(keras.backend.backend())
    known = find_device(device.name)
    precision = "mixed_bfloat16" if device.is_gpu else "float32"  # a CPU has units for that only
    if device.is_gpu and not device.has_bfloat16:
        precision = "mixed_float16"
    precision = arguments.precision or precision

    def cost_of(rows: int, row_length: int = length) -> Cost:
        return cost(
            vocab_size=VOCABULARY,
            **kbert.SIZES[arguments.size],
            batch_size=rows,
            length=row_length,
            masked=max(1, round(MASKED_SHARE * row_length)),
            max_position_embeddings=max(512, length),
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            precision=precision,
        )

    # 1. As many rows as fit.
    if arguments.tokens:
        rows = max(1, arguments.tokens // length)
    else:
        rows = max(1, MOST_TOKENS // length)
        while rows > 1 and cost_of(rows).training_memory.total > device.memory / 2:
            rows //= 2
    print(json.dumps({"rows": rows}), flush=True)

    # 2. The model, as a user has it.
    model = kbert.BertForPreTraining(
        vocab_size=VOCABULARY,
        **kbert.SIZES[arguments.size],
        max_position_embeddings=max(512, length),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        dtype=precision,
    )
    steps = -(-arguments.steps // WINDOWS) * WINDOWS
    model.compile(adamw(1e-4, total_steps=1000), **objective("pretraining"))

    # 3. The rate to compare with.
    if arguments.peak:
        peak, source = 1e12 * arguments.peak, "--peak"
    elif known and precision in known.rates:
        peak, source = known.peak(precision), "published"
    else:
        peak, source = device.product_rate(precision), "measured product"

    # 4. The steps.
    result = {
        "backend": device.backend,
        "device": device.name,
        "is_gpu": device.is_gpu,
        "size": arguments.size,
        "precision": precision,
        "length": length,
        "rows": rows,
        "peak_tflops": round(peak / 1e12, 6),  # a busy CPU has a hundredth
        "peak_source": source,
        "versions": {"keras": keras.__version__, device.backend: device.version},
    }
    for kind in ("full", "padded"):
        lengths = row_lengths(rows, length, kind)
        seconds = time_steps(model, device, make_batch(lengths, length), steps)
        useful = sum(
            cost_of(int(count), int(n)).training_flops
            for n, count in zip(*np.unique(lengths, return_counts=True), strict=True)
        )
        result[kind] = {
            "ms_per_step": round(1e3 * seconds, 2),
            "tokens_per_second": round(int(lengths.sum()) / seconds),
            "mfu": round(useful / seconds / peak, 4),
        }
    return {**result, "peak_memory_gb": round(device.peak_memory() / 1e9, 3)}


class Accelerator:
    """What the benchmark asks of a backend about its device."""

    def __init__(self, backend: str):
        self.backend = backend
        if backend == "torch":
            import torch

            self.version, self.is_gpu = torch.__version__, torch.cuda.is_available()
            if self.is_gpu:
                properties = torch.cuda.get_device_properties(0)
                self.name, self.memory = properties.name, properties.total_memory
                self.has_bfloat16 = properties.major >= 8
        else:
            import jax

            first = jax.local_devices()[0]
            self.version, self.is_gpu = jax.__version__, first.platform == "gpu"
            if self.is_gpu:
                self.name, self.memory = first.device_kind, first.memory_stats()["bytes_limit"]
                version = str(first.compute_capability)  # AMD's are names, as gfx942
                self.has_bfloat16 = not version[0].isdigit() or float(version) >= 8
        if not self.is_gpu:
            self.name, self.memory = "CPU", 4e9

    def wait_for(self, outputs) -> None:
        """Returns when the device has done all that it was given, these outputs last."""
        if self.backend == "jax":
            import jax

            jax.block_until_ready(outputs)
        elif self.is_gpu:
            import torch

            torch.cuda.synchronize()

    def peak_memory(self) -> int:
        """Bytes: of the allocator on a GPU, of the whole process on a CPU."""
        if not self.is_gpu:
            import resource

            return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if self.backend == "torch":
            import torch

            return torch.cuda.max_memory_allocated()
        import jax

        return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]

    def product_rate(self, precision: str) -> float:
        """FLOPs a second of a large matrix product, the best of five.

        Of random numbers: of ones a GPU takes less power, and so a higher clock.
        """
        import keras
        from keras import ops

        size = 8192 if self.is_gpu else 1024
        dtype = precision.removeprefix("mixed_")
        matrix = ops.cast(keras.random.normal((size, size), seed=0), dtype)
        best = math.inf
        for _ in range(6):  # the first compiles
            start = time.perf_counter()
            self.wait_for(ops.matmul(matrix, matrix))
            best = min(best, time.perf_counter() - start)
        return 2 * size**3 / best


def row_lengths(rows: int, length: int, kind: str) -> np.ndarray:
    """How many tokens each row has: all, or as in Korean text, shuffled."""
    if kind == "full":
        return np.full(rows, length)
    shares = SHARES[min(SHARES, key=lambda measured: abs(measured - length))]
    places = (np.arange(rows) + 0.5) / rows  # evenly through the distribution
    spread = np.interp(places, (np.arange(len(shares)) + 0.5) / len(shares), shares)
    lengths = np.maximum(8, np.rint(spread * length)).astype(int)
    return np.random.default_rng(0).permutation(np.minimum(lengths, length))


def make_batch(lengths: np.ndarray, length: int) -> tuple[dict, dict, dict]:
    """Random ids with masks as `PretrainingBatches` has them; P is the same for all lengths."""
    rng = np.random.default_rng(1)
    rows, places = len(lengths), max_masked(length, MASKED_SHARE)
    real = np.arange(length) < lengths[:, None]  # (B, L)
    ids = np.where(real, rng.integers(5, VOCABULARY, real.shape), 0).astype("int32")
    wanted = np.maximum(1, np.rint(MASKED_SHARE * lengths)).astype(int)
    counted = np.arange(places) < wanted[:, None]  # (B, P)
    order = np.argsort(np.where(real, rng.random(real.shape), 2), axis=1)[:, :places]
    positions = np.where(counted, np.sort(np.where(counted, order, length), axis=1), 0)
    x = {
        "input_ids": ids,
        "token_type_ids": (real & (np.arange(length) >= lengths[:, None] // 2)).astype("int32"),
        "attention_mask": real.astype("int32"),
        "masked_lm_positions": positions.astype("int32"),
        "lengths": lengths.astype("int32"),
    }
    labels = np.where(counted, np.take_along_axis(ids, positions, axis=1), 0).astype("int32")
    row, place = np.nonzero(counted & (rng.random(counted.shape) < 0.8))
    ids[row, positions[row, place]] = MASK_ID
    y = {"mlm": labels, "nsp": rng.integers(0, 2, rows, "int32")}
    return x, y, {"mlm": counted.astype("float32"), "nsp": np.ones(rows, "float32")}


def time_steps(model, device: Accelerator, batch: tuple, steps: int) -> float:
    """Seconds of a step within `fit`: the median window's, after the warm-up.

    The clock is around Keras's step function. In a callback it would be wrong: Keras waits for
    the device after every step that has one.
    """
    import keras

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return WARM_UP + steps

        def __getitem__(self, index: int) -> tuple:
            return batch

    window, moments, done = steps // WINDOWS, [], 0
    model.make_train_function()
    step_function = model.train_function

    def clocked(*arguments):
        nonlocal done
        outputs = step_function(*arguments)
        done += 1
        if done >= WARM_UP and (done - WARM_UP) % window == 0:
            device.wait_for(outputs)
            moments.append(time.perf_counter())
        return outputs

    model.train_function = clocked
    model.fit(Batches(workers=1), shuffle=False, verbose=0)
    model.train_function = step_function
    return statistics.median(np.diff(moments)) / window


def table(results: list[dict]) -> str:
    """Markdown: a line a result."""
    lines = []
    for r in results:
        if "error" not in r:
            lines.append(
                f"{r['backend']}, {r['length']:,}: {r['device']}, {r['precision']}, MFU of "
                f"{r['peak_tflops']} TFLOP/s ({r['peak_source']})"
                f"{'' if r['is_gpu'] else ': NOT A GPU, this only shows that the benchmark runs'}"
            )
    lines += [
        "",
        "| backend | length | rows | tokens/s | MFU | tokens/s, padded | MFU, padded | peak GB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        row = f"| {result['backend']} | {result['length']:,} "
        if "error" in result:
            lines.append(f"{row}| {result['error']} | | | | | |")
            continue
        row += f"| {result['rows']} "
        for kind in ("full", "padded"):
            speed, share = result[kind]["tokens_per_second"], result[kind]["mfu"]
            row += f"| {speed:,} | {100 * share:.1f}% "
        lines.append(f"{row}| {result['peak_memory_gb']:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
