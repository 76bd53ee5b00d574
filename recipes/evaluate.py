"""Scores models: pretrained ones on text that they have not seen, fine-tuned ones on a set.

    python recipes/evaluate.py --model runs/mine/model.keras --corpus wiki.txt news.txt
    python recipes/evaluate.py --model a.keras b.keras --corpus wiki.txt --masking eojeol
    python recipes/evaluate.py --causal --model left-to-right.keras --corpus wiki.txt
    python recipes/evaluate.py --model nsmc.keras --task nsmc --data nsmc/ --report report.html

With --corpus: masks 15% of each file and prints a table in Markdown: the MLM loss beside what
guessing by frequency would give, the MLM accuracy, the pseudo-perplexity (one token masked at a
time, in single sentences: the same for every objective and masking), and the accuracy of next
sentence, where the model has that head. With --causal, for models that were trained with
`--objective causal`, which no file tells: loss, accuracy and perplexity of each next token. Equal
seeds give equal figures. Losses and perplexities are per token, so they compare only models of one
vocabulary.

With --task: the scores of a fine-tuned model on a part of an official set, by the set's own metric,
beside published ones, and why they are not to be compared without a word.
Source: Devlin et al. 2018, section 3.1; Salazar et al. 2020 (pseudo-perplexity).
"""

import argparse
from pathlib import Path
from typing import get_args

from finetune_options import SETS_WITH_MODELS, parts_there

import kbert
from kbert.data.labelled.examples import Examples
from kbert.data.pretraining.baseline import unigram_loss
from kbert.data.pretraining.batches import MARKS
from kbert.data.pretraining.heldout import read_heldout
from kbert.errors import kind_of
from kbert.evaluation.comparison import comparison
from kbert.evaluation.evaluate import evaluate
from kbert.evaluation.report import Language, write_report
from kbert.models.base import KbertModel
from kbert.runs.console import console, refuse_beside, run
from kbert.tasks.read import read_task
from kbert.training.evaluation import heldout_figures
from kbert.training.losses import objective

