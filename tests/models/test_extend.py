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
from kbert.formats.huggingface.export import export_huggingface
from kbert.text.korean.jamo import JAMO_TOKENS

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
        (["국민", "\u1100\u116e\u11a8\u1106\u1175\u11ab"], "given twice"),  # decomposed
        (["국" * 101], "could never occur: .* at most 100 characters"),
        (["##회, 국"], r"could never occur: .* \['회', ',', '국'\]"),
        (["\u200b"], r"could never occur: the tokenizer reads it as the words \[\]"),
        (["국\u200b정"], r"words \['국정'\]"),
        (["##"], "not empty"),
        ([5], "not 5"),
        ("국민", "a list of texts, not '국민'"),
        (None, "a list of texts, not None"),
    ],
)
def test_bad_tokens(model, tokens, message):
    with pytest.raises(KbertError, match=message):
        extend_vocabulary(model, tokens)


def test_without_a_tokenizer(small):
    with pytest.raises(KbertError, match="no WordPiece tokenizer"):
        extend_vocabulary(Bert(**small), ["국민"])
    with pytest.raises(KbertError, match="expected a model of kbert, not None"):
        extend_vocabulary(None, ["국민"])


MARKERS = ["[E1]", "[/E1]", "<subj>", "COVID-19", "國會"]
MARKED = "[E1]국회[/E1] 정부<subj>정부 COVID-19국 국회COVID-19  國會정부[E1][E1]"


def test_markers_of_entities_from_end_to_end(model, tmp_path):
    """Added, saved, loaded, exported and read by transformers and by kbert: the same ids."""
    longer = extend_vocabulary(model, [*MARKERS, "정부"])
    tokens = [
        *["[E1]", "국", "##회", "[/E1]", "정부", "<subj>", "정부", "COVID-19", "국"],
        *["국", "##회", "COVID-19", "國會", "정부", "[E1]", "[E1]"],
    ]
    assert longer.tokenizer.tokenize(MARKED) == tokens
    ids = [longer.tokenizer.id(token) for token in tokens]
    assert longer.tokenizer.encode([MARKED] * 500)[-1] == ids
    old = number(model.bert.embeddings.token_table)
    new = number(longer.bert.embeddings.token_table)
    np.testing.assert_allclose(new[10:15], [old.mean(axis=0)] * 5, atol=1e-6)  # [ E 1 ] are [UNK]
    longer.save(tmp_path / "longer.keras")
    assert kbert.load(tmp_path / "longer.keras").tokenizer.encode([MARKED]) == [ids]
    export_huggingface(longer, tmp_path / "hf")
    again = kbert.load(tmp_path / "hf")
    assert again.tokenizer.encode([MARKED]) == [ids]
    np.testing.assert_array_equal(number(again.bert.embeddings.token_table), new)
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    assert theirs(MARKED, add_special_tokens=False)["input_ids"] == ids
    theirs.save_pretrained(tmp_path / "theirs")
    assert Tokenizer.from_file(tmp_path / "theirs").encode([MARKED]) == [ids]
    even_longer = extend_vocabulary(again, ["[E2]"])
    assert even_longer.tokenizer.encode([MARKED, "[E2]"]) == [ids, [len(longer.tokenizer)]]


def test_what_an_uncased_tokenizer_reads(model):
    model.tokenizer = Tokenizer(WORDS, lowercase=True)
    longer = extend_vocabulary(model, ["COVID-19", "covid", "\u1100\u116e\u11a8\u1112\u116c"])
    tokens = longer.tokenizer.tokenize("Covid-19 covid-19 COVID 국회")
    assert tokens == ["COVID-19", "COVID-19", "covid", "국회"]
    for token, words in (("COVID", "covid"), ("##A", "a")):
        with pytest.raises(KbertError, match=rf"'{token}' could never occur: .* \['{words}'\]"):
            extend_vocabulary(model, [token])


def test_syllables_that_are_spelt(small):
    """A syllable is spelt until the vocabulary has it in both places."""
    words = list(dict.fromkeys([*WORDS, *JAMO_TOKENS]))
    model = Bert(**{**small, "vocab_size": len(words)})
    model.tokenizer = Tokenizer(words, jamo_fallback=True)
    longer = extend_vocabulary(model, ["뷁", "##뷁"])
    assert longer.tokenizer.tokenize("뷁뷁") == ["뷁", "##뷁"]
    with pytest.raises(KbertError, match="'뷁' could never occur"):
        extend_vocabulary(model, ["뷁"])
