import numpy as np
import pytest
from keras import ops

import kbert
from kbert import (
    Bert,
    BertForMaskedLM,
    BertForPreTraining,
    KbertError,
    Tokenizer,
    extend_vocabulary,
)

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국 ##회 ##민 정 ##부".split()
NEW = ["국회", "정부", "##회정", "뷁"]


def number(variable) -> np.ndarray:
    return ops.convert_to_numpy(variable)


@pytest.fixture
def model(small):
    model = BertForPreTraining(**{**small, "vocab_size": len(WORDS)})
    model.tokenizer = Tokenizer(WORDS)
    model.mlm.bias.assign(np.arange(len(WORDS)))
    return model


def test_new_rows_are_means_of_old_ones(model):
    longer = extend_vocabulary(model, NEW)
    assert longer.tokenizer.vocabulary == WORDS + NEW
    assert longer.vocab_size == 14
    old, table = (
        number(model.bert.embeddings.token_table),
        number(longer.bert.embeddings.token_table),
    )
    np.testing.assert_array_equal(table[:10], old)
    # 국회 = 국 ##회; 정부 = 정 ##부; the text 회정 has no piece at its start, as 뷁: mean of all
    expected = [(old[5] + old[6]) / 2, (old[8] + old[9]) / 2, old.mean(axis=0), old.mean(axis=0)]
    np.testing.assert_allclose(table[10:], expected, atol=1e-6)
    np.testing.assert_allclose(number(longer.mlm.bias)[10:], [5.5, 8.5, 4.5, 4.5])


def test_what_has_no_new_token_is_read_as_before(model):
    longer = extend_vocabulary(model, NEW)
    inputs = {"input_ids": np.array([[2, 5, 7, 4, 3]]), "masked_lm_positions": np.array([[3]])}
    before, after = model(inputs), longer(inputs)
    np.testing.assert_allclose(number(after["nsp"]), number(before["nsp"]), atol=1e-6)
    np.testing.assert_allclose(number(after["mlm"])[..., :10], number(before["mlm"]), atol=1e-5)


def test_rows_that_had_no_token_are_used_first(small, tmp_path):
    model = BertForMaskedLM(**{**small, "vocab_size": 12, "tie_word_embeddings": False})
    model.tokenizer = Tokenizer(WORDS)
    longer = extend_vocabulary(model, NEW[:2])
    assert longer.vocab_size == 12
    old, table = number(model.mlm.decoder), number(longer.mlm.decoder)
    np.testing.assert_allclose(table[10], (old[5] + old[6]) / 2, atol=1e-6)
    longer.save(tmp_path / "longer.keras")
    again = kbert.load(tmp_path / "longer.keras")
    assert again.tokenizer.tokenize("국회") == ["국회"]
    np.testing.assert_array_equal(number(again.mlm.decoder), table)


def test_an_encoder_alone(small):
    model = Bert(**{**small, "vocab_size": len(WORDS)})
    model.tokenizer = Tokenizer(WORDS)
    assert extend_vocabulary(model, ["국민"]).tokenizer.tokenize("국민") == ["국민"]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["국"], "'국' is there already"),
        (["국민", "국민"], "given twice"),
        (["##"], "not empty"),
        ([5], "not 5"),
        ("국민", "not the text"),
    ],
)
def test_bad_tokens(model, tokens, message):
    with pytest.raises(KbertError, match=message):
        extend_vocabulary(model, tokens)


def test_without_a_tokenizer(small):
    with pytest.raises(KbertError, match="no WordPiece tokenizer"):
        extend_vocabulary(Bert(**small), ["국민"])
