"""The options of pretrain_ko.py, and what they are where they are not given."""

import argparse
import math
from collections import Counter
from pathlib import Path
from typing import get_args

import kbert
from kbert.catalog import ENCODERS
from kbert.data.pretraining.batches import MARKS, Objective
from kbert.data.pretraining.sentence_pairs import Negatives
from kbert.runs.console import refuse_beside
from kbert.runs.run_folder import next_folder
from kbert.sizes.cost import Precision
from kbert.training.presets import PRESETS
from kbert.training.stages import stage_shape

# What a run that continues must have in common with the one that began. The text and the
# vocabulary count by what is in them, not by where they are.
FIXED = (
    "size vocab_size stages micro_batches learning_rate warmup_steps weight_decay dropout seed "
    "objective masking mask_rate weights unpaired init precision remat hours num_hidden_layers "
    "hidden_size num_attention_heads intermediate_size embedding_size num_hidden_groups negatives "
    "ngram decay_steps generator generator_fraction architecture"
).split()
# What a run has that was begun before there was such a setting.
SINCE = {
    "num_hidden_groups": None,
    "negatives": "random",
    "ngram": 1,
    "decay_steps": None,
    "generator": None,
    "generator_fraction": None,
    "architecture": "bert",
}
REPLACED = "replaced-token-detection"
NOT_CAUSAL = "--objective causal is not for MobileBERT: its tokens see the next one in any case"

