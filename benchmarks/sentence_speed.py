"""How fast texts become vectors, and how fast the nearest of a million are found.

    KERAS_BACKEND=torch python benchmarks/sentence_speed.py encode --model FOLDER
    KERAS_BACKEND=torch python benchmarks/sentence_speed.py search
    KERAS_BACKEND=torch python benchmarks/sentence_speed.py graph --model MODEL --texts reviews.txt

encode: --sentences real sentences of mixed length into vectors, by kbert's `SentenceEncoder` and by
sentence-transformers, both with the checkpoint in FOLDER, as sentence-transformers publishes them
(all-MiniLM-L6-v2: 6 layers, 384 wide). Of sentence-transformers several batch sizes are tried, of
which the best counts; its default is 32. kbert has its default, and cuts long texts as the other
does. The vectors must agree within 1e-5 first. --texts names a file with a sentence a line; without
it, they are the sentences of the docstrings of Python's standard library, in a fixed order. Needs
sentence-transformers.

search: the ten nearest of --vectors random vectors of --dimension numbers, exactly, for one query
at a time and for 64 at once: by a `SentenceIndex` on the disk in each precision (its pages are in
memory after the first run, which is not counted), by plain numpy (a product, argpartition, a sort)
and, where it is installed, by faiss's IndexFlatIP. Each must name the same ten. A million vectors
of 384 take 1.5 GB on the disk, and as much in memory for numpy; faiss has a copy.

graph: what an `ApproximateIndex` costs and misses. The last 500 of --sentences are the questions,
the others are searched, exactly and by the graph with several `ef_search`. Real sentences, because
random vectors have no neighbourhoods for a graph to follow.

Runs are interleaved: every contestant once, then again; the medians are compared.
"""

import argparse
import ast
import json
import os
import platform
import random
import re
import statistics
import sysconfig
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import kbert  # before Keras: it chooses the backend

# isort: split
import keras
import numpy as np

BATCH_SIZES = (8, 16, 32, 64)  # of sentence-transformers
AT_ONCE = 64  # queries
TOP_K = 10
QUESTIONS = 500  # of the graph
PACKAGES = ("keras", "numpy", "torch", "transformers", "sentence-transformers", "faiss-cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=["encode", "search", "graph"])
    parser.add_argument("--model", help="encode: a folder of sentence-transformers'; graph: any")
    parser.add_argument("--texts", type=Path, help="a file with a sentence a line")
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="a file for the results")
    arguments = parser.parse_args()
    facts = {
        "device": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg(),
        "backend": keras.backend.backend(),
        "versions": {"kbert": kbert.__version__} | {name: installed(name) for name in PACKAGES},
        "repeats": arguments.repeats,
    }
    if arguments.part == "search":
        results = search(arguments.vectors, arguments.dimension, arguments.repeats, facts)
    else:
        if arguments.model is None:
            parser.error(f"{arguments.part} takes --model, a sentence model")
        texts = read_texts(arguments.texts, arguments.sentences)
        measure = encode if arguments.part == "encode" else graph
        results = measure(arguments.model, texts, arguments.repeats, facts)
    if arguments.json:
        arguments.json.write_text(json.dumps({**facts, "seconds": results}, indent=2) + "\n")


def installed(name: str) -> str | None:
    """A package's version, or None without it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def read_texts(path: Path | None, count: int) -> list[str]:
    """Sentences, shuffled with a fixed seed."""
    if path is not None:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        texts = [line for line in lines if line]
    else:
        texts = [*dict.fromkeys(docstring_sentences())]
    random.Random(0).shuffle(texts)
    if len(texts) < count:
        raise SystemExit(f"{len(texts)} sentences, and {count} are wanted: pass --sentences")
    return texts[:count]


def docstring_sentences() -> list[str]:
    """What the docstrings of Python's standard library say, sentence by sentence."""
    sentences = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("**/*.py")):
        if {"site-packages", "test", "tests", "idlelib"} & {*path.parts}:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, kinds)]
        for paragraph in re.split(r"\n\s*\n", "\n\n".join(docstrings)):
            plain = " ".join(paragraph.split())
            sentences += [one for one in re.split(r"(?<=[.!?]) ", plain) if len(one.split()) > 1]
    return sentences


