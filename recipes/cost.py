"""What a pretraining run costs: parameters, operations, memory, and how long it takes.

    python recipes/cost.py --size base --batch-size 256 --length 512 --steps 1000000 --device T4

Nothing is run, and no backend is needed. Without --device it shows each one of
kbert/sizes/devices.py; `--peak 100 --memory 24` is a device that is not there. docs/cost.md says
what is counted.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import get_args

import kbert
from kbert.runs.console import console, run
from kbert.sizes.cost import Cost, Memory, cost
from kbert.sizes.devices import DEVICES, Arithmetic, Device

USABLE = 0.9  # of a device's memory: the driver, kernels and gaps take the rest
FASTEST_FIRST: tuple[Arithmetic, ...] = (
    "mixed_bfloat16",
    "mixed_float16",
    "tensorfloat32",
    "float32",
)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=sorted(kbert.SIZES), default="base")
    parser.add_argument("--vocab-size", type=int, default=32000)
    parser.add_argument("--batch-size", type=int, default=256, help="rows; BERT's 256")
    parser.add_argument("--length", type=int, default=512, help="tokens of a row; BERT's 512")
    parser.add_argument("--steps", type=int, default=1_000_000, help="BERT's 1000000")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--remat", action="store_true", help="compute layers again to save memory")
    parser.add_argument("--attention-window", type=int, help="positions seen on either side")
    parser.add_argument("--device", choices=list(DEVICES), help="default: all of them")
    parser.add_argument("--peak", type=float, help="TFLOPs a second of a device that is not there")
    parser.add_argument("--memory", type=float, help="its memory in GB")
    parser.add_argument(
        "--arithmetic", choices=get_args(Arithmetic), help="default: the fastest of the device"
    )
    parser.add_argument(
        "--share", type=float, default=0.4, help="of the peak that is reached (MFU), in (0, 1]"
    )
    arguments = parser.parse_args()
    if (arguments.peak is None) != (arguments.memory is None):
        parser.error("--peak and --memory go together")
    if arguments.peak is not None and arguments.device:
        parser.error("--peak is of a device that is not there: leave out --device")
    if arguments.memory is not None and not 0 < arguments.memory < 1e6:
        parser.error(f"--memory is in GB, above 0, not {arguments.memory}")
    return arguments


def main() -> None:
    arguments, screen = parse_arguments(), console()

    def cost_of(arithmetic: Arithmetic, batch_size: int) -> Cost:
        return cost(
            vocab_size=arguments.vocab_size,
            **kbert.SIZES[arguments.size],
            batch_size=batch_size,
            length=arguments.length,
            max_position_embeddings=max(512, arguments.length),
            hidden_dropout_prob=arguments.dropout,
            attention_probs_dropout_prob=arguments.dropout,
            precision="float32" if arithmetic == "tensorfloat32" else arithmetic,
            remat=arguments.remat,
            attention_window=arguments.attention_window,
        )

    # 1. The devices, and in which arithmetic: the largest batch, and the time of the run.
    if arguments.peak is None:
        devices = {arguments.device: DEVICES[arguments.device]} if arguments.device else DEVICES
    else:
        rates = {arguments.arithmetic or FASTEST_FIRST[0]: 1e12 * arguments.peak}
        devices = {"--peak": Device(1e9 * arguments.memory, rates, ())}
    rows, costs = [], {}
    for name, device in devices.items():
        kind = arguments.arithmetic or fastest(device)
        row = f"{name:10} {device.memory / 1e9:4.0f} GB {kind:14}"
        if kind not in device.rates and len(devices) > 1:
            rows.append(f"{row} {'-':>8}")
            continue
        peak = device.peak(kind)
        run = costs["float32" if "float32" in kind else "mixed precision"] = cost_of(
            kind, arguments.batch_size
        )
        seconds = run.training_seconds(arguments.steps * run.tokens, peak, arguments.share)
        largest = largest_batch(partial(cost_of, kind), device.memory)
        shown = f"{largest:,}" if largest else "none fits"
        rows.append(f"{row} {peak / 1e12:8.1f} {shown:>14} {duration(seconds):>18}")

    # 2. The table.
    run = next(iter(costs.values()))
    screen.print(
        f"BERT {arguments.size}, a vocabulary of {arguments.vocab_size:,}: "
        f"{run.parameters:,} parameters\n"
        f"a step of {arguments.batch_size} x {arguments.length} = {run.tokens:,} tokens: "
        f"{run.forward_flops / 1e12:,.2f} TFLOP forward, "
        f"{run.training_flops / 1e12:,.2f} TFLOP in training\n"
        f"{arguments.steps:,} steps: {arguments.steps * run.tokens / 1e9:,.1f} billion tokens, "
        f"{arguments.steps * run.training_flops:.2e} FLOP\n"
    )
    for precision, each in costs.items():
        screen.print(f"memory in {precision}")
        screen.print(f"  training   {parts(each.training_memory)}")
        screen.print(f"  inference  {parts(each.inference_memory)}")
    screen.print(
        f"\n{'device':10} {'memory':>7} {'arithmetic':14} {'TFLOP/s':>8} {'largest batch':>14} "
        f"{f'time at {100 * arguments.share:.0f}% of it':>18}"
    )
    screen.print("\n".join(rows))
    screen.print(
        f"\nThe largest batch trains at once in {100 * USABLE:.0f}% of the memory; a larger one is "
        "accumulated,\nin the same time."
    )


def fastest(device: Device) -> Arithmetic:
    """The arithmetic in which a device does the most."""
    return max(FASTEST_FIRST, key=lambda kind: device.rates.get(kind, 0))  # the first of equals


def largest_batch(cost_of_rows: Callable[[int], Cost], memory: float) -> int:
    """The most rows whose training step fits, or 0: memory grows by the same for each row."""
    one, two = (cost_of_rows(rows).training_memory.total for rows in (1, 2))
    return max(0, int((USABLE * memory - (2 * one - two)) // (two - one)))


def parts(memory: Memory) -> str:
    """Gigabytes, in all and by what they hold."""
    held = [f"{name} {count / 1e9:,.2f}" for name, count in memory._asdict().items() if count]
    return f"{memory.total / 1e9:,.2f} GB: {', '.join(held)}"


def duration(seconds: float) -> str:
    """In the largest unit of which there are two or more, or in seconds."""
    for unit, length in (("years", 31_556_952), ("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.1f} seconds"


if __name__ == "__main__":
    run(main, parse_arguments)
