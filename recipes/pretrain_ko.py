"""Pretrains a Korean BERT from raw text: vocabulary, masked LM and next sentence, one file.

    python recipes/pretrain_ko.py
    python recipes/pretrain_ko.py --corpus texts/ --size mini --vocab-size 16000 --steps 20000

Without --corpus it takes KoNLPy's two small corpora (`pip install kbert[konlpy]`), and its other
defaults are for them: size tiny, some 4.5 minutes on 2 cores with JAX. Expect an MLM loss far below
the unigram baseline's 6.5 and half of ten blanks or more filled rightly: it learns them by heart.

The run's folder gets vocab.txt, settings.json, log.jsonl (a line a step), checkpoints, curves.png
and model.keras. The same command with the same --out continues a run that was ended
(docs/pretraining.md).
JAX uses all devices of a machine; on several, each runs the command with its own --host
(docs/scaling.md):

    python recipes/pretrain_ko.py ... --coordinator 10.0.0.1:1234 --num-hosts 2 --host 0

Source: Devlin et al. 2018, "BERT", sections 3.1 and A.2; `--preset bert` has its settings.
"""

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
from rich.console import Console

import kbert  # chooses the backend, so it comes before Keras

# isort: split
import keras

from kbert.console import console
from kbert.cost import Precision
from kbert.data.baseline import unigram_loss
from kbert.data.batches import MARKS, PretrainingBatches
from kbert.data.corpus import Document, read_documents
from kbert.data.fingerprint import vocabulary_fingerprint
from kbert.data.one_masked import one_masked_batches
from kbert.data.shards import encode_documents
from kbert.data.training_text import TrainingText, text_of_corpus, text_of_shards
from kbert.heap import keep_freed_memory
from kbert.models import TASKS
from kbert.models.base import KbertModel
from kbert.pipelines.quiz import ask_blanks, ask_pairs
from kbert.run_folder import (
    check_folder,
    claim_folder,
    locked_folder,
    next_folder,
    read_settings,
    write_settings,
)
from kbert.text.morphemes import Morphemes
from kbert.training.checkpoint import check_same
from kbert.training.curves import draw_curves
from kbert.training.distribution import (
    check_rows,
    data_parallel,
    devices_in_words,
    join_hosts,
    num_devices,
    num_hosts,
    on_every_host,
    on_first_host,
    this_host,
    unused_devices,
)
from kbert.training.evaluation import heldout_figures, in_words
from kbert.training.loop import HELDOUT_LOG, Evaluation, resume, train
from kbert.training.losses import objective
from kbert.training.optimizers import BERT_PRETRAINING, QUICK_PRETRAINING, adamw
from kbert.training.peak import matmul_rate, tokens_at_peak
from kbert.training.progress import TrainingProgress
from kbert.training.stages import Stage, stage_shape
from kbert.training.tensorboard import TensorBoardFiles

