"""Makes a sentence model as Sentence-BERT's authors did: first NLI, then STS, in five steps.

    python recipes/sentence_bert.py --model klue/bert-base \
        --nli klue-nli=klue/ --sts korsts=kornlu/ klue-sts=klue/ --seeds 3

Sets are named with the folder of their official files; of several, all is learned from. Where a set
has a test set (KorSTS), its dev set chooses the best weights and the test set is asked once, at the
end; where it has none that is public (KLUE-STS), a tenth of its training set chooses, and its dev
set is asked.

The folder gets model.keras, the best seed's, scores.json, and a folder for each seed. The same
command with --out goes on where a run was ended: what stands there already, nli.keras after
inference and best.keras after similarity, is not learned again.

Source: Reimers and Gurevych 2019, sections 3 and 3.1: one epoch of NLI and some of STS, in batches
of 16, at 2e-5, after 10% of warm-up; Gao et al. 2021, section 4, for --objective in-batch.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console

import kbert
from kbert import Examples, KeepBest, LabelledBatches, SentenceBert, SiameseBert
from kbert.data.labelled.sentences import entailed
from kbert.errors import counted
from kbert.evaluation.best_weights import BEST
from kbert.evaluation.comparison import comparison
from kbert.evaluation.evaluate import Evaluation, evaluate, shown
from kbert.files.atomic_files import write_json
from kbert.models.frozen import check_floats
from kbert.runs.console import console, refuse_beside, run
from kbert.runs.malloc import keep_freed_memory
from kbert.runs.run_folder import begin_run, check_folder, locked_folder, next_folder
from kbert.sizes.cost import Precision
from kbert.tasks.read import read_task
from kbert.tasks.sets import SETS
from kbert.training.losses import objective
from kbert.training.optimizers import adamw

NLI, STS = ("klue-nli", "kornli"), ("korsts", "klue-sts")
SMALL_MODEL, SMALL_RATE = "kbert-mini-ko", 2e-4
INFERRED = "nli.keras"


def main() -> None:
    keep_freed_memory()
    arguments, screen = parse_arguments(), console()
    begun = Path(arguments.out, "settings.json").exists()
    check_folder(arguments.out, arguments.overwrite or begun)
    with locked_folder(arguments.out) as folder:
        # 1. The examples: inference, similarity, what chooses, and what is asked at the end.
        nli = [read_task(*each, "train") for each in arguments.nli]
        if arguments.objective == "in-batch":
            nli = [entailed(each) for each in nli]
        learned, chosen_by, asked = read_sts(arguments.sts)
        if arguments.limit:
            nli, learned = (
                [few(each, arguments.limit) for each in sets] for sets in (nli, learned)
            )
        for each in (*nli, *learned):
            screen.print(f"{each.set_name}: {counted(len(each), 'example')} to learn from")
        load(arguments, arguments.seed)  # what cannot be leaves no folder behind
        begin(arguments, [*nli, *learned], folder)

        results = []
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            place = folder / f"seed-{seed}"
            place.mkdir(exist_ok=True)
            if not (place / BEST).exists():
                # 2. Inference: one epoch.
                if nli and not (place / INFERRED).exists():
                    on_inference(arguments, merged(nli), seed, place, screen)
                # 3. Similarity: the cosine of two vectors; the best weights on what chooses.
                on_similarity(arguments, merged(learned), merged(chosen_by), seed, place, screen)
            # 4. What was held out to the end, for each set by itself; asked of the file.
            model = kbert.load(place / BEST)
            best = evaluate(model, merged(chosen_by))["spearman"]
            found = {each.set_name or "": evaluate(model, each) for each in asked}
            for name, scores in found.items():
                screen.print(f"seed {seed}, {name}: {scores}")
            results.append((best, seed, found))
        finish(arguments, results, folder, screen)


def begin(arguments: argparse.Namespace, sets: list[Examples], folder: Path) -> None:
    """Makes the folder the run's, or sees that the run in it was begun with the same settings."""
    settings = vars(arguments).copy()
    for name in ("out", "overwrite", "verbose", "seed", "seeds"):
        del settings[name]
    settings["examples"] = [each.fingerprint for each in sets]
    begin_run(folder, settings, arguments.overwrite, [arguments.model])


