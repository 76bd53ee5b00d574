import unicodedata
from dataclasses import replace

import pytest

from kbert import KbertError
from kbert.data.labelled.examples import Examples


def examples_of(texts, **others) -> Examples:
    labels = others.pop("labels", ["가", "나"] * (len(texts) // 2 + 1))[: len(texts)]
    return Examples(
        "sequence-classification", list(texts), labels=labels, label_names=["가", "나"], **others
    )


def test_no_text_is_on_both_sides():
    texts = [f"글 {i // 4}" if i % 4 < 2 else f"글{i // 4}" for i in range(400)]
    train, dev = examples_of(texts).split(0.25, seed=3)
    plain = [{text.replace(" ", "") for text in part.texts} for part in (train, dev)]
    assert not plain[0] & plain[1]
    assert (len(train), len(dev)) == (300, 100)


def test_a_text_is_the_same_composed_or_not():
    texts = [f"글 {i // 2}" for i in range(40)]
    texts = [unicodedata.normalize("NFD", text) if i % 2 else text for i, text in enumerate(texts)]
    train, dev = examples_of(texts).split(0.25)
    assert not {text[-2:] for text in train.texts} & {text[-2:] for text in dev.texts}


def test_groups_and_shared_sentences_stay_together():
    long = "이 문장은 스무 글자보다 훨씬 더 긴 문장이라 우연히 두 번 나오지 않는다."
    texts = [f"리뷰 {i}번. {long}" if i < 5 else f"다른 글 {i}" for i in range(40)]
    groups = [f"책 {i // 2}" for i in range(40)]
    for seed in range(5):
        train, dev = examples_of(texts, groups=groups).split(0.3, seed=seed)
        sides = [{long in text for text in part.texts} for part in (train, dev)]
        assert (True in sides[0]) != (True in sides[1])
        assert not set(train.groups) & set(dev.groups)


def test_the_second_text_counts_too():
    examples = examples_of(
        [f"질문 {i}" for i in range(20)], pairs=[f"답 {i // 2}" for i in range(20)]
    )
    train, dev = examples.split(0.3)
    assert not set(train.pairs) & set(dev.pairs)


def test_labels_have_like_shares_and_seeds_repeat():
    labels = ["가"] * 90 + ["나"] * 10
    examples = examples_of([f"글 {i}" for i in range(100)], labels=labels)
    train, dev = examples.split(0.2, seed=1)
    assert (dev.labels.count("가"), dev.labels.count("나")) == (18, 2)
    assert examples.split(0.2, seed=1)[1].texts == dev.texts
    assert examples.split(0.2, seed=2)[1].texts != dev.texts
    assert sorted(train.texts + dev.texts) == sorted(examples.texts)


def test_what_cannot_be_divided_is_refused():
    for share in (1.5, 0, float("nan"), "a", None):
        with pytest.raises(KbertError, match="share is how much"):
            examples_of(["하나", "둘"]).split(share)
    with pytest.raises(KbertError, match="cannot be divided"):
        examples_of(["같은 글"] * 6).split(0.5)


def test_balanced_weights_of_examples_whose_labels_nobody_named():
    examples = Examples("sequence-classification", [*"가나다라"], labels=["참", "참", "참", "거짓"])
    assert examples.balanced_weights() == {"참": 4 / 6, "거짓": 2.0}
    several = replace(examples, problem_type="multi_label_classification")
    with pytest.raises(KbertError, match="occurs; not of multi_label_classification"):
        several.balanced_weights()
    named = replace(examples, label_names=["참", "거짓", "모름"])
    with pytest.raises(KbertError, match=r"occurs; not of 4 examples without .'모름'"):
        named.balanced_weights()
