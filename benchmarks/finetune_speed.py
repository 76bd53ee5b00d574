"""How long an epoch of fine-tuning takes on a CPU: kbert, transformers' Trainer and KerasHub.

    python benchmarks/finetune_speed.py --size mini --examples 2000
    python benchmarks/finetune_speed.py --size mini --lengths pairs --only PyTorch

Every contestant is a process of its own, one after the other, in which a classifier of the same
shape goes through the same examples twice: the first epoch compiles and is not counted. float32, 32
rows a step, dropout 0.1, AdamW with clipped gradients. What each does about rows of unlike lengths
is its own:

kbert            LabelledBatches: rows of like lengths together, lengths rounded up
transformers     Trainer with DataCollatorWithPadding: each batch padded to its longest row
KerasHub         BertTextClassifier on rows of one length, that of the longest, as its packer makes

transformers' Trainer needs `pip install accelerate`. "reviews" has lengths as NSMC's reviews have
with klue/bert-base's vocabulary (log-normal, 24 tokens in the mean, 128 at most), "pairs" as
KLUE-NLI's (44 in the mean).
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kbert.sizes import SIZES

VOCABULARY, BATCH_SIZE, LONGEST, RATE = 32_000, 32, 128, 5e-5
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LENGTHS = {"reviews": (24, 0.65), "pairs": (44, 0.35)}  # the mean, and the logarithm's deviation
CONTESTANTS = {
    "kbert, JAX": ("jax", "kbert"),
    "kbert, PyTorch": ("torch", "kbert"),
    "kbert, TensorFlow": ("tensorflow", "kbert"),
    "KerasHub, JAX": ("jax", "keras_hub"),
    "KerasHub, PyTorch": ("torch", "keras_hub"),
    "KerasHub, TensorFlow": ("tensorflow", "keras_hub"),
    "transformers, PyTorch": ("torch", "transformers"),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=list(SIZES), default="mini")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--lengths", choices=list(LENGTHS), default="reviews")
    parser.add_argument("--only", default="", help="contestants whose name has this in it")
    parser.add_argument("--worker", choices=list(CONTESTANTS), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.worker:
        seconds = MAKERS[CONTESTANTS[arguments.worker][1]](arguments, rows_of(arguments))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([seconds, peak]))
        return
    names = ("keras", "jax", "torch", "tensorflow", "keras-hub", "transformers")
    facts = {
        "device": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "size": arguments.size,
        "examples": arguments.examples,
        "lengths": arguments.lengths,
        "tokens": int(sum(map(len, rows_of(arguments)))),
        "versions": {name: version(name) for name in names},
    }
    print(json.dumps(facts, indent=2), flush=True)
    ours: dict[str, float] = {}
    print(f"\n{'':24} s an epoch  examples/s  peak MB  kbert is faster")
    for name, (backend, _) in CONTESTANTS.items():
        if arguments.only not in name:
            continue
        seconds, peak = run(name, backend)
        if name.startswith("kbert"):
            ours[backend] = seconds
        ratio = f"{seconds / ours[backend]:.2f} times" if backend in ours else ""
        print(
            f"{name:24} {seconds:10.1f} {arguments.examples / seconds:11.0f} {peak / 1e6:8.0f}  "
            f"{'' if name.startswith('kbert') else ratio}",
            flush=True,
        )


def run(name: str, backend: str) -> tuple[float, float]:
    """Seconds of the second epoch, and peak bytes, of a contestant in a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, *sys.argv, "--worker", name]
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = json.loads(result.stdout.splitlines()[-1])
    return seconds, peak


def rows_of(arguments: argparse.Namespace) -> list[np.ndarray]:
    """The ids of each example, [CLS] and [SEP] included."""
    rng = np.random.default_rng(0)
    mean, deviation = LENGTHS[arguments.lengths]
    lengths = rng.lognormal(np.log(mean) - deviation**2 / 2, deviation, arguments.examples)
    lengths = np.clip(lengths.round().astype(int), 4, LONGEST)
    return [
        np.concatenate([[2], rng.integers(len(SPECIAL), VOCABULARY, length - 2), [3]])
        for length in lengths
    ]


