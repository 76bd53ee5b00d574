"""Draws the curves of a run: `pip install kbert[viz]`.

python recipes/plot_log.py --log runs/mine/log.jsonl --out curves.png --baseline 6.2
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from kbert import KbertError

WINDOW = 25  # steps that a line is the mean of


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--log", required=True, help="a run's log.jsonl")
    parser.add_argument("--out", required=True, help="a .png or .svg file")
    parser.add_argument("--baseline", type=float, help="the unigram loss, as a dashed line")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise KbertError("pictures need matplotlib: `pip install kbert[viz]`") from error

    # 1. The log: a line a step.
    lines = [json.loads(line) for line in Path(arguments.log).read_text("utf-8").splitlines()]
    if len(lines) <= WINDOW:
        raise KbertError(
            f"{arguments.log} has {len(lines)} steps; a curve needs more than {WINDOW}"
        )
    steps = np.array([line["step"] for line in lines])

    def smooth(name: str) -> np.ndarray:
        values = np.array([line[name] for line in lines])
        return np.convolve(values, np.ones(WINDOW) / WINDOW, mode="valid")

    # 2. Losses on the left, accuracies on the right.
    figure, (losses, accuracies) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name, label in (("mlm_loss", "masked LM"), ("nsp_loss", "next sentence")):
        losses.plot(steps[WINDOW - 1 :], smooth(name), label=label)
    if arguments.baseline:
        losses.axhline(arguments.baseline, color="grey", linestyle="--", label="unigram baseline")
    for name, label in (("mlm_accuracy", "masked LM"), ("nsp_accuracy", "next sentence")):
        accuracies.plot(steps[WINDOW - 1 :], 100 * smooth(name), label=label)
    losses.set(xlabel="step", ylabel="loss (nats)", ylim=(0, None))
    accuracies.set(xlabel="step", ylabel="accuracy (%)", ylim=(0, 100))
    for axes in (losses, accuracies):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"training, mean of {WINDOW} steps", fontsize=10)
    figure.savefig(arguments.out, dpi=120)


if __name__ == "__main__":
    try:
        main()
    except KbertError as error:
        sys.exit(f"error: {error}")
