"""How fast instances are planned and masked, on one core.

    KBERT_DATA=... python benchmarks/instances_speed.py [--megabytes 20] [--out speed.json]

Encodes the beginning of `pretrain/kowiki.txt.xz` with KLUE-BERT's vocabulary, eojeols marked (and
morphemes, where python-mecab-ko is installed), and measures:

    plan      one epoch of next-sentence pairs, beside BERT's loop over one document after the other
    pack      one epoch of full rows
    mask      batches by token, eojeol and morpheme
    batches   all of it: planned, gathered, masked, as `fit` gets them

CPU time; the median of the rounds, in which all take turns. Nothing here needs a backend but the
class of the batches, which computes nothing with it.
"""

import argparse
import json
import lzma
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np

import kbert
from kbert.data.pretraining.batches import MARKS, PretrainingBatches
from kbert.data.pretraining.instances import Instances, pair_planner
from kbert.data.pretraining.masking import mask_tokens, ordinary_ids
from kbert.data.pretraining.packed_rows import pack_rows
from kbert.data.pretraining.rows import instance_rows
from kbert.data.pretraining.sentence_pairs import plan_pairs
from kbert.data.pretraining.sources import Source
from kbert.data.shards.shards import Shard, encode_documents
from kbert.text.korean.morphemes import Morphemes


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def read(path: Path, characters: int) -> list[list[str]]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        text = file.read(characters)
    return [document.split("\n") for document in text.split("\n\n")[:-1]]


def pairs_in_a_loop(shard: Shard, length: int, rng: np.random.Generator) -> int:
    """How many rows BERT's loop makes, choosing what `plan_pairs` chooses, one by one."""
    starts, documents = shard.sentence_starts, shard.document_starts
    room, count = length - 3, 0
    for document in range(shard.num_documents):
        sentence, end = int(documents[document]), int(documents[document + 1])
        while sentence < end:
            target = room if rng.random() >= 0.1 else int(rng.integers(2, room + 1))
            reached = int(np.searchsorted(starts, starts[sentence] + target))
            stop = min(max(reached, sentence + 1), end)
            split = sentence + 1 if stop - sentence < 3 else int(rng.integers(sentence + 1, stop))
            if split == stop or rng.random() < 0.5:
                other = int(rng.integers(shard.num_documents - 1))
                other += other >= document
                first = int(rng.integers(documents[other], documents[other + 1]))
                np.searchsorted(starts, starts[first] + target)
                sentence = split
            else:
                sentence = stop
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=20, help="of kowiki, some 1.8 a million")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--sequence-length", type=int, default=128)
    parser.add_argument("--out", help="a JSON file for the figures")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    data = Path(os.environ["KBERT_DATA"])
    tokenizer = kbert.Tokenizer.from_file(data / "vocabs" / "klue-bert-base.vocab.txt")
    documents = read(data / "pretrain" / "kowiki.txt.xz", int(arguments.megabytes * 1e6 / 2.2))
    analyser = Morphemes("mecab") if find_spec("mecab") else None
    shard = encode_documents(documents, tokenizer, eojeols=True, morphemes=analyser)
    megabytes = sum(len(s.encode()) + 1 for document in documents for s in document) / 1e6
    length, size = arguments.sequence_length, arguments.batch_size
    maskings = ["token", "eojeol", *(["morpheme"] if analyser else [])]

    # 1. What takes turns. The loop is timed once a round on a twentieth of the documents.
    part = Shard(
        shard.ids, shard.sentence_starts, shard.document_starts[: shard.num_documents // 20]
    )
    part_tokens = int(part.sentence_starts[part.document_starts[-1]])
    settings = {"sequence_length": length, "batch_size": size, "seed": 0}
    source = [Source([shard])]
    instances = Instances(source[0], pair_planner(length, 0.1), seed=0)[np.arange(8 * size)]
    replacements = ordinary_ids(tokenizer)
    rows = {
        name: [
            instance_rows([shard], instances[i : i + size], tokenizer, length, MARKS[name])
            for i in range(0, len(instances), size)
        ]
        for name in maskings
    }

    def mask(name: str) -> list:
        rng = np.random.default_rng(0)
        return [
            mask_tokens(
                x["input_ids"],
                tokenizer,
                rng,
                replacements=replacements,
                word_starts=x.get("word_starts"),
            )
            for x in rows[name]
        ]

    def batches(**changes: Any) -> int:
        made = PretrainingBatches(source, tokenizer, **settings, **changes)
        return sum(len(made[step][0]["input_ids"]) for step in range(len(made)))

    calls: dict[str, Callable[[], Any]] = {
        "plan in a loop": lambda: pairs_in_a_loop(part, length, np.random.default_rng(0)),
        "plan": lambda: len(plan_pairs(shard, length, np.random.default_rng(0))),
        "pack tokens": lambda: len(pack_rows(shard, length, "tokens")),
        "pack sentences": lambda: len(pack_rows(shard, length, "sentences")),
        **{f"mask by {name}": lambda name=name: mask(name) for name in maskings},
        "batches, pretraining": batches,
        "batches, masked-lm": lambda: batches(objective="masked-lm"),
        "batches, by eojeol": lambda: batches(masking="eojeol"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    results: dict[str, Any] = {}
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            taken, results[name] = timed(call)
            seconds[name].append(taken)

    # 2. The figures.
    of_text, of_batches = len(shard.ids), 8 * size * length
    figures: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "megabytes": round(megabytes, 1),
        "tokens": of_text,
        "documents": shard.num_documents,
        "sequence_length": length,
        "batch_size": size,
    }
    print(", ".join(f"{name} {value}" for name, value in figures.items()))
    print(f"{'one core':24}{'seconds':>9}{'instances/s':>14}{'M tokens/s':>12}")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        masked = name.startswith("mask by")
        count = len(instances) if masked else results[name]
        if masked:
            tokens = of_batches
        elif name == "plan in a loop":
            tokens = part_tokens
        else:
            tokens = count * length if name.startswith("batches") else of_text
        line: dict[str, Any] = {
            "seconds": median,
            "instances_per_second": count / median,
            "tokens_per_second": tokens / median,
        }
        note = ""
        if masked:
            kind = name.removeprefix("mask by ")
            ordinary = sum(
                int((~np.isin(x["input_ids"], tokenizer.special_ids)).sum()) for x in rows[kind]
            )
            share = sum(float(m.weights.sum()) for m in results[name]) / ordinary
            line["masked_share"] = share
            note = f"  {100 * share:.2f}% masked"
        figures[name] = line
        print(f"{name:24}{median:9.3f}{count / median:14,.0f}{tokens / median / 1e6:12.1f}{note}")
    loop, plan = figures["plan in a loop"], figures["plan"]
    ratio = plan["tokens_per_second"] / loop["tokens_per_second"]
    print(f"planned at once against planned in a loop: {ratio:.1f}x")
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
