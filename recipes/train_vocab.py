r"""Trains a Korean WordPiece vocabulary, and compares it with others.

    python recipes/train_vocab.py --corpus texts/ --vocab-size 32000 --out runs/vocab
    python recipes/train_vocab.py --corpus texts/ --vocab-size 32000 --out runs/vocab \
        --syllables --unused 500 --morphemes mecab --heldout heldout/ --compare klue.vocab.txt

The same texts and settings give the same `vocab.txt`, byte for byte, whatever --processes. Without
--corpus it takes KoNLPy's two small corpora (kolaw, kobill). The folder gets vocab.txt,
tokenizer_settings.json, settings.json, report.json and, with the extra `viz`, report.png.
Time and memory: see benchmarks/vocabulary_speed.py. With --morphemes mecab, some 10 times as long.
"""

import argparse
import json
import os
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from kbert import Tokenizer
from kbert.data.corpus.corpus import read_documents
from kbert.data.corpus.konlpy_corpora import konlpy_documents
from kbert.errors import how_to_install
from kbert.runs.console import console, run
from kbert.runs.run_folder import check_folder, claim_folder
from kbert.text.korean.morphemes import Morphemes
from kbert.text.korean.web import WEB_CLEANERS
from kbert.text.learning.vocabulary_trainer import train_vocabulary
from kbert.text.learning.word_counts import count_words
from kbert.text.reports.vocabulary_report import vocabulary_report
from kbert.text.vocabulary import SPECIAL_TOKENS, ksx1001_syllables
from kbert.version import VERSION

DEFAULT_VOCAB_SIZE = 2000
REPORT_TEXTS = 20_000  # documents that a report reads at the most


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--corpus", nargs="+", help=".txt, .txt.gz, .txt.xz, .jsonl, .csv or .tsv, or folders")
    add("--encoding", default="utf-8", help="of the corpus; cp949 for older files")
    add("--field", default="text", help="what tables and .jsonl call the text")
    add("--vocab-size", type=int, help="all tokens; default: as the text gives, up to 2000")
    add("--min-frequency", type=int, default=2, help="of a pair to be merged")
    add("--min-count", type=int, default=1, help="of a word to be counted; 2 is faster")
    add("--limit-alphabet", type=int, help="the most characters; default a tenth of the size")
    add("--syllables", action="store_true", help="have the 2,350 of KS X 1001 in any case")
    add("--jamo", action="store_true", help="spell rarer syllables with jamo: none is [UNK]")
    add("--unused", type=int, default=0, help="[unused] tokens at the end; KLUE-BERT has 500")
    add("--special-tokens", nargs="+", default=list(SPECIAL_TOKENS), help="in the order of ids")
    add("--morphemes", help="mecab, kiwi, okt, komoran, ...: train on morphemes, as KLUE-BERT")
    add("--web-text", choices=list(WEB_CLEANERS), help="make comments and messages plainer")
    add("--lowercase", action="store_true")
    add("--processes", type=int, default=os.cpu_count() or 1)
    add("--heldout", nargs="+", help="texts for the report; default the corpus itself")
    add("--compare", nargs="+", default=[], help="other vocab.txt files, or folders with one")
    add("--out", default="runs/vocab", help="a folder that is new or empty")
    add("--overwrite", action="store_true", help="replace what is in --out")
    return parser.parse_args()


def documents(arguments: argparse.Namespace, paths: list[str] | None) -> Iterator[str]:
    """Documents as single texts; a vocabulary needs no sentences."""
    if paths:
        whole = read_documents(paths, arguments.encoding, str.splitlines, arguments.field)
    else:
        whole = iter(konlpy_documents())
    plainer = WEB_CLEANERS.get(arguments.web_text, str)
    return ("\n".join(map(plainer, document)) for document in whole)


