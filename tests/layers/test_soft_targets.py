"""Beside numbers worked by hand, and PyTorch's kl_div as DistilBERT's authors call it."""

import numpy as np
import pytest
from keras import ops

from kbert.layers.soft_targets import cosine_distance, soft_target_loss


def number(tensor):
    return ops.convert_to_numpy(tensor)


def test_by_hand_at_a_temperature_of_2():
    """Softened by 2, 16 to 1 is 4 to 1: p = (4/5, 1/5); the student's 1 to 1 stays (1/2, 1/2)."""
    found = soft_target_loss(np.log([[3.0, 3.0]]), np.log([[16.0, 1.0]]), 2.0)
    expected = 4 * (0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5))
    assert number(found).tolist() == [pytest.approx(expected, rel=1e-5)]


def test_beside_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    student, teacher = (5 * rng.standard_normal((3, 4, 50)).astype("float32") for _ in range(2))
    for temperature in (1.0, 2.0, 7.0):
        theirs = torch.nn.functional.kl_div(
            torch.log_softmax(torch.tensor(student) / temperature, -1),
            torch.softmax(torch.tensor(teacher) / temperature, -1),
            reduction="none",
        ).sum(-1)
        found = number(soft_target_loss(student, teacher, temperature))
        np.testing.assert_allclose(found, temperature**2 * theirs.numpy(), rtol=1e-4, atol=1e-5)
        same = number(soft_target_loss(teacher, teacher, temperature))
        np.testing.assert_allclose(same, 0, atol=1e-4)


def test_the_cosine_of_states():
    one = np.array([[[3.0, 4.0], [1.0, 0.0], [1.0, 2.0]]], "float32")
    two = np.array([[[-6.0, -8.0], [0.0, 5.0], [2.0, 4.0]]], "float32")
    np.testing.assert_allclose(number(cosine_distance(one, two)), [[2.0, 1.0, 0.0]], atol=1e-6)