def labels_of(rows: list[np.ndarray]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, len(rows))


def train_kbert(arguments: argparse.Namespace, rows: list[np.ndarray]) -> float:
    """Texts of words that are a token each; reading them is part of the second epoch's time."""
    import kbert

    words = [f"말{number}" for number in range(VOCABULARY - len(SPECIAL))]
    model = kbert.BertForSequenceClassification(
        labels=["부정", "긍정"], vocab_size=VOCABULARY, **SIZES[arguments.size]
    )
    model.tokenizer = kbert.Tokenizer([*SPECIAL, *words])
    texts = [" ".join(words[i - len(SPECIAL)] for i in row[1:-1]) for row in rows]
    steps = 2 * -(-len(rows) // BATCH_SIZE)
    model.compile(kbert.adamw(RATE, steps), **kbert.objective(model))
    seconds = 0.0
    for seed in range(2):
        begin = time.perf_counter()
        examples = (texts, labels_of(rows).tolist())
        batches = kbert.LabelledBatches(examples, model, batch_size=BATCH_SIZE, seed=seed)
        model.fit(batches, shuffle=False, verbose=0)
        seconds = time.perf_counter() - begin
    return seconds


def train_keras_hub(arguments: argparse.Namespace, rows: list[np.ndarray]) -> float:
    import keras
    import keras_hub

    import kbert

    size = SIZES[arguments.size]
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=size["num_hidden_layers"],
        num_heads=size["num_attention_heads"],
        hidden_dim=size["hidden_size"],
        intermediate_dim=size["intermediate_size"],
        dropout=0.1,
    )
    model = keras_hub.models.BertTextClassifier(backbone, num_classes=2, preprocessor=None)
    model.compile(
        optimizer=kbert.adamw(RATE, 2 * len(rows)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile="auto",
    )
    longest = max(map(len, rows))
    ids, mask = np.zeros((2, len(rows), longest), np.int32)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    x = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": mask}
    seconds = 0.0
    for _ in range(2):
        begin = time.perf_counter()
        model.fit(x, labels_of(rows), batch_size=BATCH_SIZE, verbose=0)
        seconds = time.perf_counter() - begin
    return seconds


def train_transformers(arguments: argparse.Namespace, rows: list[np.ndarray]) -> float:
    import transformers

    model = transformers.BertForSequenceClassification(
        transformers.BertConfig(vocab_size=VOCABULARY, **SIZES[arguments.size], num_labels=2)
    )
    with tempfile.TemporaryDirectory() as folder:
        words = [f"말{number}" for number in range(VOCABULARY - len(SPECIAL))]
        vocabulary = "\n".join([*SPECIAL, *words]) + "\n"
        Path(folder, "vocab.txt").write_text(vocabulary, encoding="utf-8")
        tokenizer = transformers.BertTokenizerFast(f"{folder}/vocab.txt")
        data = [
            {"input_ids": row.tolist(), "attention_mask": [1] * len(row), "labels": int(label)}
            for row, label in zip(rows, labels_of(rows), strict=True)
        ]
        seconds = 0.0
        for _ in range(2):
            settings = transformers.TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=BATCH_SIZE,
                num_train_epochs=1,
                learning_rate=RATE,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=True,
            )
            trainer = transformers.Trainer(
                model,
                settings,
                train_dataset=data,
                data_collator=transformers.DataCollatorWithPadding(tokenizer),
            )
            begin = time.perf_counter()
            trainer.train()
            seconds = time.perf_counter() - begin
    return seconds


MAKERS = {"kbert": train_kbert, "keras_hub": train_keras_hub, "transformers": train_transformers}

if __name__ == "__main__":
    main()
