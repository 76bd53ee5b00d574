"""What a run of finetune.py leaves: the best seed's model, a report, predictions, scores."""

import csv
import io
import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import kbert
from kbert.data.labelled.examples import Examples
from kbert.errors import counted
from kbert.evaluation.best_weights import BEST
from kbert.evaluation.comparison import comparison
from kbert.evaluation.evaluate import Evaluation, shown
from kbert.evaluation.report import write_report
from kbert.files.atomic_files import write_json, write_text
from kbert.runs.console import command
from kbert.tasks.score import best_by

OF_TABLES = ("sequence-classification", "token-classification", "question-answering")  # predict.py
OF_EXAMPLES = ("sequence-classification", "multiple-choice")  # whose accuracy is of examples
WORDS: dict[str, dict[str, Any]] = {
    "ko": {
        "learned": "모델 {model}, 학습 예문 {learned}개({source}), {epochs}.",
        "seeds": "시드 {count}개의 점수는 {each}이고, 평균은 {mean}입니다. 이 페이지의 답은 "
        "학습에서 떼어 둔 예문의 점수가 가장 높은 {seed}의 것입니다.",
        "chosen": ("가중치를", "가중치와 시드를"),
        "held out": "이 예문으로 {chosen} 골랐으므로, 새로운 글에서는 점수가 이보다 낮을 수 "
        "있습니다. 따로 둔 --test 파일의 점수를 믿으세요.",
        "interval": "예문 {count}개로 잰 정확도의 95% 구간은 {0}부터 {1}까지입니다.",
    },
    "en": {
        "learned": "Model {model}, {learned} examples to learn from ({source}), {epochs}.",
        "seeds": "{count} seeds scored {each}; {mean} in the mean. The answers on this page are "
        "those of {seed}, the best on what was held out.",
        "chosen": ("The weights", "Weights and seed"),
        "held out": "{chosen} were chosen on these examples, so new texts may score lower: "
        "believe the score of a --test file that was set aside.",
        "interval": "Of {count} examples, the 95% interval of the accuracy is {0} to {1}.",
    },
}


def finish(
    arguments: Namespace,
    results: list[tuple[Path, dict[str, Evaluation]]],
    learned: int,
    seconds: float,
    folder: Path,
    screen: Console,
) -> None:
    # 6. The best seed's model, the report, the predictions, and the scores of all seeds.
    metric = best_by(results[0][1]["held out"].examples)
    place, found = max(results, key=lambda each: each[1]["held out"][metric])
    kbert.load(place / BEST).save(folder / "model.keras")
    shown_part = found.get("test", found["held out"])
    table = {
        part: {
            name: [evaluations[part][name] for _, evaluations in results] for name in found[part]
        }
        for part in found
    }
    told_of = "test" if "test" in found else "held out"
    of_seeds = table[told_of][metric]
    notes = how_it_came(arguments, learned, place.name, shown_part, of_seeds, told_of)
    write_report(shown_part, folder / "report.html", arguments.language, notes=notes)
    write_predictions(shown_part, folder / "predictions.csv")
    counts = {"train": learned, **{part: len(found[part].examples) for part in found}}
    told = {"seconds": seconds, "examples": counts, "scores": table}
    write_json(folder / "scores.json", told)
    screen.print(f"\n{len(results)} seeds" if len(results) > 1 else "")
    for part, scores in table.items():
        screen.print(f"{part}: " + "  ".join(mean_and_deviation(*each) for each in scores.items()))
    if shown_part.examples.set_name is not None:
        screen.print(comparison({f"{arguments.model}, fine-tuned": shown_part}))
    screen.print(
        f"\nThe model is {folder / 'model.keras'}, the report {folder / 'report.html'}. "
        + to_go_on(arguments, folder / "model.keras", shown_part.examples)
    )


def how_it_came(
    arguments: Namespace,
    learned: int,
    seed: str,
    asked: Evaluation,
    scores: list[float],
    part: str,
) -> list[str]:
    """What a reader of the report must know to believe its scores."""
    words, metric, count = WORDS[arguments.language], best_by(asked.examples), len(asked.examples)
    source = Path(arguments.task or arguments.train).name
    told = {"model": arguments.model, "learned": f"{learned:,}", "source": source}
    epochs = arguments.epochs
    in_words = counted(epochs, "epoch") if arguments.language == "en" else f"{epochs:,}에폭"
    notes = [words["learned"].format(**told, epochs=in_words)]
    if len(scores) > 1:
        each = ", ".join(shown(metric, score) for score in scores)
        mean = mean_and_deviation(metric, scores)
        notes.append(words["seeds"].format(count=len(scores), each=each, mean=mean, seed=seed))
    if part == "held out":
        chosen = words["chosen"][len(scores) > 1]
        notes.append(words["held out"].format(chosen=chosen))
    if "accuracy" in asked and asked.examples.task in OF_EXAMPLES:
        low, high = wilson(asked["accuracy"], count)
        interval = f"{low:.0%}", f"{high:.0%}"
        notes.append(words["interval"].format(*interval, count=f"{count:,}"))
    return notes


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95% interval of a share of so many that were drawn (Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return middle - half, middle + half


def mean_and_deviation(name: str, values: list[float]) -> str:
    told = f"{name} {shown(name, float(np.mean(values)))}"
    if len(values) == 1:
        return told
    return f"{told} ± {shown(name, float(np.std(values, ddof=1))).rstrip('%')}"


def to_go_on(arguments: Namespace, path: Path, examples: Examples) -> str:
    """How the model is used: on a table like the one that it learned from, or in Python."""
    if arguments.train and examples.task in OF_TABLES:
        asked = command("python", "recipes/predict.py", "--model", path, "--text", arguments.text)
        pair = f" {command('--pair', arguments.pair)}" if arguments.pair else ""
        return f"What it says of new rows:\n  {asked}{pair} --table FILE --out answers.csv"
    pipeline = {
        "sequence-classification": "TextClassifier",
        "token-classification": "TokenClassifier",
        "question-answering": "QuestionAnswering",
        "multiple-choice": "MultipleChoice",
        "dependency-parsing": "DependencyParser",
    }[examples.task]
    texts = [examples.texts[0], *([examples.pairs[0]] if examples.pairs else [])]
    asked = ", ".join(repr(text[:60]) for text in texts)
    return (
        "To go on, in Python:\n  import kbert\n"
        f"  print(kbert.{pipeline}(kbert.load({str(path)!r}))({asked}))"
    )


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    examples, predicted = evaluation.examples, evaluation.predictions
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(["where", "text", "pair", "label", "predicted"])
    for i, said in enumerate(predicted.labels):
        pair = "" if examples.pairs is None else examples.pairs[i]
        labels = ["" if examples.labels is None else examples.labels[i], said]
        writer.writerow([examples.where(i), examples.texts[i], pair, *labels])
    write_text(path, "\ufeff" + table.getvalue())  # the mark by which Excel reads Korean
