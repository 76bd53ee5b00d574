"""How fast a corpus becomes what a model trains on: kbert's shards beside `datasets.map`.

    python benchmarks/data_speed.py --corpus texts/ --vocab klue.vocab.txt --out speed.json

The peer is what transformers' run_mlm.py does: `load_dataset("text")`, `map` with a fast tokenizer,
`map` with `group_texts` into rows of 512. kbert also cleans, drops duplicates, splits sentences,
marks eojeols, keeps the boundaries of documents and writes checksums; "lines" leaves out what the
peer does not do: sentence splitting, marks, cleaning, duplicates. Each run is a process of its own,
with the same number of processes, from the same uncompressed .txt files to files on disk; they take
turns, and medians are compared. A half and a quarter of the text show whether time is linear in it.
Needs the extra `data`, transformers and psutil. 293 MB, 2 processes, 1 run: 5 minutes.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

from kbert.version import VERSION

ROW = 512  # tokens
LINES = [
    *("--sentences", "lines", "--keep-boilerplate", "--min-hangul", "0"),
    *("--keep-duplicate-lines", "--keep-duplicate-documents", "--no-eojeols"),
]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", nargs="+", required=True, help="what read_documents reads")
    parser.add_argument("--vocab", required=True, help="a vocab.txt")
    parser.add_argument("--megabytes", type=float, default=1e9, help="of text, from the beginning")
    parser.add_argument("--peer-megabytes", type=float, default=1e9, help="less for the peer")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", help="a JSON file for the figures")
    parser.add_argument("--peer", nargs="+", help=argparse.SUPPRESS)  # run it, here and now
    return parser.parse_args()


def run_peer(files: list[str], vocabulary: str, processes: int, out: str) -> None:
    """The two maps of transformers' examples/pytorch/language-modeling/run_mlm.py."""
    from itertools import chain

    import datasets
    import transformers

    datasets.disable_progress_bars()
    tokenizer = transformers.BertTokenizerFast(vocabulary, do_lower_case=False)
    settings = {"batched": True, "num_proc": processes}

    def tokenize(batch: dict) -> dict:
        lines = [line for line in batch["text"] if line and not line.isspace()]
        return tokenizer(lines, return_special_tokens_mask=True)

    def group_texts(batch: dict) -> dict:
        joined = {name: list(chain.from_iterable(rows)) for name, rows in batch.items()}
        total = len(joined["input_ids"]) // ROW * ROW
        return {
            name: [row[i : i + ROW] for i in range(0, total, ROW)] for name, row in joined.items()
        }

    loaded = datasets.load_dataset("text", data_files=files, split="train", cache_dir=out)
    tokenized = loaded.map(tokenize, remove_columns=["text"], **settings)
    rows = tokenized.map(group_texts, **settings)
    print(json.dumps({"tokens": ROW * len(rows)}))


def measure(command: list[str]) -> dict:
    """One run: wall and CPU seconds of all its processes, and the most memory they held at once."""
    import resource

    import psutil

    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    process = psutil.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.is_running():
            try:
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(one.memory_full_info().uss for one in family))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                pass
            time.sleep(0.5)

    threading.Thread(target=watch, daemon=True).start()
    output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.perf_counter() - begin, "cpu": cpu, "peak": peak, "output": output}


def prepare(arguments: argparse.Namespace, folder: Path) -> list[Path]:
    """The text as uncompressed files of some 16 MB, a blank line between documents."""
    from kbert.data.corpus.corpus import corpus_files, read_paragraphs

    files: list[Path] = []
    total, room = 0, 0
    for path in corpus_files(arguments.corpus):
        for lines in read_paragraphs(path):
            if total >= arguments.megabytes * 1e6:
                return files
            if room <= 0:
                files.append(folder / f"{len(files):04d}.txt")
                room = 16_000_000
            text = "\n".join(line.strip() for line in lines) + "\n\n"
            with files[-1].open("ab") as file:
                written = file.write(text.encode())
            total, room = total + written, room - written
    return files


