"""Words drawn by counted noise, put into rows, and scored: by hand, and beside transformers."""

import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.dropout import uniform_numbers
from kbert.layers.replaced_tokens import ReplacedTokenHead, WordSampler, drawn_words, put_words


def number(tensor):
    return ops.convert_to_numpy(tensor)


def mixed(x, key=0):
    """The hash of `kbert/layers/dropout.py` in Python's whole numbers."""
    x = (x ^ x >> 16) * 0x7FEB352D % 2**32 ^ key
    x = (x ^ x >> 15) * 0x846CA68B % 2**32
    return x ^ x >> 16


def expected_numbers(seed, count, size):
    key = mixed((mixed(count) + seed) % 2**32)
    second = mixed((key + 0x9E3779B9) % 2**32)
    return [
        (mixed((place * 0x9E3779B9 + key) % 2**32, second) >> 8) / 2**24 for place in range(size)
    ]


def test_the_noise_is_a_hash_of_place_seed_and_count():
    for seed, count in ((5, 0), (5, 1), (2**31 - 1, 70_000)):
        found = number(uniform_numbers(np.array([seed, count], np.uint32), (2, 3)))
        assert found.dtype == np.float32 and found.shape == (2, 3)
        assert found.ravel().tolist() == expected_numbers(seed, count, 6)


def test_words_come_as_often_as_their_probabilities_say():
    logits = np.log(np.array([0.1, 0.0001, 0.6, 0.2999], "float32"))
    sampler = WordSampler(seed=3)
    words = number(sampler(np.broadcast_to(logits, (200, 100, 4)), training=True))
    shares = np.bincount(words.ravel(), minlength=4) / words.size
    np.testing.assert_allclose(shares, np.exp(logits), atol=0.012)  # 3.5 standard deviations


def test_the_noise_is_that_of_the_count_in_training_and_the_first_otherwise():
    logits = np.zeros((4, 25, 1000), "float32")  # word i where u is in [i, i + 1) / 1000
    sampler = WordSampler(seed=9)
    still = [number(sampler(logits)) for _ in range(2)]
    drawn = [number(sampler(logits, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(still[0], still[1])
    np.testing.assert_array_equal(still[0], drawn[0])
    for count, words in enumerate(drawn):
        wanted = np.array(expected_numbers(9, count, 100)).reshape(4, 25) * 1000
        assert np.abs(words + 0.5 - wanted).max() < 0.51


def test_a_word_without_probability_is_never_drawn():
    logits = np.array([-np.inf, 0.0, -np.inf], "float32")
    for u in (0.0, 0.5, 1 - 2**-24):
        assert int(drawn_words(ops.convert_to_tensor(logits), u)) == 1


def test_words_are_put_where_a_row_has_masks():
    ids = np.array([[2, 4, 5, 6, 3], [2, 4, 3, 0, 0]])
    rows, at = put_words(ids, np.array([[1, 3], [1, 0]]), np.array([[7, 8], [9, 11]]))
    assert number(rows).tolist() == [[2, 7, 5, 8, 3], [2, 9, 3, 0, 0]]
    assert number(at).tolist() == [[False, True, False, True, False], [False, True] + [False] * 3]


def test_the_head_by_hand():
    head = ReplacedTokenHead("relu")
    head.build((None, None, 2))
    head.set_weights(
        [
            np.array([[1.0, -1.0], [2.0, 0.5]]),  # W
            np.array([0.5, 0.0]),  # b
            np.array([[3.0], [-2.0]]),  # w
            np.array([0.25]),  # c
        ]
    )
    # h W + b = (1 + 4 + 0.5, -1 + 1), relu (5.5, 0); and (-0.5, 1), relu (0, 1)
    got = number(head(np.array([[[1.0, 2.0], [-1.0, 0.0]]], "float32")))
    assert got.tolist() == [[3 * 5.5 + 0.25, -2 * 1 + 0.25]]


def test_no_gradient_goes_through_what_is_drawn():
    if keras.backend.backend() != "torch":
        pytest.skip("asked of PyTorch, which tells")
    logits = ops.convert_to_tensor(np.zeros((1, 2, 5), "float32")).requires_grad_()
    assert not WordSampler()(logits, training=True).requires_grad
