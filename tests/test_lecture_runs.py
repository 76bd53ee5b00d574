"""What docs/lecture.md points at is what runs: each line of code that it names, in ordinary use.

Ordinary use is a walk of plain calls, small but whole: text to vocabulary to model (with sentence
pairs; with whole words; left to right, from the model before); then a model is loaded, asked,
fine-tuned and looked into, and other heads are put on. It is taken on PyTorch, which runs the
layers' lines at every call. A constant counts as it stands; of a function some line must run, and
of a class some line of a method.
"""

import ast
import sys
import threading
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
import pytest

import kbert
from kbert.data.pretraining.sentence_pairs import plan_pairs
from kbert.data.shards.shards import encode_documents
from kbert.sizes.cost import cost
from tests.conftest import SENTENCES
from tests.recipe_runs import recipe_main
from tests.test_docs import POINTER, ROOT, definitions, lines_of

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="a walk on PyTorch"),
]
LECTURE = ROOT / "docs" / "lecture.md"


def walk(corpus: Path, monkeypatch) -> None:
    """Ordinary use."""
    first, second, third = (corpus.parent / name for name in ("pairs", "words", "causal"))
    settings = ["--corpus", corpus, "--warmup-steps", 0]
    begun = ["--vocab-size", 140, *settings]
    recipe_main(
        monkeypatch, "pretrain_ko.py", *begun, "--stages", "16:4:1", "24:4:1", "--out", first
    )
    words = ["--objective", "masked-lm", "--masking", "eojeol", "--stages", "24:4:1"]
    recipe_main(monkeypatch, "pretrain_ko.py", *begun, *words, "--out", second)
    further = ["--init", second / "model.keras", "--objective", "causal", "--stages", "24:4:1"]
    recipe_main(monkeypatch, "pretrain_ko.py", *settings, *further, "--out", third)

    model = kbert.load(first / "model.keras")
    tokenizer = model.tokenizer
    tokenizer(SENTENCES * 100, SENTENCES * 100, max_length=24)
    tokenizer(" ".join(SENTENCES), max_length=24, stride=4)
    shard = encode_documents([SENTENCES] * 2, tokenizer)
    plan_pairs(shard, 24, np.random.default_rng(0), negatives="swapped")
    kbert.FillMask(model)("대한민국의 [MASK]에게 있고")
    kbert.NextSentence(model)(*SENTENCES[:2])
    rows = tokenizer(SENTENCES, max_length=24)
    model.bert(rows, output_attentions=True, output_hidden_states=True)

    size = {"vocab_size": len(tokenizer), **kbert.SIZES["tiny"], "max_position_embeddings": 24}
    kbert.Bert(attention_window=4, **size)(rows)
    of_all = {**rows, "global_positions": np.zeros((len(SENTENCES), 1), int)}
    kbert.Bert(attention_window=4, global_attention=True, **size)(of_all)
    kbert.Bert(num_hidden_groups=1, **size)(rows)
    kbert.ModernBert(**size)(rows)
    kbert.Deberta(position_buckets=16, **size)(rows)
    kbert.MobileBert(**size)(rows)
    kbert.Bert(block_size=2, num_random_blocks=0, **size)(rows)
    kbert.BertForNextSentencePrediction(**size)(rows)
    choices = {name: each[None] for name, each in rows.items()}  # (B, C, L)
    kbert.BertForMultipleChoice(**size)(choices)
    tagger = kbert.BertForTokenClassification(labels=["O", "B-PS"], **size)
    reader = kbert.BertForQuestionAnswering(**size)
    tagger.tokenizer = reader.tokenizer = tokenizer
    kbert.TokenClassifier(tagger)(SENTENCES[0])
    kbert.QuestionAnswering(reader)("대한민국은?", SENTENCES[0])

    labelled = (SENTENCES, ["나라", "국민"] * 3)
    classifier = kbert.load(
        first / "model.keras", task="sequence-classification", labels=["나라", "국민"]
    )
    batches = kbert.LabelledBatches(labelled, classifier, batch_size=3)
    classifier.compile(kbert.adamw(1e-3, batches.steps), **kbert.objective(classifier))
    keep = kbert.KeepBest(labelled, evaluations=1, say=str)
    classifier.fit(batches, shuffle=False, callbacks=[keep], verbose=0)
    kbert.add_lora(classifier, rank=2)
    kbert.features(model, SENTENCES[0], layers=(-1,))

    kbert.explain.attention(model, SENTENCES[0]).what_it_looks_at(0)
    kbert.explain.neuron_view(model, SENTENCES[0], layer=0, head=0, token=1)
    kbert.explain.contextual(model, "국", SENTENCES[:2])
    kbert.explain.attributions(model, "대한민국의 [MASK]에게 있고")
    cost(**size, batch_size=4, length=24)

    pairs = rows["input_ids"][:4].reshape(2, 2, -1)
    sentences = kbert.SentenceBert(**size)
    kbert.SiameseBert(sentences, "softmax", ["함의", "모순"])(pairs)
    siamese = kbert.SiameseBert(sentences, "cosine")
    siamese.compile(kbert.adamw(1e-3, 1), **kbert.objective(siamese))
    siamese.train_on_batch(pairs, np.array([5.0, 0.0]))
    sentences.tokenizer = tokenizer
    kbert.SentenceEncoder(sentences).search(SENTENCES[0], SENTENCES, top_k=2)
    words = kbert.WordVectors(sentences)
    words.most_similar(words.words[:2], words.words[2])