def race(runners: dict, repeats: int) -> dict[str, list[float]]:
    """Seconds of every run; each contestant once unmeasured, then in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(repeats + 1):
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            if turn:  # the first run compiles, allocates and reads from the disk
                seconds[name].append(time.perf_counter() - start)
    return seconds


def show(seconds: dict[str, list[float]], units: int, unit: str, ours: str) -> None:
    own = statistics.median(seconds[ours])
    for name, runs in seconds.items():
        median = statistics.median(runs)
        print(
            f"  {name:44} {median:8.3f} s {units / median:9.1f} {unit}   "
            f"{ours} is {median / own:.3g} x as fast"
        )


def encode(folder: str, texts: list[str], repeats: int, facts: dict) -> dict:
    from sentence_transformers import SentenceTransformer

    ours = kbert.SentenceEncoder(kbert.load(folder))
    theirs = SentenceTransformer(folder, device="cpu")
    some = texts[:200]
    ours_of_some = ours.encode(some, long_texts="cut")
    theirs_of_some = theirs.encode(some, show_progress_bar=False)
    np.testing.assert_allclose(ours_of_some, theirs_of_some, atol=1e-5)
    lengths = [len(ids) + 2 for ids in ours.tokenizer.encode(texts)]
    longest = ours.model.max_length
    facts |= {
        "sentences": len(texts),
        "tokens": sum(min(length, longest) for length in lengths),
        "tokens a sentence": {"median": int(np.median(lengths)), "longest": max(lengths)},
        "largest difference": float(np.abs(ours_of_some - theirs_of_some).max()),
    }
    print(json.dumps(facts, indent=2), flush=True)
    runners = {"kbert": lambda: ours.encode(texts, long_texts="cut")}
    for size in BATCH_SIZES:
        runners[f"sentence-transformers, batch_size={size}"] = lambda size=size: theirs.encode(
            texts, batch_size=size, show_progress_bar=False
        )
    seconds = race(runners, repeats)
    print(f"\nencoding {len(texts):,} sentences")
    show(seconds, len(texts), "sentences/s", "kbert")
    return seconds


def search(count: int, dimension: int, repeats: int, facts: dict) -> dict:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((count, dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = rng.standard_normal((AT_ONCE, dimension), np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    print(json.dumps({**facts, "vectors": count, "dimension": dimension}, indent=2), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        contestants = {}
        for precision in ("float32", "float16", "int8", "binary"):
            index = kbert.SentenceIndex.from_vectors(
                Path(folder, precision), vectors, precision=precision
            )
            contestants[f"kbert, {precision}"] = lambda asked, i=index: i.search(asked, TOP_K)[1]
        contestants["numpy"] = lambda asked: numpy_search(asked, vectors)
        if faiss_search := faiss_index(vectors):
            contestants["faiss, IndexFlatIP"] = faiss_search
        expected = numpy_search(queries, vectors)
        for name, found in contestants.items():
            shared = [len({*a} & {*b}) for a, b in zip(found(queries), expected, strict=True)]
            print(f"  of the ten nearest {name} finds {np.mean(shared):.2f}", flush=True)
        results = {}
        for label, asked in (("one at a time", queries[:8, None]), ("64 at once", queries[None])):
            runners = {
                name: lambda run=run, asked=asked: [run(each) for each in asked]
                for name, run in contestants.items()
            }
            results[label] = race(runners, repeats)
            number = asked.shape[0] * asked.shape[1]
            print(f"\n{number} queries, {label}, among {count:,} vectors of {dimension}")
            show(results[label], number, "queries/s", "kbert, float32")
    return results


def graph(model: str, texts: list[str], repeats: int, facts: dict) -> dict:
    encoder = kbert.SentenceEncoder(kbert.load(model, task="sentence-embedding"))
    vectors = encoder.encode(texts, long_texts="cut")
    stored, asked = vectors[:-QUESTIONS], vectors[-QUESTIONS:]
    facts |= {"vectors": len(stored), "dimension": encoder.model.embedding_size}
    print(json.dumps(facts, indent=2), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        index = kbert.SentenceIndex.from_vectors(Path(folder, "index"), stored)
        start = time.perf_counter()
        fast = kbert.ApproximateIndex(index)
        print(f"\nthe graph is made in {time.perf_counter() - start:.1f} s")
        expected = index.search(asked, TOP_K)[1]

        def by_graph(ef_search: int) -> np.ndarray:
            fast.ef_search = ef_search
            return np.concatenate([fast.search(each, TOP_K)[1] for each in asked])

        runners = {"exact": lambda: [index.search(each, TOP_K) for each in asked]}
        for size in (16, 64, 256):
            shared = [len({*a} & {*b}) for a, b in zip(by_graph(size), expected, strict=True)]
            print(f"  of the ten nearest ef_search={size} finds {np.mean(shared):.2f}", flush=True)
            runners[f"ef_search={size}"] = lambda size=size: by_graph(size)
        seconds = race(runners, repeats)
    print(f"\n{QUESTIONS} queries, one at a time, among {len(stored):,} vectors")
    show(seconds, QUESTIONS, "queries/s", "exact")
    return seconds


def numpy_search(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """What one would write."""
    scores = queries @ vectors.T
    best = np.argpartition(-scores, TOP_K, axis=1)[:, :TOP_K]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
    return np.take_along_axis(best, order, 1)


def faiss_index(vectors: np.ndarray):
    try:
        import faiss
    except ImportError:
        print("without faiss: it is not installed")
        return None
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda asked: index.search(asked, TOP_K)[1]


if __name__ == "__main__":
    main()