COLUMNS = (
    "text", "model", "tokens", "[UNK]", "MLM loss", "by frequency", "MLM accuracy", "PPPL",
    "NSP accuracy",
)  # fmt: skip
CAUSAL_COLUMNS = (
    "text", "model", "tokens", "[UNK]", "next-token loss", "by frequency", "next-token accuracy",
    "perplexity",
)  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", nargs="+", required=True, help="files or names, as kbert.load takes them"
    )
    parser.add_argument("--corpus", nargs="+", help="files, as for pretrain_ko.py")
    add = parser.add_argument_group("instead of --corpus, for fine-tuned models").add_argument
    add("--task", choices=SETS_WITH_MODELS, metavar="SET", help="an official set, as klue-nli")
    add("--data", help="the folder of its files")
    add("--part", choices=["dev", "test"], help="of the set; default: test, or dev without one")
    add("--report", help="an HTML file to be written, of one model")
    add("--language", choices=get_args(Language), default="ko", help="of the report")
    parser.add_argument("--encoding", default="utf-8", help="of the corpus; cp949 for older files")
    parser.add_argument(
        "--masking", choices=list(MARKS), default="token", help="what is masked as a whole"
    )
    parser.add_argument(
        "--causal", action="store_true", help="the models were trained with --objective causal"
    )
    parser.add_argument(
        "--sequence-length", type=int, help="of a row, in tokens; by default the model's, up to 128"
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if (arguments.corpus is None) == (arguments.task is None):
        parser.error("name files with --corpus, or a set with --task and --data")
    not_for_a_set = ("encoding", "masking", "causal", "sequence_length", "seed")
    if arguments.task:
        refuse_beside("--task", not_for_a_set, parser, arguments)
    else:
        refuse_beside("--corpus", ["data", "part", "report", "language"], parser, arguments)
    if arguments.task and not arguments.data:
        parser.error(f"--task {arguments.task} needs --data, the folder of its files")
    if arguments.report and len(arguments.model) > 1:
        parser.error("--report is of one model")
    if arguments.causal and arguments.masking != "token":
        parser.error("--causal masks nothing: leave --masking out")
    return arguments


def main() -> None:
    arguments, screen = parse_arguments(), console()
    if arguments.task:
        screen.print(on_a_set(arguments))
        return

    def show(*cells: str) -> None:
        screen.print(f"| {' | '.join(cells)} |")

    columns = CAUSAL_COLUMNS if arguments.causal else COLUMNS
    show(*columns)
    show(*["---"] * len(columns))
    for name in arguments.model:
        model = kbert.load(name)
        for path in map(Path, arguments.corpus):
            show(path.name, name, *figures(model, name, path, arguments))


def on_a_set(arguments: argparse.Namespace) -> str:
    """The table of a set: the models' scores, and the published ones."""
    examples, found = labelled_part(arguments), {}
    for name in arguments.model:
        model = kbert.load(name)
        found[name] = evaluate(model, examples, arguments.batch_size)
        if arguments.report:
            write_report(found[name], arguments.report, arguments.language)
    return comparison(found)


def labelled_part(arguments: argparse.Namespace) -> Examples:
    """The part that is asked for; else test, or dev where its labels are not published."""
    there = [arguments.part] if arguments.part else parts_there(arguments.task, arguments.data)
    for part in reversed(there):
        examples = read_task(arguments.task, arguments.data, part)
        if examples.labels is not None:
            return examples
    raise kbert.KbertError(
        f"{arguments.data} has no part of {arguments.task} with labels, among "
        f"{there or ['dev', 'test']}"
    )


def figures(model: KbertModel, name: str, path: Path, arguments: argparse.Namespace) -> list[str]:
    """A row of the table, but for what it is about."""
    # 1. What the model was pretrained for, and whose tokenizer to take: its own.
    tokenizer, masked_lm = model.tokenizer, isinstance(model, kbert.BertForMaskedLM)
    wanted = masked_lm or (isinstance(model, kbert.BertForPreTraining) and not arguments.causal)
    if tokenizer is None or not wanted:
        raise kbert.KbertError(
            f"{name} holds {kind_of(model)}{'' if tokenizer else ' without a vocabulary'}; "
            f"a {'' if arguments.causal else 'BertForPreTraining or a '}BertForMaskedLM with one "
            "is needed"
        )
    task = "causal" if arguments.causal else "masked-lm" if masked_lm else "pretraining"
    length = arguments.sequence_length or min(model.max_length, 128)
    if length > model.max_length:
        raise kbert.KbertError(f"{name} reads {model.max_length} tokens, fewer than {length}")

    # 2. The text, as the model was trained on its own; and one token masked at a time.
    text = read_heldout(
        path,
        tokenizer,
        sequence_length=length,
        batch_size=arguments.batch_size,
        seed=arguments.seed,
        objective=task,
        masking=arguments.masking,
        encoding=arguments.encoding,
    )

    # 3. The scores.
    model.compile(**objective(task))
    scores = heldout_figures(model, text)
    names = ("mlm_loss", "mlm_accuracy", "pseudo_perplexity")
    if arguments.causal:
        names = ("next_token_loss", "next_token_accuracy", "perplexity")
    loss, accuracy, perplexity = (scores[name] for name in names)
    cells = [
        f"{len(text.shard.ids):,}",
        f"{100 * (text.shard.ids == tokenizer.unk_id).mean():.2f}%",
        f"{loss:.3f}",
        f"{unigram_loss([text.shard], tokenizer):.3f}",
        f"{100 * accuracy:.1f}%",
        f"{perplexity:.1f}",
    ]
    if arguments.causal:
        return cells
    return [*cells, f"{100 * scores['nsp_accuracy']:.1f}%" if "nsp_accuracy" in scores else "-"]


if __name__ == "__main__":
    run(main, parse_arguments)
