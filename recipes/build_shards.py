r"""Makes shards of a corpus: cleaned, split into sentences, encoded, ready to be pretrained on.

    python recipes/build_shards.py --corpus texts/ --vocab runs/vocab --out shards/
    ray start --head && python recipes/build_shards.py ... --engine ray

All cores, bounded memory; 293 MB of text take half a minute on 2 cores (docs/shards.md). If it is
killed, the same command goes on where it was. The same texts and settings give the same bytes,
whatever --processes and --engine. `recipes/pretrain_ko.py --shards shards/` trains on them.
"""

import argparse
import os

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kbert import Tokenizer
from kbert.data.shards.shard_builder import CHARACTERS, build_shards
from kbert.data.shards.shard_steps import SPLITTERS
from kbert.data.shards.workers import local, on_ray
from kbert.errors import counted
from kbert.runs.console import console, run
from kbert.text.korean.web import WEB_CLEANERS


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add(
        "--corpus",
        nargs="+",
        required=True,
        help="files or folders: .txt, .txt.gz, .txt.xz, "
        ".jsonl, .json (모두의 말뭉치, AI Hub), .csv, .tsv, .parquet, or what `datasets` saved",
    )
    add("--vocab", required=True, help="a vocab.txt, or a folder or model with a tokenizer")
    add("--out", required=True, help="a folder: new, empty, or of the same run, killed")
    add("--encoding", default="utf-8", help="of text files; cp949 for older ones")
    add("--field", default="text", help="what tables and .jsonl call the text")
    add("--keep-boilerplate", action="store_true", help="copyright lines, 로그인, 댓글 3개, ...")
    add("--min-hangul", type=float, default=0.3, help="least share of a line's characters; 0: any")
    add("--web-text", choices=list(WEB_CLEANERS), help="make comments and messages plainer")
    add("--keep-duplicate-lines", action="store_true")
    add("--duplicate-line-length", type=int, default=25, help="shorter lines may come back")
    add("--keep-duplicate-documents", action="store_true")
    add("--sentences", choices=SPLITTERS, default="rule", help="lines: a line is a sentence")
    add("--no-eojeols", action="store_true", help="leave out the marks for whole-word masking")
    add("--morphemes", help="mecab, kiwi, ...: mark morphemes too; some 20 times as long")
    add("--characters", type=int, default=CHARACTERS, help="of text in a shard")
    add("--processes", type=int, default=os.cpu_count() or 1)
    add("--engine", choices=("local", "ray"), default="local", help="ray: a cluster that is there")
    return parser.parse_args()


def main() -> None:
    arguments, screen = parse_arguments(), console()
    tokenizer = Tokenizer.from_file(arguments.vocab)
    engine = on_ray() if arguments.engine == "ray" else local(arguments.processes)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with engine as engine_run, Progress(*columns, TimeElapsedColumn(), console=screen) as progress:
        bars = {}

        def watch(step: str, done: int, of: int) -> None:
            if step not in bars:
                bars[step] = progress.add_task(step)
            progress.update(bars[step], completed=done, total=of)

        manifest = build_shards(
            arguments.corpus,
            tokenizer,
            arguments.out,
            engine_run,
            encoding=arguments.encoding,
            field=arguments.field,
            boilerplate=not arguments.keep_boilerplate,
            min_hangul=arguments.min_hangul,
            web_text=arguments.web_text,
            duplicate_lines=(
                None if arguments.keep_duplicate_lines else arguments.duplicate_line_length
            ),
            duplicate_documents=not arguments.keep_duplicate_documents,
            sentences=arguments.sentences,
            eojeols=not arguments.no_eojeols,
            morphemes=arguments.morphemes,
            characters=arguments.characters,
            watch=watch,
        )
    for name, count in manifest["counts"].items():
        screen.print(f"{count:>15,}  {name.replace('_', ' ')}")
    screen.print(
        f"{counted(len(manifest['shards']), 'shard')} in {arguments.out}, with their tokenizer"
    )


if __name__ == "__main__":
    run(main, parse_arguments)
