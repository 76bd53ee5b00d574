"""Draws the curves of a run: the extra `viz`.

python recipes/plot_log.py --log runs/mine/log.jsonl --out curves.png --baseline 6.2
"""

import argparse

from kbert.runs.console import run
from kbert.training.curves import draw_curves


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--log", required=True, help="a run's log.jsonl")
    parser.add_argument("--out", required=True, help="a .png or .svg file")
    parser.add_argument("--heldout", help="a run's heldout.jsonl, for points of held-out text")
    parser.add_argument("--baseline", type=float, help="the unigram loss, as a dashed line")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    draw_curves(
        arguments.log, arguments.out, heldout=arguments.heldout, baseline=arguments.baseline
    )


if __name__ == "__main__":
    run(main, parse_arguments)
