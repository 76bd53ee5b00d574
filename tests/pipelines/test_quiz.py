import keras
import numpy as np
import pytest

from kbert import BertForMaskedLM, BertForPreTraining, KbertError, NextSentence
from kbert.pipelines.quiz import (
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
    ["경기를 한다."],
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
    """No word of two syllables, a row that is too long, or a [MASK] that stands in the text."""
    model = BertForMaskedLM(**{**small, "max_position_embeddings": 8})
    model.tokenizer = tokenizer
    documents = [["나 너 우", "국민의 국회에 국민의 국회에 국민의.", "국회의 [MASK]을 의결."]]
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


def test_what_is_shown_of_each_objective(model, small, tokenizer):
    rng = np.random.default_rng
    shown = what_it_learned(model, DOCUMENTS, rng(0)).splitlines()
    assert shown[0] == "Ten blanks from the training text:"
    assert shown[1:7] == [f"  {blank}" for blank in ask_blanks(model, DOCUMENTS, rng(0))]
    assert "of 6 came back" in shown[7] and "Does the second sentence follow the first?" in shown
    left_to_right = BertForMaskedLM(**small)
    left_to_right.tokenizer = tokenizer
    shown = what_it_learned(left_to_right, DOCUMENTS, rng(0), causal=True).splitlines()
    asked = [f"  {blank}" for blank in ask_next_tokens(left_to_right, DOCUMENTS, rng(0))]
    assert shown[0].startswith("Ten beginnings") and shown[1:-1] == asked != []


def test_pairs_follow_and_do_not(model):
    next_sentence, seen = NextSentence(model), set()
    for seed in range(20):
        pairs = ask_pairs(model, DOCUMENTS, np.random.default_rng(seed))
        following, stranger = pairs
        assert (following.follows, stranger.follows) == (True, False)
        assert following.first == stranger.first
        (document,) = [each for each in DOCUMENTS if following.first in each]
        assert document[document.index(following.first) + 1] == following.second
        assert stranger.second in SENTENCES and stranger.second not in document
        for pair in pairs:
            judged = next_sentence(pair.first, pair.second)
            assert pair.score == pytest.approx(judged["next"])
            assert pair.right == ((judged["next"] > 0.5) == pair.follows)
        seen |= {pair.second for pair in pairs}
    assert len(seen) > 3


@pytest.mark.parametrize(
    "documents", [[], DOCUMENTS[:1], [["나 너"], ["우리"]], [["축구는 " * 9, "국회"], ["국민의"]]]
)
def test_where_there_are_no_pairs(model, documents):
    """No text, one document, none with two sentences, none that fits into a row of 17."""
    assert ask_pairs(model, documents, np.random.default_rng(0)) == []


def test_lines_to_show():
    blank = Blank("[MASK]에 나.", "국회", "국민", 0.256)
    assert str(blank) == "wrong: 국회 | 국민 (26%) | [MASK]에 나." and not blank.right
    assert Blank("[MASK]", "국회", "국회", 0.5).right
    pair = Pair("나.", "너.", follows=False, score=0.25, right=True)
    assert str(pair) == "right: it does not; the model says 25% yes\n    1. 나.\n    2. 너."


def test_a_model_without_a_vocabulary(small):
    with pytest.raises(KbertError, match="no vocabulary"):
        ask_blanks(BertForPreTraining(**small), DOCUMENTS, np.random.default_rng(0))
