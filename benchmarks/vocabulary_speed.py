"""Vocabulary training: time and peak memory of kbert against tokenizers' WordPieceTrainer.

    python benchmarks/vocabulary_speed.py --corpus texts/ --vocab-size 32000

Each run is a process of its own, kbert and the peer by turns; reading and unpacking the files is in
both. Memory is the sum over a run's processes, sampled every 20 ms. Needs psutil. The figures in
the README: 293 MB of text, 32,000 tokens, 2 cores, some ten minutes.
"""

import argparse
import gzip
import hashlib
import lzma
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from kbert.version import VERSION

PEER = "WordPieceTrainer"
OPENERS = {".xz": lzma.open, ".gz": gzip.open}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--corpus", nargs="+", required=True, help=".txt, .txt.gz, .txt.xz, folders"
    )
    parser.add_argument("--vocab-size", type=int, default=32000)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of kbert")
    parser.add_argument("--min-count", type=int, default=1, help="kbert: of a word")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engine", choices=("kbert", PEER), help="run this one, here and now")
    parser.add_argument("--out", help="where --engine writes its vocabulary")
    return parser.parse_args()


def lines(paths: list[str]) -> Iterator[str]:
    for path in map(Path, paths):
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            with OPENERS.get(file.suffix, open)(file, "rt", encoding="utf-8") as opened:
                yield from opened


def train(arguments: argparse.Namespace) -> list[str]:
    texts, limit_alphabet = lines(arguments.corpus), max(1500, arguments.vocab_size // 10)
    if arguments.engine == "kbert":
        from kbert.text.learning.vocabulary_trainer import train_vocabulary
        from kbert.text.learning.word_counts import count_words

        return train_vocabulary(
            count_words(texts, min_count=arguments.min_count, processes=arguments.processes),
            arguments.vocab_size,
            limit_alphabet=limit_alphabet,
        )
    import tokenizers

    from kbert.text.vocabulary import SPECIAL_TOKENS

    engine = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = tokenizers.normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    engine.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=arguments.vocab_size,
        limit_alphabet=limit_alphabet,
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    return sorted(engine.get_vocab(), key=engine.get_vocab().__getitem__)


def measure(engine: str, arguments: argparse.Namespace) -> dict:
    """One run in a process of its own: wall and CPU seconds, peak memory, and what it gave."""
    import psutil

    out = Path(tempfile.mkdtemp(), "vocab.txt")
    command = [sys.executable, __file__, "--engine", engine, "--out", str(out)]
    for name in ("vocab_size", "processes", "min_count"):
        command += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
    before, begin, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    run = psutil.Popen([*command, "--corpus", *arguments.corpus])
    while run.poll() is None:
        memory = 0
        try:
            for process in (run, *run.children(recursive=True)):
                memory += process.memory_info().rss
        except psutil.NoSuchProcess:
            pass
        peak = max(peak, memory)
        time.sleep(0.02)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode:
        sys.exit(f"{engine} failed")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tokens = out.read_text("utf-8").split("\n")[:-1]
    return {"wall": wall, "cpu": cpu, "peak": peak, "tokens": tokens}


def processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().split("\n") if "model name" in line]
    return names[0].split(":")[1].strip() if names else platform.processor()


def main() -> None:
    arguments = parse_arguments()
    if arguments.engine:
        tokens = train(arguments)
        Path(arguments.out).write_text("".join(f"{token}\n" for token in tokens), "utf-8")
        return
    versions = " ".join(f"{name} {version(name)}" for name in ("tokenizers", "numpy"))
    versions = f"{platform.python_version()} kbert {VERSION} {versions}"
    print(f"{processor()}, {os.cpu_count()} cores; Python {versions}")
    megabytes = sum(len(line.encode()) for line in lines(arguments.corpus)) / 1e6
    print(
        f"{megabytes:.0f} MB of text, {arguments.vocab_size:,} tokens; {arguments.processes} "
        f"processes, words from count {arguments.min_count}"
    )
    runs: dict[str, list[dict]] = {"kbert": [], PEER: []}
    for _ in range(arguments.runs):
        for engine, done in runs.items():
            done.append(measure(engine, arguments))
            print(
                "  {0}: {wall:.1f} s, {cpu:.1f} CPU-s, {1:.0f} MB at the peak".format(
                    engine, done[-1]["peak"] / 1e6, **done[-1]
                ),
                flush=True,
            )

    median = {
        engine: {
            key: statistics.median(run[key] for run in done) for key in ("wall", "cpu", "peak")
        }
        for engine, done in runs.items()
    }
    ours, peer = median["kbert"], median[PEER]
    print(
        f"medians of {arguments.runs}: kbert {ours['wall']:.1f} s, {PEER} {peer['wall']:.1f} s: "
        f"{peer['wall'] / ours['wall']:.2f} times as fast ({peer['cpu'] / ours['cpu']:.2f} by CPU "
        f"time), {ours['peak'] / peer['peak']:.0%} of its peak memory "
        f"({ours['peak'] / 1e6:.0f} of {peer['peak'] / 1e6:.0f} MB)"
    )
    for engine, done in runs.items():
        digests = {hashlib.sha256("\n".join(run["tokens"]).encode()).hexdigest() for run in done}
        print(f"{engine}: {len(digests)} different vocabularies in {len(done)} runs")
    shared = set(runs["kbert"][0]["tokens"]) & set(runs[PEER][0]["tokens"])
    print(f"tokens in both: {len(shared) / arguments.vocab_size:.1%}")


if __name__ == "__main__":
    main()
