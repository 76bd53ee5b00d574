"""Makes a small model of a large one, as DistilBERT was made, in five steps.

    python recipes/distill.py --teacher klue/bert-base --layers 6 --corpus texts/ --heldout held.txt
    python recipes/distill.py --teacher runs/finetune/model.keras --layers 3 \
        --train reviews.csv --text 리뷰 --label 감정

From text a masked LM learns: its teacher's probabilities of words and hidden states beside the
words themselves. From labelled text a classifier or tagger learns the labels of a fine-tuned
teacher. The student is the teacher with fewer layers, or one of your own (--student).

The folder gets model.keras, the student, where it learned labels with the weights that were best on
a tenth of the examples; scores.json, both models' size, time and scores on what was held out;
log.jsonl, heldout.jsonl and checkpoints. The same command goes on where a run was ended.
docs/distillation.md says what is learned, and what that costs.

Source: Sanh et al. 2019, "DistilBERT"; its figures are 40% fewer weights, 60% faster, 97% of the
score, of 3 epochs of the teacher's 16 GB of text on 8 GPUs for 90 hours.
"""

import argparse
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.console import Console

import kbert  # before Keras: it chooses the backend

# isort: split
import keras

from kbert import Distillation, DistillationBatches, Examples, LabelledBatches
from kbert.data.labelled.read_table import read_table
from kbert.data.pretraining.batches import MARKS, PretrainingBatches
from kbert.data.pretraining.heldout import HeldoutText, read_heldout
from kbert.data.pretraining.training_text import text_of_corpus, text_of_shards
from kbert.errors import counted
from kbert.evaluation.best_weights import BEST, BestWeights
from kbert.evaluation.evaluate import evaluate
from kbert.files.atomic_files import write_json
from kbert.models.base import KbertModel
from kbert.models.distillation import SoftTargets
from kbert.models.fingerprint import fingerprint
from kbert.models.frozen import check_floats
from kbert.runs.console import command, console, refuse_beside, run
from kbert.runs.malloc import keep_freed_memory
from kbert.runs.run_folder import begin_run, check_folder, locked_folder, next_folder
from kbert.sizes.cost import Precision
from kbert.tasks.read import read_task
from kbert.tasks.score import best_by
from kbert.training.evaluation import heldout_figures
from kbert.training.loop import resume, train
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from kbert.training.progress import TrainingProgress
from kbert.training.stages import Stage

# What a run that goes on must have in common with the one that began, beside teacher and text.
FIXED = (
    "temperature soft_targets weights steps epochs batch_size sequence_length learning_rate seed "
    "masking precision layers"
).split()
# Options that say nothing where a student learns from something else.
OF_TEXT = ("heldout", "steps", "masking", "soft_targets")
OF_LABELS = ("epochs",)
OF_A_TABLE, OF_A_SET = ("text", "label", "pair"), ("data",)
NOT_FOR = {
    "corpus": (*OF_LABELS, *OF_A_TABLE, *OF_A_SET),
    "shards": (*OF_LABELS, *OF_A_TABLE, *OF_A_SET),
    "train": (*OF_TEXT, *OF_A_SET),
    "task": (*OF_TEXT, *OF_A_TABLE),
}
ROWS = 32  # of the batch whose time is taken
EVALUATIONS = 8  # in the course of a run that learns labels


def main() -> None:
    keep_freed_memory()
    arguments, screen = parse_arguments(), console()
    begun = Path(arguments.out, "settings.json").exists()
    check_folder(arguments.out, arguments.overwrite or begun)
    with locked_folder(arguments.out) as folder:
        distill(arguments, folder, screen)


