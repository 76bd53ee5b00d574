"""Trains a Korean WordPiece vocabulary.

    python recipes/train_vocab.py --corpus texts/ --vocab-size 32000 --out runs/vocab

The same texts and settings give the same `vocab.txt`, byte for byte. Without --corpus it takes
KoNLPy's two small corpora (kolaw, kobill). Time: 80 MB of Wikipedia, 32,000 tokens, some 90 s on
2 cores, 2 GB of memory.
"""

import argparse
import sys
from itertools import chain

from kbert import KbertError, Tokenizer
from kbert.console import console
from kbert.data.corpus import read_documents
from kbert.data.konlpy_corpora import konlpy_documents
from kbert.run_folder import check_folder, claim_folder


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", nargs="+", help=".txt, .txt.gz, .txt.xz or .jsonl, or folders")
    parser.add_argument("--encoding", default="utf-8", help="of the corpus; cp949 for older files")
    parser.add_argument("--vocab-size", type=int, default=2000)
    parser.add_argument("--min-frequency", type=int, default=2, help="of a pair to be merged")
    parser.add_argument("--lowercase", action="store_true")
    parser.add_argument("--out", default="runs/vocab", help="a folder that is new or empty")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in --out")
    return parser.parse_args()


def main() -> None:
    arguments, screen = parse_arguments(), console()
    check_folder(arguments.out, arguments.overwrite)

    # 1. Documents to words to a vocabulary.
    if arguments.corpus:
        documents = read_documents(arguments.corpus, arguments.encoding)
    else:
        documents = konlpy_documents()
    tokenizer = Tokenizer.train(
        chain.from_iterable(documents),
        arguments.vocab_size,
        min_frequency=arguments.min_frequency,
        lowercase=arguments.lowercase,
    )

    # 2. To disk, and a look at it.
    folder = claim_folder(arguments.out, arguments.overwrite)
    tokenizer.save(folder)
    sample = "대한민국의 주권은 국민에게 있고, 모든 권력은 국민으로부터 나온다."
    screen.print(f"{len(tokenizer):,} tokens in {folder / 'vocab.txt'}")
    screen.print(f"{sample}\n  {' '.join(tokenizer.tokenize(sample))}")


if __name__ == "__main__":
    try:
        main()
    except KbertError as error:
        sys.exit(f"error: {error}")
