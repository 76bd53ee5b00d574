import math

import numpy as np
import pytest

from kbert import KbertError
from kbert.data.pretraining.batches import PretrainingBatches
from kbert.data.pretraining.heldout import read_heldout
from kbert.data.pretraining.pseudo_perplexity import pseudo_perplexity_batches
from kbert.data.shards.shards import encode_documents

TEXT = "국회에 국민의 법률을 의결한다.\n축구는 정말 재미있다.\n\n나 너 우리.\n국민의 경기에 우리."
SETTINGS = {"sequence_length": 16, "batch_size": 2, "seed": 3}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "held.txt"
    path.write_text(TEXT, "utf-8")
    return path


def same(one, other):
    np.testing.assert_equal(list(one), list(other))


def test_a_file_is_asked_about_as_in_training(path, tokenizer):
    """The rows, masks and sentences are those of the file's own shard."""
    documents = [document.split("\n") for document in TEXT.split("\n\n")]
    shard = encode_documents(documents, tokenizer, eojeols=True)
    asked = {"objective": "masked-lm", "masking": "eojeol", "mask_rate": 0.5}
    text = read_heldout(path, tokenizer, **SETTINGS, **asked)
    assert text.shard.ids.tolist() == shard.ids.tolist()
    same(text.batches, PretrainingBatches(shard, tokenizer, **SETTINGS, **asked))
    assert len(text.batches) == math.ceil(len(shard.ids) / 2 / (16 - 2))
    by_token = read_heldout(path, tokenizer, **SETTINGS, objective="masked-lm")
    same(
        text.pseudo_perplexity_batches, by_token.pseudo_perplexity_batches
    )  # comparable, whatever is masked as a whole
    same(
        text.pseudo_perplexity_batches,
        pseudo_perplexity_batches(shard, tokenizer, **SETTINGS, objective="masked-lm"),
    )


def test_sentences_of_long_rows_are_those_of_64_tokens(tmp_path, tokenizer):
    path = tmp_path / "long.txt"
    path.write_text("나 " * 70 + ".\n나 너 우리.\n\n국회에 나.", "utf-8")
    text = read_heldout(path, tokenizer, **{**SETTINGS, "sequence_length": 128})
    assert {x["input_ids"].shape[1] for x, _, _ in text.pseudo_perplexity_batches} == {64}
    assert sum(weights["mlm"].sum() for _, _, weights in text.pseudo_perplexity_batches) == 4 + 4
    assert text.batches.sequence_length == 128


def test_left_to_right_nothing_is_masked(path, tokenizer):
    text = read_heldout(path, tokenizer, **SETTINGS, objective="causal")
    assert text.pseudo_perplexity_batches == []
    x, y, weights = text.batches[0]
    assert x["attention_mask"].shape == (2, 16, 16)
    assert (y[:, :-1][weights[:, :-1] > 0] == x["input_ids"][:, 1:][weights[:, :-1] > 0]).all()


def test_files_without_text(tmp_path, tokenizer):
    path = tmp_path / "empty.txt"
    path.write_text("\n\n", "utf-8")
    with pytest.raises(KbertError, match=r"empty\.txt is empty: it has no text to ask"):
        read_heldout(path, tokenizer, **SETTINGS)
    with pytest.raises(KbertError, match=r"none\.txt"):
        read_heldout(tmp_path / "none.txt", tokenizer, **SETTINGS)
