"""The options of finetune.py, and what they are where they are not given."""

import argparse
import math
from functools import partial
from pathlib import Path
from typing import get_args

from kbert.data.labelled.read_table import read_table
from kbert.evaluation.report import Language
from kbert.runs.console import refuse_beside
from kbert.runs.run_folder import next_folder
from kbert.sizes.cost import Precision
from kbert.tasks.sets import SETS

# Where a set does not say otherwise: Devlin et al. 2018, A.3; warm-up by Mosbach et al. 2021.
USUAL = {
    "max_length": 128,
    "batch_size": 32,
    "epochs": 3,
    "learning_rate": 5e-5,
    "warmup_share": 0.1,
    "weight_decay": 0.01,
}
# A table of fewer rows is read in smaller batches, and more often (Mosbach et al. 2021: 20 epochs).
SMALL_BATCH, MOST_EPOCHS = 8, 20
FEW_STEPS = 100  # with fewer, small tables end half learned
ANSWERS_LENGTH = 384  # Devlin et al. 2018, code: rows of SQuAD
LORA_RATE = 5e-4  # Hu et al. 2021, table 9: RoBERTa-base, most sets
SMALL_MODEL = "kbert-mini-ko"  # comes with kbert
SMALL_RATE = 3e-4  # of benchmarks/results.py; what a set says is of models of base size
# What a run that goes on must have in common with the one that began, beside its examples.
FIXED = (
    "model task batch_size epochs max_length learning_rate warmup_share weight_decay balanced "
    "layerwise_decay label_smoothing freeze reinitialize lora precision evaluations"
).split()
OF_A_TABLE = (
    "dev test text label pair group spans answer choices kind separator encoding no_quotes "
    "drop_empty"
).split()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fine-tunes a model on labelled Korean text.")

    add = parser.add_argument_group("a table of one's own").add_argument
    add("--train", help=".csv, .tsv, .jsonl, .parquet or .xlsx, whose first row names the columns")
    add("--dev", help="likewise, to choose the best weights by; else some of --train is held out")
    add("--test", help="likewise, asked once at the end")
    add("--text", help="the column of the texts")
    add("--label", help="the column of the labels")
    add("--pair", help="the column of the second texts")
    add("--group", help="a column whose equal values stay together where --train is divided")
    add("--spans", help="instead of --label: [[start, end, name], ...], for entities")
    add(
        "--answer", help="instead of --label: answers to --text, from contexts, which are in --pair"
    )
    add("--choices", nargs="+", help="columns of texts, of which --label says which goes on")
    add(
        "--kind", choices=list(_PROBLEMS), default="one", help="one label a text, several, a number"
    )
    add("--separator", default=",", help="between several labels")
    add("--encoding", help="of the file; default: UTF-8, or else CP949")
    add("--no-quotes", action="store_true", help="quotation marks in a .csv are text")
    add("--drop-empty", action="store_true", help="leave rows without text or label out")

    add = parser.add_argument_group("or an official set").add_argument
    add("--task", choices=SETS_WITH_MODELS, metavar="SET")
    add("--data", help="the folder of its files")

    add = parser.add_argument_group("the model").add_argument
    add(
        "--model",
        default=SMALL_MODEL,
        help=f"as kbert.load takes it: klue/bert-base, a .keras file; default {SMALL_MODEL}",
    )
    add("--freeze", type=int, help="leave the embeddings and so many layers, from 0, as they are")
    add("--reinitialize", type=int, help="begin the pooler and so many top layers, from 0, anew")
    add("--lora", type=int, metavar="RANK", help="train corrections of this rank, and the head")
    add("--precision", choices=get_args(Precision))

    add = parser.add_argument_group(
        "the steps (default: of the set, or the usual ones)"
    ).add_argument
    add(
        "--epochs",
        type=int,
        help=f"of a table else {USUAL['epochs']}, and up to {MOST_EPOCHS} if it is small",
    )
    add(
        "--batch-size",
        type=int,
        help=f"rows of a step; of a table else {USUAL['batch_size']}, and from {SMALL_BATCH} on",
    )
    add("--max-length", type=int, help="in tokens, special tokens included")
    add(
        "--learning-rate",
        type=float,
        help=f"else {SMALL_RATE} for {SMALL_MODEL}, {LORA_RATE} with --lora",
    )
    add("--warmup-share", type=float, help="share of the steps in which the rate rises")
    add("--weight-decay", type=float)
    add("--layerwise-decay", type=float, help="each layer's rate is this times that of the next")
    add("--label-smoothing", type=float, default=0.0)
    add("--balanced", action="store_true", help="rare labels weigh more")
    add("--held-out", type=float, default=0.1, help="share of --train, where there is no --dev")
    add("--limit", type=int, help="learn from so many examples only")

    add = parser.add_argument_group("the run").add_argument
    add("--seed", type=int, default=0)
    add("--seeds", type=int, default=1, help="how many; figures are their mean and deviation")
    add("--evaluations", type=int, default=16, help="how often the held-out examples are asked")
    add("--language", choices=get_args(Language), default="ko", help="of the report")
    add("--tensorboard", action="store_true", help="write its files, too, for each seed")
    add("--out", help="a folder: new, or a run to continue; default runs/finetune")
    add("--overwrite", action="store_true", help="replace a former run in --out")

    arguments = parser.parse_args()
    if (arguments.train is None) == (arguments.task is None):
        parser.error("name a table with --train, or a set with --task and --data")
    if arguments.task:
        refuse_beside("--task, whose files are of one form", OF_A_TABLE, parser, arguments)
    else:
        refuse_beside("--train", ["data"], parser, arguments)
    if arguments.dev:
        refuse_beside("--dev", ["held_out"], parser, arguments)
    of_labels = arguments.label or arguments.spans or arguments.answer
    if arguments.train and not (arguments.text and of_labels):
        parser.error(
            "--train needs --text, and --label, --spans or --answer: the names of its columns"
        )
    if arguments.task and not arguments.data:
        parser.error(f"--task {arguments.task} needs --data, the folder of its files")
    if arguments.lora is not None and arguments.freeze is not None:
        parser.error("--lora leaves all of the encoder as it is: leave --freeze out")
    if arguments.lora is not None and arguments.reinitialize is not None:
        parser.error("--lora would leave what --reinitialize begins anew as it is, random")
    if not 0 < arguments.held_out < 1:
        parser.error("--held-out is a share above 0 and below 1")
    if arguments.warmup_share is not None and not 0 <= arguments.warmup_share <= 1:
        parser.error("--warmup-share is a share, from 0 to 1")
    for name in ("epochs", "batch_size", "seeds", "evaluations", "lora", "limit"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is a number from 1")
    _fill_in(arguments)
    return arguments


_PROBLEMS = {
    "one": "single_label_classification",
    "several": "multi_label_classification",
    "number": "regression",
}
_TASKS = (
    "sequence-classification",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "dependency-parsing",
)

SETS_WITH_MODELS = [name for name in SETS if SETS[name].task in _TASKS]


def fit_to_size(arguments: argparse.Namespace, examples: int) -> None:
    """What is not given and goes by the size of a table: rows of a step, and epochs."""
    if arguments.batch_size is None:
        arguments.batch_size = min(USUAL["batch_size"], max(SMALL_BATCH, examples // 10))
    if arguments.epochs is None:
        enough = math.ceil(FEW_STEPS / math.ceil(examples / arguments.batch_size))
        arguments.epochs = min(MOST_EPOCHS, max(USUAL["epochs"], enough))


def _fill_in(arguments: argparse.Namespace) -> None:
    """What is not given: of the set, or as usual; how a table is read; which parts there are."""
    of_set = SETS[arguments.task] if arguments.task else None
    settings = {
        **USUAL,
        **(of_set.batches if of_set else {}),
        **(of_set.optimizer if of_set else {}),
        **({"max_length": ANSWERS_LENGTH} if arguments.answer else {}),
        **({"learning_rate": SMALL_RATE} if arguments.model == SMALL_MODEL else {}),
        **({"learning_rate": LORA_RATE} if arguments.lora else {}),
    }
    for name in USUAL:
        of_its_size = name in ("epochs", "batch_size") and not of_set
        if getattr(arguments, name) is None and not of_its_size:
            setattr(arguments, name, settings[name])
    if of_set:
        arguments.other_parts = parts_there(arguments.task, arguments.data)
    else:
        arguments.read = partial(
            read_table,
            text=arguments.text,
            label=arguments.label,
            pair=arguments.pair,
            group=arguments.group,
            spans=arguments.spans,
            answer=arguments.answer,
            choices=arguments.choices,
            problem_type=_PROBLEMS[arguments.kind],
            separator=arguments.separator,
            encoding=arguments.encoding,
            quotes=False if arguments.no_quotes else None,
            drop_empty=arguments.drop_empty,
        )
    arguments.out = arguments.out or str(next_folder("runs/finetune"))


def parts_there(name: str, folder: str) -> list[str]:
    """The parts of a set, other than train, whose files are in a folder."""
    files = SETS[name].files
    found = [part for part in ("dev", "test") if part in files]
    return [part for part in found if _is_there(Path(folder), files[part])]


def _is_there(folder: Path, patterns: tuple[str, ...]) -> bool:
    """Whether a folder has a file of a part, or several, of which `read_task` says what to do."""
    names = (f"{inside}{pattern}" for pattern in patterns for inside in ("", "*/"))
    return any(any(folder.glob(name)) or any(folder.glob(f"{name}.xz")) for name in names)