def size_of(files: list[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6


def main() -> None:
    arguments = parse_arguments()
    if arguments.peer:
        run_peer(arguments.peer, arguments.vocab, arguments.processes, arguments.out)
        return
    names = ("numpy", "tokenizers", "transformers", "datasets", "pyarrow")
    about = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "processes": arguments.processes,
        "python": platform.python_version(),
        "versions": {"kbert": VERSION, **{name: version(name) for name in names}},
    }
    print(json.dumps(about))
    with tempfile.TemporaryDirectory(prefix="kbert-data-speed-") as name:
        work = Path(name)
        files = prepare(arguments, work)
        counts = [max(1, len(files) * part // 4) for part in (1, 2, 4)]
        peer_files = [
            file
            for i, file in enumerate(files)
            if size_of(files[: i + 1]) <= max(arguments.peer_megabytes, size_of(files[:1]))
        ]

        def kbert(part: list[Path], *more: str) -> dict:
            recipe = Path(__file__).parents[1] / "recipes" / "build_shards.py"
            command = [sys.executable, str(recipe), "--corpus", *map(str, part), *more]
            command += ["--vocab", arguments.vocab, "--out", str(work / "shards")]
            done = measure([*command, "--processes", str(arguments.processes)])
            manifest = json.loads((work / "shards" / "manifest.json").read_bytes())
            shutil.rmtree(work / "shards")
            return {**done, "megabytes": size_of(part), "tokens": manifest["counts"]["tokens"]}

        def peer() -> dict:
            command = [sys.executable, __file__, "--peer", *map(str, peer_files), "--corpus", "-"]
            command += ["--vocab", arguments.vocab, "--out", str(work / "cache")]
            done = measure([*command, "--processes", str(arguments.processes)])
            shutil.rmtree(work / "cache")
            tokens = json.loads(done["output"].splitlines()[-1])["tokens"]
            return {**done, "megabytes": size_of(peer_files), "tokens": tokens}

        contestants = {
            "datasets.map": peer,
            "kbert": lambda: kbert(files),
            "kbert, lines": lambda: kbert(files, *LINES),
            "kbert, a half": lambda: kbert(files[: counts[1]]),
            "kbert, a quarter": lambda: kbert(files[: counts[0]]),
        }
        runs: dict[str, list[dict]] = {name: [] for name in contestants}
        for _ in range(arguments.runs):
            for name, contestant in contestants.items():
                runs[name].append(contestant())
                print(f"  {name}: {runs[name][-1]['wall']:.1f} s", flush=True)

    figures = {}
    for name, done in runs.items():
        wall, cpu = (statistics.median(run[key] for run in done) for key in ("wall", "cpu"))
        figures[name] = {
            "megabytes": done[0]["megabytes"],
            "tokens": done[0]["tokens"],
            "seconds": wall,
            "cpu_seconds": cpu,
            "megabytes_per_second": done[0]["megabytes"] / wall,
            "megabytes_per_second_and_core": done[0]["megabytes"] / cpu,
            "peak_megabytes": statistics.median(run["peak"] for run in done) / 1e6,
        }
    base = figures["datasets.map"]
    print(
        f"{'':18} {'MB':>6} {'tokens':>11} {'s':>7} {'MB/s':>6} {'MB/s, core':>10} {'peak MB':>8}"
    )
    for name, one in figures.items():
        times = one["megabytes_per_second"] / base["megabytes_per_second"]
        print(
            f"{name:18} {one['megabytes']:6.0f} {one['tokens']:11,} {one['seconds']:7.1f} "
            f"{one['megabytes_per_second']:6.2f} {one['megabytes_per_second_and_core']:10.2f} "
            f"{one['peak_megabytes']:8.0f}  {times:.2f}x"
        )
    if arguments.out:
        Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**about, "runs": arguments.runs, "figures": figures}, indent=2)
        Path(arguments.out).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
