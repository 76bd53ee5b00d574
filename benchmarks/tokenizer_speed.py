"""How fast text becomes ids: kbert beside Hugging Face's `tokenizers` and transformers.

    KBERT_DATA=... python benchmarks/tokenizer_speed.py [--rounds 3] [--megabytes 9]

Encodes `pretrain/kowiki.txt.xz` with KLUE-BERT's vocabulary, line by line as the shard builder
does, on one core. Each round runs every contestant once, in turn; the medians of their CPU time are
compared, and the ids must be the same. "Cold" makes the tokenizer anew; "warm" has used it.
Ordinary calls give the three padded numpy arrays that a BERT takes, for sentences of the held-out
Wikipedia; with offsets they also say where each token stands.
"""

import argparse
import lzma
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import tokenizers

import kbert

AT_ONCE = 10_000  # lines handed over together
MAX_LENGTH = 128
ARRAYS = ("input_ids", "token_type_ids", "attention_mask")


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def contest(calls: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, float], dict]:
    """The median CPU seconds of each call, run in turn; and what each gave last."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    results = {}
    for _ in range(rounds):
        for name, call in calls.items():
            taken, results[name] = timed(call)
            seconds[name].append(taken)
    return {name: statistics.median(taken) for name, taken in seconds.items()}, results


def engine_ids(engine: tokenizers.Tokenizer, lines: list[str]) -> np.ndarray:
    blocks = []
    for start in range(0, len(lines), AT_ONCE):
        block = engine.encode_batch(lines[start : start + AT_ONCE], add_special_tokens=False)
        blocks += [np.array(encoding.ids, np.int32) for encoding in block]
    return np.concatenate(blocks)


def kbert_ids(tokenizer: kbert.Tokenizer, lines: list[str]) -> np.ndarray:
    starts = range(0, len(lines), AT_ONCE)
    return np.concatenate([tokenizer.encode_flat(lines[s : s + AT_ONCE])[0] for s in starts])


def padded_arrays(encodings: list[tokenizers.Encoding]) -> dict[str, np.ndarray]:
    """What a model takes, of what `encode_batch` gives."""
    return {
        "input_ids": np.array([encoding.ids for encoding in encodings]),
        "token_type_ids": np.array([encoding.type_ids for encoding in encodings]),
        "attention_mask": np.array([encoding.attention_mask for encoding in encodings]),
    }


def memory(name: str) -> float:
    """In MB: VmRSS, what this process holds, or VmHWM, its most since `forget_peak` (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--megabytes", type=float, help="million characters of kowiki; all by default"
    )
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    data = Path(os.environ["KBERT_DATA"])
    vocabulary = data / "vocabs" / "klue-bert-base.vocab.txt"
    with lzma.open(data / "pretrain" / "kowiki.txt.xz", "rt", encoding="utf-8") as file:
        text = file.read(int(arguments.megabytes * 1e6) if arguments.megabytes else -1)
    lines = [line for line in text.split("\n") if line]
    megabytes = len(text.encode()) / 1e6
    del text
    print(f"{platform.processor() or platform.machine()}, one core; Python", end=" ")
    print(f"{platform.python_version()}, numpy {np.__version__}, tokenizers", end=" ")
    print(f"{tokenizers.__version__}; {megabytes:.1f} MB, {len(lines):,} lines")

    # 1. The whole corpus, from text to one flat array.
    forget_peak()
    before = memory("VmRSS")
    tokenizer = kbert.Tokenizer.from_file(vocabulary)
    ids = kbert_ids(tokenizer, lines)
    print(f"kbert's peak memory above the text: {memory('VmHWM') - before:.0f} MB, ", end="")
    print(f"of which the ids are {2 * ids.nbytes / 1e6:.0f} (in blocks, and joined)")
    engine = tokenizer._engine  # Hugging Face's own, as transformers sets it up
    seconds, results = contest(
        {
            "encode_batch": lambda: engine_ids(engine, lines),
            "kbert, cold": lambda: kbert_ids(kbert.Tokenizer.from_file(vocabulary), lines),
            "kbert, warm": lambda: kbert_ids(tokenizer, lines),
        },
        arguments.rounds,
    )
    for name, taken in seconds.items():
        same = np.array_equal(results[name], results["encode_batch"])
        ratio = seconds["encode_batch"] / taken
        print(f"{name:24} {megabytes / taken:6.1f} MB/s {ratio:6.2f}x  same ids: {same}")

    # 2. Ordinary calls, from sentences to padded arrays with special tokens.
    import transformers

    settings = {"padding": True, "truncation": True, "max_length": MAX_LENGTH}
    theirs = transformers.BertTokenizer(str(vocabulary), do_lower_case=False)
    engine = tokenizers.Tokenizer.from_str(engine.to_str())
    engine.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    engine.enable_padding(pad_id=0, pad_token="[PAD]")
    engine.enable_truncation(MAX_LENGTH)
    held_out = (data / "heldout" / "kowiki.txt").read_text(encoding="utf-8").split("\n")
    sentences = [line for line in held_out if line][:4096]
    print("sentences a call: microseconds a call, and the times of tokenizers and transformers")
    for size in (1, 2, 4, 8, 16, 32, 64, 256):
        batches = [sentences[i : i + size] for i in range(0, len(sentences), size)]

        def by_kbert(batches=batches, **asked):
            return [tokenizer(batch, max_length=MAX_LENGTH, **asked) for batch in batches]

        def by_transformers(batches=batches):
            return [theirs(batch, **settings, return_tensors="np") for batch in batches]

        def by_tokenizers(batches=batches):
            return [padded_arrays(engine.encode_batch(batch)) for batch in batches]

        by_kbert()
        contestants = {
            "tokenizers": by_tokenizers,
            "transformers": by_transformers,
            "kbert": by_kbert,
            "with offsets": lambda by_kbert=by_kbert: by_kbert(return_offsets=True),
        }
        seconds, results = contest(contestants, arguments.rounds)
        same = all(
            np.array_equal(ours[name], other[name])
            for one in ("kbert", "with offsets")
            for two in ("tokenizers", "transformers")
            for ours, other in zip(results[one], results[two], strict=True)
            for name in ARRAYS
        )
        print(f"{size:5}: tokenizers {seconds['tokenizers'] / len(batches) * 1e6:7.0f} us", end="")
        for name in ("kbert", "with offsets"):
            ratios = (seconds[peer] / seconds[name] for peer in ("tokenizers", "transformers"))
            each = seconds[name] / len(batches) * 1e6
            print(f"; {name} {each:7.0f} us", *(f"{ratio:5.2f}x" for ratio in ratios), end="")
        print(f"; same arrays: {same}")


if __name__ == "__main__":
    main()
