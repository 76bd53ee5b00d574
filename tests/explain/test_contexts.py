import numpy as np
import pytest

import kbert
from kbert.explain.contexts import plane
from kbert.explain.read_text import as_array

SENTENCES = ["국회에 나", "너 국회", "국회는 경기를 의결한다"]


def test_a_words_vectors_are_the_means_of_its_pieces(model, tokenizer):
    seen = kbert.explain.contextual(model, "국회는", ["국회는 나", "너 국회는"], layer=1)
    assert seen.spans == [(0, 3), (2, 5)] and seen.pieces == [["국회", "##는"]] * 2
    for text, places, vector in zip(seen.sentences, ([1, 2], [2, 3]), seen.vectors, strict=True):
        states = model.bert(tokenizer(text), output_hidden_states=True)["hidden_states"]
        np.testing.assert_allclose(vector, as_array(states[1])[0][places].mean(0), atol=1e-5)


def test_cosines_and_distances(model):
    seen = kbert.explain.contextual(model, "국회", SENTENCES)
    first, second = seen.vectors[:2]
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert seen.cosines[0, 1] == pytest.approx(cosine, abs=1e-5)
    # Three points lie in a plane, so nothing is lost there.
    for i, j in ((0, 1), (0, 2), (1, 2)):
        there = np.linalg.norm(seen.points[i] - seen.points[j])
        assert there == pytest.approx(np.linalg.norm(seen.vectors[i] - seen.vectors[j]), rel=1e-4)


def test_the_plane_is_that_of_the_largest_differences():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(20, 2)) * [5, 2]
    axes = np.linalg.qr(rng.normal(size=(6, 2)))[0].T  # two directions in six dimensions
    points = plane(flat @ axes)
    centred = flat - flat.mean(0)
    np.testing.assert_allclose(
        np.linalg.norm(points, axis=1), np.linalg.norm(centred, axis=1), atol=1e-9
    )
    assert points[:, 0].std() > points[:, 1].std()
    np.testing.assert_array_equal(plane(np.ones((3, 4))), np.zeros((3, 2)))


def test_a_text_through_the_layers(model, tokenizer):
    seen = kbert.explain.layers(model, "국회에 나")
    outputs = model.bert(tokenizer("국회에 나"), output_hidden_states=True)
    states = [as_array(state)[0] for state in outputs["hidden_states"]]
    np.testing.assert_allclose(seen.vectors, np.stack(states), atol=1e-6)
    first, middle, last = (state[1] for state in states)

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    np.testing.assert_allclose(
        seen.to_before[:, 1], [1, cosine(first, middle), cosine(middle, last)], atol=1e-5
    )
    np.testing.assert_allclose(
        seen.to_first[:, 1], [1, cosine(first, middle), cosine(first, last)], atol=1e-5
    )
    assert seen.lengths[2, 1] == pytest.approx(np.linalg.norm(last), rel=1e-5)
    pairs = [cosine(states[2][i], states[2][j]) for i in range(5) for j in range(5) if i != j]
    assert seen.alike[2] == pytest.approx(np.mean(pairs), abs=1e-5)


def test_what_cannot_be_compared(model):
    with pytest.raises(kbert.KbertError, match="'경기' is not in '너 국회'"):
        kbert.explain.contextual(model, "경기", ["경기를", "너 국회"])
    with pytest.raises(kbert.KbertError, match="two or more texts, not '국회'"):
        kbert.explain.contextual(model, "국회", "국회")  # pyright: ignore[reportArgumentType]
    with pytest.raises(kbert.KbertError, match="no layer 3 here"):
        kbert.explain.contextual(model, "국회", SENTENCES, layer=3)
    with pytest.raises(kbert.KbertError, match="empty"):
        kbert.explain.contextual(model, "", SENTENCES)
