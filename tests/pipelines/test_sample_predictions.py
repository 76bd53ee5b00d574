from typing import NamedTuple

import keras
import numpy as np
import pytest

from kbert import BertForMaskedLM, BertForPreTraining, KbertError, NextSentence
from kbert.pipelines.sample_predictions import (
    Blank,
    Pair,
    ask_blanks,
    ask_next_tokens,
    ask_pairs,
    what_it_learned,
)

DOCUMENTS = [
    ["국회에 국민의 법률을 의결한다.", "축구는 정말 재미있다."],
    ["나 너 우리.", "국민의 경기에 우리.", "국회는 법률을 의결한다."],
    ["경기에 한다."],
]
SENTENCES = [sentence for document in DOCUMENTS for sentence in document]


@pytest.fixture
def model(small, tokenizer):
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    return model


def test_a_blank_is_a_word_of_the_text(model, tokenizer):
    blanks = ask_blanks(model, DOCUMENTS, np.random.default_rng(0), count=4)
    assert len(blanks) == 4
    for text, truth, answer, score in blanks:
        assert text.count("[MASK]") == 1 and text.replace("[MASK]", truth) in SENTENCES
        assert truth in tokenizer.vocabulary and len(truth) >= 2
        assert answer in tokenizer.vocabulary and 0 < score <= 1
    assert len({text for text, *_ in blanks}) == 4
    again = ask_blanks(model, DOCUMENTS, np.random.default_rng(0), count=4)
    assert blanks == again
    others = [ask_blanks(model, DOCUMENTS, np.random.default_rng(seed), 4) for seed in range(1, 5)]
    assert any(other != blanks for other in others)


def test_what_cannot_be_blanked_is_left_out(small, tokenizer):
    """No word of two syllables, a row that is too long, or [MASK] or [UNK] within."""
    model = BertForMaskedLM(**{**small, "max_position_embeddings": 8})
    model.tokenizer = tokenizer
    documents = [["나 너 우", "국민의 국회에 국민의 국회에 국민의.", "국회의 [MASK]을 의결."]]
    documents.append(["쀍 국회에 나."])  # a word that the vocabulary does not know
    assert ask_blanks(model, documents, np.random.default_rng(0)) == []
    documents.append(["국회에 나."])
    (blank,) = ask_blanks(model, documents, np.random.default_rng(0))
    assert (blank.text, blank.truth) == ("[MASK]에 나.", "국회")


def test_the_next_token_is_told_from_what_stands_before_it(small, tokenizer):
    """As the logits say that the beginning gives alone, left to right."""
    model = BertForMaskedLM(**small)
    model.tokenizer = tokenizer
    asked = ask_next_tokens(model, DOCUMENTS, np.random.default_rng(3), count=3)
    assert len({len(tokenizer(blank.text)["input_ids"][0]) for blank in asked}) > 1
    for text, truth, answer, score in asked:
        beginning = text.removesuffix("[MASK]")
        assert any(f"{beginning}{truth}" in sentence for sentence in SENTENCES)
        ids = tokenizer(beginning)["input_ids"][:, :-1]  # without [SEP]
        mask = np.tril(np.ones((1, ids.shape[1], ids.shape[1]), "int8"))
        logits = keras.ops.convert_to_numpy(model({"input_ids": ids, "attention_mask": mask}))[
            0, -1
        ]
        chances = np.exp(logits - logits.max())
        assert answer == tokenizer.token(int(logits.argmax()))
        assert score == pytest.approx(chances.max() / chances.sum(), rel=1e-4)
    assert ask_next_tokens(model, [["나 너 우"]], np.random.default_rng(0)) == []


def test_a_row_of_the_table_without_a_token_is_no_answer(small, tokenizer):
    model = BertForMaskedLM(**small)  # 40 rows for 29 tokens
    model.tokenizer = tokenizer
    (bias,) = [w for w in model.weights if tuple(w.shape) == (small["vocab_size"],)]
    bias.assign(np.where(np.arange(small["vocab_size"]) < len(tokenizer), 0.0, 9.0))
    for ask in (ask_next_tokens, ask_blanks):
        blanks = ask(model, DOCUMENTS, np.random.default_rng(0))
        assert len(blanks) > 3 and {blank.answer for blank in blanks} <= {*tokenizer.vocabulary}
        assert all(0 < blank.score < 0.01 for blank in blanks)


def test_what_is_shown_of_each_objective(model, small, tokenizer):
    rng = np.random.default_rng
    shown = what_it_learned(model, DOCUMENTS, rng(0)).splitlines()
    assert shown[0] == "Ten blanks from the training text:"
    assert shown[1:7] == [f"  {blank}" for blank in ask_blanks(model, DOCUMENTS, rng(0))]
    assert "of 6 came back" in shown[7] and len(shown) == 8
    pairs = [
        row_pair(model.tokenizer, "나", "너", True),
        row_pair(model.tokenizer, "나", "국회", False),
    ]
    shown = what_it_learned(model, DOCUMENTS, rng(0), pairs).splitlines()[8:]
    judged = ask_pairs(model, pairs)
    assert shown[1] == "Does the second text follow the first? Pairs as in training:"
    assert "\n".join(shown[2:-1]) == f"  {judged[0]}\n  {judged[1]}"
    assert shown[-1] == f"{sum(pair.right for pair in judged)} of 2 were judged rightly."
    left_to_right = BertForMaskedLM(**small)
    left_to_right.tokenizer = tokenizer
    shown = what_it_learned(left_to_right, DOCUMENTS, rng(0), causal=True).splitlines()
    asked = [f"  {blank}" for blank in ask_next_tokens(left_to_right, DOCUMENTS, rng(0))]
    assert shown[0].startswith("Ten beginnings") and shown[1:-1] == asked != []


class RowPair(NamedTuple):
    input_ids: np.ndarray
    token_type_ids: np.ndarray
    first: str
    second: str
    follows: bool


def row_pair(tokenizer, first, second, follows):
    inputs = tokenizer(first, second)
    return RowPair(inputs["input_ids"][0], inputs["token_type_ids"][0], first, second, follows)


def test_pairs_are_judged_as_next_sentence_judges_them(model, tokenizer):
    next_sentence = NextSentence(model)
    texts = [("국회에 나", "너 우리."), ("나 너 우리", "국민의 경기."), ("법률을 의결한다.", "나")]
    pairs = [row_pair(tokenizer, *text, follows=i != 1) for i, text in enumerate(texts)]
    asked = ask_pairs(model, pairs)
    assert [(pair.first, pair.second) for pair in asked] == texts
    for i, pair in enumerate(asked):
        score = next_sentence(*texts[i])["next"]
        assert pair.score == pytest.approx(score, abs=1e-5)
        assert pair.follows == (i != 1) and pair.right == ((score > 0.5) == pair.follows)
    assert ask_pairs(model, []) == []


def test_lines_to_show():
    blank = Blank("[MASK]에 나.", "국회", "국민", 0.256)
    assert str(blank) == "wrong: 국회 | 국민 (26%) | [MASK]에 나." and not blank.right
    assert Blank("[MASK]", "국회", "국회", 0.5).right
    pair = Pair("나.", "너.", follows=False, score=0.25, right=True)
    assert str(pair) == "right: it does not; the model says 25% yes\n    1. 나.\n    2. 너."


def test_a_model_without_a_vocabulary(small):
    with pytest.raises(KbertError, match="no vocabulary"):
        ask_blanks(BertForPreTraining(**small), DOCUMENTS, np.random.default_rng(0))
