import numpy as np
from keras import ops

from kbert.layers.biaffine import Biaffine, WordRole


def number(tensor):
    return ops.convert_to_numpy(tensor)


def test_scores_are_those_of_the_formula_written_out():
    rng = np.random.default_rng(0)
    dependents = rng.normal(size=(2, 3, 4)).astype("float32")
    heads = rng.normal(size=(2, 5, 4)).astype("float32")
    layer = Biaffine(6, initializer_range=0.5, seed=1)
    got = number(layer(dependents, heads))
    layer.bias.assign(np.arange(6, dtype="float32"))
    kernel = number(layer.kernel).reshape(4, 6, 4)
    of_dependent, of_head = number(layer.dependent_kernel), number(layer.head_kernel)
    for b, w, h, c in np.ndindex(2, 3, 5, 6):
        d, e = dependents[b, w], heads[b, h]
        expected = d @ kernel[:, c] @ e + of_dependent[:, c] @ d + of_head[:, c] @ e
        assert abs(got[b, w, h, c] - expected) < 1e-5
    with_bias = number(layer(dependents, heads))
    np.testing.assert_allclose(
        with_bias - got, np.broadcast_to(np.arange(6.0), got.shape), atol=1e-5
    )


def test_a_pair_has_the_score_that_it_has_among_all():
    rng = np.random.default_rng(0)
    dependents, heads = rng.normal(size=(2, 2, 3, 4)).astype("float32")
    layer = Biaffine(5, initializer_range=0.5)
    among_all = number(layer(dependents, heads))
    alone = number(layer(dependents, heads, paired=True))
    words = np.arange(3)
    np.testing.assert_allclose(alone, among_all[:, words, words], atol=1e-5)


def test_a_role_is_a_dense_layer_with_elu_that_drops_the_same_numbers_of_every_word():
    rng = np.random.default_rng(0)
    words = rng.normal(size=(3, 4, 5)).astype("float32")
    role = WordRole(200, dropout=0.25, initializer_range=0.5, seed=1)
    plain = number(role(words))
    before = words @ number(role.dense.kernel) + number(role.dense.bias)
    np.testing.assert_allclose(plain, np.where(before > 0, before, np.expm1(before)), atol=1e-5)

    dropped = number(role(words, training=True))
    kept = dropped != 0
    assert (kept == kept[:, :1]).all()  # of all words of a sentence
    assert (kept[0] != kept[1]).any()  # not of all sentences
    assert 0.15 < 1 - kept[:, 0].mean() < 0.35  # 600 numbers
    np.testing.assert_allclose(dropped[kept], plain[kept] / 0.75, rtol=1e-4)
