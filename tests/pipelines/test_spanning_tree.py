from itertools import product

import numpy as np
import pytest

from kbert import KbertError
from kbert.pipelines.spanning_tree import spanning_tree


def is_tree(heads) -> bool:
    """Whether each word comes to the root, and one is its child."""
    for word in range(1, len(heads) + 1):
        steps = 0
        while word and steps <= len(heads):
            word, steps = heads[word - 1], steps + 1
        if word:
            return False
    return list(heads).count(0) == 1


TREES = {
    words: [heads for heads in product(range(words + 1), repeat=words) if is_tree(heads)]
    for words in range(1, 6)
}


def total(scores, heads) -> float:
    return sum(scores[word, head] for word, head in enumerate(heads))


def test_there_are_as_many_trees_as_cayley_counted():
    assert [len(TREES[words]) for words in TREES] == [1, 2, 9, 64, 625]  # n ** (n - 1)


@pytest.mark.parametrize("words", TREES)
@pytest.mark.parametrize("kind", ["any", "circles", "many roots", "equal", "far"])
def test_no_tree_is_better(words, kind):
    rng = np.random.default_rng(words)
    for _ in range(60):
        scores = rng.normal(size=(words, words + 1)) * 5
        if kind == "circles":
            scores[:, 0] -= 50
        if kind == "many roots":
            scores[:, 0] += 50
        if kind == "equal":
            scores = np.round(scores / 5)
        if kind == "far":
            scores *= 10.0 ** rng.integers(-3, 4, (words, 1))
        found = spanning_tree(scores)
        assert is_tree(found)
        trees = np.array(TREES[words])
        best = scores[np.arange(words), trees].sum(axis=1).max()
        assert total(scores, found) == pytest.approx(best, rel=1e-9, abs=1e-6)


def test_the_best_head_of_each_word_would_be_no_tree():
    scores = np.zeros((3, 4))
    scores[0, 2], scores[1, 1], scores[2, 2] = 9, 8, 7  # 1 and 2 depend on each other
    scores[1, 0] = 5
    assert scores.argmax(axis=1).tolist() == [2, 1, 2]
    assert spanning_tree(scores).tolist() == [2, 0, 2]


def test_a_long_sentence_is_a_tree_in_which_the_circles_are_broken():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 201))
    heads = spanning_tree(scores)
    assert is_tree(heads)
    # Any one word with another head is no tree, or no better.
    for word in rng.integers(0, 200, 10):
        for head in range(201):
            other = heads.copy()
            other[word] = head
            if is_tree(other):
                assert total(scores, other) <= total(scores, heads) + 1e-9


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros((0, 1)),
        np.zeros((2, 2)),
        np.zeros(3),
        np.array([[np.nan, 0]]),
        np.full((1, 2), np.inf),
    ],
)
def test_what_are_no_scores_is_named(scores):
    with pytest.raises(KbertError, match="scores are"):
        spanning_tree(scores)
