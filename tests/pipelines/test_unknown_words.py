import logging

import pytest

from kbert import (
    BertForPreTraining,
    BertForSequenceClassification,
    BertForTokenClassification,
    FillMask,
    NextSentence,
    TextClassifier,
    TokenClassifier,
)
from kbert.pipelines import unknown_words as module
from kbert.pipelines.unknown_words import unknown_words


@pytest.fixture
def model(small, tokenizer):
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    return model


def test_words_as_they_are_written_each_once(tokenizer):
    texts = ["쀍은 국회에 뷁을, 쀍은", "[UNK] 국민", "뷁을 국민 세종대왕 [MASK]"]
    assert unknown_words(tokenizer, texts) == ["쀍은", "뷁을", ",", "세종대왕"]
    assert unknown_words(tokenizer, texts, most=2) == ["쀍은", "뷁을"]
    assert unknown_words(tokenizer, ["국회에", "", "[UNK]"]) == []


def test_a_pipeline_names_what_it_does_not_know(model, caplog):
    def said(ask, *arguments) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "kbert"):
            ask(*arguments)
        return [record.getMessage() for record in caplog.records]

    fill_mask, next_sentence = FillMask(model), NextSentence(model)
    end = ": the model reads [UNK] in their place"
    assert said(fill_mask, "축구는 정말 [MASK]") == []
    (message,) = said(fill_mask, ["국회 [MASK]", "쀍은 [MASK]", "[MASK] 뷁"])
    assert message == f"the vocabulary does not know '쀍은', '뷁'{end}"
    assert said(fill_mask.together, "쀍은 [MASK]") == [f"the vocabulary does not know '쀍은'{end}"]
    assert said(next_sentence, "국회", "국민") == []
    for texts in (("쀍", "국민"), ("국민", "쀍"), (["나", "국민"], ["너", "쀍"])):
        assert said(next_sentence, *texts) == [f"the vocabulary does not know '쀍'{end}"]
    many = " ".join(f"{c}쀍" for c in "가나다라마바사")
    (message,) = said(fill_mask, f"{many} [MASK]")
    assert message == (
        "the vocabulary does not know '가쀍', '나쀍', '다쀍', '라쀍', '마쀍', ..." + end
    )


def test_texts_of_which_nothing_is_known(small, tokenizer, caplog):
    classifier = BertForSequenceClassification(**small, labels=["부정", "긍정"])
    tagger = BertForTokenClassification(**small, labels=["O", "B-PS", "I-PS"])
    classifier.tokenizer = tagger.tokenizer = tokenizer
    classify, tag = TextClassifier(classifier), TokenClassifier(tagger)
    with caplog.at_level(logging.WARNING, "kbert"):
        for known in ("국회", ["국회 쀍", "[MASK]"]):
            classify(known)
            tag(known)
        tag(["국회 쀍", ""])  # an empty text is no unknown one
        classify("쀍", pairs="국회")
        assert not caplog.records
        classify(["국회", "쀍 뷁", "👍👍"])
        classify("👍", pairs="쀍")
        tag(["쀍 " * 30, "국회"])  # in windows
    end = "the model takes all of these for the same"
    about = "texts hold only words that the vocabulary does not know, the first is"
    assert [record.getMessage() for record in caplog.records] == [
        f"2 of 3 {about} '쀍 뷁': {end}",
        f"1 of 1 {about} '👍': {end}",
        f"1 of 2 {about} {'쀍 ' * 30!r:.80}: {end}",
    ]


def test_nothing_is_looked_for_where_all_is_known(model, monkeypatch):
    monkeypatch.setattr(module, "unknown_words", lambda *_: pytest.fail("looked for"))
    assert len(FillMask(model)(["국회 [MASK]"] * 3)) == 3
