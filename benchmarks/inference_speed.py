"""How fast kbert answers on a CPU, beside what else answers.

    KERAS_BACKEND=torch python benchmarks/inference_speed.py --data DATA --sentences 2000

DATA is a folder of corpora with `heldout/*.txt`, a sentence a line; default: what KBERT_DATA names.
The vocabulary is `DATA/vocabs/klue-bert-base.vocab.txt` (32,000 tokens).

Base shape (12 layers of 768, vocabulary 32,000), float32. The weights are random, and transformers
and ONNX Runtime have the same ones as kbert. Needed: transformers and torch for fill-mask;
for encoding also keras-hub, onnxruntime, onnx and onnxscript; what is missing is left out and said.

Fill-mask: each sentence with one of its words blanked, in the order of the corpus; transformers'
pipeline at its default (a text at a time) and at each of several batch sizes, of which the best
counts. Encoding: the last hidden states of the same sentences as ids. kbert's pipeline sorts them,
and on JAX rounds shapes up, so that few are compiled. KerasHub is asked in the order of the corpus,
32 rows at a time padded to the longest of them (its preprocessor would pad all to one length). And
all are asked on equal batches, sorted and not rounded: there the first run compiles each shape, and
is not counted.

Runs are interleaved: every contestant once, then again. The medians are compared.
2,000 sentences take some hours on 2 cores (each contestant runs --repeats times, and once before);
100 take half an hour.
"""

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import kbert  # before Keras: it chooses the backend

# isort: split
import keras
import numpy as np
import torch
import transformers

from kbert.pipelines.encode import batches, pad, predict, to_rows

BATCH_SIZES = (4, 16, 64)  # for transformers' pipeline, beside its default of 1
torch.set_grad_enabled(False)
warnings.simplefilter("ignore")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("KBERT_DATA"))
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--layers", type=int, default=12, help="fewer, to try it out")
    parser.add_argument("--task", choices=["fill-mask", "encoding"], help="default: both")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="a file for the results")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("pass --data, or set KBERT_DATA")

    # 1. The sentences, and the same model for everybody.
    tokenizer = kbert.Tokenizer.from_file(arguments.data / "vocabs/klue-bert-base.vocab.txt")
    sentences = read_sentences(arguments.data / "heldout", tokenizer, arguments.sentences)
    ours, theirs = models(tokenizer, arguments.layers)
    rows = to_rows(tokenizer, sentences)
    lengths = np.array([len(row["input_ids"]) for row in rows])
    facts = {
        "device": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "backend": keras.backend.backend(),
        "versions": {name: installed(name) for name in PACKAGES},
        "sentences": len(sentences),
        "tokens": int(lengths.sum()),
        "tokens a sentence": {"median": int(np.median(lengths)), "longest": int(lengths.max())},
        "layers": arguments.layers,
        "repeats": arguments.repeats,
    }
    print(json.dumps(facts, indent=2, ensure_ascii=False), flush=True)

    # 2. Fill-mask, and encoding.
    results = {}
    if arguments.task != "encoding":
        runners = fill_mask_runners(ours, theirs, sentences)
        results["fill-mask"] = race(runners, arguments.repeats)
    if arguments.task != "fill-mask":
        runners = encoding_runners(ours.bert, theirs.bert, rows)
        results["encoding"] = race(runners, arguments.repeats)

    # 3. The ratios.
    for task, seconds in results.items():
        print(f"\n{task}: median seconds, texts/s, tokens/s, times kbert's speed")
        for name, runs in seconds.items():
            median = statistics.median(runs)
            ratio = median / statistics.median(seconds["kbert"])
            print(
                f"  {name:44} {median:8.2f} {len(sentences) / median:7.1f} "
                f"{lengths.sum() / median:7.0f}   kbert is {ratio:.2f} x as fast"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps({**facts, "seconds": results}, indent=2) + "\n")


PACKAGES = ("kbert", "keras", "torch", "jax", "tensorflow", "transformers", "keras-hub")
PACKAGES += ("onnxruntime",)