def on_inference(
    arguments: argparse.Namespace, nli: Examples, seed: int, place: Path, screen: Console
) -> None:
    model, is_softmax = load(arguments, seed), arguments.objective == "softmax"
    siamese = SiameseBert(model, arguments.objective, nli.label_names if is_softmax else None)
    size = 16 if is_softmax else arguments.batch_size
    batches = LabelledBatches(nli, siamese, size, seed=seed, max_length=arguments.max_length)
    screen.print(
        f"seed {seed}: {counted(batches.steps, 'step')} of inference, {arguments.objective}"
    )
    train(arguments, siamese, batches, [])
    model.save(place / INFERRED)


def on_similarity(
    arguments: argparse.Namespace,
    learned: Examples,
    chosen_by: Examples,
    seed: int,
    place: Path,
    screen: Console,
) -> None:
    inferred = place / INFERRED
    model = load(arguments, seed, inferred if inferred.exists() else None)
    siamese = SiameseBert(model, "cosine")
    batches = LabelledBatches(
        learned, siamese, 16, arguments.epochs, seed, max_length=arguments.max_length
    )
    screen.print(f"seed {seed}: {counted(batches.steps, 'step')} of similarity")
    keep = KeepBest(chosen_by, evaluations=arguments.evaluations, say=screen.print)
    train(arguments, siamese, batches, [keep])
    model.with_settings(dtype="float32").save(place / BEST)  # as it is asked


def train(
    arguments: argparse.Namespace, siamese: SiameseBert, batches: LabelledBatches, callbacks: list
) -> None:
    optimizer = adamw(
        arguments.learning_rate, batches.steps, warmup_steps=round(0.1 * batches.steps)
    )
    siamese.compile(optimizer, **objective(siamese))
    siamese.fit(batches, shuffle=False, verbose=arguments.verbose, callbacks=callbacks)


def finish(
    arguments: argparse.Namespace,
    results: list[tuple[float, int, dict[str, Evaluation]]],
    folder: Path,
    screen: Console,
) -> None:
    # 5. The seed that was best on what was held out, and the scores of all beside the published.
    _, seed, found = max(results, key=lambda each: each[0])
    path = folder / "model.keras"
    kbert.load(folder / f"seed-{seed}" / BEST).save(path)
    scores = {
        name: {score: [each[name][score] for _, _, each in results] for score in found[name]}
        for name in found
    }
    write_json(folder / "scores.json", {"held_out": [best for best, *_ in results], **scores})
    for name, evaluation in found.items():
        numbers = scores[name]["spearman"]
        spread = f" ± {100 * np.std(numbers, ddof=1):.1f}" if len(numbers) > 1 else ""
        mean = shown("spearman", float(np.mean(numbers)))
        seeds = f"{len(numbers)} seed{'s' if len(numbers) > 1 else ''}"
        screen.print(f"\n{name}, {seeds}: spearman {mean}{spread}\n")
        screen.print(comparison({f"{arguments.model}, seed {seed}": evaluation}))
    screen.print(
        f"\nThe model is {path}. To go on, in Python:\n"
        f"  import kbert\n  encoder = kbert.SentenceEncoder(kbert.load({str(path)!r}))\n"
        '  print(encoder.similarity("배송이 늦어요", "택배가 아직 안 왔어요"))'
    )


def load(arguments: argparse.Namespace, seed: int, inferred: Path | None = None) -> SentenceBert:
    """The model, or what inference made of it, as it is to be trained."""
    model = kbert.load(inferred or arguments.model, task="sentence-embedding", seed=seed)
    assert isinstance(model, SentenceBert)
    check_floats(model, "--model", arguments.model)
    if arguments.pooling not in (None, model.pooling):
        model = SentenceBert.from_encoder(model, pooling=arguments.pooling)
    if arguments.precision:
        model = model.with_settings(dtype=arguments.precision)
    return model


