"""Losses of sentence vectors: by hand, and beside sentence-transformers' of the same formulas."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from kbert import KbertError
from kbert.training.sentence_losses import CoSENT, CosineError, InBatchNegatives, Matryoshka

# Vectors in a plane, by their angles in degrees: the cosines are easy to see.
ANGLES = np.array([[0, 60], [90, 90], [180, 60]])


def plane(angles):
    """(..., 2): vectors of several lengths, which the angles do not depend on."""
    radians = np.deg2rad(np.asarray(angles, "float64"))
    lengths = np.linspace(0.5, 3, radians.size).reshape(radians.shape)
    return (lengths[..., None] * np.stack([np.cos(radians), np.sin(radians)], -1)).astype("float32")


def test_cosines_by_hand():
    vectors = plane(ANGLES)  # cosines 0.5, 1, -0.5
    labels = np.array([2.5, 4.0, 0.0])
    assert float(CosineError()(labels, vectors)) == pytest.approx((0 + 0.04 + 0.25) / 3, abs=1e-6)
    weights = np.array([1, 2, 0], "float32")
    assert float(CosineError()(labels, vectors, weights)) == pytest.approx(0.08 / 3, abs=1e-6)
    assert float(CosineError(most=4.0)(labels[:, None], vectors)) == pytest.approx(
        (0.125**2 + 0 + 0.25) / 3, abs=1e-6
    )


def test_order_by_hand():
    vectors = plane(ANGLES)  # cosines 0.5, 1, -0.5
    labels = np.array([2.0, 1.0, 3.0])
    # Pairs in which the second is to be more alike: (0, 2), (1, 0), (1, 2).
    expected = math.log(1 + math.exp(2 * 1.0) + math.exp(2 * 0.5) + math.exp(2 * 1.5))
    assert float(CoSENT(scale=2.0)(labels, vectors)) == pytest.approx(expected, rel=1e-5)
    weights = np.array([1, 1, 0], "float32")
    expected = math.log(1 + math.exp(2 * 0.5))
    assert float(CoSENT(scale=2.0)(labels, vectors, weights)) == pytest.approx(expected, rel=1e-5)
    assert float(CoSENT()(np.zeros(3), vectors)) == 0  # no order, nothing to learn


def test_negatives_by_hand():
    vectors = plane([[0, 60], [90, 0]])
    texts = np.array([[0, 1], [2, 3]])
    # cos(a_0, c) = 0.5, 1; cos(a_1, c) = sin 60, 0.
    first = math.log(math.exp(0.5 * 3) + math.exp(3)) - 1.5
    second = math.log(math.exp(3 * math.sqrt(0.75)) + 1) - 0
    loss = InBatchNegatives(scale=3.0)
    assert float(loss(texts, vectors)) == pytest.approx((first + second) / 2, rel=1e-5)
    # A row of weight 0, as at the end of an epoch, is neither asked nor a negative.
    assert float(loss(texts, vectors, np.array([1.0, 0.0]))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("texts", "counts_for_the_first"),
    [
        ([[0, 1], [2, 1]], False),  # the other's text is the one that belongs to it
        ([[0, 1], [2, 0]], False),  # the other's text is itself
        ([[0, 1], [1, 2]], True),  # its own is another's first: no candidate of that
    ],
)
def test_a_text_is_no_negative_of_itself(texts, counts_for_the_first):
    vectors = plane([[0, 60], [90, 0]])
    found = float(InBatchNegatives(scale=3.0)(np.array(texts), vectors, np.array([1.0, 1e-6])))
    expected = math.log(math.exp(1.5) + math.exp(3)) - 1.5 if counts_for_the_first else 0
    assert found == pytest.approx(expected, abs=1e-4)


def test_hard_negatives_are_candidates_of_all():
    vectors = plane([[0, 0, 90], [180, 180, 0]])
    texts = np.arange(6).reshape(2, 3)
    # a_0: right 1, the other's right -1, hard ones 0 and 1; a_1: 1, -1, 0, -1.
    first = math.log(math.e + math.exp(-1) + 1 + math.e) - 1
    second = math.log(math.e + math.exp(-1) + 1 + math.exp(-1)) - 1
    found = float(InBatchNegatives(scale=1.0)(texts, vectors))
    assert found == pytest.approx((first + second) / 2, rel=1e-5)


def test_sizes_by_hand():
    vectors = np.array([[[1, 1, 1, 1], [1, 1, -1, -1]]], "float32")  # cosines 1 of two, 0 of four
    loss = Matryoshka(CosineError(most=1.0), [4, 2])
    assert float(loss(np.array([0.25]), vectors)) == pytest.approx(0.25**2 + 0.75**2)
    with pytest.raises(KbertError, match="size 5 is more than the 4"):
        Matryoshka(CosineError(), [5])(np.array([0.0]), vectors)
    for sizes in ([], [2, 2], [0]):
        with pytest.raises(KbertError, match="size"):
            Matryoshka(CosineError(), sizes)


@pytest.mark.parametrize("name", ["cosine", "cosent", "in-batch", "hard negatives"])
def test_those_of_sentence_transformers(name):
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    rng = np.random.default_rng(3)
    texts = 3 if name == "hard negatives" else 2
    vectors = rng.normal(size=(6, texts, 8)).astype("float32")
    labels = rng.uniform(0, 5, 6).astype("float32")
    theirs = {
        "cosine": losses.CosineSimilarityLoss,
        "cosent": losses.CoSENTLoss,
        "in-batch": losses.MultipleNegativesRankingLoss,
        "hard negatives": losses.MultipleNegativesRankingLoss,
    }[name](model=None)
    parts = [torch.tensor(vectors[:, i]) for i in range(texts)]
    is_in_batch = texts == 3 or name == "in-batch"
    wanted = None if is_in_batch else torch.tensor(labels / 5 if name == "cosine" else labels)
    expected = theirs.compute_loss_from_embeddings(parts, wanted)

    ours = {"cosine": CosineError(), "cosent": CoSENT()}.get(name, InBatchNegatives())
    y = np.arange(6 * texts).reshape(6, texts) if is_in_batch else labels
    assert float(ours(y, vectors)) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    "loss", [CosineError(4.0), CoSENT(3.0), InBatchNegatives(5.0), Matryoshka(CoSENT(2.0), [2])]
)
def test_a_config_makes_the_same_loss(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    vectors = plane(ANGLES)
    y = np.arange(6).reshape(3, 2) if isinstance(loss, InBatchNegatives) else np.array([1, 3, 2.0])
    assert float(again(y, vectors)) == float(loss(y, vectors))


def test_numbers_of_texts_are_needed():
    with pytest.raises(KbertError, match="a number for each text"):
        InBatchNegatives()(np.zeros(3), ops.ones((3, 2, 4)))
