"""Rotations by hand, beside transformers', and what they are for: a score sees the distance."""

import numpy as np
import pytest
from keras import ops

from kbert.layers.rotary import rotated, rotation


def number(tensor):
    return ops.convert_to_numpy(tensor)


def test_a_rotation_by_hand():
    """H 4, theta 100: numbers 0 and 2 turn by 1 a position, 1 and 3 by a tenth."""
    vectors = np.tile(np.array([1.0, 2.0, 3.0, 4.0], "float32"), (1, 3, 1, 1))
    got = number(rotated(vectors, rotation(3, 4, 100.0)))[0, :, 0]
    for place in range(3):
        fast, slow = np.exp(1j * place), np.exp(0.1j * place)
        turned = (1 + 3j) * fast, (2 + 4j) * slow
        expected = [turned[0].real, turned[1].real, turned[0].imag, turned[1].imag]
        np.testing.assert_allclose(got[place], expected, atol=1e-6)


def test_a_score_depends_on_the_distance_alone():
    query, key = np.random.default_rng(0).normal(size=(2, 8)).astype("float32")
    by = rotation(50, 8, 1000.0)
    queries, keys = (
        number(rotated(np.tile(vector, (1, 50, 1, 1)), by))[0, :, 0] for vector in (query, key)
    )
    scores = queries @ keys.T
    for distance in (-7, 0, 3, 30):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-4)
    assert np.ptp(scores[20]) > 1


@pytest.mark.parametrize("theta", [10_000.0, 160_000.0])
def test_the_angles_of_long_rows_are_those_of_transformers(theta):
    """8,192 positions: an angle is a product in float32, where 1 part in 10 million is 1e-3."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from transformers.models.modernbert.modeling_modernbert import ModernBertRotaryEmbedding

    settings = {"rope_type": "default", "rope_theta": theta}
    config = transformers.ModernBertConfig(
        hidden_size=128,
        num_attention_heads=2,
        num_hidden_layers=1,
        rope_parameters={"full_attention": settings, "sliding_attention": settings},
    )
    reference = ModernBertRotaryEmbedding(config)
    cos, sin = reference(torch.zeros(1), torch.arange(8192)[None], "full_attention")
    ours = rotation(8192, 64, theta)
    np.testing.assert_allclose(number(ours.cos)[:, 0], cos[0].numpy(), atol=2e-3)
    np.testing.assert_allclose(number(ours.sin)[:, 0], sin[0].numpy(), atol=2e-3)
    assert np.abs(number(ours.cos)[:, 0] - cos[0].numpy()).mean() < 2e-5


def test_sixteen_bits_are_turned_in_thirty_two():
    vectors = np.random.default_rng(0).normal(size=(1, 4000, 1, 8)).astype("float32")
    by = rotation(4000, 8, 10_000.0)
    half = rotated(ops.cast(vectors, "bfloat16"), by)
    exact = number(rotated(number(ops.cast(ops.cast(vectors, "bfloat16"), "float32")), by))
    np.testing.assert_allclose(number(ops.cast(half, "float32")), exact, atol=0.02)
