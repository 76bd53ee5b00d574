"""Pretrains a Korean BERT from raw text: vocabulary, masked LM and next sentence, in six steps.

    python recipes/pretrain_ko.py
    python recipes/pretrain_ko.py --corpus texts/ --size mini
    python recipes/pretrain_ko.py --corpus texts/ --size mini --hours 0.5

Without --corpus it takes KoNLPy's two small corpora (the extra `konlpy`) and size tiny:
some 4 minutes on 2 cores with JAX. Expect an MLM loss far below the unigram baseline's 6.5 and half
of ten blanks or more filled rightly: it learns them by heart.

The run's folder gets vocab.txt, settings.json, log.jsonl (a line a step), checkpoints, curves.png
and model.keras. The same command with the same --out continues a run that was ended.
docs/pretraining.md has every option, docs/scaling.md what several devices and hosts need.

Source: Devlin et al. 2018, "BERT", sections 3.1 and A.2; `--preset bert` has its settings.
"""

import sys
from argparse import Namespace
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pretrain_models import further_model, generator_of, loaded_model, new_model
from pretrain_options import FIXED, REPLACED, SINCE, parse_arguments, source_name
from rich.console import Console

import kbert
from kbert.data.pretraining.baseline import unigram_loss
from kbert.data.pretraining.batches import PretrainingBatches
from kbert.data.pretraining.heldout import HeldoutText, read_heldout
from kbert.data.pretraining.sample_pairs import sample_pairs
from kbert.data.pretraining.training_text import TrainingText, text_of_corpus, text_of_shards
from kbert.data.shards.fingerprint import vocabulary_fingerprint
from kbert.errors import counted
from kbert.models.base import KbertModel
from kbert.pipelines.sample_predictions import what_it_learned
from kbert.runs.console import command, console, in_flags, run
from kbert.runs.malloc import keep_freed_memory
from kbert.runs.run_folder import (
    check_folder,
    check_same,
    claim_folder,
    locked_folder,
    read_settings,
    write_settings,
)
from kbert.text.korean.morphemes import Morphemes
from kbert.training.curves import draw_curves
from kbert.training.distribution import (
    check_rows,
    data_parallel,
    device_remarks,
    device_settings,
    devices_in_words,
    join_hosts,
    num_hosts,
    on_every_host,
    on_first_host,
    this_host,
)
from kbert.training.evaluation import source_figures
from kbert.training.loop import HELDOUT_LOG, resume, train
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from kbert.training.peak import Peak
from kbert.training.progress import TrainingProgress
from kbert.training.stages import Stage
from kbert.training.tensorboard import TensorBoardFiles
from kbert.training.time_budget import TimeBudget


def main() -> None:
    keep_freed_memory()
    arguments = parse_arguments()
    join_hosts(arguments.coordinator, arguments.num_hosts, arguments.host)
    run_folder, screen = locked_folder(arguments.out), console()
    if this_host() > 0:  # only the first host shows anything, and keeps the run's files
        run_folder, screen = TemporaryDirectory(), Console(quiet=True)
    with ExitStack() as stack:
        folder = Path(on_every_host(lambda: stack.enter_context(run_folder)))
        with data_parallel():
            run = pretrain(arguments, folder, screen)
        if run is not None and this_host() == 0:
            finish(*run, arguments, folder, screen)


