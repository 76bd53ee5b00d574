"""Joint filling and whole words, against a search of every possibility."""

import itertools
import math

import numpy as np
import pytest

from kbert import BertForMaskedLM, FillMask, KbertError, Tokenizer
from kbert.pipelines.eojeol import Blank, find_blanks

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국 국회 국민 법 ##회 ##민 ##법 ##은 ##는 ##을 . 의결 ①"
FIRST, REST = ["국", "국회", "국민", "법", "의결"], ["회", "민", "법", "은", "는", "을"]


@pytest.fixture
def model(small):
    small |= {"vocab_size": 20, "hidden_dropout_prob": 0.0, "initializer_range": 0.6}
    model = BertForMaskedLM(**small)
    model.tokenizer = Tokenizer(WORDS.split())
    return model


def log_probabilities(model, tokens: list[str], places: list[int], fillings: list) -> np.ndarray:
    """For each filling, log p of each token given those before it, added up."""
    ids = np.array([[model.tokenizer.id(token) for token in tokens]] * len(fillings))
    total, every = np.zeros(len(fillings)), np.arange(len(fillings))
    for i, place in enumerate(places):
        logits = model.predict_on_batch({"input_ids": ids})[:, place]
        shares = np.exp(logits.astype("float64"))
        ids[:, place] = [model.tokenizer.id(filling[i]) for filling in fillings]
        total += np.log(shares[every, ids[:, place]] / shares.sum(axis=1))
    return total


def test_joint_filling_finds_what_a_full_search_finds(model):
    tokens = "[CLS] [MASK] 의결 [MASK] . [SEP]".split()
    vocabulary = model.tokenizer.vocabulary[5:]
    pairs = list(itertools.product(vocabulary, repeat=2))
    scores = dict(zip(pairs, log_probabilities(model, tokens, [1, 3], pairs), strict=True))
    best = sorted(scores, key=lambda pair: -scores[pair])[:4]
    answers = FillMask(model).together("[MASK] 의결 [MASK].", top_k=4, beam_size=len(vocabulary))
    assert [tuple(answer["token_strs"]) for answer in answers] == best
    for pair, answer in zip(best, answers, strict=True):
        assert answer["score"] == pytest.approx(math.exp(scores[pair]), rel=1e-4)
        assert answer["tokens"] == [model.tokenizer.id(token) for token in pair]
        first, second = (token.removeprefix("##") for token in pair)
        space = "" if pair[1].startswith("##") else " "
        assert answer["sequence"] == f"{first} 의결{space}{second}."


def test_joint_filling_of_one_blank_is_the_pipeline_itself(model):
    fill_mask = FillMask(model)
    texts = ["국회 [MASK]", "[MASK] 법 국민 의결"]
    for ours, alone in zip(fill_mask.together(texts), fill_mask(texts, top_k=18), strict=True):
        kept = [answer for answer in alone if answer["token"] not in model.tokenizer.special_ids]
        for one, two in zip(ours, kept, strict=False):
            assert one["tokens"] == [two["token"]] and one["sequence"] == two["sequence"]
            assert one["score"] == pytest.approx(two["score"], abs=1e-5)
        assert len(ours) == 5
    assert fill_mask.together([]) == []


def every_word(model, particle: str) -> dict[str, float]:
    """Every word of one to three pieces in `국 [MASK]<particle>.`, and its score."""
    scores = {}
    for count in (1, 2, 3):
        fillings = {}
        for first, *rest in itertools.product(FIRST, *[REST] * (count - 1)):
            word, filling = first + "".join(rest), [first, *("##" + piece for piece in rest)]
            if model.tokenizer.tokenize(word) == filling:  # and not 국 ##회, which is 국회
                fillings[word] = filling
        glued = [f"##{particle}"] if particle else []
        tokens = ["[CLS]", "국", *["[MASK]"] * count, *glued, ".", "[SEP]"]
        places = list(range(2, 2 + count))
        found = log_probabilities(model, tokens, places, list(fillings.values()))
        scores |= dict(zip(fillings, np.exp(found / math.sqrt(count)).tolist(), strict=True))
    return scores


@pytest.mark.parametrize("particle", ["", "은"])
def test_whole_words_are_those_of_a_full_search(model, monkeypatch, particle):
    monkeypatch.setattr("kbert.pipelines.eojeol.MOST_PIECES", 3)
    scores = every_word(model, particle)
    best = sorted(scores, key=lambda word: -scores[word])[:6]
    answers = FillMask(model)(f"국 [MASK]{particle}.", unit="eojeol", top_k=6)
    assert [answer["token_str"] for answer in answers] == best
    for answer, word in zip(answers, best, strict=True):
        assert answer.keys() == {"score", "tokens", "token_str", "sequence"}
        assert answer["score"] == pytest.approx(scores[word], rel=1e-4)
        assert answer["tokens"] == model.tokenizer.encode([word])[0]
        assert answer["sequence"] == f"국 {word}{particle}."


def test_particles_agree_with_the_words(model, monkeypatch):
    monkeypatch.setattr("kbert.pipelines.eojeol.MOST_PIECES", 2)
    after_consonant, after_vowel = every_word(model, "은"), every_word(model, "는")
    ends_in_vowel = ("국회", "법회", "의결회", "국민회")
    expected = {
        word: after_vowel[word] if word.endswith("회") else after_consonant[word]
        for word in after_consonant
        if len(model.tokenizer.tokenize(word)) < 3
    }
    assert set(ends_in_vowel) <= set(expected)
    best = sorted(expected, key=lambda word: -expected[word])[:8]
    for written in ("은", "는"):
        answers = FillMask(model)(f"국 [MASK]{written}.", unit="eojeol", agree=True, top_k=8)
        assert [answer["token_str"] for answer in answers] == best
        for answer, word in zip(answers, best, strict=True):
            form = "는" if word.endswith("회") else "은"
            assert answer["sequence"] == f"국 {word}{form}."
            assert answer["score"] == pytest.approx(expected[word], rel=1e-4)


