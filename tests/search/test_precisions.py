import numpy as np
import pytest

from kbert import KbertError
from kbert.search.precisions import checked, decoded, in_precision, unit, vector_bytes, width

VECTORS = np.array([[1.0, -2.0, 0.5, 0, 0, 0, 0, 4.0], [0, 0, 0, 0, 0, 0, 0, 0]], np.float32)


def test_int8_by_hand():
    # 127 / 4 = 31.75: 31.75, -63.5, 15.875, 127; halves go to the even neighbour
    assert in_precision(VECTORS, "int8").tolist() == [[32, -64, 16, 0, 0, 0, 0, 127], [0] * 8]


def test_bits_by_hand():
    bits = in_precision(VECTORS, "binary")
    assert bits.dtype == np.uint8 and bits.tolist() == [[0b10100001], [0]]
    assert decoded(bits, 8).tolist() == [[1, -1, 1, -1, -1, -1, -1, 1], [-1] * 8]


def test_floats_by_hand():
    assert in_precision(VECTORS, "float16").dtype == np.float16
    third = np.array([[1 / 3]])
    assert in_precision(third, "float16").tolist() == [[0.333251953125]]  # 1365 / 4096
    assert decoded(in_precision(third, "float16"), 1).tolist() == [[0.333251953125]]
    assert decoded(VECTORS, 8) is VECTORS  # no copy of what is there


def test_directions_survive():
    """Against float64: what a cosine loses by each precision, for 64 numbers."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 64))
    for precision, least in (("float32", 1 - 1e-7), ("float16", 1 - 1e-6), ("int8", 0.9998)):
        back = decoded(in_precision(vectors, precision), 64).astype(float)
        assert (unit(vectors) * unit(back)).sum(axis=1).min() > least, precision
    # The mean of |x| over its root mean square is sqrt(2 / pi) = 0.798 for a normal distribution.
    back = decoded(in_precision(vectors, "binary"), 64).astype(float)
    assert (unit(vectors) * unit(back)).sum(axis=1).mean() == pytest.approx(0.798, abs=0.01)


def test_a_vector_has_the_same_bytes_whoever_stands_beside_it():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(7, 16)) * np.array([[1e-3], [1], [50], [1], [9], [1], [2]])
    for precision in ("int8", "binary", "float16"):
        alone = np.concatenate([in_precision(each[None], precision) for each in vectors])
        np.testing.assert_array_equal(in_precision(vectors, precision), alone)


def test_sizes():
    sizes = {name: vector_bytes(name, 384) for name in ("float32", "float16", "int8", "binary")}
    assert sizes == {"float32": 1536, "float16": 768, "int8": 384, "binary": 48}
    assert width("binary", 384) == 48 and width("int8", 384) == 384


def test_lengths_of_very_small_and_very_large_numbers():
    """Whose squares are no float32."""
    vectors = np.array([[3e-30, 4e-30], [3e30, 4e30], [3, 4], [0, 0]], np.float32)
    expected = np.array([[0.6, 0.8], [0.6, 0.8], [0.6, 0.8], [0, 0]], np.float32)
    np.testing.assert_allclose(unit(vectors), expected, rtol=1e-6)
    assert unit(vectors).dtype == np.float32


def test_what_is_refused():
    with pytest.raises(KbertError, match=r"precision is one of float32, .* not 'int4'"):
        in_precision(VECTORS, "int4")
    with pytest.raises(KbertError, match="whole bytes, and 6 numbers are none"):
        in_precision(VECTORS[:, :6], "binary")
    with pytest.raises(KbertError, match="the number 7e\\+04, which float16 cannot hold"):
        in_precision(np.array([[7e4]]), "float16")
    with pytest.raises(KbertError, match=r"vectors of 8 numbers, .*\(2, 7\) of float32.*another"):
        checked("queries", VECTORS[:, :7], 8)
    with pytest.raises(KbertError, match=r"vectors of 12 numbers, .*\(1, 1\) of uint8"):
        checked("queries", np.zeros((1, 1), np.uint8), 12)
    with pytest.raises(KbertError, match="not int64"):
        checked("queries", [[1] * 8], 8)
    with pytest.raises(KbertError, match="no array of vectors"):
        checked("queries", [[1.0], [1.0, 2.0]], 8)
    nan = VECTORS.copy()
    nan[1, 3] = np.nan
    with pytest.raises(KbertError, match=r"queries\[11\] holds NaN or infinity$"):
        checked("queries", nan, 8, first=10)
    with pytest.raises(KbertError, match=r"queries\[0\] .* and so do 1 other"):
        checked("queries", np.full((2, 8), np.inf), 8)