def main() -> None:
    arguments, screen = parse_arguments(), console()
    check_folder(arguments.out, arguments.overwrite)
    others = {Path(path).name: Tokenizer.from_file(path) for path in arguments.compare}

    # 1. Documents to words, on all cores; to a vocabulary.
    analyser = Morphemes(arguments.morphemes) if arguments.morphemes else None
    words = count_words(
        watched(documents(arguments, arguments.corpus), screen),
        lowercase=arguments.lowercase,
        morphemes=arguments.morphemes,
        min_count=arguments.min_count,
        processes=arguments.processes if arguments.corpus else 1,
    )
    settings = {
        **vars(arguments),
        "different_words": len(words),
        "rarest_word_count": min(words.values(), default=0),
        "analyser": analyser and {"name": analyser.name, **analyser.versions},
        "versions": {"kbert": VERSION, "numpy": version("numpy")},
    }
    vocabulary = train_vocabulary(
        words,
        arguments.vocab_size or DEFAULT_VOCAB_SIZE,
        exact=arguments.vocab_size is not None,
        min_frequency=arguments.min_frequency,
        limit_alphabet=arguments.limit_alphabet,
        characters=ksx1001_syllables() if arguments.syllables else (),
        both_positions=bool(arguments.morphemes),
        jamo_fallback=arguments.jamo,
        unused=arguments.unused,
        special_tokens=arguments.special_tokens,
    )
    tokenizer = Tokenizer(vocabulary, lowercase=arguments.lowercase, jamo_fallback=arguments.jamo)

    # 2. A report, beside other vocabularies.
    texts = list(islice(documents(arguments, arguments.heldout or arguments.corpus), REPORT_TEXTS))
    reports = {
        name: vocabulary_report(one, texts)
        for name, one in {"this one": tokenizer, **others}.items()
    }
    folder = claim_folder(arguments.out, arguments.overwrite)
    tokenizer.save(folder)
    for name, content in (("settings.json", settings), ("report.json", reports)):
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    screen.print(
        f"{len(tokenizer):,} tokens in {folder / 'vocab.txt'}, from {len(words):,} different words "
        f"that occur {settings['rarest_word_count']} times or more"
    )
    where = "held-out text" if arguments.heldout else "the training text itself (see --heldout)"
    screen.print(table(reports, f"On {where}, {sum(map(len, texts)):,} characters"))
    sample = "대한민국의 주권은 국민에게 있고, 모든 권력은 국민으로부터 나온다."
    for name, one in {"this one": tokenizer, **others}.items():
        screen.print(f"{name}: {' '.join(one.tokenize(sample))}")
    plot(reports, folder / "report.png", screen)


def watched(texts: Iterable[str], screen: Console) -> Iterator[str]:
    """The same texts, with a line on the screen of how many characters have gone."""
    with Progress(*Progress.get_default_columns()[:1], console=screen, transient=True) as progress:
        task, characters = progress.add_task("counting words", total=None), 0
        for text in texts:
            yield text
            characters += len(text)
            progress.update(
                task, description=f"counting words: {characters / 1e6:,.1f} M characters"
            )


def table(reports: dict[str, dict], title: str) -> Table:
    shown = Table(title=title, title_justify="left")
    shown.add_column("")
    for name in reports:
        shown.add_column(name, justify="right")
    rows = {
        "tokens": lambda r: f"{r['tokens']:,}",
        "tokens per eojeol": lambda r: f"{r['tokens_per_eojeol']:.3f}",
        "[UNK] of tokens": lambda r: f"{r['unk_rate']:.3%}",
        "eojeols with [UNK]": lambda r: f"{r['unk_eojeols']:.3%}",
        "vocabulary in use": lambda r: f"{r['used']:.1%}",
        "syllables of 11,172": lambda r: f"{r['syllables']:,}",
        "of KS X 1001's 2,350": lambda r: f"{r['ksx1001_syllables']:,}",
        "longest tokens": lambda r: "\n".join(r["longest"]),
    }
    for name, show in rows.items():
        shown.add_row(name, *map(show, reports.values()))
    return shown


def plot(reports: dict[str, dict], path: Path, screen: Console) -> None:
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ModuleNotFoundError:
        screen.print(f"No picture: that needs {how_to_install('viz')}.")
        return
    figure, (fertility, unknown, lengths) = plt.subplots(
        1, 3, figsize=(12, 3.4), layout="constrained"
    )
    names = list(reports)
    fertility.barh(names, [report["tokens_per_eojeol"] for report in reports.values()])
    fertility.set(xlabel="tokens per eojeol")
    unknown.barh(names, [100 * report["unk_eojeols"] for report in reports.values()])
    unknown.set(xlabel="eojeols with [UNK] (%)", yticks=[])
    for name, report in reports.items():
        counts = {length: n for length, n in report["lengths"].items() if length <= 12}
        lengths.plot(list(counts), [n / report["tokens"] for n in counts.values()], label=name)
    lengths.set(xlabel="characters of a token", ylabel="share of the vocabulary")
    lengths.legend(frameon=False)
    for axes in (fertility, unknown, lengths):
        axes.spines[["top", "right"]].set_visible(False)
    fertility.invert_yaxis()
    unknown.invert_yaxis()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main, parse_arguments)