PRESETS = {"quick": QUICK_PRETRAINING, "bert": BERT_PRETRAINING}
# What a run that continues must have in common with the one that began. The text and the
# vocabulary count by what is in them, not by where they are.
FIXED = (
    "size vocab_size stages micro_batches learning_rate warmup_steps weight_decay dropout seed "
    "objective masking mask_rate weights unpaired init precision remat"
)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--corpus", nargs="+", help=".txt, .txt.gz, .txt.xz or .jsonl, or folders")
    add("--shards", nargs="+", help="instead of --corpus: folders that build_shards.py made")
    add("--weights", nargs="+", type=float, help="of the folders; 2 is seen twice as often as 1")
    add("--unpaired", nargs="+", default=[], help="those of the folders that are no running text")
    add("--encoding", default="utf-8", help="of the corpus; cp949 for older files")
    add("--vocab", help="a vocab.txt to use; by default one is trained on the corpus")
    add("--vocab-size", type=int, default=1500)
    add("--init", help="a model to train further, as kbert.load takes it; with its tokenizer")
    add("--add-tokens", help="a file of tokens that it gets besides, one a line")
    add(
        "--objective",
        choices=["pretraining", "masked-lm"],
        default="pretraining",
        help="masked words and next sentence, or masked words in full rows",
    )
    add("--masking", choices=list(MARKS), default="token", help="what is masked as a whole")
    add("--mask-rate", type=float, default=0.15)
    add("--size", choices=sorted(kbert.SIZES), default="tiny")
    add("--preset", choices=sorted(PRESETS), default="quick", help="of what follows")
    add("--steps", type=int)
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
    add("--warmup-steps", type=int)
    add("--weight-decay", type=float)
    add("--dropout", type=float, help="default that of the preset; with --init, of the model")
    add(
        "--precision",
        choices=get_args(Precision),
        default="float32",
        help="of products; mixed_float16, with a scaled loss, for GPUs without bfloat16 (T4)",
    )
    add("--remat", action="store_true", help="compute layers twice, and keep far less of them")
    add("--seed", type=int, default=0)
    add("--save-every", type=int, default=1000, help="steps between checkpoints")
    add("--heldout", nargs="+", help="text to evaluate on; each file is a source")
    add("--evaluate-every", type=int, default=1000, help="in steps")
    add("--tensorboard", action="store_true", help="write its files, too")
    add("--out", help="a folder: new, empty, or a run to continue; default runs/quickstart")
    add("--overwrite", action="store_true", help="replace a former run in --out")
    add("--coordinator", help="of several hosts: where the first listens, 10.0.0.1:1234; or auto")
    add("--num-hosts", type=int, help="how many they are")
    add("--host", type=int, help="which of them this is, from 0")
    arguments = parser.parse_args()
    shape = (arguments.sequence_length, arguments.batch_size, arguments.steps)
    if arguments.stages and any(shape):
        parser.error("--stages stands for --sequence-length, --batch-size and --steps")
    for name, value in PRESETS[arguments.preset].items():
        if getattr(arguments, name) is None and not (arguments.init and name == "dropout"):
            setattr(arguments, name, value)
    one = f"{arguments.sequence_length}:{arguments.batch_size}:{arguments.steps}"
    try:
        arguments.stages = [stage_shape(stage) for stage in arguments.stages or [one]]
    except kbert.KbertError as error:
        parser.error(str(error))
    if arguments.micro_batches < 1:
        parser.error(f"--micro-batches is a number from 1, not {arguments.micro_batches}")
    arguments.steps = sum(steps for _, _, steps in arguments.stages)
    arguments.out = arguments.out or str(next_folder("runs/quickstart"))
    return arguments


def main() -> None:
    keep_freed_memory()
    arguments, screen = parse_arguments(), console()
    join_hosts(arguments.coordinator, arguments.num_hosts, arguments.host)
    if this_host() == 0:
        place: Any = locked_folder(arguments.out)
    else:  # only the first host shows anything, and keeps the run's files
        place, screen = TemporaryDirectory(), Console(quiet=True)
    with ExitStack() as stack:
        folder = Path(on_every_host(lambda: stack.enter_context(place)))
        with data_parallel():
            run = pretrain(arguments, folder, screen)
        if run is not None and this_host() == 0:
            finish(*run, arguments, folder, screen)