def lines_run(walk) -> dict[str, set[int]]:
    """The lines of kbert and its recipes that run meanwhile, in every thread: path -> numbers."""
    run: dict[str, set[int]] = defaultdict(set)
    rooms = (f"{ROOT / 'kbert'}/", f"{ROOT / 'recipes'}/")

    def enter(frame, event, argument):
        lines = run[frame.f_code.co_filename]

        def line(frame, event, argument):
            if event == "line":
                lines.add(frame.f_lineno)
            return line

        return line if frame.f_code.co_filename.startswith(rooms) else None

    before = sys.gettrace()
    threading.settrace(enter)
    sys.settrace(enter)
    try:
        walk()
    finally:
        sys.settrace(before)
        threading.settrace(before)
    return {Path(name).relative_to(ROOT).as_posix(): run[name] for name in run if run[name]}


def lines_to_run(symbol: str, source: str) -> set[int] | None:
    """The lines of which one has to run; None of a constant, which just stands there."""
    (number,) = lines_of(symbol, source)
    tree = ast.parse(source)
    if symbol not in definitions(tree):
        return {number}
    node = next(
        node
        for node in ast.walk(tree)
        if getattr(node, "lineno", None) == number and isinstance(node, ast.stmt)
    )
    functions = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef)]
    if not functions:
        return None
    return {
        line
        for function in functions
        for statement in function.body
        for line in range(statement.lineno, (statement.end_lineno or 0) + 1)
    }


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("LIMIT", None),
        ("double", {5}),
        ("Box", {10, 13}),
        ("Box.open", {10}),
        ("return 2 * LIMIT", {5}),
    ],
)
def test_which_lines_have_to_run(symbol, expected):
    source = """LIMIT = 3


def double():
    return 2 * LIMIT


class Box:
    def open(self):
        return double()

    def close(self):
        return None
"""
    assert lines_to_run(symbol, source) == expected


def test_what_the_lecture_points_at_runs(corpus, monkeypatch):
    run = lines_run(lambda: walk(corpus, monkeypatch))
    idle = []
    for symbol, path, line, _, _ in POINTER.findall(LECTURE.read_text(encoding="utf-8")):
        wanted = lines_to_run(symbol, (ROOT / path).read_text(encoding="utf-8"))
        if wanted is not None and not wanted & run.get(path, set()):
            idle.append(f"`{symbol}` {path}:{line}")
    assert not idle, "ordinary use does not run\n" + "\n".join(idle)