def pretrain(
    arguments: Namespace, folder: Path, screen: Console
) -> tuple[KbertModel, TrainingText, TrainingProgress] | None:
    """Trains to the last step: the model, what it read, and what was seen of it meanwhile."""
    # 1. The folder: new, or a run to continue, with the same settings as it was begun with.
    for _, rows, _ in arguments.stages:
        check_rows(rows, arguments.micro_batches)
    fixed = {name: getattr(arguments, name) for name in FIXED}
    former = on_first_host(lambda: former_run(arguments, folder, fixed))
    if former is not None and former["finished"]:
        hours = f"after {arguments.hours} hours"
        length = hours if arguments.hours else f"with {counted(arguments.steps, 'step')}"
        screen.print(
            f"The run in {folder} is finished, {length}. Name another --out for a new one, or pass "
            "--overwrite to replace it."
        )
        return None

    # 2. The text as ids: with the tokenizer of the model to train further, if there is one.
    model = on_every_host(lambda: loaded_model(arguments, screen)) if arguments.init else None
    tokenizer = model.tokenizer if model else None
    text = on_every_host(lambda: read_text(arguments, tokenizer))
    names = ("objective", "masking", "mask_rate", "negatives", "ngram")
    asked = {name: getattr(arguments, name) for name in names}
    heldout = on_every_host(lambda: read_heldout_files(arguments, text.tokenizer, asked))
    fixed |= {"vocabulary": vocabulary_fingerprint(text.tokenizer), "text": text.fingerprint}
    if former is not None:
        on_every_host(lambda: check_same(SINCE | former, fixed, f"the run in {arguments.out}"))

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
            **asked,
            num_hosts=num_hosts(),
            host=this_host(),
        )
        stages.append(Stage(batches, steps, rows, length))

    # 4. The model.
    longest = max(stage.sequence_length for stage in stages)
    if model:
        model = further_model(arguments, model, longest)
    else:
        model = new_model(arguments, text.tokenizer, longest)
    learned, sizes = arguments.objective, {"config": model.get_config()}
    if learned == REPLACED:
        generator = on_every_host(lambda: generator_of(arguments, model))
        sizes = {"config": generator.get_config(), "beside": sizes["config"]}
        learned = model = kbert.ReplacedTokenDetection(model, generator)
    optimizer = adamw(
        arguments.learning_rate,
        None if arguments.hours else arguments.steps,
        warmup_steps=arguments.warmup_steps,
        weight_decay=arguments.weight_decay,
        micro_batches=arguments.micro_batches,
        decay_steps=arguments.decay_steps,
    )
    budget = (
        TimeBudget(3600 * arguments.hours, arguments.learning_rate) if arguments.hours else None
    )
    model.compile(optimizer, **objective(learned, arguments.micro_batches))

    # 5. Training, from the first step or where the run was ended.
    if former is None:
        claim_folder(folder, arguments.overwrite)
        versions = {name: version(name) for name in ("keras", "numpy", "tokenizers")}
        versions |= {"kbert": kbert.__version__}
        settings = {**vars(arguments), **fixed, **device_settings(), "versions": versions}
        write_settings(folder, settings)
    text.tokenizer.save(folder)
    remarks = device_remarks(former, arguments.precision)
    begins = f"{text}; BERT {arguments.init or arguments.size}, {model.count_params():,} parameters"
    screen.print(
        f"{begins}, on {devices_in_words()}",
        *(in_flags(remark, vars(arguments)) for remark in remarks),
        sep="\n",
    )
    first_step = resume(model, folder, fixed, screen.print)
    if first_step:
        screen.print(f"Going on after step {first_step:,}.")
    scored = 1.0 if arguments.objective == "causal" else arguments.mask_rate
    also = [TensorBoardFiles(folder / "tensorboard", first_step)] if arguments.tensorboard else []
    progress = TrainingProgress(
        screen,
        folder / "log.jsonl",
        stages,
        first_step,
        peak=Peak(stages=stages, dtype=model.compute_dtype, scored=scored, **sizes),
        also=also,
        budget=budget,
    )
    with progress:
        finished = train(
            model,
            stages,
            progress,
            folder,
            fixed,
            save_every=arguments.save_every,
            evaluate=partial(source_figures, heldout, screen.print) if heldout else None,
            evaluate_every=arguments.evaluate_every,
            micro_batches=arguments.micro_batches,
            budget=budget,
        )
    if not finished:
        screen.print(
            f"Ended by a signal after step {progress.step:,}, which is saved. The same command "
            f"with {command('--out', folder)} goes on from there."
        )
        return None
    return model, text, progress


