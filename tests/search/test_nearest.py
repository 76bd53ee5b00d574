import numpy as np
import pytest

from kbert import KbertError
from kbert.search import nearest as room
from kbert.search.nearest import nearest
from kbert.search.precisions import decoded, in_precision, unit


def by_numpy(queries, stored, top_k):
    """All cosines in float64, and a stable sort: of equal ones the first comes first."""
    dimension = queries.shape[1]
    queries = unit(np.asarray(queries, np.float64))
    stored = unit(decoded(stored, dimension).astype(np.float64))
    cosines = np.array([[(q * s).sum() for s in stored] for q in queries])
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :top_k]
    return np.take_along_axis(cosines, order, axis=1), order


@pytest.fixture(params=[1 << 22, 48, 5])
def small_blocks(request, monkeypatch):
    """Blocks of all vectors, of a few, and of one."""
    monkeypatch.setattr(room, "BLOCK_NUMBERS", request.param)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8", "binary"])
@pytest.mark.parametrize("top_k", [1, 7, 300])
def test_the_same_as_numpy(precision, top_k, small_blocks):
    rng = np.random.default_rng(top_k)
    stored = in_precision(rng.normal(size=(211, 16)), precision)
    queries = rng.normal(size=(9, 16))
    scores, indices = nearest(queries, stored, top_k)
    expected, order = by_numpy(queries, stored, top_k)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_array_equal(scores, expected.astype(np.float32))


def test_ties_come_in_their_order(small_blocks):
    """Few different vectors, so that nearly all cosines tie, within blocks and between them."""
    rng = np.random.default_rng(0)
    stored = rng.integers(-1, 2, size=(300, 4)).astype(np.float32)
    queries = rng.integers(-1, 2, size=(20, 4)).astype(np.float64)
    for top_k in (1, 10, 299):
        scores, indices = nearest(queries, stored, top_k)
        _, order = by_numpy(queries, stored, top_k)
        np.testing.assert_array_equal(indices, order)
        assert (np.diff(scores, axis=1) <= 0).all()


def test_copies_of_one_vector_tie_wherever_they_stand():
    """4,000 of 20,000; a product in float32 may give them cosines that differ a little."""
    rng = np.random.default_rng(2)
    stored = rng.normal(size=(20_000, 384)).astype(np.float32)
    copies = np.sort(rng.choice(20_000, 4_000, replace=False))
    stored[copies] = stored[copies[0]]
    query = stored[copies[:1]] + 0.3 * rng.normal(size=(1, 384))
    alone = nearest(query, stored, 50)
    np.testing.assert_array_equal(alone[1][0], copies[:50])
    assert len(set(alone[0][0].tolist())) == 1
    among = nearest(np.concatenate([rng.normal(size=(30, 384)), query]), stored, 50)
    np.testing.assert_array_equal(among[0][-1], alone[0][0])
    np.testing.assert_array_equal(among[1][-1], alone[1][0])


def test_more_queries_than_run_at_a_time(monkeypatch):
    monkeypatch.setattr(room, "QUERIES", 4)
    rng = np.random.default_rng(3)
    stored, queries = rng.normal(size=(50, 8)).astype(np.float32), rng.normal(size=(11, 8))
    np.testing.assert_array_equal(nearest(queries, stored, 5)[1], by_numpy(queries, stored, 5)[1])
    assert [each.shape for each in nearest(queries[:0], stored, 5)] == [(0, 5), (0, 5)]


def test_zeros_are_like_nothing():
    stored = np.array([[0, 0], [1, 0], [-1, 0]], np.float32)
    scores, indices = nearest(np.array([[1.0, 0.0], [0.0, 0.0]]), stored, 3)
    assert indices.tolist() == [[1, 0, 2], [0, 1, 2]]
    assert scores.tolist() == [[1, 0, -1], [0, 0, 0]]


def test_what_is_refused():
    stored = np.ones((3, 2), np.float32)
    with pytest.raises(KbertError, match="top_k must be a whole number from 1, not 0"):
        nearest(np.ones((1, 2)), stored, 0)
    with pytest.raises(KbertError, match=r"vectors of 5 numbers, .*\(3, 2\)"):
        nearest(np.ones((1, 5)), stored, 1)
    stored[1, 1] = np.nan
    with pytest.raises(KbertError, match="vectors from 0 to 3 some hold NaN"):
        nearest(np.ones((1, 2)), stored, 1)