def pretrain(
    arguments: argparse.Namespace, folder: Path, screen: Console
) -> tuple[KbertModel, TrainingText, TrainingProgress] | None:
    """Trains to the last step: the model, what it read, and what was seen of it meanwhile."""
    # 1. The folder: new, or a run to continue, with the same settings as it was begun with.
    for _, rows, _ in arguments.stages:
        check_rows(rows, arguments.micro_batches)
    fixed = {name: getattr(arguments, name) for name in FIXED.split()}
    former = on_first_host(lambda: former_run(arguments, folder, fixed))
    if former is not None and former["finished"]:
        screen.print(
            f"The run in {folder} is finished, with {arguments.steps:,} steps. Name another "
            "--out for a new one, or pass --overwrite to replace it."
        )
        return None

    # 2. The text as ids: with the tokenizer of the model to train further, if there is one.
    loaded = loaded_model(arguments, screen) if arguments.init else None
    text = on_every_host(lambda: read_text(arguments, loaded.tokenizer if loaded else None))
    fixed |= {"vocabulary": vocabulary_fingerprint(text.tokenizer), "text": text.fingerprint}
    if former is not None:
        on_every_host(lambda: check_same(former, fixed, f"the run in {arguments.out}"))

    # 3. The batches of each stage.
    stages = []
    for index, (length, rows, steps) in enumerate(arguments.stages):
        batches = PretrainingBatches(
            text.sources,
            text.tokenizer,
            sequence_length=length,
            batch_size=rows,
            seed=arguments.seed + index,
            steps=steps,
            objective=arguments.objective,
            masking=arguments.masking,
            mask_rate=arguments.mask_rate,
            num_hosts=num_hosts(),
            host=this_host(),
        )
        stages.append(Stage(batches, steps, rows, length))

    # 4. The model.
    longest = max(stage.sequence_length for stage in stages)
    model = loaded or new_model(arguments, text.tokenizer, longest)
    if longest > model.max_length:
        raise kbert.KbertError(
            f"rows of {longest} tokens are longer than the {model.max_length} that "
            f"{arguments.init} reads"
        )
    optimizer = adamw(
        arguments.learning_rate,
        arguments.steps,
        warmup_steps=arguments.warmup_steps,
        weight_decay=arguments.weight_decay,
        micro_batches=arguments.micro_batches,
    )
    model.compile(optimizer, **objective(arguments.objective, arguments.micro_batches))

    # 5. Training, from the first step or where the run was ended.
    if former is None:
        claim_folder(folder, arguments.overwrite)
        versions = {name: version(name) for name in ("kbert", "keras", "numpy", "tokenizers")}
        made_by = {"backend": keras.backend.backend(), "devices": num_devices()}
        write_settings(folder, {**vars(arguments), **fixed, **made_by, "versions": versions})
    else:
        begun = devices_in_words(former["backend"], former.get("devices", 1))
        if begun != devices_in_words():
            screen.print(
                f"The run was begun on {begun}, and goes on on {devices_in_words()}: from here on "
                "its figures are not to the bit those that it would have had."
            )
    text.tokenizer.save(folder)
    screen.print(
        f"{text}; BERT {arguments.init or arguments.size}, {model.count_params():,} parameters, "
        f"on {devices_in_words()}"
    )
    if unused_devices():
        screen.print(
            f"{unused_devices()} more GPUs are not used: on {keras.backend.backend()} kbert trains "
            "on one. KERAS_BACKEND=jax takes all."
        )
    first_step = resume(model, folder, fixed, screen.print)
    if first_step:
        screen.print(f"Going on after step {first_step:,}.")
    rate, config = num_devices() * matmul_rate(model.compute_dtype), model.bert.get_config()
    progress = TrainingProgress(
        screen,
        folder / "log.jsonl",
        stages,
        first_step,
        peak=[tokens_at_peak(rate, config, each.rows, each.sequence_length) for each in stages],
        also=[TensorBoardFiles(folder / "tensorboard", first_step)]
        if arguments.tensorboard
        else [],
    )
    with progress:
        finished = train(
            model,
            stages,
            progress,
            folder,
            fixed,
            save_every=arguments.save_every,
            evaluate=evaluation(arguments, text.tokenizer, screen) if arguments.heldout else None,
            evaluate_every=arguments.evaluate_every,
            micro_batches=arguments.micro_batches,
        )
    if not finished:
        screen.print(
            f"Ended by a signal after step {progress.step:,}, which is saved. The same command "
            f"with --out {folder} goes on from there."
        )
        return None
    return model, text, progress


def finish(
    model: KbertModel,
    text: TrainingText,
    progress: TrainingProgress,
    arguments: argparse.Namespace,
    folder: Path,
    screen: Console,
) -> None:
    # 6. The model's file, the curves, and what it learned, asked of the file.
    baseline = unigram_loss(text.shards, text.tokenizer)
    path, heldout = folder / "model.keras", folder / HELDOUT_LOG
    model.with_settings(dtype="float32").save(path)  # which suits every device
    try:
        draw_curves(progress.log_file, folder / "curves.png", heldout=heldout, baseline=baseline)
    except kbert.KbertError as error:
        screen.print(f"No picture of the curves: {error}.")
    screen.print(
        f"\nMLM loss {progress.mean('mlm_loss'):.2f} on the training text itself (mean of the last "
        f"{progress.window} steps); guessing by frequency alone would give {baseline:.2f}."
    )
    show_what_it_learned(screen, kbert.load(path), text.sample, arguments.seed)
    screen.print(
        f"\nThe model is {path}. To go on:\n"
        f"  python -c \"import kbert; print(kbert.FillMask(kbert.load(r'{path}'))"
        "('국회는 [MASK]을 의결한다.'))\"\n"
        f"  pip install kbert[demo] && python demos/fill_mask.py --model {path}"
    )


def former_run(
    arguments: argparse.Namespace, folder: Path, fixed: dict[str, Any]
) -> dict[str, Any] | None:
    """The settings of the run to continue, and whether it is `finished`; None for a new one."""
    former = None if arguments.overwrite else read_settings(folder)
    if former is None or "text" not in former:
        check_folder(folder, arguments.overwrite)
        return None
    check_same(former, fixed, f"the run in {folder}")
    return {**former, "finished": (folder / "model.keras").exists()}


