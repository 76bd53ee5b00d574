import numpy as np
import pytest

from kbert import Tokenizer
from kbert.data.pretraining.baseline import unigram_loss
from kbert.data.shards.shards import encode_documents

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", *(f"w{i}" for i in range(94))]


def test_unigram_loss_by_hand():
    tokenizer = Tokenizer(WORDS)
    shard = encode_documents([["w0 w0 w0 w1 [SEP]"]], tokenizer)
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))  # [SEP] is never asked for
    assert unigram_loss([shard], tokenizer) == pytest.approx(expected)