SIZE_OPTIONS = (
    "num_hidden_layers hidden_size num_attention_heads intermediate_size embedding_size "
    "num_hidden_groups"
).split()
MOST_STEPS = 99_999_999  # of a run that ends by the clock
LEAST = {
    **dict.fromkeys(SIZE_OPTIONS, 1),
    "steps": 1,
    "batch_size": 1,
    "sequence_length": 1,
    "vocab_size": 1,
    "micro_batches": 1,
    "ngram": 1,
    "decay_steps": 1,
    "warmup_steps": 0,
    "save_every": 1,
    "evaluate_every": 1,
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Pretrains a Korean BERT from raw text.",
        usage="%(prog)s [OPTIONS], which --help explains",
    )

    add = parser.add_argument_group("the text").add_argument
    add("--corpus", nargs="+", help=".txt, .txt.gz, .txt.xz, .jsonl, .csv or .tsv, or folders")
    add("--shards", nargs="+", help="instead of --corpus: folders that build_shards.py made")
    add("--weights", nargs="+", type=float, help="of the folders; 2 is seen twice as often as 1")
    add("--unpaired", nargs="+", default=[], help="those of the folders that are no running text")
    add("--encoding", default="utf-8", help="of the corpus; cp949 for older files")
    add("--field", default="text", help="what tables and .jsonl call the text")
    add(
        "--vocab",
        help="what train_vocab.py made, or a vocab.txt; default: trained on the corpus",
    )
    add("--vocab-size", type=int, help="of that one; default: as the text gives, to a limit")

    add = parser.add_argument_group("the objective").add_argument
    add(
        "--objective",
        choices=get_args(Objective),
        default="pretraining",
        help="masked words and next sentence; masked words in full rows; in full rows, each token "
        "from those before it; or which tokens a generator replaced (ELECTRA)",
    )
    add("--masking", choices=list(MARKS), default="token", help="what is masked as a whole")
    add("--mask-rate", type=float, default=0.15)
    add("--ngram", type=int, default=1, help="words in a row that are masked together; ALBERT: 3")
    add(
        "--negatives",
        choices=get_args(Negatives),
        default="random",
        help="half of the second texts: of another document; or swapped with the first (ALBERT)",
    )

    add = parser.add_argument_group("the model").add_argument
    add("--architecture", choices=sorted(ENCODERS), help="of the encoder: bert, unless given")
    add("--size", choices=sorted(kbert.SIZES), default="tiny")
    add("--num-hidden-layers", type=int, help="another number than that of the size")
    add("--hidden-size", type=int, help="another; with it come heads of 64, and 4 times the width")
    add("--num-attention-heads", type=int, help="another")
    add("--intermediate-size", type=int, help="another")
    add("--embedding-size", type=int, help="of the tables, as ALBERT and ELECTRA have it smaller")
    add("--num-hidden-groups", type=int, help="of layers that share their weights; 1 in ALBERT")
    add("--init", help="a model to train further, as kbert.load takes it; with its tokenizer")
    add("--add-tokens", help="a file of tokens that it gets besides, one a line")
    add("--generator", help=f"with --init and --objective {REPLACED}: its generator")
    add("--generator-fraction", type=float, help="how wide a new generator is; default 0.25")
    add("--dropout", type=float, help="that of the preset; with --init, of the model")
    add(
        "--precision",
        choices=get_args(Precision),
        default="float32",
        help="of products; mixed_float16, with a scaled loss, for GPUs without bfloat16 (T4)",
    )
    add("--remat", action="store_true", help="compute layers twice, and keep far less of them")

    add = parser.add_argument_group("the steps").add_argument
    add(
        "--preset",
        choices=list(PRESETS),
        help="of what is not given: quick for the default corpus, corpus for your own, further "
        "with --init, bert as the paper has it",
    )
    add("--steps", type=int)
    add(
        "--hours",
        type=float,
        help="instead of --steps: train for so long; the rate rises and falls by the clock",
    )
    add("--batch-size", type=int, help="rows of a step")
    add("--sequence-length", type=int, help="in tokens, special tokens included")
    add(
        "--stages",
        nargs="+",
        metavar="LENGTH:BATCH:STEPS",
        help="instead of those three: BERT's are 128:256:900000 512:256:100000",
    )
    add("--micro-batches", type=int, default=1, help="parts of a step, for memory")
    add("--learning-rate", type=float)
    add("--warmup-steps", type=int, help="default: a tenth of the steps, to a limit")
    add(
        "--decay-steps",
        type=int,
        help="of the last, in which the rate falls; it stays at its peak before (ModernBERT). "
        "Default: it falls from the warm-up on",
    )
    add("--weight-decay", type=float)
    add("--seed", type=int, default=0)

    add = parser.add_argument_group("the run").add_argument
    add("--out", help="a folder: new, empty, or a run to continue; default runs/quickstart")
    add("--overwrite", action="store_true", help="replace a former run in --out")
    add("--save-every", type=int, default=1000, help="steps between checkpoints")
    add("--heldout", nargs="+", default=[], help="text to evaluate on; each file is a source")
    add("--evaluate-every", type=int, default=1000, help="in steps")
    add("--tensorboard", action="store_true", help="write its files, too")

    add = parser.add_argument_group("several hosts").add_argument
    add("--coordinator", help="where the first listens, as 10.0.0.1:1234; or auto")
    add("--num-hosts", type=int, help="how many they are")
    add("--host", type=int, help="which of them this is, from 0")

    arguments = parser.parse_args()
    shape = (arguments.sequence_length, arguments.batch_size, arguments.steps)
    if arguments.stages and any(each is not None for each in shape):
        parser.error("--stages stands for --sequence-length, --batch-size and --steps")
    if arguments.hours is not None:
        if not 0 < arguments.hours < math.inf:
            parser.error(f"--hours is a number above 0, not {arguments.hours}")
        in_steps = (arguments.steps, arguments.warmup_steps, arguments.decay_steps)
        if arguments.stages or any(each is not None for each in in_steps):
            parser.error("--hours stands for --steps, --stages, --warmup-steps and --decay-steps")
        arguments.steps, arguments.warmup_steps = MOST_STEPS, 0
    if arguments.init and any(getattr(arguments, name) for name in SIZE_OPTIONS):
        parser.error("--init brings its own size: leave the options of the size out")
    own = [each for each in ("embedding_size", "num_hidden_groups") if getattr(arguments, each)]
    if arguments.shards:
        refuse_beside("--shards, which are ids", ["field", "vocab_size"], parser, arguments)
    else:
        refuse_beside("a run without --shards", ["weights", "unpaired"], parser, arguments)
    if arguments.init:
        refuse_beside("--init, which brings its own", ["size", "vocab_size"], parser, arguments)
    else:
        refuse_beside("a run without --init", ["add_tokens"], parser, arguments)
    if arguments.vocab:
        refuse_beside("--vocab, which has its own size", ["vocab_size"], parser, arguments)
    if arguments.architecture is None:
        arguments.architecture = "bert"
    elif arguments.init:
        parser.error("--init brings its own architecture: leave --architecture out")
    elif arguments.architecture != "bert" and own:
        parser.error(
            f"--{own[0].replace('_', '-')} is for --architecture bert, of which ALBERT is one"
        )
    if arguments.architecture != "bert" and arguments.objective == REPLACED:
        parser.error(f"--objective {REPLACED} is for --architecture bert, as its generator is one")
    if arguments.architecture == "mobilebert" and arguments.objective == "causal":
        parser.error(NOT_CAUSAL)
    if arguments.preset is None:
        own_text = arguments.corpus or arguments.shards
        arguments.preset = "further" if arguments.init else "corpus" if own_text else "quick"
    if arguments.preset == "further" and not arguments.init:
        parser.error("--preset further is for a model that is trained already: name it with --init")
    for name, least in LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} is a number from {least}, not {value}")
    arguments.exact_vocab_size = arguments.vocab_size is not None  # nobody asked for the preset's
    fitting_warmup = arguments.warmup_steps is None
    for name, value in PRESETS[arguments.preset].items():
        if getattr(arguments, name) is None and not (arguments.init and name == "dropout"):
            setattr(arguments, name, value)
    one = f"{arguments.sequence_length}:{arguments.batch_size}:{arguments.steps}"
    try:
        arguments.stages = [stage_shape(stage) for stage in arguments.stages or [one]]
    except kbert.KbertError as error:
        parser.error(str(error))
    masks = (arguments.masking, arguments.mask_rate, arguments.ngram)
    if arguments.objective == "causal" and masks != ("token", 0.15, 1):
        parser.error("--objective causal masks nothing: leave --masking, --mask-rate, --ngram out")
    if arguments.objective != "pretraining" and arguments.negatives != "random":
        parser.error(f"--objective {arguments.objective} has no pairs: leave --negatives out")
    of_generator = arguments.generator or arguments.generator_fraction is not None
    if of_generator and arguments.objective != REPLACED:
        parser.error(f"--generator and --generator-fraction are for --objective {REPLACED}")
    if arguments.generator and (not arguments.init or arguments.generator_fraction is not None):
        parser.error(
            "--generator is trained further with --init, its discriminator, and is as "
            "wide as it is: leave --generator-fraction out"
        )
    if arguments.generator and arguments.add_tokens:
        parser.error("--add-tokens is for one model: leave --generator out, and a new one is made")
    if arguments.objective == REPLACED and not arguments.generator:
        arguments.generator_fraction = arguments.generator_fraction or 0.25
    if arguments.init and arguments.vocab:
        parser.error(f"--init brings its own vocabulary: leave --vocab {arguments.vocab} out")
    if arguments.add_tokens and not Path(arguments.add_tokens).is_file():
        parser.error(f"--add-tokens {arguments.add_tokens}: no such file")
    for source, files in Counter(source_name(path) for path in arguments.heldout).items():
        if files > 1:
            parser.error(f"--heldout has {files} files whose name is {source}; rename one")
    arguments.steps = sum(steps for _, _, steps in arguments.stages)
    if fitting_warmup:  # a short run that only warms up learns nothing
        arguments.warmup_steps = min(arguments.warmup_steps, arguments.steps // 10)
    if not arguments.hours and arguments.warmup_steps > arguments.steps:
        parser.error(
            f"--warmup-steps {arguments.warmup_steps:,} are more than the {arguments.steps:,} of "
            "the run: the learning rate would never come to its peak"
        )
    decay_steps = arguments.decay_steps
    if decay_steps is not None and arguments.warmup_steps + decay_steps > arguments.steps:
        parser.error(
            f"--warmup-steps {arguments.warmup_steps} and --decay-steps {decay_steps} "
            f"are more than the {arguments.steps:,} steps of the run"
        )
    arguments.out = arguments.out or str(next_folder("runs/quickstart"))
    return arguments


def size_arguments(arguments: argparse.Namespace) -> dict[str, int]:
    """The model's size: that of --size, with what is given otherwise."""
    size = dict(kbert.SIZES[arguments.size])
    if arguments.hidden_size is not None:  # in all sizes a head has 64 of the width
        heads = max(1, arguments.hidden_size // 64)
        size |= {"num_attention_heads": heads, "intermediate_size": 4 * arguments.hidden_size}
    given = {name: getattr(arguments, name) for name in SIZE_OPTIONS}
    return size | {name: value for name, value in given.items() if value is not None}


def source_name(path: str) -> str:
    """What figures of a held-out file are called: heldout/wiki.txt -> wiki."""
    return Path(path).name.partition(".")[0]