def loaded_model(arguments: argparse.Namespace, screen: Console) -> KbertModel:
    """The model of --init, with the objective's head; more tokens, other settings if asked."""
    if arguments.vocab:
        raise kbert.KbertError(f"--init brings its own vocabulary; leave --vocab {arguments.vocab}")
    model = kbert.load(arguments.init, task=arguments.objective)
    if arguments.add_tokens:
        lines = Path(arguments.add_tokens).read_text(encoding="utf-8").splitlines()
        tokens = [line.strip() for line in lines if line.strip()]
        model = kbert.extend_vocabulary(model, tokens)
        screen.print(f"{len(tokens):,} tokens are new; they begin at the means of their pieces.")
    settings = {"dtype": arguments.precision, "remat": arguments.remat}
    if arguments.dropout is not None:
        settings["hidden_dropout_prob"] = arguments.dropout
        settings["attention_probs_dropout_prob"] = arguments.dropout
    return model.with_settings(**settings)


def read_text(arguments: argparse.Namespace, tokenizer: kbert.Tokenizer | None) -> TrainingText:
    """Shards, files, or KoNLPy's corpora."""
    if arguments.vocab:
        tokenizer = kbert.Tokenizer.from_file(arguments.vocab)
    if arguments.shards:
        return text_of_shards(
            arguments.shards, tokenizer, weights=arguments.weights, unpaired=arguments.unpaired
        )
    return text_of_corpus(
        arguments.corpus,
        tokenizer,
        vocab_size=arguments.vocab_size,
        encoding=arguments.encoding,
        eojeols=arguments.masking == "eojeol",
        morphemes=Morphemes() if arguments.masking == "morpheme" else None,
    )


def new_model(
    arguments: argparse.Namespace, tokenizer: kbert.Tokenizer, longest: int
) -> KbertModel:
    """A model with random weights.

    BERT's 0.02 is for its width of 768; a narrower one starts with larger weights, so that what
    goes through a layer keeps its size. (Without this, tiny learns later.)
    """
    size = kbert.SIZES[arguments.size]
    model = TASKS[arguments.objective](
        vocab_size=len(tokenizer),
        **size,
        initializer_range=0.02 * (768 / size["hidden_size"]) ** 0.5,
        max_position_embeddings=longest,
        hidden_dropout_prob=arguments.dropout,
        attention_probs_dropout_prob=arguments.dropout,
        remat=arguments.remat,
        seed=arguments.seed,
        dtype=arguments.precision,
    )
    model.tokenizer = tokenizer
    return model


def evaluation(
    arguments: argparse.Namespace, tokenizer: kbert.Tokenizer, screen: Console
) -> Evaluation:
    """What to ask of each file of held-out text: pairs, masked, and one token at a time."""
    length, rows, _ = arguments.stages[0]
    settings = {"batch_size": rows, "seed": arguments.seed, "objective": arguments.objective}
    sources = {}
    for path in map(Path, arguments.heldout):
        shard = encode_documents(read_documents([path], arguments.encoding), tokenizer)
        sources[path.name.partition(".")[0]] = (
            PretrainingBatches(shard, tokenizer, sequence_length=length, **settings),
            one_masked_batches(shard, tokenizer, sequence_length=min(length, 64), **settings),
        )

    def evaluate(model: keras.Model) -> Mapping[str, Mapping[str, float]]:
        figures = {}
        for source, (masked, one_masked) in sources.items():
            figures[source] = scores = heldout_figures(model, masked, one_masked)
            screen.print(f"held-out {source}: {in_words(scores)}")
        return figures

    return evaluate


def show_what_it_learned(
    screen: Console, model: KbertModel, documents: list[Document], seed: int
) -> None:
    """Prints ten blanks and two pairs, good or bad."""
    rng = np.random.default_rng(seed)
    screen.print("\nTen blanks from the training text:")
    blanks = ask_blanks(model, documents, rng, 10)
    for blank in blanks:
        screen.print(f"  {blank}")
    right = sum(blank.right for blank in blanks)
    screen.print(f"{right} of {len(blanks)} came back (truth | answer | text).")

    if isinstance(model, kbert.BertForPreTraining):
        screen.print("\nDoes the second sentence follow the first?")
        for pair in ask_pairs(model, documents, rng):
            screen.print(f"  {pair}")
    screen.print(
        "\nWhere a model has read little, and that again and again, as with the default corpus, it "
        "knows it by heart and knows no other Korean: a "
        "demonstration, not a language model. KLUE-BERT has read 62 GB. Some 100 MB of text and "
        "hours of training (--corpus, --size mini, --vocab-size 16000, --steps 20000) are where "
        "it begins to be of use."
    )


if __name__ == "__main__":
    try:
        main()
    except kbert.KbertError as error:
        sys.exit(f"error: {error}")
