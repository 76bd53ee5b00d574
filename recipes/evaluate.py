"""Scores pretrained models on text that they have not seen, each file by itself.

    python recipes/evaluate.py --model runs/mine/model.keras --corpus wiki.txt news.txt
    python recipes/evaluate.py --model a.keras b.keras --corpus wiki.txt --masking eojeol

Masks 15% of each file and prints a table in Markdown: the MLM loss beside what guessing by
frequency would give, the MLM accuracy, the pseudo-perplexity (one token masked at a time, in single
sentences: the same for every objective and masking), and the accuracy of next sentence, where the
model has that head. Equal seeds give equal figures. Losses and perplexities are per token, so they
compare only models of one vocabulary.
Source: Devlin et al. 2018, section 3.1; Salazar et al. 2020 (pseudo-perplexity).
"""

import argparse
import sys
from pathlib import Path

import kbert
from kbert.console import console
from kbert.data.baseline import unigram_loss
from kbert.data.batches import MARKS, PretrainingBatches
from kbert.data.corpus import read_documents
from kbert.data.one_masked import one_masked_batches
from kbert.data.shards import encode_documents
from kbert.models.base import KbertModel
from kbert.text.morphemes import Morphemes
from kbert.training.evaluation import heldout_figures
from kbert.training.losses import objective

COLUMNS = (
    "text", "model", "tokens", "[UNK]", "MLM loss", "by frequency", "MLM accuracy", "PPPL",
    "NSP accuracy",
)  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", nargs="+", required=True, help="files or names, as kbert.load takes them"
    )
    parser.add_argument("--corpus", nargs="+", required=True, help="files, as for pretrain_ko.py")
    parser.add_argument("--encoding", default="utf-8", help="of the corpus; cp949 for older files")
    parser.add_argument(
        "--masking", choices=list(MARKS), default="token", help="what is masked as a whole"
    )
    parser.add_argument(
        "--sequence-length", type=int, help="of a row, in tokens; by default the model's, up to 128"
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    arguments, screen = parse_arguments(), console()

    def show(*cells: str) -> None:
        screen.print(f"| {' | '.join(cells)} |")

    show(*COLUMNS)
    show(*["---"] * len(COLUMNS))
    for name in arguments.model:
        model = kbert.load(name)
        for path in map(Path, arguments.corpus):
            show(path.name, name, *figures(model, name, path, arguments))


def figures(model: KbertModel, name: str, path: Path, arguments: argparse.Namespace) -> list[str]:
    """A row of the table, but for what it is about."""
    # 1. What the model was pretrained for, and whose tokenizer to take: its own.
    tokenizer = model.tokenizer
    if tokenizer is None or not isinstance(model, kbert.BertForPreTraining | kbert.BertForMaskedLM):
        raise kbert.KbertError(
            f"{name} holds a {type(model).__name__}{'' if tokenizer else ' without a vocabulary'}; "
            "a BertForPreTraining or a BertForMaskedLM with one is needed"
        )
    task = "masked-lm" if isinstance(model, kbert.BertForMaskedLM) else "pretraining"
    length = arguments.sequence_length or min(model.max_length, 128)
    if length > model.max_length:
        raise kbert.KbertError(f"{name} reads {model.max_length} tokens, fewer than {length}")

    # 2. The text, as the model was trained on its own; and one token masked at a time.
    shard = encode_documents(
        read_documents([path], arguments.encoding),
        tokenizer,
        eojeols=arguments.masking == "eojeol",
        morphemes=Morphemes() if arguments.masking == "morpheme" else None,
    )
    rows = {"batch_size": arguments.batch_size, "seed": arguments.seed}
    masked = PretrainingBatches(
        shard,
        tokenizer,
        sequence_length=length,
        objective=task,
        masking=arguments.masking,
        **rows,
    )
    one_masked = one_masked_batches(
        shard, tokenizer, sequence_length=min(length, 64), objective=task, **rows
    )

    # 3. The scores.
    model.compile(**objective(task))
    scores = heldout_figures(model, masked, one_masked)
    nsp = f"{100 * scores['nsp_accuracy']:.1f}%" if "nsp_accuracy" in scores else "-"
    return [
        f"{len(shard.ids):,}",
        f"{100 * (shard.ids == tokenizer.unk_id).mean():.2f}%",
        f"{scores['mlm_loss']:.3f}",
        f"{unigram_loss([shard], tokenizer):.3f}",
        f"{100 * scores['mlm_accuracy']:.1f}%",
        f"{scores['pseudo_perplexity']:.1f}",
        nsp,
    ]


if __name__ == "__main__":
    try:
        main()
    except kbert.KbertError as error:
        sys.exit(f"error: {error}")