def installed(name: str) -> str | None:
    """A package's version, or None without it."""
    try:
        return kbert.__version__ if name == "kbert" else version(name)
    except PackageNotFoundError:
        return None


def read_sentences(folder: Path, tokenizer: kbert.Tokenizer, count: int) -> list[str]:
    """Sentences of all held-out corpora, shuffled, none longer than the model."""
    lines = [
        line.strip()
        for path in sorted(folder.glob("*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if len(line.split()) > 1
    ]
    random.Random(0).shuffle(lines)
    ids = tokenizer.encode(lines[: count + count // 10])
    return [line for line, row in zip(lines, ids, strict=False) if len(row) < 500][:count]


def models(tokenizer: kbert.Tokenizer, layers: int):
    """A BertForMaskedLM of kbert, and one of transformers with the same weights."""
    sizes = {**kbert.SIZES["base"], "num_hidden_layers": layers}
    ours = kbert.BertForMaskedLM(vocab_size=len(tokenizer), **sizes)
    ours.tokenizer = tokenizer
    config = transformers.BertConfig(vocab_size=len(tokenizer), **sizes)
    theirs = transformers.BertForMaskedLM(config).eval()

    def weights(layer) -> list[torch.Tensor]:
        return [torch.tensor(keras.ops.convert_to_numpy(weight)) for weight in layer.weights]

    state = theirs.state_dict()

    def norm(name: str, layer) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = weights(layer)

    def dense(name: str, layer) -> None:
        kernel, state[f"{name}.bias"] = weights(layer)
        state[f"{name}.weight"] = kernel.T

    embeddings = weights(ours.bert.embeddings)[:3]
    kinds = ("word", "position", "token_type")
    for kind, table in zip(kinds, embeddings, strict=True):
        state[f"bert.embeddings.{kind}_embeddings.weight"] = table
    norm("bert.embeddings.LayerNorm", ours.bert.embeddings.layer_norm)
    for i, layer in enumerate(ours.bert.encoder_layers):
        name = f"bert.encoder.layer.{i}"
        kernel, bias = weights(layer.self_attention.query_key_value)
        parts = zip(("query", "key", "value"), kernel.chunk(3, dim=1), bias.chunk(3), strict=True)
        for part, each_kernel, each_bias in parts:
            state[f"{name}.attention.self.{part}.weight"] = each_kernel.T
            state[f"{name}.attention.self.{part}.bias"] = each_bias
        dense(f"{name}.attention.output.dense", layer.self_attention.output_projection)
        norm(f"{name}.attention.output.LayerNorm", layer.attention_norm)
        dense(f"{name}.intermediate.dense", layer.feed_forward.widen)
        dense(f"{name}.output.dense", layer.feed_forward.narrow)
        norm(f"{name}.output.LayerNorm", layer.feed_forward_norm)
    dense("cls.predictions.transform.dense", ours.mlm.transform)
    norm("cls.predictions.transform.LayerNorm", ours.mlm.layer_norm)
    state["cls.predictions.decoder.weight"] = embeddings[0]
    theirs.load_state_dict(state)
    return ours, theirs


def race(runners: dict, repeats: int) -> dict[str, list[float]]:
    """Seconds of every run; each contestant once unmeasured, then in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(repeats + 1):
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            if turn:  # the first run compiles and allocates
                seconds[name].append(time.perf_counter() - start)
                print(f"  {turn} {name:44} {seconds[name][-1]:8.2f} s", flush=True)
    return seconds


def fill_mask_runners(ours, theirs, sentences: list[str]) -> dict:
    texts = []
    for number, sentence in enumerate(sentences):
        words = sentence.split()
        words[random.Random(number).randrange(len(words))] = "[MASK]"
        texts.append(" ".join(words))
    with tempfile.TemporaryDirectory() as folder:
        ours.tokenizer.save(folder)
        reader = transformers.BertTokenizer.from_pretrained(folder, do_lower_case=False)
    pipeline = transformers.FillMaskPipeline(model=theirs, tokenizer=reader)
    fill_mask = kbert.FillMask(ours)
    check = texts[:8]
    for one, two in zip(fill_mask(check), pipeline(check), strict=True):
        np.testing.assert_allclose([a["score"] for a in one], [a["score"] for a in two], rtol=1e-3)
    runners = {"kbert": lambda: fill_mask(texts), "transformers": lambda: pipeline(texts)}
    for size in BATCH_SIZES:
        name = f"transformers, batch_size={size}"
        runners[name] = lambda size=size: pipeline(texts, batch_size=size)
    return runners


def encoding_runners(ours, theirs, rows: list[dict]) -> dict:
    def keep_nothing(outputs, places: list[int]) -> list:
        return [outputs["last_hidden_state"][i, 0] for i in range(len(places))]

    sorted_batches = [
        pad([rows[place] for place in places], *shape, 0)
        for places, shape in batches(rows, 64, 512, few_shapes=False)
    ]

    def run_theirs() -> None:
        for batch in sorted_batches:
            theirs(**{name: torch.tensor(array) for name, array in batch.items()})

    runners = {
        "kbert": lambda: predict(ours, rows, keep_nothing),
        "kbert, sorted batches": lambda: [ours.predict_on_batch(batch) for batch in sorted_batches],
        "transformers, sorted batches": run_theirs,
    }
    try:
        runners |= keras_hub_runners(ours, rows, sorted_batches)
    except ImportError as error:
        print(f"without KerasHub: {error}")
    try:
        session = onnx_session(theirs)
    except ImportError as error:
        print(f"without ONNX Runtime: {error}")
    else:
        feeds = [{n: a.astype("int64") for n, a in batch.items()} for batch in sorted_batches]
        expected = ours.predict_on_batch(sorted_batches[-1])["last_hidden_state"]
        np.testing.assert_allclose(session.run(None, feeds[-1])[0][:, 0], expected[:, 0], atol=1e-4)
        runners["ONNX Runtime, sorted batches"] = lambda: [session.run(None, f) for f in feeds]
    return runners


def keras_hub_runners(ours, rows: list[dict], sorted_batches: list[dict]) -> dict:
    """KerasHub's BertBackbone, on the backend that kbert has; its weights are its own."""
    import keras_hub

    config = ours.get_config()
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=config["vocab_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        hidden_dim=config["hidden_size"],
        intermediate_dim=config["intermediate_size"],
    )

    def rename(batch: dict) -> dict:
        return {
            "token_ids": batch["input_ids"],
            "segment_ids": batch["token_type_ids"],
            "padding_mask": batch["attention_mask"],
        }

    def run(batches: list[dict]) -> None:
        for batch in batches:
            backbone.predict_on_batch(batch)

    in_order = []
    for start in range(0, len(rows), 32):
        part = rows[start : start + 32]
        in_order.append(rename(pad(part, len(part), max(len(r["input_ids"]) for r in part), 0, 0)))
    by_length = [rename(batch) for batch in sorted_batches]
    return {
        "KerasHub, batches of 32 in order": lambda: run(in_order),
        "KerasHub, sorted batches": lambda: run(by_length),
    }


def onnx_session(model):
    """Transformers' BertModel in ONNX Runtime, float32, batch and length left open."""
    import onnx  # noqa: F401, the export needs it
    import onnxruntime
    import onnxscript  # noqa: F401

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, token_type_ids, attention_mask):
            inputs = {"input_ids": input_ids, "token_type_ids": token_type_ids}
            return self.model(**inputs, attention_mask=attention_mask).last_hidden_state

    example = tuple(torch.ones((2, 8), dtype=torch.int64) for _ in range(3))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=2, max=512)}
    names = ["input_ids", "token_type_ids", "attention_mask"]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "bert.onnx"))
        torch.onnx.export(
            Encoder(), example, path, input_names=names, dynamic_shapes=[axes] * 3, verbose=False
        )
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
