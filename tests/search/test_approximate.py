"""A graph over an index: it finds nearly all of the true nearest, with their exact cosines."""

import sys

import numpy as np
import pytest

from kbert import ApproximateIndex, KbertError, SentenceIndex

pytest.importorskip("faiss")


def index_of(tmp_path, vectors, precision="float32"):
    ids = [str(i) for i in range(len(vectors))]
    return SentenceIndex.from_vectors(tmp_path / precision, vectors, ids=ids, precision=precision)


@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_it_finds_the_nearest_with_their_exact_cosines(tmp_path, precision):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 32))
    vectors = centres[rng.integers(40, size=2000)] + 0.7 * rng.normal(size=(2000, 32))
    index = index_of(tmp_path, vectors, precision)
    queries = rng.normal(size=(20, 32)) + centres[:20]
    exact_scores, exact = index.search(queries, 10)
    seen = []
    fast = ApproximateIndex(index, ef_search=128, watch=seen.append)
    scores, found = fast.search(queries, 10)
    assert seen == [2000] and len(fast) == 2000 and found.dtype == np.int64
    same = [set(a) & set(b) for a, b in zip(exact, found, strict=True)]
    assert np.mean([len(each) for each in same]) >= 9.5
    for row in range(20):  # where both name a vector, they give it the same cosine, to the bit
        cosines = dict(zip(exact[row].tolist(), exact_scores[row].tolist(), strict=True))
        pairs = zip(found[row].tolist(), scores[row].tolist(), strict=True)
        assert all(cosines[i] == score for i, score in pairs if i in cosines)
        assert (np.diff(scores[row]) <= 0).all()


def test_few_vectors_equal_ones_and_all_of_them(tmp_path):
    vectors = np.array([[0.0, 1.0], [3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    scores, found = ApproximateIndex(index_of(tmp_path, vectors)).search([0.0, 1.0], 9)
    assert found.tolist() == [[0, 2, 3, 1]]
    np.testing.assert_allclose(scores, [[1, 1, np.sqrt(0.5), 0]], atol=1e-7)


def test_a_query_that_the_graph_has_too_few_for_is_asked_exactly(tmp_path):
    """Thousands of equal vectors: a graph may link them to each other only."""
    vectors = np.ones((300, 8))
    vectors[7, 0] = -1.0
    scores, found = ApproximateIndex(index_of(tmp_path, vectors), ef_search=1).search(
        vectors[7], 300
    )
    assert sorted(found[0].tolist()) == list(range(300)) and found[0, 0] == 7
    assert scores[0, 0] == pytest.approx(1)


def test_what_is_wrong_is_told(tmp_path, monkeypatch):
    index = index_of(tmp_path, np.eye(4))
    fast = ApproximateIndex(index)
    for query, top_k, what in (
        ([1.0, 2.0], 1, "vectors of 4 numbers"),
        ([1.0, np.nan, 0, 0], 1, "holds NaN"),
        ([1.0, 0, 0, 0], 0, "top_k"),
    ):
        with pytest.raises(KbertError, match=what):
            fast.search(query, top_k)
    with pytest.raises(KbertError, match="ef_search"):
        ApproximateIndex(index, ef_search=0)
    damaged = np.fromfile(index.folder / "vectors.bin", np.float32)
    damaged[5] = np.inf
    damaged.tofile(index.folder / "vectors.bin")
    with pytest.raises(KbertError, match="some hold NaN or infinity"):
        ApproximateIndex(SentenceIndex.open(index.folder))

    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    with pytest.raises(KbertError, match=r'pip install -e "\.\[search\]"'):
        ApproximateIndex(index)
