import numpy as np

from kbert.data.pretraining.sources import Mixture


def test_shares_are_kept_in_every_run_of_rows():
    mixture = Mixture([5, 3, 2])
    which, number = mixture.locate(np.arange(30_000))
    for source, share in enumerate([0.5, 0.3, 0.2]):
        # Rows of a source are numbered without a gap, so that none is lost or read twice.
        np.testing.assert_array_equal(number[which == source], np.arange(30_000 * share))
        inside = np.cumsum(which == source)
        for size in (10, 64, 1000):
            counts = inside[size:] - inside[:-size]
            assert np.abs(counts - size * share).max() <= 2  # at any place
    # Far out, without what comes before.
    there, numbers = mixture.locate(np.arange(10**12, 10**12 + 10))
    assert np.bincount(there).tolist() == [5, 3, 2] and numbers[there == 0].min() == 5 * 10**11


def test_a_very_small_source_is_not_forgotten():
    mixture = Mixture([1e9, 1])
    which, _ = mixture.locate(np.arange(3 * mixture.counts.sum()))
    assert mixture.counts[1] == 1 and (which == 1).sum() == 3


def test_one_source_is_read_in_order():
    which, number = Mixture([0.1]).locate(np.arange(9_990, 10_010))
    assert not which.any() and number.tolist() == list(range(9_990, 10_010))
