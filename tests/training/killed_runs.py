"""Kills runs of recipes/pretrain_ko.py, lets them go on, and compares them with one left alone.

    make torture                                                 200 kills on each backend
    python tests/training/killed_runs.py --kills 200             on the backend that Keras takes

Processes are ended by SIGKILL, at random moments: while they start, train, save or finish. A run
that got through must have the log of the one that was left alone, and its state to the bit:
weights, AdamW's moments and random numbers. The first difference ends the script with an error.
Starting a process takes most of the time: 10 to 20 seconds a kill on 2 cores.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = Path(__file__).parents[2] / "recipes" / "pretrain_ko.py"
STEPS, SAVE_EVERY = 60, 4
SENTENCES = [  # of the constitution
    "대한민국은 민주공화국이다.",
    "대한민국의 주권은 국민에게 있고, 모든 권력은 국민으로부터 나온다.",
    "국회는 국민의 보통 선거에 의하여 선출된 국회의원으로 구성한다.",
    "대통령은 국가의 원수이며, 외국에 대하여 국가를 대표한다.",
    "사법권은 법관으로 구성된 법원에 속한다.",
]


class Runs:
    """Runs of one command, in folders of their own.

    Args:
        folder: where the corpus and the runs go.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.corpus = folder / "corpus.txt"
        self.corpus.write_text(
            "\n\n".join("\n".join(SENTENCES[i:] * 3) for i in range(3)), encoding="utf-8"
        )

    def start(self, name: str) -> subprocess.Popen:
        """The command, with dropout and two shapes of batches, in a process of its own."""
        options = f"--vocab-size 120 --stages 16:4:30 24:2:{STEPS - 30} --warmup-steps 4"
        options += f" --dropout 0.1 --save-every {SAVE_EVERY} --learning-rate 1e-3"
        command = [sys.executable, RECIPE, "--corpus", self.corpus, *options.split()]
        return subprocess.Popen(
            [*map(str, command), "--out", str(self.folder / name)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(self.folder / "jax")},
        )

    def finish(self, name: str) -> None:
        """Runs the command to its end."""
        process = self.start(name)
        shown = process.communicate()[0].decode("utf-8", "replace")
        if process.returncode:
            raise SystemExit(f"{name} ended with {process.returncode}:\n{shown}")

    def kill(self, name: str, step: int, delay: float) -> int:
        """Runs the command, and kills it when it has logged a step, after a delay in seconds.

        Returns:
            The last step that it logged; STEPS if it came to its end.
        """
        process, log = self.start(name), self.folder / name / "log.jsonl"
        while process.poll() is None and last_step(log) < step:
            time.sleep(0.0005)
        time.sleep(delay)
        process.kill()
        shown = process.communicate()[0].decode("utf-8", "replace")
        if process.returncode not in (0, -9):
            raise SystemExit(f"{name} ended with {process.returncode}:\n{shown}")
        return last_step(log)

    def outcome(self, name: str) -> tuple[str, list[dict]]:
        """The sha256 of all variables at the end, and each step's figures."""
        checkpoint = self.folder / name / "checkpoints" / f"step-{STEPS:08d}"
        manifest = json.loads((checkpoint / "manifest.json").read_text("utf-8"))
        lines = [json.loads(line) for line in log_lines(self.folder / name / "log.jsonl")]
        return manifest["sha256"], [
            {name: value for name, value in line.items() if name != "seconds"} for line in lines
        ]


def log_lines(log: Path) -> list[bytes]:
    """The whole lines of a log that may be being written."""
    return log.read_bytes().split(b"\n")[:-1] if log.exists() else []


def last_step(log: Path) -> int:
    """The step of the last whole line; 0 if there is none."""
    lines = log_lines(log)
    return json.loads(lines[-1])["step"] if lines else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder))
        runs.finish("whole")
        expected, kills, run = runs.outcome("whole"), 0, 0
        while kills < arguments.kills:
            name, before = f"run-{run}", -1
            while kills < arguments.kills and not (runs.folder / name / "model.keras").exists():
                before = last_step(runs.folder / name / "log.jsonl")
                # Mostly within the steps; now and then before the first, or at the very end.
                step = min(before + rng.randint(0, 12), STEPS)
                delay = rng.uniform(0, 0.05) if step else rng.uniform(0, 15)
                reached = runs.kill(name, step, delay if step < STEPS else rng.uniform(0, 2))
                kills += 1
                print(f"kill {kills}: {name}, from step {before} to {reached}", flush=True)
            runs.finish(name)
            if runs.outcome(name) != expected:
                raise SystemExit(f"{name} differs from the run that was left alone")
            print(f"{name} is the same to the bit", flush=True)
            run += 1
    print(f"{kills} kills, {run} runs, 0 differences")


if __name__ == "__main__":
    main()
