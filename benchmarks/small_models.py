"""What it costs to make a model small: bytes, answers, time.

    KERAS_BACKEND=torch python benchmarks/small_models.py model.keras --data DATA

DATA is a folder with `heldout/*.txt`, a sentence a line, `finetune/nsmc` and
`finetune/question_pair`; default: what KBERT_DATA names.

First the model as it is, with a head for words: one token of each of 500 sentences is masked, and
its scores are compared with those of float32: their cosine, whether the best word is the same, and
how often it is the right one. Then NSMC: the model is fine-tuned on 3,000 reviews (two epochs, of
5e-4 to 0), heads, neurons and layers that matter least to 100 of them are taken out, and
2,000 reviews of the test set are asked; once without more training, and once after 90 steps more.
Last, pairs of questions: the model is fine-tuned on 3,000 (three epochs, 5e-4 to 0) while single
weights are pruned, and the test set is asked.

Times are of the same texts, one at a time, the median of 5 rounds in which all take their turns.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import kbert  # before Keras: it chooses the backend

# isort: split
import keras
import numpy as np
from keras import ops

from kbert.compression.importance import head_importance, least_important, neuron_importance

ROUNDS, TIMED = 5, 40
KEPT = ((1, None), (0.5, "magnitude"), (0.5, "movement"), (0.15, "magnitude"), (0.15, "movement"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a .keras file with a masked-LM head and a tokenizer")
    parser.add_argument("--data", type=Path, default=os.environ.get("KBERT_DATA"))
    parser.add_argument("--sentences", type=int, default=500, help="with a masked token")
    parser.add_argument("--learn", type=int, default=3000, help="reviews, or pairs, to learn from")
    parser.add_argument("--ask", type=int, default=2000, help="reviews to be asked")
    parser.add_argument("--part", choices=["words", "reviews", "pairs"], help="default: all")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("pass --data, or set KBERT_DATA")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"Keras {keras.__version__} on {keras.backend.backend()}")
    for part in (words, reviews, pairs):
        if arguments.part in (None, part.__name__):
            part(arguments)


def words(arguments: argparse.Namespace) -> None:
    """Files of every kind, and ONNX, on masked words."""
    model = kbert.load(arguments.model, "masked-lm")
    rows, answers = masked_rows(
        model.tokenizer, Path(arguments.data) / "heldout", arguments.sentences
    )
    askers: dict[str, Callable[[dict[str, np.ndarray]], np.ndarray]] = {}
    sizes = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def saved(kind: str, made: Any, **settings: Any) -> None:
            path = folder / f"{kind}.keras"
            made.save(path, **settings)
            again, sizes[kind] = kbert.load(path), path.stat().st_size
            askers[kind] = lambda row: ops.convert_to_numpy(again(row))[0, 0]

        saved("float32", model)
        saved("float16 file", model, weights="float16")
        saved("int8", kbert.quantize(model, "int8"))
        saved("int4", kbert.quantize(model, "int4"))
        for kind, weights in (("ONNX float32", None), ("ONNX int8", "int8")):
            path = folder / f"{kind}.onnx"
            model.export(path, format="onnx", weights=weights)
            askers[kind], sizes[kind] = onnx_asker(path), path.stat().st_size
        logits = {kind: np.stack([ask(row) for row in rows]) for kind, ask in askers.items()}
        times = in_turns(
            {kind: lambda a=a: [a(r) for r in rows[:TIMED]] for kind, a in askers.items()}
        )
    whole = logits["float32"]
    print("| weights | MB | cosine of logits | same best word | right | ms a sentence |")
    for kind, found in logits.items():
        cosines = (
            (found * whole).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(whole, axis=1)
        )
        best = found.argmax(1)
        print(
            f"| {kind} | {sizes[kind] / 1e6:.1f} | {cosines.mean():.6f} | "
            f"{(best == whole.argmax(1)).mean():.1%} | {(best == answers).mean():.1%} | "
            f"{1000 * times[kind] / TIMED:.1f} |"
        )


def masked_rows(
    tokenizer: Any, folder: Path, count: int
) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """Sentences with one token masked, and what was there."""
    rng = np.random.default_rng(0)
    lines = [
        line
        for path in sorted(folder.glob("*.txt"))
        for line in path.read_text(encoding="utf-8").split("\n")
        if 20 < len(line) < 120
    ]
    rows, answers = [], []
    for line in rng.permutation(lines)[:count]:
        row = dict(tokenizer(str(line), max_length=128))
        place = int(rng.integers(1, row["input_ids"].shape[1] - 1))
        answers.append(int(row["input_ids"][0, place]))
        row["input_ids"][0, place] = tokenizer.mask_id
        rows.append({**row, "masked_lm_positions": np.array([[place]])})
    return rows, np.array(answers)


def onnx_asker(path: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    names = [each.name for each in session.get_inputs()]

    def ask(row: dict[str, np.ndarray]) -> np.ndarray:
        inputs = {name: row[name].astype("int32") for name in names}
        return session.run(["logits"], inputs)[0][0, row["masked_lm_positions"][0, 0]]

    return ask


def in_turns(runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The median of the seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}


def reviews(arguments: argparse.Namespace) -> None:
    """Pruned classifiers of reviews, as they are and trained on."""
    source = Path(arguments.data) / "finetune/nsmc"
    learned = sample(kbert.read_task("nsmc", source), arguments.learn)
    asked = sample(kbert.read_task("nsmc", source, "test"), arguments.ask)
    model = kbert.load(arguments.model, "sequence-classification", labels=learned.label_names)
    train(model, learned, 5e-4, epochs=2)
    some = kbert.LabelledBatches(learned[range(100)], model, batch_size=10)
    heads, neurons = head_importance(model, some), neuron_importance(model, some)
    count = len(model.bert.encoder_layers)
    made = {
        "whole": model,
        "half of the heads": kbert.prune_heads(model, least_important(heads, 0.5)),
        "half of the neurons": kbert.prune_neurons(model, least_important(neurons, 0.5)),
        "without the last layer": kbert.keep_layers(model, range(count - 1)),
        "int8": kbert.quantize(model),
        "int4": kbert.quantize(model, "int4"),
    }
    texts = asked.texts[:TIMED]
    askers = {name: kbert.TextClassifier(each) for name, each in made.items()}
    times = in_turns(
        {n: lambda ask=ask: [ask(text) for text in texts] for n, ask in askers.items()}
    )
    print("| model | weights | accuracy | trained on | ms a review |")
    for name, each in made.items():
        before, after = kbert.evaluate(each, asked)["accuracy"], "-"
        if name not in ("int8", "int4"):
            train(each, learned, 2e-4, epochs=1)
            after = f"{kbert.evaluate(each, asked)['accuracy']:.1%}"
        print(
            f"| {name} | {each.count_params():,} | {before:.1%} | {after} | "
            f"{1000 * times[name] / TIMED:.1f} |",
            flush=True,
        )


def pairs(arguments: argparse.Namespace) -> None:
    """Classifiers of pairs of questions whose single weights were pruned as they learned."""
    source = Path(arguments.data) / "finetune/question_pair"
    learned = sample(kbert.read_task("question-pair", source), arguments.learn)
    asked = kbert.read_task("question-pair", source, "test")
    print("| kept | by | zeros | accuracy | MB | MB zipped |")
    for keep, by in KEPT:
        model = kbert.load(arguments.model, "sequence-classification", labels=learned.label_names)
        callbacks = [] if by is None else [kbert.PruneWeights(model, keep, by)]
        train(model, learned, 5e-4, epochs=3, callbacks=callbacks)
        model = model if by is None else kbert.merge_pruning(model)
        with tempfile.TemporaryDirectory() as name:
            path, packed = Path(name, "model.keras"), Path(name, "model.zip")
            model.save(path)
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(path)
            sizes = [each.stat().st_size / 1e6 for each in (path, packed)]
        print(
            f"| {keep:.0%} | {by or '-'} | {kbert.share_of_zeros(model):.1%} | "
            f"{kbert.evaluate(model, asked)['accuracy']:.1%} | {sizes[0]:.1f} | {sizes[1]:.1f} |",
            flush=True,
        )


def sample(examples: kbert.Examples, count: int) -> kbert.Examples:
    return examples[np.random.default_rng(0).permutation(len(examples))[:count].tolist()]


def train(
    model: Any, examples: kbert.Examples, rate: float, epochs: int, callbacks: Sequence[Any] = ()
) -> None:
    batches = kbert.LabelledBatches(examples, model, batch_size=32, epochs=epochs)
    model.compile(kbert.adamw(rate, batches.steps, warmup_steps=10), **kbert.objective(model))
    model.fit(batches, shuffle=False, verbose=0, callbacks=[*callbacks])


if __name__ == "__main__":
    main()
