"""What a model learns of labelled text: it, and the same model with random weights, set by set.

    python benchmarks/results.py --model model.keras --data finetune/ --out runs/results

For each set `recipes/finetune.py` runs with equal settings, twice: on the model, and on one of its
shape whose weights are drawn. Weights are chosen on what is held out of the training text, and the
part that scores are told of (test, or the official dev where test is closed) is asked once a seed.
The same command goes on where it was ended. Rate and epochs are of small models, and were chosen
on no part that is scored. The table in docs/results.md is what this prints.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

import kbert
from kbert.evaluation.evaluate import shown
from kbert.tasks.sets import SETS

RECIPE = Path(__file__).parents[1] / "recipes" / "finetune.py"
# The folder of each set within --data, and its epochs.
FOLDERS = {
    "nsmc": ("nsmc", 3),
    "question-pair": ("question_pair", 3),
    "korean-hate-speech": ("korean_hate_speech", 3),
    "korsts": ("kornlu", 5),
    "klue-sts": ("klue", 3),
    "klue-nli": ("klue", 3),
    "klue-ner": ("klue", 3),
    "paws-x-ko": ("paws_x_ko", 5),
    "kobest-copa": ("kobest", 3),
    "ud-kaist-pos": ("ud_kaist", 3),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="as kbert.load takes it")
    parser.add_argument("--data", required=True, help="a folder with a folder for each set")
    parser.add_argument("--out", default="runs/results")
    parser.add_argument("--sets", nargs="+", choices=list(FOLDERS), default=list(FOLDERS))
    parser.add_argument("--limit", type=int, help="learn from so many examples only")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--precision", help="as recipes/finetune.py takes it")
    parser.add_argument("--table", action="store_true", help="print what is there, and run nothing")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    models = {"pretrained": arguments.model, "random": out / "random.keras"}
    if not models["random"].exists():
        random_weights(arguments.model).save(models["random"])
    for name in arguments.sets:
        for weights, model in models.items():
            if not arguments.table:
                run(arguments, name, model, out / f"{name}-{weights}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ")
    print(", ".join(f"{each} {version(each)}" for each in ("keras", "torch", "jax", "tensorflow")))
    print("\n| set | learned from | scored on | score | pretrained | random weights | minutes |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.sets:
        if all((out / f"{name}-{weights}" / "scores.json").exists() for weights in models):
            print(row(name, out))


def random_weights(source: str) -> kbert.Bert:
    """A model of the same shape and tokenizer that has learned nothing."""
    model = kbert.load(source, task="encoder")
    config = {name: value for name, value in model.get_config().items() if name != "name"}
    config.pop("format_version", None)
    fresh = kbert.Bert.from_config(config)
    fresh.tokenizer = model.tokenizer
    return fresh


def run(arguments: argparse.Namespace, name: str, model: str | Path, folder: Path) -> None:
    if (folder / "scores.json").exists():
        return
    place, epochs = FOLDERS[name]
    command = [sys.executable, RECIPE, "--task", name, "--data", Path(arguments.data, place)]
    command += ["--model", model, "--out", folder, "--seeds", str(arguments.seeds)]
    command += ["--epochs", str(epochs), "--learning-rate", str(arguments.learning_rate)]
    command += ["--batch-size", "32", "--evaluations", str(epochs)]
    for option in ("limit", "precision"):
        if getattr(arguments, option):
            command += [f"--{option}", str(getattr(arguments, option))]
    path = folder.parent / f"{folder.name}.log"
    with path.open("w", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=log, stderr=log)
    if done.returncode:  # the other sets go on
        said = path.read_text(encoding="utf-8").splitlines()[-1:]
        print(f"{name}: not run: {' '.join(said)}", file=sys.stderr, flush=True)


def row(name: str, out: Path) -> str:
    """A line of the table: mean and deviation over the seeds."""
    cells, minutes, metric = [], 0.0, SETS[name].best_by
    found = {}
    for weights in ("pretrained", "random"):
        path = out / f"{name}-{weights}" / "scores.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        scores = found["scores"]["test"][metric]
        deviation = f" ± {100 * np.std(scores, ddof=1):.1f}" if len(scores) > 1 else ""
        cells.append(f"{shown(metric, float(np.mean(scores)))}{deviation}")
        minutes += found["seconds"] / 60
    counts = [f"{found['examples'][part]:,}" for part in ("train", "test")]
    return f"| {name} | {' | '.join(counts)} | {metric} | {' | '.join(cells)} | {minutes:.0f} |"


if __name__ == "__main__":
    main()
