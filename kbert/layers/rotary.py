"""Rotary positions: queries and keys are turned by their place, so a score sees their distance.

    RoPE(x, t)_i         = x_i cos(t w_i) - x_{i + H/2} sin(t w_i)
    RoPE(x, t)_{i + H/2} = x_{i + H/2} cos(t w_i) + x_i sin(t w_i)        w_i = theta^(-2 i / H)

for i < H/2: the two halves of a head are turned against each other, number by number. (The paper
turns neighbours; the weights are then in another order.) There is no table of positions.

Shapes: B batch, L length, N heads, H head size.
Source: Su et al. 2021, "RoFormer", section 3.2.2; for the halves transformers,
modeling_modernbert.py.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kbert.layers.kernels.free_lengths import places_of


class Rotation(NamedTuple):
    """What vectors are turned by, for each position: (L, 1, H) each, float32."""

    cos: Any
    sin: Any


def rotation(length, head_size: int, theta: float) -> Rotation:
    """The angles of positions 0 to L - 1.

    Args:
        length: L, a number or a symbol.
        head_size: H, even.
        theta: the slowest pair of numbers turns once in some 2 pi theta positions.

    Example:
        >>> turned = rotation(3, head_size=4, theta=100.0)
        >>> sines = ops.convert_to_numpy(turned.sin)[1, 0].tolist()  # 1 and 1/10 a position
        >>> [round(sine, 4) for sine in sines]
        [0.8415, 0.0998, 0.8415, 0.0998]
    """
    speeds = np.float32(1) / np.float32(theta) ** (
        np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
    )
    positions = ops.cast(places_of(length), "float32")
    angles = positions[:, None] * ops.convert_to_tensor(speeds)  # (L, H / 2)
    angles = ops.concatenate([angles, angles], axis=-1)[:, None]  # (L, 1, H)
    return Rotation(ops.cos(angles), ops.sin(angles))


def rotated(vectors, by: Rotation):
    """Turns (B, L, N, H), in float32: in 16 bits far positions could not be told apart."""
    half = vectors.shape[-1] // 2
    wide = ops.cast(vectors, "float32")
    swapped = ops.concatenate([-wide[..., half:], wide[..., :half]], axis=-1)
    return ops.cast(wide * by.cos + swapped * by.sin, vectors.dtype)
