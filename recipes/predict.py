"""What a fine-tuned model says of each row of a table: CSV in, CSV out.

    python recipes/predict.py --model reviews.keras --table new.csv --text 리뷰 --out answers.csv

The table (CSV, TSV, Excel, jsonl, Parquet) is as finetune.py takes it, and needs no labels. Its
columns are in --out, and behind them `predicted` and `predicted_score`, or with --all-scores the
score of each label. What is predicted is a label, several with commas between, a number, the
entities as [[start, end, name], ...], or the answer to the question in --text from the context in
--pair. A row without text has none, and how many these are is told.

Some thousand rows are read and answered at a time, so a table may be of any length. --out is there
when all are answered.
"""

import argparse
import csv
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import kbert
from kbert.data.labelled.cells import is_missing
from kbert.data.labelled.table_rows import Row, table_rows
from kbert.errors import counted
from kbert.files.atomic_files import written_beside
from kbert.labels import composed
from kbert.models.base import KbertModel
from kbert.pipelines.encode import tokenizer_of
from kbert.runs.console import console, run

ROWS = 4096  # that are read and answered at a time
SCORE = "predicted_score"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a fine-tuned model says of a table's rows.")
    parser.add_argument("--model", required=True, help="fine-tuned, as kbert.load takes it")
    parser.add_argument("--table", required=True, help=".csv, .tsv, .jsonl, .parquet or .xlsx")
    parser.add_argument("--text", required=True, help="the column of the texts, or questions")
    parser.add_argument("--pair", help="the column of the second texts, or contexts")
    parser.add_argument("--out", required=True, help="a .csv, which is replaced if it is there")
    parser.add_argument("--all-scores", action="store_true", help="a column for each label, too")
    parser.add_argument("--encoding", help="of the table; default: UTF-8, or else CP949")
    parser.add_argument("--no-quotes", action="store_true", help="quotation marks are text")
    return parser.parse_args()


def main() -> None:
    arguments, screen = parse_arguments(), console()
    model = kbert.load(arguments.model)
    added, answer = answers_of(model, arguments)
    tokenizer = tokenizer_of(model)
    quotes = False if arguments.no_quotes else None
    source, rows = table_rows(arguments.table, arguments.encoding, quotes)
    asked_by = [composed(name) for name in (arguments.text, arguments.pair) if name]
    answered = empty = 0
    with (
        written_beside(Path(arguments.out)) as temporary,
        temporary.open("w", encoding="utf-8-sig", newline="") as file,  # as Excel reads Korean
    ):
        writer, columns = csv.writer(file), []
        while part := [row for _, row in islice(rows, ROWS)]:
            if not columns:
                columns = [*part[0]]
                check_columns(source, columns, asked_by, added)
                writer.writerow([*columns, *added])
            texts = [[cell(row, name) for name in asked_by] for row in part]
            there = with_text(tokenizer, texts)
            said = answer(*map(list, zip(*(texts[i] for i in there), strict=True))) if there else []
            cells = dict(zip(there, said, strict=True))
            nothing = [""] * len(added)
            writer.writerows(
                [*(cell(row, name) for name in columns), *cells.get(i, nothing)]
                for i, row in enumerate(part)
            )
            answered, empty = answered + len(there), empty + len(part) - len(there)
        if not answered:
            raise kbert.KbertError(f"{source}: no row has text in {' and '.join(asked_by)}")
    without = f"; {counted(empty, 'row')} without text left blank" if empty else ""
    screen.print(f"{counted(answered, 'row')} answered in {arguments.out}{without}")


def with_text(tokenizer: kbert.Tokenizer, texts: list[list[str]]) -> list[int]:
    """Which rows have texts that hold something for the model: spaces that none can see do not."""
    read: np.ndarray = np.diff(tokenizer.encode_flat([text for row in texts for text in row])[1])
    return np.flatnonzero(read.reshape(len(texts), -1).all(axis=1)).tolist()


def answers_of(
    model: KbertModel, arguments: argparse.Namespace
) -> tuple[list[str], Callable[..., list[list[Any]]]]:
    """The columns that a model's answers fill, and what makes these of texts (and their pairs)."""
    if isinstance(model, kbert.BertForTokenClassification):
        if arguments.pair:
            raise kbert.KbertError("the model tags the words of one text: leave --pair out")
        tagger = kbert.TokenClassifier(model)

        def tag(texts: list[str]) -> list[list[Any]]:
            found = [
                [[each["start"], each["end"], each["label"]] for each in of_text]
                for of_text in tagger(texts)
            ]
            return [[json.dumps(each, ensure_ascii=False)] for each in found]

        return ["predicted"], tag
    if isinstance(model, kbert.BertForQuestionAnswering):
        if not arguments.pair:
            raise kbert.KbertError("the model answers from a text: its column is --pair")
        reader = kbert.QuestionAnswering(model)
        return ["predicted", SCORE], lambda questions, contexts: [
            [each["answer"], shown(each["score"])] for each in reader(questions, contexts)
        ]
    classifier = kbert.TextClassifier(model)  # refuses other models by name
    if model.problem_type == "regression":
        return ["predicted"], lambda *texts: [[shown(each["score"])] for each in classifier(*texts)]
    several = model.problem_type == "multi_label_classification"
    names = list(model.labels) if arguments.all_scores or several else []

    def classify(*texts: list[str]) -> list[list[Any]]:
        cells = []
        for each in classifier(*texts):
            said = [", ".join(each["labels"])] if several else [each["label"]]
            scores = [each["scores"][name] for name in names] if names else [each["score"]]
            said += map(shown, scores)
            cells.append(said)
        return cells

    return ["predicted", *([f"{SCORE}_{name}" for name in names] or [SCORE])], classify


def shown(score: float) -> str:
    return f"{score:.4f}"


def check_columns(source: str, columns: list[str], asked: list[str], added: list[str]) -> None:
    for name in asked:
        if name not in columns:
            raise kbert.KbertError(f"{source}: no column {name!r}; it has {', '.join(columns)}")
    for name in added:
        if name in columns:
            raise kbert.KbertError(f"{source} has a column {name!r} already: give it another name")


def cell(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if is_missing(value) else str(value)


if __name__ == "__main__":
    run(main, parse_arguments)
