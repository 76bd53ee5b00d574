"""The README's Python runs as it stands, one block after the other, in an empty folder."""

import re
from pathlib import Path

import pytest
from huggingface_hub import constants

import kbert
from kbert import BertForPreTraining, Tokenizer

ROOT = Path(__file__).parents[1]


def test_the_code_of_the_readme(tmp_path, monkeypatch, capsys, small, tokenizer):
    pytest.importorskip("konlpy")
    words = dict.fromkeys([*tokenizer.vocabulary, "는", "##은", "대한민국"])
    model = BertForPreTraining(**small)
    model.tokenizer = Tokenizer(words)
    (tmp_path / "runs" / "quickstart").mkdir(parents=True)
    model.save(tmp_path / "runs" / "quickstart" / "model.keras")
    monkeypatch.chdir(tmp_path)

    # In the place of klue/bert-base a small model, in a cache as huggingface_hub keeps it.
    repository = tmp_path / "hub" / "models--klue--bert-base"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    long = BertForPreTraining(**{**small, "max_position_embeddings": 64})
    long.tokenizer = model.tokenizer
    kbert.export_huggingface(long, repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert len(blocks) == 9
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "'label'" in shown and "'sequence'" in shown and "2, 2" in shown
    assert "to be trained: classifier.dense" in shown and "'model.safetensors': " in shown
    assert (tmp_path / "mine.keras").exists()