def test_given_words_are_judged_whole(model):
    fill_mask, scores = FillMask(model), every_word(model, "은")
    words = ["국민", "법회법", "국"]
    answers = fill_mask("국 [MASK]은.", unit="eojeol", targets=words)
    assert [answer["token_str"] for answer in answers] == sorted(words, key=lambda w: -scores[w])
    for answer in answers:
        assert answer["score"] == pytest.approx(scores[answer["token_str"]], rel=1e-4)
    (answer,) = fill_mask(
        "국 [MASK]은.", unit="eojeol", agree=True, targets=model.tokenizer.id("국회")
    )
    assert answer["sequence"] == "국 국회는."
    for bad in ("국법은는을", "쀍", ""):
        with pytest.raises(KbertError, match="a word of one to 4 pieces"):
            fill_mask("국 [MASK].", unit="eojeol", targets=[bad])
    with pytest.raises(KbertError, match="no target"):
        fill_mask("국 [MASK].", unit="eojeol", targets=[])


def test_several_blanks_and_texts_of_whole_words(model):
    fill_mask = FillMask(model)
    texts = ["국 [MASK]은 [MASK].", "법 [MASK]"]
    several, one = fill_mask(texts, unit="eojeol", top_k=2)
    assert [len(several), len(several[0]), len(several[1]), len(one)] == [2, 2, 2, 2]
    assert several[0][0]["sequence"] == f"국 {several[0][0]['token_str']}은 [MASK]."
    assert several[1][0]["sequence"] == f"국 [MASK]은 {several[1][0]['token_str']}."
    alone = fill_mask(texts[1], unit="eojeol", top_k=2)
    for got, expected in zip(one, alone, strict=True):
        assert got == {**expected, "score": pytest.approx(expected["score"], abs=1e-5)}


def test_a_word_of_one_piece_scores_as_its_token_in_its_own_blank(model):
    fill_mask, words = FillMask(model), ["국", "국회", "국민", "법"]
    texts = ["[MASK] 의결 [MASK] 의결 [MASK].", "법 [MASK] 국민 [MASK]"]
    by_token, by_word = (
        [answers for blanks in fill_mask(texts, targets=words, unit=unit) for answers in blanks]
        for unit in ("token", "eojeol")
    )
    orders = []
    for tokens, found in zip(by_token, by_word, strict=True):
        orders.append([answer["token_str"] for answer in found])
        assert orders[-1] == [answer["token_str"] for answer in tokens]
        for one, two in zip(found, tokens, strict=True):
            assert one["score"] == pytest.approx(two["score"], rel=1e-4)
    assert len({tuple(order) for order in orders[:3]}) > 1  # else a blank could be another's


@pytest.mark.parametrize("beam_size", [1, 2, 15])
def test_as_many_answers_as_asked_for_whatever_the_beam(model, beam_size):
    answers = FillMask(model).together("국회 [MASK] 법 [MASK]", top_k=9, beam_size=beam_size)
    assert len({tuple(answer["tokens"]) for answer in answers}) == 9


def test_words_that_would_not_fit_are_left_out(model):
    text = "법 " * 14 + "[MASK]"  # with [CLS] and [SEP] 17 tokens, all that the model takes
    answers = FillMask(model)(text, unit="eojeol", top_k=18)
    assert all(len(answer["tokens"]) == 1 for answer in answers) and len(answers) == len(FIRST)


def test_blanks_by_hand():
    assert find_blanks("‘[MASK]’은 [MASK]로", "[MASK]", agree=True) == [
        Blank("‘", "", "’은 [MASK]로"),
        Blank("‘[MASK]’은 ", "로", ""),
    ]
    assert find_blanks("[MASK]에게", "[MASK]", agree=True) == [Blank("", "", "에게")]
    assert find_blanks("[MASK]은요", "[MASK]", agree=True) == [Blank("", "", "은요")]
    assert find_blanks("[MASK]은", "[MASK]", agree=False) == [Blank("", "", "은")]
    for glued in ("대[MASK]", "[MASK][MASK]", "3[MASK]"):
        with pytest.raises(KbertError, match="glued to what is before it"):
            find_blanks(glued, "[MASK]", agree=False)


def test_bad_questions(model, small):
    fill_mask = FillMask(model)
    with pytest.raises(KbertError, match="unit is 'token' or 'eojeol', not 'word'"):
        fill_mask("[MASK]", unit="word")
    with pytest.raises(KbertError, match="pass unit='eojeol' with agree=True"):
        fill_mask("[MASK]은", agree=True)
    with pytest.raises(KbertError, match="beam_size must be a whole number from 1 to 18, not 0"):
        fill_mask.together("[MASK]", beam_size=0)
    with pytest.raises(KbertError, match=r"no \[MASK\]"):
        fill_mask.together("국회")
    without = BertForMaskedLM(**small | {"vocab_size": 20})
    without.tokenizer = Tokenizer(WORDS.replace("##", "@").split())
    with pytest.raises(KbertError, match="needs a WordPiece vocabulary"):
        FillMask(without)("[MASK]", unit="eojeol")
