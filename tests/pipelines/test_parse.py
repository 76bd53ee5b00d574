import logging

import numpy as np
import pytest
from keras import ops

from kbert import BertForDependencyParsing, DependencyParser, KbertError

LABELS = ["NP_SBJ", "NP_OBJ", "VP", "AP"]


@pytest.fixture
def model(small, tokenizer):
    model = BertForDependencyParsing(labels=LABELS, arc_size=9, relation_size=7, **small)
    model.tokenizer = tokenizer
    return model


TEXTS = [
    "국회는 법률을 의결한다",
    "나",
    "",
    "우리는\t국민의 축구 경기 \n 나",
    "축구는 정말 재미있다.",
]


def test_words_with_heads_that_are_the_best_tree(model):
    text = "국회는 법률을 의결한다"
    rows = model.tokenizer(text)
    x = {**rows, "first_pieces": np.array([[1, 3, 5]]), "last_pieces": np.array([[2, 4, 6]])}
    scores = {name: ops.convert_to_numpy(each)[0] for name, each in model(x).items()}
    likely = scores["heads"] - np.log(np.exp(scores["heads"]).sum(-1, keepdims=True))
    trees = [(0, 1, 1), (0, 1, 2), (0, 3, 1), (2, 0, 2), (2, 0, 1), (3, 0, 2), (2, 3, 0)]
    trees += [(3, 1, 0), (3, 3, 0)]
    best = max(trees, key=lambda heads: sum(likely[i, head] for i, head in enumerate(heads)))

    words = DependencyParser(model)(text)
    assert [word["index"] for word in words] == [1, 2, 3]
    assert [word["text"] for word in words] == text.split()
    assert tuple(word["head"] for word in words) == best
    for i, word in enumerate(words):
        logits = scores["relations"][i, word["head"]]
        assert word["relation"] == LABELS[logits.argmax()]
        of_relation = np.exp(logits.max()) / np.exp(logits).sum()
        expected = np.exp(likely[i, word["head"]]) * of_relation
        assert word["score"] == pytest.approx(expected, abs=1e-5)


def test_greedy_takes_the_best_head_of_each_word_though_it_be_no_tree(model):
    from kbert.pipelines.parse import _parsed

    heads = np.array([[0.0, 0, 9], [0, 8, 1]])  # each is the other's
    relations = np.zeros((2, 3, 4))
    relations[0, 2, 3] = relations[1, 1, 1] = relations[1, 0, 2] = 5
    greedy = _parsed(heads, relations, "greedy")
    assert (greedy.heads.tolist(), greedy.relations.tolist()) == ([2, 1], [3, 1])
    tree = _parsed(heads, relations, "tree")
    assert (tree.heads.tolist(), tree.relations[0]) == ([2, 0], 3)
    assert tree.relations[1] == 2  # of the head that was chosen
    assert {word["head"] for word in DependencyParser(model)("나 너", decode="greedy")} <= {0, 1, 2}
    with pytest.raises(KbertError, match="'tree' or 'greedy', not 'best'"):
        DependencyParser(model)("나", decode="best")


def test_texts_together_as_each_alone(model):
    parse = DependencyParser(model)
    together = parse(TEXTS, batch_size=3)
    assert together[2] == [] and [word["head"] for word in together[1]] == [0]
    for text, words in zip(TEXTS, together, strict=True):
        assert [word["text"] for word in words] == text.split()
        assert sum(word["head"] == 0 for word in words) == min(1, len(words))
        for one, two in zip(parse(text), words, strict=True):
            assert one["score"] == pytest.approx(two["score"], abs=1e-5)
            assert (one["head"], one["relation"]) == (two["head"], two["relation"])


def test_a_text_that_is_too_long_is_parsed_as_far_as_it_goes_and_said_so(model, caplog):
    with caplog.at_level(logging.WARNING, "kbert"):
        words = DependencyParser(model)(["나 " * 30, "나"])[0]
    assert len(words) == 30 and sum(word["head"] == 0 for word in words) == 1
    (record,) = caplog.records
    assert "1 of 2 texts are longer than 17 tokens" in record.message


def test_another_model_is_refused(small):
    from kbert import BertForMaskedLM

    with pytest.raises(KbertError, match=r"takes a BertForDependencyParsing.*BertForMaskedLM"):
        DependencyParser(BertForMaskedLM(**small))


def test_a_document_is_no_sentence(model):
    """Of 1,600 words the scores take gigabytes, and Edmonds' algorithm went too deep."""
    with pytest.raises(KbertError, match=r"'나 나 .* has 513 words, and a parser takes 512"):
        DependencyParser(model)(["나", "나 " * 513])
    assert len(DependencyParser(model)("나 " * 512)) == 512
