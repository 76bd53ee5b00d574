"""Fine-tunes a model on labelled Korean text, from file to `.keras`, in six steps.

    python recipes/finetune.py --train reviews.csv --text 리뷰 --label 감정
    python recipes/finetune.py --task klue-ner --data klue/ --model klue/bert-base --seeds 3

A table of one's own (CSV, TSV, Excel, jsonl, Parquet) with labels, entities, answers or choices;
or an official set by its name with its official settings. The model is kbert-mini-ko, which comes
with kbert, where --model names none. Where there is no --dev, a tenth of the training text is held
out. The weights that were best on what is held out are kept, by the metric of the set; --test is
asked once, at the end, of each seed's best weights.

The folder gets model.keras, report.html, predictions.csv and scores.json, and for each seed a
folder with log.jsonl, heldout.jsonl and curves.png. The same command goes on where a run was ended.

Source: Devlin et al. 2018, sections 4 and A.3; Mosbach et al. 2021 for warm-up and several seeds.
"""

import math
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from finetune_options import FEW_STEPS, FIXED, fit_to_size, parse_arguments
from finetune_results import finish
from rich.console import Console

import kbert
from kbert.data.labelled.batches import LabelledBatches
from kbert.data.labelled.examples import Examples
from kbert.data.labelled.overlap import overlap
from kbert.errors import counted
from kbert.evaluation.best_weights import BEST, BestWeights
from kbert.evaluation.ceiling import ceiling
from kbert.evaluation.evaluate import Evaluation, evaluate, shown
from kbert.models.base import KbertModel
from kbert.models.fine_tuning import freeze, reinitialize_top
from kbert.models.frozen import check_floats
from kbert.models.lora import add_lora, merge_lora
from kbert.runs.console import command, console, run
from kbert.runs.malloc import keep_freed_memory
from kbert.runs.run_folder import begin_run, check_folder, locked_folder
from kbert.tasks.read import read_task
from kbert.tasks.score import best_by
from kbert.tasks.sets import SETS
from kbert.training.curves import draw_curves
from kbert.training.loop import HELDOUT_LOG, resume, train
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from kbert.training.progress import TrainingProgress
from kbert.training.stages import Stage
from kbert.training.tensorboard import TensorBoardFiles


def main() -> None:
    keep_freed_memory()
    arguments, screen = parse_arguments(), console()
    begun = Path(arguments.out, "settings.json").exists()
    check_folder(arguments.out, arguments.overwrite or begun)
    with locked_folder(arguments.out) as folder:
        finetune(arguments, folder, screen)


def finetune(arguments: Namespace, folder: Path, screen: Console) -> None:
    # 1. The examples: to learn from, to choose by, and to be asked once at the end.
    learned, chosen_by, asked = read_examples(arguments)
    fit_to_size(arguments, len(learned))
    screen.print(f"{counted(len(learned), 'example')} to learn from, {len(chosen_by):,} held out")
    if arguments.dev:
        screen.print(f"held out by --dev: {overlap(chosen_by, learned)}")
    if asked is not None:
        screen.print(f"{len(asked):,} to be asked at the end: {overlap(asked, learned)}")

    # 2. The first model, and then its folder, so that what cannot be leaves none behind: new, or a
    # run to continue, with the same settings as it was begun with.
    ready = prepare(arguments, arguments.seed, learned)
    prints = {"examples": learned.fingerprint, "held_out": chosen_by.fingerprint}
    settings = {name: getattr(arguments, name) for name in FIXED} | prints
    begin_run(folder, settings, arguments.overwrite, [arguments.model])
    screen.print(steps_told(arguments, ready[1]))

    # 3. and 4. A model for each seed, and its best weights.
    began, results = time.perf_counter(), []
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        place = folder / f"seed-{seed}"
        model, batches = ready or prepare(arguments, seed, learned)
        ready = None
        fixed = {**settings, "seed": seed}
        if not train_one(arguments, fixed, model, batches, chosen_by, place, screen):
            screen.print(
                f"Ended by a signal. The same command with {command('--out', folder)} goes on."
            )
            return
        # 5. The best weights, asked of the file.
        model = kbert.load(place / BEST)
        found = {"held out": evaluate(model, chosen_by)}
        if asked is not None:
            found["test"] = evaluate(model, asked)
        for part, scores in found.items():
            screen.print(f"seed {seed}, {part}: {scores}{highest(scores, model)}")
        results.append((place, found))
    finish(arguments, results, len(learned), time.perf_counter() - began, folder, screen)