def distill(arguments: argparse.Namespace, folder: Path, screen: Console) -> None:
    # 1. The teacher, and a student: some of its layers, or another model.
    task = "masked-lm" if arguments.from_text else None
    teacher = kbert.load(arguments.teacher, task=task, seed=arguments.seed)
    if arguments.student:
        labels = None if arguments.from_text else getattr(teacher, "labels", None)
        student = kbert.load(arguments.student, teacher.task, labels, seed=arguments.seed)
        check_floats(student, "--student", arguments.student)
    else:  # which is trained, so of a quantized teacher its weights are made floats
        student = kbert.quantize(kbert.keep_layers(teacher, arguments.layers), "float32")
    settings = {**{name: getattr(arguments, name) for name in FIXED}}
    settings |= {"teacher": fingerprint(teacher), "student": fingerprint(student)}
    student, teacher = (
        each.with_settings(dtype=arguments.precision) for each in (student, teacher)
    )
    model = Distillation(
        student,
        teacher,
        temperature=arguments.temperature,
        soft_targets=arguments.soft_targets,
        weights=arguments.weights,
    )

    # 2. What it learns from, what weights are chosen by, and what both are asked at the end.
    batches, chosen_by, heldout, read = read_batches(arguments, student)
    settings["read"] = read
    stage = Stage(
        DistillationBatches(batches, model),
        batches.steps,
        arguments.batch_size,
        getattr(batches, "mean_length", arguments.sequence_length),
    )

    # 3. Training, from the first step or where the run was ended. DistilBERT's rate, warm-up, decay
    # and norm of gradients.
    optimizer = adamw(
        arguments.learning_rate,
        stage.steps,
        warmup_steps=round(0.05 * stage.steps),
        weight_decay=0.0,
        max_gradient_norm=5.0,
    )
    model.compile(optimizer, **objective(model))
    sources = filter(None, [arguments.teacher, arguments.student])
    begin_run(folder, settings, arguments.overwrite, sources)
    first_step = resume(model, folder, settings, screen.print)
    screen.print(
        f"{counted(stage.steps, 'step')}; teacher {told(teacher)}, student {told(student)}"
    )
    with TrainingProgress(screen, folder / "log.jsonl", [stage], first_step) as progress:
        finished = train(
            model,
            [stage],
            progress,
            folder,
            settings,
            save_every=arguments.save_every,
            evaluate=None if chosen_by is None else BestWeights(chosen_by, folder, screen.print),
            evaluate_every=-(-stage.steps // EVALUATIONS),
        )
    if not finished:
        screen.print(
            f"Ended by a signal. The same command with {command('--out', folder)} goes on."
        )
        return

    # 4. The student's file: its best weights, where something was there to choose by.
    path = folder / "model.keras"
    best = kbert.load(folder / BEST) if chosen_by else student.with_settings(dtype="float32")
    best.save(path)

    # 5. What became of it: how much smaller, faster, and as good.
    of_file = kbert.load(path).with_settings(dtype=arguments.precision)  # the teacher's, for times
    models = {"teacher": teacher, "student": of_file}
    length = min(arguments.sequence_length, student.max_length)
    scores: dict[str, dict[str, float]] = {}
    for name, each in models.items():
        scores[name] = {"parameters": each.count_params(), "seconds": seconds_of(each, length)}
        scores[name] |= scores_of(each, heldout)
        screen.print(f"{name}: {in_words(scores[name])}")
    write_json(folder / "scores.json", scores)
    screen.print(compared(**scores, rows=ROWS, length=length))
    if isinstance(heldout, Examples):
        screen.print(
            f"The score is {best_by(heldout)} of {len(heldout):,} held-out examples. A teacher "
            "that learned from the same table has seen most of them, and looks better than it is."
        )
    screen.print(f"\nThe student is {path}. {to_go_on(arguments, path, heldout)}")


def to_go_on(arguments: argparse.Namespace, path: Path, heldout: Any) -> str:
    """How the student is used: fine-tuned, on a table like that it learned from, or in Python."""
    if not isinstance(heldout, Examples):
        asked = command("python", "recipes/finetune.py", "--model", path)
        return f"To go on:\n  {asked} --train FILE ..."
    if arguments.train:
        asked = command("python", "recipes/predict.py", "--model", path, "--text", arguments.text)
        pair = f" {command('--pair', arguments.pair)}" if arguments.pair else ""
        return f"What it says of new rows:\n  {asked}{pair} --table FILE --out answers.csv"
    of_tokens = heldout.task == "token-classification"
    pipeline = "TokenClassifier" if of_tokens else "TextClassifier"
    texts = [heldout.texts[0], *([heldout.pairs[0]] if heldout.pairs else [])]
    given = ", ".join(repr(text[:60]) for text in texts)
    return (
        "To go on, in Python:\n  import kbert\n"
        f"  print(kbert.{pipeline}(kbert.load({str(path)!r}))({given}))"
    )


def read_batches(
    arguments: argparse.Namespace, student: KbertModel
) -> tuple[Any, Examples | None, Any, str]:
    """The student's batches; what to choose by; what is held out; and digits of what is read."""
    if not arguments.from_text:
        if arguments.task:
            learned = read_task(arguments.task, arguments.data, "train")
        else:
            columns = {"text": arguments.text, "label": arguments.label, "pair": arguments.pair}
            learned = read_table(arguments.train, **columns)
        learned, others = learned.split(0.2, seed=0)
        chosen_by, heldout = others.split(0.5, seed=0)
        batches = LabelledBatches(
            learned,
            student,
            arguments.batch_size,
            arguments.epochs,
            arguments.seed,
            max_length=min(arguments.sequence_length, student.max_length),
        )
        return batches, chosen_by, heldout, learned.fingerprint
    tokenizer = student.tokenizer
    if arguments.shards:
        text = text_of_shards(arguments.shards, tokenizer)
    else:
        text = text_of_corpus(arguments.corpus, tokenizer, eojeols=arguments.masking == "eojeol")
    shape = {
        "sequence_length": arguments.sequence_length,
        "batch_size": arguments.batch_size,
        "seed": arguments.seed,
        "objective": "masked-lm",
        "masking": arguments.masking,
    }
    heldout = read_heldout(arguments.heldout, tokenizer, **shape) if arguments.heldout else None
    batches = PretrainingBatches(text.sources, tokenizer, steps=arguments.steps, **shape)
    return batches, None, heldout, text.fingerprint


def scores_of(model: KbertModel, heldout: Any) -> dict[str, float]:
    """What a model is worth on what was held out; nothing where nothing was."""
    if heldout is None:
        return {}
    if not isinstance(heldout, HeldoutText):
        metric = best_by(heldout)
        return {"score": evaluate(model, heldout)[metric]}
    model.compile("sgd", **objective("masked-lm"))
    figures = heldout_figures(model, heldout)
    return {"score": figures["mlm_accuracy"], "mlm_loss": figures["mlm_loss"]}


def seconds_of(model: KbertModel, length: int) -> float:
    """How long a model reads a batch of full rows, on this device: the best of five times."""
    ids = np.random.default_rng(0).integers(0, model.vocab_size, (ROWS, length), np.int32)
    x, seconds = {"input_ids": ids}, []
    if model.task == "masked-lm":
        x["masked_lm_positions"] = np.ones((ROWS, 1), np.int32)
    model.predict_on_batch(x)  # compiles
    for _ in range(5):
        begin = time.perf_counter()
        keras.tree.map_structure(np.asarray, model.predict_on_batch(x))
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def told(model: KbertModel) -> str:
    return (
        f"{counted(len(model.bert.layers_in_order), 'layer')}, {model.count_params():,} parameters"
    )


def in_words(figures: dict[str, float]) -> str:
    words = f"{figures['parameters']:,} parameters, {1000 * figures['seconds']:.1f} ms a batch"
    if "score" in figures:
        words += f", score {100 * figures['score']:.1f}"
    return words + (f", MLM loss {figures['mlm_loss']:.3f}" if "mlm_loss" in figures else "")


def compared(teacher: dict[str, float], student: dict[str, float], rows: int, length: int) -> str:
    """DistilBERT's three figures of two models.

    Example:
        >>> one = {"parameters": 110, "seconds": 0.8, "score": 0.8}
        >>> compared(one, {"parameters": 66, "seconds": 0.5, "score": 0.776}, 32, 128)
        '40% smaller, 60% faster (32 rows of 128 tokens), 97% as good'
    """
    smaller = 1 - student["parameters"] / teacher["parameters"]
    faster = teacher["seconds"] / student["seconds"] - 1
    words = (
        f"{100 * smaller:.0f}% smaller, {100 * faster:.0f}% faster ({counted(rows, 'row')} of "
        f"{length} tokens)"
    )
    if teacher.get("score"):
        words += f", {100 * student['score'] / teacher['score']:.0f}% as good"
    return words


def layers_of(given: str) -> int | list[int]:
    """6, or 0,2,4,7,9,11."""
    parts = given.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{given!r} is no number, and no list as 0,2,4,7,9,11")
    numbers = [int(part) for part in parts]
    return numbers if "," in given else numbers[0]


def weight_of(given: str) -> tuple[str, float]:
    """soft=5."""
    name, _, number = given.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is no weight, as soft=5") from None


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Makes a small model of a large one.")
    add = parser.add_argument_group("the models").add_argument
    add("--teacher", required=True, help="as kbert.load takes it: klue/bert-base, a .keras file")
    add("--layers", type=layers_of, help="how many of its layers the student has, or which: 0,5,11")
    add("--student", help="instead of --layers: another model, with the teacher's tokenizer")
    add = parser.add_argument_group("text, for a masked LM").add_argument
    add("--corpus", nargs="+", help="files or folders")
    add("--shards", nargs="+", help="instead of --corpus: folders that build_shards.py made")
    add("--heldout", help="a file that both are asked about at the end")
    add("--steps", type=int, default=20_000)
    add("--masking", choices=[mark for mark in MARKS if mark != "morpheme"], default="token")
    add = parser.add_argument_group("or labelled text, with a fine-tuned teacher").add_argument
    add(
        "--train",
        help="a table; a tenth of it chooses the weights, and a tenth is asked at the end",
    )
    add("--text", help="the column of the texts")
    add("--label", help="the column of the labels")
    add("--pair", help="the column of the second texts")
    add("--task", help="or an official set, as nsmc")
    add("--data", help="the folder of its files")
    add("--epochs", type=int, default=3)
    add = parser.add_argument_group("what is learned").add_argument
    add("--temperature", type=float, default=2.0)
    add("--soft-targets", choices=get_args(SoftTargets), default="masked", help="of which tokens")
    add("--weights", nargs="+", type=weight_of, help="default: soft=5 mlm=2 hidden=1")
    add("--batch-size", type=int, default=32)
    add("--sequence-length", type=int, default=128, help="in tokens, special tokens included")
    add("--learning-rate", type=float, help="default: 5e-4 from text, 5e-5 from labels")
    add("--precision", choices=get_args(Precision), default="float32")
    add("--seed", type=int, default=0)
    add("--save-every", type=int, default=1000, help="steps between checkpoints")
    add("--out", help="a folder: new, or a run to continue; default runs/distill")
    add("--overwrite", action="store_true", help="replace a former run in --out")
    arguments = parser.parse_args()
    given = [name for name in NOT_FOR if getattr(arguments, name)]
    if len(given) != 1:
        parser.error("name one of --corpus, --shards, --train and --task")
    refuse_beside(f"--{given[0]}", NOT_FOR[given[0]], parser, arguments)
    if (arguments.layers is None) == (arguments.student is None):
        parser.error("name --layers or --student")
    if arguments.train and not (arguments.text and arguments.label):
        parser.error("--train needs --text and --label: the names of its columns")
    if arguments.task and not arguments.data:
        parser.error(f"--task {arguments.task} needs --data, the folder of its files")
    arguments.from_text = given[0] in ("corpus", "shards")
    if arguments.learning_rate is None:
        arguments.learning_rate = 5e-4 if arguments.from_text else 5e-5
    arguments.weights = dict(arguments.weights) if arguments.weights else None
    arguments.out = arguments.out or str(next_folder("runs/distill"))
    return arguments


if __name__ == "__main__":
    as_said, here = "load it with labels=examples.label_names", "a student learns its teacher's"
    run(main, parse_arguments, {as_said: here})
