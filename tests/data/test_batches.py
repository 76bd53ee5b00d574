import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.data.batches import PretrainingBatches
from kbert.data.shards import encode_documents

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(50))]
SETTINGS = {"sequence_length": 24, "batch_size": 4, "seed": 3}


def documents():
    rng = np.random.default_rng(0)
    return [
        [" ".join(f"w{i}" for i in rng.integers(0, 50, rng.integers(3, 9))) for _ in range(9)]
        for _ in range(5)
    ]


@pytest.fixture
def made():
    tokenizer = Tokenizer(WORDS)
    return encode_documents(documents(), tokenizer), tokenizer


def same(one, two):
    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys()
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_a_batch_undone_is_text_of_the_shard(made):
    shard, tokenizer = made
    batches = PretrainingBatches(*made, **SETTINGS)
    for x, y, weights in (batches[i] for i in range(len(batches))):
        assert {name: array.shape for name, array in x.items()} == {
            "input_ids": (4, 24),
            "token_type_ids": (4, 24),
            "attention_mask": (4, 24),
            "masked_lm_positions": (4, 4),
        }
        ids = x["input_ids"].copy()
        real = weights["mlm"] > 0
        row = np.broadcast_to(np.arange(4)[:, None], real.shape)
        ids[row[real], x["masked_lm_positions"][real]] = y["mlm"][real]
        stream = shard.ids.tolist()
        for each, segments, mask in zip(
            ids.tolist(), x["token_type_ids"], x["attention_mask"], strict=True
        ):
            length = int(mask.sum())
            first_end = each.index(tokenizer.sep_id)
            first, second = each[1:first_end], each[first_end + 1 : length - 1]
            assert each[0] == tokenizer.cls_id and each[length - 1] == tokenizer.sep_id
            assert set(each[length:]) <= {tokenizer.pad_id} and mask[:length].all()
            assert segments.tolist() == (
                [0] * (first_end + 1) + [1] * (len(second) + 1) + [0] * (24 - length)
            )
            for text in (first, second):
                size = len(text)
                assert any(stream[i : i + size] == text for i in range(len(stream) - size + 1))
        assert (weights["nsp"] == 1).all() and set(y["nsp"].tolist()) <= {0, 1}


def test_a_batch_depends_on_seed_and_step_alone(made):
    long = PretrainingBatches(*made, **SETTINGS, steps=40)
    short = PretrainingBatches(*made, **SETTINGS, steps=10, first_step=25)
    same(short[3], long[28])  # asked in another order, from another object, epochs later
    same(long[28], long[28])
    other = PretrainingBatches(*made, **{**SETTINGS, "seed": 4}, steps=40)
    assert not np.array_equal(other[0][0]["input_ids"], long[0][0]["input_ids"])
    with pytest.raises(IndexError):
        long[40]


def test_every_epoch_is_masked_and_paired_anew(made):
    one_epoch = PretrainingBatches(*made, **SETTINGS)
    steps = len(one_epoch)
    long = PretrainingBatches(*made, **SETTINGS, steps=2 * steps)
    assert not np.array_equal(long[0][0]["input_ids"], long[steps][0]["input_ids"])


def test_no_batches(made):
    for change in ({"steps": 0}, {"batch_size": 0}):
        with pytest.raises(KbertError, match="must be 1 or more"):
            PretrainingBatches(*made, **{**SETTINGS, **change})


def test_a_tokenizer_that_did_not_make_the_shard(made):
    with pytest.raises(KbertError, match="did not make this shard"):
        PretrainingBatches(made[0], Tokenizer(WORDS[:20]), **SETTINGS)


@pytest.mark.parametrize("roberta_pairs", [False, True])
def test_special_tokens_at_other_ids(roberta_pairs):
    """KLUE-RoBERTa's ids, [CLS] 0 [PAD] 1 [SEP] 2 [UNK] 3; and RoBERTa's doubled [SEP]."""
    words = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", *WORDS[5:], "[MASK]"]
    tokenizer = Tokenizer(words, roberta_pairs=roberta_pairs)
    shard = encode_documents(documents(), tokenizer)
    batches = PretrainingBatches(shard, tokenizer, **SETTINGS)
    separators = 3 if roberta_pairs else 2
    for x, y, weights in (batches[i] for i in range(len(batches))):
        assert (y["mlm"][weights["mlm"] > 0] >= 4).all()
        for ids, segments, mask in zip(*map(x.get, list(x)[:3]), strict=True):
            length = int(mask.sum())
            assert ids[0] == 0 and ids[length - 1] == 2 and (ids[length:] == 1).all()
            assert (ids[:length] == 2).sum() == separators and (ids[:length] != 1).all()
            first_end = ids.tolist().index(2)
            if roberta_pairs:
                assert ids[first_end + 1] == 2 and not segments.any()
            else:
                assert segments.sum() == length - first_end - 1
        assert (x["input_ids"] == len(words) - 1).any()
    assert max(int(batches[i][0]["attention_mask"].sum(1).max()) for i in range(5)) == 24