def prepare(
    arguments: Namespace, seed: int, learned: Examples
) -> tuple[KbertModel, LabelledBatches]:
    """3. A seed's model, compiled, and its batches."""
    model = load(arguments, learned, seed)
    batches = LabelledBatches(
        learned,
        model,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        seed=seed,
        max_length=min(arguments.max_length, model.max_length),
    )
    optimizer = adamw(
        arguments.learning_rate,
        batches.steps,
        warmup_steps=round(arguments.warmup_share * batches.steps),
        weight_decay=arguments.weight_decay,
        layerwise_decay=arguments.layerwise_decay,
    )
    weights = learned.balanced_weights() if arguments.balanced else None
    smoothing = arguments.label_smoothing
    model.compile(optimizer, **objective(model, label_smoothing=smoothing, class_weights=weights))
    return model, batches


def train_one(
    arguments: Namespace,
    fixed: dict[str, Any],
    model: KbertModel,
    batches: LabelledBatches,
    chosen_by: Examples,
    place: Path,
    screen: Console,
) -> bool:
    """4. Trains with one seed, from the first step or where the run was ended, to the last.

    `fixed` is what a run that goes on must have in common with the one that began.

    Returns:
        Whether the last was reached.
    """
    place.mkdir(exist_ok=True)
    first_step = resume(model, place, fixed, screen.print)
    if first_step:
        screen.print(f"{place.name} goes on after step {first_step:,} of {batches.steps:,}.")
    stages = [Stage(batches, batches.steps, arguments.batch_size, batches.mean_length)]
    every = math.ceil(batches.steps / arguments.evaluations)
    plain = merge_lora if arguments.lora else None
    also = [TensorBoardFiles(place / "tensorboard", first_step)] if arguments.tensorboard else []
    with TrainingProgress(screen, place / "log.jsonl", stages, first_step, also=also) as progress:
        finished = train(
            model,
            stages,
            progress,
            place,
            fixed,
            save_every=every,
            evaluate=BestWeights(chosen_by, place, screen.print, plain),
            evaluate_every=every,
        )
    if finished:
        try:
            draw_curves(place / "log.jsonl", place / "curves.png", heldout=place / HELDOUT_LOG)
        except kbert.KbertError as error:
            screen.print(f"No picture of the curves: {error}.")
    return finished


def steps_told(arguments: Namespace, batches: LabelledBatches) -> str:
    """The settings of the steps; where there are few, what may help."""
    told = (
        f"{counted(batches.steps, 'step')} of {counted(arguments.batch_size, 'example')} "
        f"({counted(arguments.epochs, 'epoch')}), "
        f"learning rate {arguments.learning_rate:g}, at most {arguments.max_length} tokens"
    )
    few = batches.steps < FEW_STEPS
    return f"{told}. These are few steps: more --epochs may help." if few else told


def highest(evaluation: Evaluation, model: KbertModel) -> str:
    """What the vocabulary allows at the most, where it limits the score."""
    try:
        best = ceiling(evaluation.examples, model.tokenizer)
    except kbert.KbertError:
        return ""
    metric = best_by(evaluation.examples)
    return f"  (the vocabulary allows {metric} {shown(metric, best[metric])})"


def read_examples(arguments: Namespace) -> tuple[Examples, Examples, Examples | None]:
    """The examples to learn from, those to choose weights by, and those to be asked at the end."""
    if arguments.task:
        whole = "train" if "train" in SETS[arguments.task].files else "all"
        learned = read_task(arguments.task, arguments.data, whole)
        others = {
            part: read_task(arguments.task, arguments.data, part) for part in arguments.other_parts
        }
        others = {part: each for part, each in others.items() if each.labels is not None}
    else:
        learned = arguments.read(arguments.train)
        paths = {"dev": arguments.dev, "test": arguments.test}
        others = {
            part: arguments.read(path, labels=learned.label_names or None)
            for part, path in paths.items()
            if path
        }
    dev, test = others.get("dev"), others.get("test")
    if arguments.task and test is None:
        dev, test = None, dev  # what scores are told of is not what weights are chosen by
    if dev is None:
        learned, dev = learned.split(arguments.held_out, seed=0)
    if arguments.limit and arguments.limit < len(learned):
        order = np.random.default_rng(0).permutation(len(learned))[: arguments.limit]
        learned = learned[sorted(order.tolist())]
    return learned, dev, test


def load(arguments: Namespace, learned: Examples, seed: int) -> KbertModel:
    """The model with the task's head, and with what is asked of its layers."""
    settings: dict[str, Any] = {"task": learned.task, "seed": seed}
    if learned.label_names:
        settings["labels"] = learned.label_names
    if learned.task == "sequence-classification":
        settings["problem_type"] = learned.problem_type
    model = kbert.load(arguments.model, **settings)
    if not arguments.lora:
        check_floats(model, "--model without --lora", arguments.model)
    if arguments.reinitialize is not None:
        reinitialize_top(model, arguments.reinitialize)
    if arguments.freeze is not None:
        freeze(model, arguments.freeze)
    if arguments.precision:
        model = model.with_settings(dtype=arguments.precision)
    if arguments.lora:
        add_lora(model, arguments.lora)
    return model


if __name__ == "__main__":
    run(main, parse_arguments, {'problem_type="regression"': "--kind number"})
