"""Published checkpoints as they are, from the folder that KBERT_CHECKPOINTS names.

Each folder within that has a `config.json`, however deep, is loaded and held against transformers:
of sentence-transformers/all-MiniLM-L6-v2 the hidden states were within 3.5e-6.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import kbert

TEXTS = [
    "A man is eating food.",
    "국회는 법률을 의결한다!",
    "The cat (black) sat; it's 3.5 kg.",
    "",
]


def folders() -> list[Path]:
    root = os.environ.get("KBERT_CHECKPOINTS")
    found = sorted(Path(root).rglob("config.json")) if root else []
    return [path.parent for path in found if list(path.parent.glob("*.safetensors"))]


@pytest.mark.parametrize("folder", folders() or [None], ids=str)
def test_the_hidden_states_of_transformers(folder):
    if folder is None:
        pytest.skip("KBERT_CHECKPOINTS names no folder of published checkpoints")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = kbert.load(folder, "encoder")
    assert not model.load_report.new and not model.load_report.notes
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    rows = theirs(TEXTS, padding=True, return_tensors="pt")
    ours = model.tokenizer(TEXTS)
    np.testing.assert_array_equal(ours["input_ids"], rows["input_ids"].numpy())
    reference = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = reference(**rows, output_hidden_states=True).hidden_states
    found = model(ours, output_hidden_states=True)["hidden_states"]
    mask = rows["attention_mask"].numpy().astype(bool)
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(own)[mask], other.numpy()[mask], atol=2e-5, rtol=0
        )


@pytest.mark.parametrize("folder", folders() or [None], ids=str)
def test_the_vectors_of_sentence_transformers(folder, tmp_path):
    if folder is None or not (folder / "modules.json").exists():
        pytest.skip("KBERT_CHECKPOINTS names no folder of sentence-transformers'")
    sentence_transformers = pytest.importorskip("sentence_transformers")
    texts = [*TEXTS, "a longer text, which is cut " * 100]
    model = kbert.load(folder)
    assert not model.load_report.new and not model.load_report.notes
    rows = model.tokenizer(texts, max_length=model.max_length)
    found = ops.convert_to_numpy(model(rows))
    kbert.export_sentence_transformers(model, tmp_path)
    for place in (folder, tmp_path):  # as published, and as kbert writes it again
        reference = sentence_transformers.SentenceTransformer(str(place), device="cpu")
        np.testing.assert_allclose(found, reference.encode(texts), atol=1e-6, rtol=0)
