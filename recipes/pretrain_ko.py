"""Pretrains a Korean BERT from raw text: vocabulary, masked LM and next sentence, one file.

    python recipes/pretrain_ko.py
    python recipes/pretrain_ko.py --corpus texts/ --size mini --vocab-size 16000 --steps 20000

Without --corpus it takes KoNLPy's two small corpora (`pip install kbert[konlpy]`), and its other
defaults are for them: size tiny, some 4.5 minutes on 2 cores with JAX. Expect an MLM loss far below
the unigram baseline's 6.5 and half of ten blanks or more filled rightly: it learns them by heart.

The run's folder gets vocab.txt, settings.json, log.jsonl (a line a step), checkpoints, curves.png
and model.keras. The same command with the same --out continues a run that was ended
(docs/pretraining.md).
Source: Devlin et al. 2018, "BERT", sections 3.1 and A.2; `--preset bert` has its settings.
"""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
from rich.console import Console

import kbert  # chooses the backend, so it comes before Keras

# isort: split
import keras

from kbert import BertForPreTraining
from kbert.console import console
from kbert.cost import cost
from kbert.data.baseline import unigram_loss
from kbert.data.batches import MARKS, PretrainingBatches
from kbert.data.corpus import Document, read_documents
from kbert.data.fingerprint import text_fingerprint, vocabulary_fingerprint
from kbert.data.konlpy_corpora import konlpy_documents
from kbert.data.one_masked import one_masked_batches
from kbert.data.shard_files import open_shards
from kbert.data.shards import Shard, encode_documents
from kbert.data.sources import Source
from kbert.heap import keep_freed_memory
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
from kbert.training.evaluation import mean_scores
from kbert.training.loop import HELDOUT_LOG, Evaluation, resume, train
from kbert.training.losses import objective
from kbert.training.optimizers import BERT_PRETRAINING, adamw
from kbert.training.peak import matmul_rate
from kbert.training.progress import TrainingProgress
from kbert.training.stages import Stage
from kbert.training.tensorboard import TensorBoardFiles

