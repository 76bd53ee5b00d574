"""Sentence splitting: the rules against Kiwi, on real text: agreement and speed.

    python benchmarks/sentences.py --corpus heldout/*.txt

A line of the corpus is a sentence already (by the corpus's own rule), so a text is `--lines` of
them, joined by a space: both splitters must find the joints and more. Agreement is F1 over the
places where a sentence ends within a text, Kiwi's taken as the truth, which it is not always: it
splits within quotations, the rules do not. Needs kiwipiepy.
"""

import argparse
import os
import platform
import random
import statistics
import time
from importlib.metadata import version
from pathlib import Path

from kbert.text.korean.sentences import split_sentences, split_sentences_by_kiwi
from kbert.version import VERSION


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", nargs="+", required=True, help=".txt files")
    parser.add_argument("--texts", type=int, default=300, help="texts of each file")
    parser.add_argument("--lines", type=int, default=5, help="lines of each text")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--show", type=int, default=0, help="disagreements of each file to print")
    return parser.parse_args()


def texts_of(path: Path, number: int, lines: int) -> list[str]:
    """Neighbouring lines of one document, joined; drawn with a fixed seed."""
    documents = [document.split("\n") for document in path.read_text("utf-8").split("\n\n")]
    texts = [
        " ".join(document[i : i + lines])
        for document in documents
        for i in range(0, len(document), lines)
    ]
    random.Random(0).shuffle(texts)
    return texts[:number]


def ends(sentences: list[str]) -> set[int]:
    """Where sentences end, counted in characters that are not white space; the last is trivial."""
    places, total = set(), 0
    for sentence in sentences:
        total += len("".join(sentence.split()))
        places.add(total)
    return places - {total}


def main() -> None:
    arguments = parse_arguments()
    names = [n for n in Path("/proc/cpuinfo").read_text().split("\n") if n.startswith("model name")]
    processor = names[0].split(":")[1].strip() if names else platform.processor()
    print(
        f"{processor}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"kbert {VERSION}, kiwipiepy {version('kiwipiepy')}; one text a call"
    )
    split_sentences_by_kiwi("그는 갔다.")  # loads the model
    seconds: dict[str, list[float]] = {"rules": [], "Kiwi": []}
    everything, hits, found, wanted = [], 0, 0, 0
    for path in map(Path, arguments.corpus):
        texts = texts_of(path, arguments.texts, arguments.lines)
        everything += texts
        ours = [split_sentences(text) for text in texts]
        kiwi = [split_sentences_by_kiwi(text) for text in texts]
        pairs = [(ends(a), ends(b)) for a, b in zip(ours, kiwi, strict=True)]
        counts = [
            sum(len(a & b) for a, b in pairs),
            sum(len(a) for a, _ in pairs),
            sum(len(b) for _, b in pairs),
        ]
        print(f"{path.stem:18} {len(texts):4} texts, {counts[2]:5} ends by Kiwi: {scores(*counts)}")
        hits, found, wanted = hits + counts[0], found + counts[1], wanted + counts[2]
        differing = [(a, b) for a, b in zip(ours, kiwi, strict=True) if ends(a) != ends(b)]
        for a, b in differing[: arguments.show]:
            print("   rules:", " | ".join(a), "\n    Kiwi:", " | ".join(b))
    print(
        f"{'all':18} {len(everything):4} texts, {wanted:5} ends by Kiwi: "
        f"{scores(hits, found, wanted)}"
    )

    for _ in range(arguments.runs):  # by turns, so that both meet the same machine
        for name, split in (("rules", split_sentences), ("Kiwi", split_sentences_by_kiwi)):
            begin = time.perf_counter()
            for text in everything:
                split(text)
            seconds[name].append(time.perf_counter() - begin)
    megabytes = sum(len(text.encode()) for text in everything) / 1e6
    rules, kiwi = (megabytes / statistics.median(times) for times in seconds.values())
    print(
        f"rules {rules:.1f} MB/s, Kiwi {kiwi:.3f} MB/s: {rules / kiwi:.0f} times as fast "
        f"(medians of {arguments.runs} runs over {megabytes:.1f} MB)"
    )


def scores(hits: int, found: int, wanted: int) -> str:
    precision, recall = hits / max(1, found), hits / max(1, wanted)
    f1 = 2 * hits / max(1, found + wanted)
    return f"F1 {f1:.3f}, precision {precision:.3f}, recall {recall:.3f}"


if __name__ == "__main__":
    main()