def read_sts(
    sets: list[tuple[str, str]],
) -> tuple[list[Examples], list[Examples], list[Examples]]:
    """What is learned from, what chooses the weights, and what is asked once at the end."""
    learned, chosen_by, asked = [], [], []
    for name, place in sets:
        train, dev = (read_task(name, place, part) for part in ("train", "dev"))
        if "test" in SETS[name].sizes:  # it is public
            asked.append(read_task(name, place, "test"))
        else:
            asked.append(dev)
            train, dev = train.split(0.1, seed=0)
        learned.append(train)
        chosen_by.append(dev)
    return learned, chosen_by, asked


def merged(sets: list[Examples]) -> Examples:
    """Several sets of one kind as one."""
    first = sets[0]
    if len(sets) == 1:
        return first
    return Examples(
        first.task,
        [text for each in sets for text in each.texts],
        pairs=[pair for each in sets for pair in each.pairs or []],
        labels=None if first.labels is None else [y for each in sets for y in each.labels or []],
        label_names=first.label_names,
        problem_type=first.problem_type,
    )


def few(examples: Examples, count: int) -> Examples:
    order = np.random.default_rng(0).permutation(len(examples))[:count]
    return examples[sorted(order.tolist())]


def named_folder(*names: str) -> Callable[[str], tuple[str, str]]:
    def parsed(given: str) -> tuple[str, str]:
        name, equals, folder = given.partition("=")
        if not equals or name not in names:
            sets = " or ".join(f"{each}=FOLDER" for each in names)
            raise argparse.ArgumentTypeError(f"{given!r} is no {sets}")
        return name, folder

    return parsed


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Makes a sentence model: first NLI, then STS.")
    add = parser.add_argument
    add("--model", default=SMALL_MODEL, help=f"as kbert.load takes it; default {SMALL_MODEL}")
    for name, sets, required in (("--nli", NLI, False), ("--sts", STS, True)):
        add(
            name,
            nargs="+",
            default=[],
            required=required,
            type=named_folder(*sets),
            metavar="SET=FOLDER",
            help=f"{' or '.join(sets)}, with the folder of its files",
        )
    add(
        "--pooling",
        help="mean, cls, max, weighted-mean or last-four; default: that of a model of sentences, "
        "else mean",
    )
    add("--objective", choices=("softmax", "in-batch"), default="softmax", help="of NLI")
    add("--batch-size", type=int, default=64, help="pairs of a step, of in-batch")
    add("--epochs", type=int, default=4, help="of STS")
    add("--max-length", type=int, help="in tokens, special tokens included")
    add("--learning-rate", type=float, help=f"else 2e-5, and {SMALL_RATE} for {SMALL_MODEL}")
    add("--limit", type=int, help="learn from so many pairs of each set only")
    add("--precision", choices=get_args(Precision), help="of training")
    add("--evaluations", type=int, default=16, help="how often the held-out pairs are asked")
    add("--seed", type=int, default=0)
    add("--seeds", type=int, default=1, help="how many; figures are their mean and deviation")
    add("--verbose", type=int, default=2, help="as Keras's fit takes it")
    add("--out", help="a folder; default runs/sentence-bert")
    add("--overwrite", action="store_true", help="replace a former run in --out")
    arguments = parser.parse_args()
    if not arguments.nli:
        refuse_beside("a run without --nli", ["objective", "batch_size"], parser, arguments)
    if arguments.objective == "softmax":
        refuse_beside("--objective softmax, whose rows are 16", ["batch_size"], parser, arguments)
    if arguments.learning_rate is None:
        arguments.learning_rate = SMALL_RATE if arguments.model == SMALL_MODEL else 2e-5
    arguments.out = arguments.out or str(next_folder("runs/sentence-bert"))
    return arguments


if __name__ == "__main__":
    run(main, parse_arguments)