def finish(
    model: KbertModel,
    text: TrainingText,
    progress: TrainingProgress,
    arguments: Namespace,
    folder: Path,
    screen: Console,
) -> None:
    # 6. The model's file, the curves, and what it learned, asked of the file.
    baseline = unigram_loss(text.shards, text.tokenizer)
    path, heldout = folder / "model.keras", folder / HELDOUT_LOG
    fills = path  # what fills in words
    if isinstance(model, kbert.ReplacedTokenDetection):
        fills = folder / "generator.keras"
        model.generator.with_settings(dtype="float32").save(fills)
        model = model.discriminator
    model.with_settings(dtype="float32").save(path)  # which suits every device
    try:
        draw_curves(progress.log_file, folder / "curves.png", heldout=heldout, baseline=baseline)
    except kbert.KbertError as error:
        screen.print(f"No picture of the curves: {error}.")
    causal = arguments.objective == "causal"
    loss = progress.mean("next_token_loss" if causal else "mlm_loss")
    steps = min(progress.window, progress.step)
    screen.print(
        f"\n{'Next-token' if causal else 'MLM'} loss {loss:.2f} on the training text itself (mean "
        f"of the last {steps} steps); guessing by frequency alone would give {baseline:.2f}."
    )
    rng, pairs = np.random.default_rng(arguments.seed), []
    # Asked as it was trained, by pairs drawn anew.
    if arguments.objective == "pretraining" and arguments.negatives == "random":
        length, seed = arguments.stages[0][0], arguments.seed + len(arguments.stages)
        paired = (
            shard for source in text.sources if source.next_sentence for shard in source.shards
        )
        shard = next((shard for shard in paired if shard.num_documents > 1), None)
        if shard:
            pairs = sample_pairs(shard, text.tokenizer, sequence_length=length, seed=seed)
    if fills != path:
        replaced, recall, precision = (
            f"{100 * progress.mean(f'rtd_{name}'):.1f}%"
            for name in ("replaced", "recall", "precision")
        )
        screen.print(
            f"That is the generator's. {replaced} of the tokens are replaced; found are "
            f"{recall} of these, and of what the discriminator calls so {precision} is."
        )
    screen.print("\n" + what_it_learned(kbert.load(fills), text.sample, rng, pairs, causal=causal))
    screen.print(
        "\nWhere a model has read little, again and again, as with the default corpus, it knows "
        "that by heart and no other Korean. Some 100 MB of text and hours of training (--corpus, "
        "--size mini) are where it begins to be of use. "
        f"KLUE-BERT has read 62 GB.\n\nThe model is {path}. To go on:"
    )
    if causal:
        screen.print(
            f"  {command(sys.executable, 'recipes/evaluate.py')} --causal "
            f"{command('--model', path)} --corpus FILE"
        )
        return
    if fills != path:
        screen.print(
            f"  {command(sys.executable, 'recipes/finetune.py', '--model', path)} --train FILE "
            f"--text COLUMN --label COLUMN\nand {fills}, with which it is trained further:\n"
            f"  {command(sys.executable, 'recipes/pretrain_ko.py', '--objective', REPLACED)} "
            f"{command('--init', path, '--generator', fills)} --corpus FILE"
        )
        return
    screen.print(
        f"  {command(sys.executable, 'demos/fill_mask.py', '--model', path)}\nor in Python:\n"
        f"  import kbert\n  fill_mask = kbert.FillMask(kbert.load({str(path)!r}))\n"
        '  print(fill_mask("이 법은 공포한 [MASK] 시행한다."))'
    )


def former_run(arguments: Namespace, folder: Path, fixed: dict[str, Any]) -> dict[str, Any] | None:
    """The settings of the run to continue, and whether it is `finished`; None for a new one."""
    former = None if arguments.overwrite else read_settings(folder)
    if former is None or "text" not in former:
        check_folder(folder, arguments.overwrite)
        return None
    check_same(SINCE | former, fixed, f"the run in {folder}")
    return {**former, "finished": (folder / "model.keras").exists()}


def read_text(arguments: Namespace, tokenizer: kbert.Tokenizer | None) -> TrainingText:
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
        exact_vocab_size=arguments.exact_vocab_size,
        encoding=arguments.encoding,
        field=arguments.field,
        eojeols=arguments.masking == "eojeol",
        morphemes=Morphemes() if arguments.masking == "morpheme" else None,
    )


def read_heldout_files(
    arguments: Namespace, tokenizer: kbert.Tokenizer, asked: dict[str, Any]
) -> dict[str, HeldoutText]:
    """Each file of held-out text, in rows as those of the first stage."""
    length, rows, _ = arguments.stages[0]
    return {
        source_name(path): read_heldout(
            path,
            tokenizer,
            sequence_length=length,
            batch_size=rows,
            seed=arguments.seed,
            encoding=arguments.encoding,
            **asked,
        )
        for path in arguments.heldout
    }


if __name__ == "__main__":
    as_said, here = "lower limit_alphabet", "train one by recipes/train_vocab.py --limit-alphabet"
    run(main, parse_arguments, {as_said: here})