QUICK = {
    "batch_size": 32,
    "sequence_length": 32,
    "learning_rate": 3e-3,
    "warmup_steps": 400,
    "steps": 4000,
    "weight_decay": 0.01,
    "dropout": 0.0,
}
PRESETS = {"quick": QUICK, "bert": BERT_PRETRAINING}
# What a run that continues must have in common with the one that began. The text and the
# vocabulary count by what is in them, not by where they are.
FIXED = (
    "size vocab_size stages micro_batches learning_rate warmup_steps weight_decay dropout seed "
    "objective masking mask_rate weights unpaired init"
)
OF_COST = (
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
    "max_position_embeddings type_vocab_size"
).split()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", nargs="+", help=".txt, .txt.gz, .txt.xz or .jsonl, or folders")
    parser.add_argument(
        "--shards", nargs="+", help="instead of --corpus: folders that build_shards.py made"
    )
    parser.add_argument(
        "--weights", nargs="+", type=float, help="of the folders; 2 is seen twice as often as 1"
    )
    parser.add_argument(
        "--unpaired", nargs="+", default=[], help="those of the folders that are no running text"
    )
    parser.add_argument("--encoding", default="utf-8", help="of the corpus; cp949 for older files")
    parser.add_argument(
        "--vocab", help="a vocab.txt to use; by default one is trained on the corpus"
    )
    parser.add_argument("--vocab-size", type=int, default=1500)
    parser.add_argument(
        "--init", help="a model to train further, as kbert.load takes it; with its tokenizer"
    )
    parser.add_argument("--add-tokens", help="a file of tokens that it gets besides, one a line")
    parser.add_argument(
        "--objective",
        choices=["pretraining", "masked-lm"],
        default="pretraining",
        help="masked words and next sentence, or masked words in full rows",
    )
    parser.add_argument(
        "--masking", choices=list(MARKS), default="token", help="what is masked as a whole"
    )
    parser.add_argument("--mask-rate", type=float, default=0.15)
    parser.add_argument("--size", choices=sorted(kbert.SIZES), default="tiny")
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), default="quick", help="of what follows"
    )
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int, help="rows of a step")
    parser.add_argument("--sequence-length", type=int, help="in tokens, special tokens included")
    parser.add_argument(
        "--stages",
        nargs="+",
        metavar="LENGTH:BATCH:STEPS",
        help="instead of those three: BERT's are 128:256:900000 512:256:100000",
    )
    parser.add_argument("--micro-batches", type=int, default=1, help="parts of a step, for memory")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--warmup-steps", type=int)
    parser.add_argument("--weight-decay", type=float)
    parser.add_argument("--dropout", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=1000, help="steps between checkpoints")
    parser.add_argument("--heldout", nargs="+", help="text to evaluate on; each file is a source")
    parser.add_argument("--evaluate-every", type=int, default=1000, help="in steps")
    parser.add_argument("--tensorboard", action="store_true", help="write its files, too")
    parser.add_argument(
        "--out", help="a folder that is new, empty, or a run to continue; default runs/quickstart"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a former run in --out")
    arguments = parser.parse_args()
    shape = (arguments.sequence_length, arguments.batch_size, arguments.steps)
    if arguments.stages and any(shape):
        parser.error("--stages stands for --sequence-length, --batch-size and --steps")
    for name, value in PRESETS[arguments.preset].items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    stages = arguments.stages or [
        f"{arguments.sequence_length}:{arguments.batch_size}:{arguments.steps}"
    ]
    try:
        arguments.stages = [tuple(map(int, stage.split(":"))) for stage in stages]
        for length, rows, steps in arguments.stages:
            if min(length, rows, steps, arguments.micro_batches) < 1:
                raise ValueError(f"{length}:{rows}:{steps}")
    except ValueError as error:
        parser.error(f"a stage is LENGTH:BATCH:STEPS, as 128:256:900000 ({error})")
    arguments.steps = sum(steps for _, _, steps in arguments.stages)
    arguments.out = arguments.out or str(next_folder("runs/quickstart"))
    return arguments


def main() -> None:
    keep_freed_memory()
    arguments, screen = parse_arguments(), console()
    with locked_folder(arguments.out) as folder:
        pretrain(arguments, folder, screen)


def pretrain(arguments: argparse.Namespace, folder: Path, screen: Console) -> None:
    # 1. The folder: new, or a run to continue, with the same settings as it was begun with.
    former = None if arguments.overwrite else read_settings(folder)
    fixed = {name: getattr(arguments, name) for name in FIXED.split()}
    if former is None or "text" not in former:
        former = None
        check_folder(folder, arguments.overwrite)
    else:
        check_same(former, fixed, f"the run in {folder}")
        if (folder / "model.keras").exists():
            screen.print(
                f"The run in {folder} is finished, with {arguments.steps:,} steps. Name another "
                "--out for a new one, or pass --overwrite to replace it."
            )
            return

    # 2. The model to train further, if there is one; a vocabulary, and the text as ids.
    model = begun_model(arguments, screen) if arguments.init else None
    read = text_of_shards if arguments.shards else text_of_corpus
    text = read(arguments, model and model.tokenizer)
    tokenizer = text.tokenizer
    fixed |= {"vocabulary": vocabulary_fingerprint(tokenizer), "text": text.fingerprint}
    if former is not None:
        check_same(former, fixed, f"the run in {folder}")
    baseline = unigram_loss(text.shards, tokenizer)

    # 3. The batches of each stage.
    stages = []
    for index, (length, rows, steps) in enumerate(arguments.stages):
        batches = PretrainingBatches(
            text.sources,
            tokenizer,
            sequence_length=length,
            batch_size=rows,
            seed=arguments.seed + index,
            steps=steps,
            objective=arguments.objective,
            masking=arguments.masking,
            mask_rate=arguments.mask_rate,
        )
        stages.append(Stage(batches, steps, rows, length))

    # 4. The model. BERT's 0.02 is for its width of 768; a narrower one starts with larger weights,
    #    so that what goes through a layer keeps its size. (Without this, tiny learns later.)
    longest = max(stage.sequence_length for stage in stages)
    if model is None:
        size = kbert.SIZES[arguments.size]
        model = kbert.models.TASKS[arguments.objective](
            vocab_size=len(tokenizer),
            **size,
            initializer_range=0.02 * (768 / size["hidden_size"]) ** 0.5,
            max_position_embeddings=longest,
            hidden_dropout_prob=arguments.dropout,
            attention_probs_dropout_prob=arguments.dropout,
            seed=arguments.seed,
        )
        model.tokenizer = tokenizer
    elif longest > model.max_length:
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
        made_by = {"backend": keras.backend.backend(), "versions": versions}
        write_settings(folder, {**vars(arguments), **fixed, **made_by})
    elif former["backend"] != keras.backend.backend():
        screen.print(
            f"The run was begun on {former['backend']}, and goes on on {keras.backend.backend()}: "
            "from here on its figures are not to the bit those that it would have had."
        )
    tokenizer.save(folder)
    screen.print(
        f"{sum(shard.num_documents for shard in text.shards):,} documents, "
        f"{sum(shard.num_sentences for shard in text.shards):,} sentences, "
        f"{sum(len(shard.ids) for shard in text.shards):,} tokens, "
        f"a vocabulary of {len(tokenizer):,}; BERT {arguments.init or arguments.size}, "
        f"{model.count_params():,} parameters, on {keras.backend.backend()}"
    )
    first_step = resume(model, folder, fixed, screen.print)
    if first_step:
        screen.print(f"Going on after step {first_step:,}.")
    rate = matmul_rate(model.compute_dtype)
    peak = []
    for stage in stages:
        of_step = cost(
            **{name: model.bert.get_config()[name] for name in OF_COST},
            batch_size=stage.rows,
            length=stage.sequence_length,
        )
        peak.append(rate * of_step.tokens / of_step.training_flops)
    also = []
    if arguments.tensorboard:
        also = [TensorBoardFiles(folder / "tensorboard", first_step)]
    log = folder / "log.jsonl"
    with TrainingProgress(screen, log, stages, first_step, peak=peak, also=also) as progress:
        finished = train(
            model,
            stages,
            progress,
            folder,
            fixed,
            save_every=arguments.save_every,
            evaluate=evaluation(arguments, tokenizer, screen) if arguments.heldout else None,
            evaluate_every=arguments.evaluate_every,
            micro_batches=arguments.micro_batches,
        )
    if not finished:
        screen.print(
            f"Ended by a signal after step {progress.step:,}, which is saved. The same command "
            f"with --out {folder} goes on from there."
        )
        return
    model.save(folder / "model.keras")
    try:
        heldout = folder / HELDOUT_LOG
        draw_curves(log, folder / "curves.png", heldout=heldout, baseline=baseline)
    except kbert.KbertError as error:
        screen.print(f"No picture of the curves: {error}.")

    # 6. What it learned, asked of the file.
    show_what_it_learned(
        screen, folder / "model.keras", text.sample, progress, baseline, arguments.seed
    )
    screen.print(
        f"\nThe model is {folder / 'model.keras'}. To go on:\n"
        f"  python -c \"import kbert; print(kbert.FillMask(kbert.load(r'{folder / 'model.keras'}'))"
        "('국회는 [MASK]을 의결한다.'))\"\n"
        f"  pip install kbert[demo] && python demos/fill_mask.py --model {folder / 'model.keras'}"
    )


@dataclass
class Text:
    """What a run reads."""

    tokenizer: kbert.Tokenizer
    sources: list[Source]
    fingerprint: str
    sample: list[Document] = field(repr=False)  # to ask about in the end

    @property
    def shards(self) -> list[Shard]:
        """Of all sources."""
        return [shard for source in self.sources for shard in source.shards]


def begun_model(arguments: argparse.Namespace, screen: Console) -> BertForPreTraining:
    """The model of --init, with the head that the objective needs, and more tokens if asked."""
    if arguments.vocab:
        raise kbert.KbertError(f"--init brings its own vocabulary; leave --vocab {arguments.vocab}")
    model = kbert.load(arguments.init, task=arguments.objective)
    if arguments.add_tokens:
        lines = Path(arguments.add_tokens).read_text(encoding="utf-8").splitlines()
        tokens = [line.strip() for line in lines if line.strip()]
        model = kbert.extend_vocabulary(model, tokens)
        screen.print(f"{len(tokens):,} tokens are new; they begin at the means of their pieces.")
    return model


def text_of_corpus(arguments: argparse.Namespace, tokenizer: kbert.Tokenizer | None) -> Text:
    """Files, or KoNLPy's corpora; in memory."""
    if arguments.corpus:
        documents = list(read_documents(arguments.corpus, arguments.encoding))
    else:
        documents = konlpy_documents()
    if not documents:
        raise kbert.KbertError(f"the corpus is empty: {', '.join(arguments.corpus)}")
    if tokenizer is None and arguments.vocab:
        tokenizer = kbert.Tokenizer.from_file(arguments.vocab)
    elif tokenizer is None:
        sentences = chain.from_iterable(documents)
        tokenizer = kbert.Tokenizer.train(sentences, arguments.vocab_size)
    shard = encode_documents(
        documents,
        tokenizer,
        eojeols=arguments.masking == "eojeol",
        morphemes=Morphemes() if arguments.masking == "morpheme" else None,
    )
    return Text(tokenizer, [Source([shard])], text_fingerprint(shard), documents)


def text_of_shards(arguments: argparse.Namespace, tokenizer: kbert.Tokenizer | None) -> Text:
    """Folders of shards, mapped from the disk, each a source."""
    opened = [open_shards(folder) for folder in arguments.shards]
    tokenizer = tokenizer or kbert.Tokenizer.from_file(arguments.shards[0])
    for folder in opened:
        folder.check_tokenizer(tokenizer)
    weights = arguments.weights or [1.0] * len(opened)
    if len(weights) != len(opened) or not set(arguments.unpaired) <= set(arguments.shards):
        raise kbert.KbertError(
            f"{len(opened)} folders of shards, {len(weights)} weights, unpaired "
            f"{arguments.unpaired}: give each folder a weight, and name the unpaired as in --shards"
        )
    sources = [
        Source(folder.shards, weight, name not in arguments.unpaired, name)
        for folder, weight, name in zip(opened, weights, arguments.shards, strict=True)
    ]
    files = json.dumps([folder.manifest["files"] for folder in opened], sort_keys=True)
    fingerprint = f"shards, sha256 {hashlib.sha256(files.encode()).hexdigest()[:16]}"
    return Text(tokenizer, sources, fingerprint, decoded_sample(opened[0].shards[0], tokenizer))


def decoded_sample(shard: Shard, tokenizer: kbert.Tokenizer, most: int = 50) -> list[Document]:
    """The first documents of a shard, as text again."""
    starts, documents = shard.sentence_starts, []
    for begin, end in zip(shard.document_starts[:most], shard.document_starts[1:], strict=False):
        sentences = [shard.ids[starts[i] : starts[i + 1]].tolist() for i in range(begin, end)]
        documents.append([tokenizer.decode(ids) for ids in sentences])
    return documents


def evaluation(
    arguments: argparse.Namespace, tokenizer: kbert.Tokenizer, screen: Console
) -> Evaluation:
    """What to ask of each file of held-out text: pairs, masked, and one token at a time."""
    length, rows, _ = arguments.stages[0]
    sources = {}
    for path in map(Path, arguments.heldout):
        shard = encode_documents(read_documents([path], arguments.encoding), tokenizer)
        settings = {"batch_size": rows, "seed": arguments.seed}
        masked = PretrainingBatches(
            shard, tokenizer, sequence_length=length, objective=arguments.objective, **settings
        )
        ones = one_masked_batches(shard, tokenizer, sequence_length=min(length, 64), **settings)
        if arguments.objective == "masked-lm":  # one head, so no names
            ones = [(x, y["mlm"], weights["mlm"]) for x, y, weights in ones]
        sources[path.name.partition(".")[0]] = masked, ones

    def evaluate(model: keras.Model) -> Mapping[str, Mapping[str, float]]:
        figures = {}
        for source, (masked, ones) in sources.items():
            scores = mean_scores(model, masked)
            scores["pseudo_perplexity"] = math.exp(mean_scores(model, ones)["mlm_loss"])
            figures[source] = scores
            screen.print(
                f"held-out {source}: MLM loss {scores['mlm_loss']:.3f}, accuracy "
                f"{100 * scores['mlm_accuracy']:.1f}%, pseudo-perplexity "
                f"{scores['pseudo_perplexity']:.1f}"
                + (f"; NSP {100 * scores['nsp_accuracy']:.1f}%" if "nsp_accuracy" in scores else "")
            )
        return figures

    return evaluate


def show_what_it_learned(
    screen: Console,
    path: Path,
    documents: list[Document],
    progress: TrainingProgress,
    baseline: float,
    seed: int,
) -> None:
    """Prints the loss beside the baseline, ten blanks and two pairs, good or bad."""
    model = kbert.load(path)
    rng = np.random.default_rng(seed)
    screen.print(
        f"\nMLM loss {progress.mean('mlm_loss'):.2f} on the training text itself (mean of the last "
        f"{progress.window} steps); guessing by frequency alone would give {baseline:.2f}."
    )

    screen.print("\nTen blanks from the training text:")
    blanks = draw_blanks(documents, model, rng, 10)
    fill_mask = kbert.FillMask(model, glued_to_mask="continuation")
    answers = [best for (best,) in fill_mask([text for text, _ in blanks], top_k=1)]
    for (text, truth), answer in zip(blanks, answers, strict=True):
        word, percent = answer["token_str"], 100 * answer["score"]
        mark = "right" if word == truth else "wrong"
        screen.print(f"  {mark}: {truth} | {word} ({percent:.0f}%) | {text}")
    right = sum(a["token_str"] == truth for a, (_, truth) in zip(answers, blanks, strict=True))
    screen.print(f"{right} of {len(blanks)} came back (truth | answer | text).")

    pairs = []
    if isinstance(model, BertForPreTraining):
        screen.print("\nDoes the second sentence follow the first?")
        next_sentence = kbert.NextSentence(model)
        pairs = draw_pairs(documents, model, rng)
    for follows, first, second in pairs:
        judged = next_sentence(first, second)
        verdict = "right" if (judged["label"] == 0) == follows else "wrong"
        screen.print(
            f"  {verdict}: it {'follows' if follows else 'does not'}; the model says "
            f"{100 * judged['next']:.0f}% yes\n    1. {first}\n    2. {second}",
        )
    screen.print(
        "\nWhere a model has read little, and that again and again, as with the default corpus, it "
        "knows it by heart and knows no other Korean: a "
        "demonstration, not a language model. KLUE-BERT has read 62 GB. Some 100 MB of text and "
        "hours of training (--corpus, --size mini, --vocab-size 16000, --steps 20000) are where "
        "it begins to be of use."
    )


def draw_blanks(
    documents: list[Document], model: BertForPreTraining, rng: np.random.Generator, count: int
) -> list[tuple[str, str]]:
    """Draws sentences, and blanks a word of two or more syllables that is one token in each."""
    tokenizer, longest = model.tokenizer, model.max_length
    sentences = [sentence for document in documents for sentence in document]
    blanks = []
    for index in rng.permutation(len(sentences)):
        sentence = sentences[index]
        encoded = tokenizer(sentence, return_offsets=True)
        tokens = [tokenizer.token(int(i)) for i in encoded["input_ids"][0]]
        places = [
            (start, end, token)
            for token, (start, end) in zip(tokens, encoded["offsets"][0].tolist(), strict=True)
            if len(token) >= 2 and all("가" <= character <= "힣" for character in token)
        ]
        if places and len(tokens) <= longest:
            start, end, truth = places[rng.integers(len(places))]
            blanks.append((f"{sentence[:start]}[MASK]{sentence[end:]}", truth))
        if len(blanks) == count:
            break
    return blanks


def draw_pairs(
    documents: list[Document], model: BertForPreTraining, rng: np.random.Generator
) -> list[tuple[bool, str, str]]:
    """A sentence and its next, and the same with one of another document; they fit into a row."""

    def fits(first: str, second: str) -> bool:
        row = model.tokenizer(first, second)["input_ids"][0]
        return len(row) <= model.max_length

    for _ in range(1000 if len(documents) > 1 else 0):
        index = int(rng.integers(len(documents)))
        place = int(rng.integers(len(documents[index])))
        first, second = [*documents[index][place : place + 2], ""][:2]
        other = documents[(index + rng.integers(1, len(documents))) % len(documents)]
        stranger = other[rng.integers(len(other))]
        if second and fits(first, second) and fits(first, stranger):
            return [(True, first, second), (False, first, stranger)]
    return []


if __name__ == "__main__":
    try:
        main()
    except kbert.KbertError as error:
        sys.exit(f"error: {error}")
