import numpy as np
import pytest
from keras import ops

from kbert import Bert, BertForMaskedLM, KbertError, Tokenizer, WordVectors

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] 고양이 새끼 ##고 ##양 ##이 개 강아지 집 ##에 . 나는 ##를 본다"
).split()


@pytest.fixture
def model(small):
    model = BertForMaskedLM(**small)
    model.tokenizer = Tokenizer(VOCABULARY)
    return model


def set_table(model, vectors: dict[str, list[float]]) -> None:
    """Gives tokens rows of the table of which the first numbers are those, and others zeros."""
    table = np.zeros((40, 12), "float32")
    for token, values in vectors.items():
        table[VOCABULARY.index(token), : len(values)] = values
    model.bert.embeddings.token_table.assign(table)


def test_words_of_the_vocabulary(model):
    words = WordVectors(model)
    assert words.words == ["고양이", "새끼", "개", "강아지", "집", "나는", "본다"]
    table = ops.convert_to_numpy(model.bert.embeddings.token_table)
    np.testing.assert_array_equal(words.vectors, table[[5, 6, 10, 11, 12, 15, 17]])


def test_a_word_of_several_pieces_has_their_mean(model):
    table = ops.convert_to_numpy(model.bert.embeddings.token_table)
    found = WordVectors(model).vector("새끼고양이")  # 새끼 ##고 ##양 ##이
    np.testing.assert_allclose(found, table[6:10].mean(axis=0), atol=1e-7)


def test_the_arithmetic_by_hand(model):
    """A plane in which an axis says cat or dog, and the other old or young."""
    set_table(
        model,
        {"고양이": [1, 0, 2], "새끼": [2, 4, 4], "##고": [0, 0, 0], "개": [0, 0, 2], "집": [5, 5]},
    )
    words = WordVectors(model, ["고양이", "개", "집", "강아지", "새끼고양이"])
    # In the mean of its pieces 새끼고양이 is (.5, 1, 1).
    np.testing.assert_allclose(words.vector("새끼고양이")[:3], [0.5, 1, 1])
    assert words.similarity("고양이", "개") == pytest.approx(2 / np.sqrt(5))
    # 고양이 / sqrt(5) less 새끼고양이 / 1.5 is (.4472 - .3333, -.6667, .8944 - .6667):
    (first, second), third = words.most_similar("고양이", "새끼고양이")[:2], None
    assert first[0] == "개" and third is None
    difference = np.array([1 / np.sqrt(5) - 1 / 3, -2 / 3, 2 / np.sqrt(5) - 2 / 3])
    assert first[1] == pytest.approx(difference[2] / np.linalg.norm(difference), abs=1e-6)
    assert second == ("강아지", 0.0)  # of zeros
    assert [word for word, _ in words.most_similar(["고양이", "개"], top_k=1)] == ["새끼고양이"]


def test_contextual_vectors_are_the_encoders(model):
    words = WordVectors(model, ["새끼고양이", "개"], contextual=True, template="나는 {}를 본다.")
    inputs = model.tokenizer(["나는 새끼고양이를 본다."])
    states = ops.convert_to_numpy(model.bert(dict(inputs))["last_hidden_state"])[0]
    np.testing.assert_allclose(words.vectors[0], states[2:6].mean(axis=0), atol=3e-6)
    inputs = model.tokenizer(["나는 집를 본다."])
    states = ops.convert_to_numpy(model.bert(dict(inputs))["last_hidden_state"])[0]
    np.testing.assert_allclose(words.vector("집"), states[2], atol=3e-6)
    assert words.similarity("개", "개") == pytest.approx(1)


def test_what_is_refused(model, small):
    with pytest.raises(KbertError, match=r"a text with one \{\} in it, not 'a'"):
        WordVectors(model, contextual=True, template="a")
    with pytest.raises(KbertError, match=r"words\[1\] is empty: ' '"):
        WordVectors(model, ["개", " "])
    with pytest.raises(KbertError, match=r"words\[0\] is empty"):
        WordVectors(model, ["개"], contextual=True).vector("")
    for contextual in (False, True):
        with pytest.raises(KbertError, match="the vocabulary does not know '쀍': it has no vector"):
            WordVectors(model, ["개"], contextual=contextual).vector("쀍")
    with pytest.raises(KbertError, match="longer than the 17 tokens"):
        WordVectors(model, ["개"], contextual=True, template="나는 " * 20 + "{}")
    with pytest.raises(KbertError, match="the model has no vocabulary"):
        WordVectors(Bert(**small))
    assert WordVectors(model, "강아지").words == ["강아지"]
    words = WordVectors(model)
    with pytest.raises(KbertError, match="positive is a word or a list of words"):
        words.most_similar([])
    with pytest.raises(KbertError, match="top_k must be"):
        words.most_similar("개", top_k=0)
