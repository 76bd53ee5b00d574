import numpy as np
import pytest
from keras import ops

from kbert import BertForMultipleChoice, KbertError, MultipleChoice


@pytest.fixture
def model(small, tokenizer):
    model = BertForMultipleChoice(**small)
    model.tokenizer = tokenizer
    return model


def test_the_scores_are_the_model_s(model):
    text, choices = "축구는 정말", ["재미있다", "법률을 의결한다", "나는 국민"]
    rows = model.tokenizer([text] * 3, choices)
    logits = ops.convert_to_numpy(model({name: array[None] for name, array in rows.items()}))[0]
    expected = np.exp(logits) / np.exp(logits).sum()
    answer = MultipleChoice(model)(text, choices)
    assert set(answer) == {"choice", "text", "scores"}
    np.testing.assert_allclose(answer["scores"], expected, atol=1e-5)
    assert answer["choice"] == expected.argmax()
    assert answer["text"] == choices[answer["choice"]]


def test_lists_in_their_order_with_any_number_of_choices(model):
    choose = MultipleChoice(model)
    texts = ["축구는 정말", "나", "국회는 법률을 의결한다"]
    choices = [["재미있다", "법률"], ["너", "우리", "국민에게"], ["경기 " * 30, "나"]]
    answers = choose(texts, choices, batch_size=2)
    assert [len(answer["scores"]) for answer in answers] == [2, 3, 2]
    for text, mine, answer in zip(texts, choices, answers, strict=True):
        alone = choose(text, mine)
        assert alone["choice"] == answer["choice"]
        np.testing.assert_allclose(alone["scores"], answer["scores"], atol=1e-5)
    assert choose([], []) == []


def test_what_is_cut_is_told(model, caplog):
    choose = MultipleChoice(model)
    choose.scores(["나"], [["너 " * 14, "너"]])
    assert not caplog.messages
    choose("나", ["너 " * 14, "너"])
    assert "17 tokens are cut off at the end: 1 of 2, the longest of 18;" in caplog.messages[0]


@pytest.mark.parametrize(
    ("text", "choices", "message"),
    [
        ("나", "너", "two texts or more, not '너'"),
        ("나", ["너"], "two texts or more"),
        ("나", ["너", 3], "two texts or more"),
        (["나", "너"], [["국회", "국민"]], "a list of choices is needed for each of 2 texts"),
        (["나"], ["국회"], "two texts or more, not '국회'"),
        (" ", ["너", "국회"], r"texts\[0\] holds nothing that the model reads"),
        ("나", ["너", "\u200b"], r"choices\[1\] holds nothing"),
        (["나"], [["", "너"]], r"choices\[0\]\[0\] holds nothing"),
    ],
)
def test_choices_that_cannot_be(model, text, choices, message):
    with pytest.raises(KbertError, match=message):
        MultipleChoice(model)(text, choices)


def test_another_model_is_refused(small):
    from kbert import BertForMaskedLM

    with pytest.raises(KbertError, match=r"takes a BertForMultipleChoice.*BertForMaskedLM"):
        MultipleChoice(BertForMaskedLM(**small))
