"""Scores of pairs of words: which is the head of which, and by what relation.

Shapes: B batch, W words, H heads that a word may have (W + 1: the root comes first), I inputs,
A width of a word's vector, C scores of a pair.
Source: Dozat and Manning 2017, "Deep Biaffine Attention for Neural Dependency Parsing".
"""

import keras
from keras import ops

from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.dropout import Dropout
from kbert.layers.initializers import TruncatedNormal, sub_seed


@keras.saving.register_keras_serializable("kbert")
class WordRole(keras.layers.Layer):
    """A word's vector in one role, as a dependent or as a head: ELU(x W + b).

    In training some of its A numbers are dropped, the same ones of all words of a sentence.

    Args:
        size: A.
        dropout: the rate at which they are.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.

    Example:
        >>> import numpy as np
        >>> vectors = WordRole(3, dropout=0.5)(np.ones((1, 4, 8), "float32"), training=True)
        >>> bool(ops.all(vectors[0, 0] == vectors[0, 1]))
        True
    """

    def __init__(
        self,
        size: int,
        dropout: float = 0.0,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.size = size
        self.dropout = Dropout(dropout, seed=sub_seed(seed, "dropout"), dtype=self.dtype_policy)
        initializer = TruncatedNormal(initializer_range, seed=sub_seed(seed, "dense"))
        self.dense = Dense(
            size,
            activation="elu",
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="dense",
        )

    def build(self, input_shape):
        """Builds the projection I -> A."""
        self.dense.build(input_shape)
        self.built = True

    def call(self, words, training=None):
        """(B, W, I) -> (B, W, A)."""
        vectors = run(self.dense, words, training=training)
        kept = ops.ones_like(vectors[:, :1])  # (B, 1, A)
        return vectors * run(self.dropout, kept, training=training)

    def compute_output_shape(self, input_shape):
        """The last axis becomes A."""
        return (*input_shape[:-1], self.size)


@keras.saving.register_keras_serializable("kbert")
class Biaffine(keras.layers.Layer):
    """Scores pairs of a dependent d and a head h.

        score_c = d^T U_c h + v_c^T d + w_c^T h + b_c

    Args:
        num_scores: C.
        initializer_range: standard deviation of the starting weights; b starts at 0.
        seed: seed of the starting weights.

    Example:
        >>> import numpy as np
        >>> words, heads = np.ones((2, 4, 8), "float32"), np.ones((2, 5, 8), "float32")
        >>> layer = Biaffine(3)
        >>> tuple(layer(words, heads).shape), tuple(layer(words, heads[:, :4], paired=True).shape)
        ((2, 4, 5, 3), (2, 4, 3))

    Source: Dozat and Manning 2017, equations 6 to 10.
    """

    def __init__(self, num_scores: int, initializer_range: float = 0.02, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.num_scores = num_scores
        self.initializer_range = initializer_range
        self.seed = seed

    def build(self, dependents_shape, heads_shape=None):
        """Makes U (A, C A), v and w (A, C) and b (C,)."""
        size = dependents_shape[-1]
        for name, shape in (
            ("kernel", (size, self.num_scores * size)),
            ("dependent_kernel", (size, self.num_scores)),
            ("head_kernel", (size, self.num_scores)),
        ):
            initializer = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, name))
            setattr(self, name, self.add_weight(shape=shape, initializer=initializer, name=name))
        self.bias = self.add_weight(shape=(self.num_scores,), initializer="zeros", name="bias")
        self.built = True

    def call(self, dependents, heads, paired: bool = False):
        """Scores dependents with heads.

        Args:
            dependents: (B, W, A).
            heads: (B, H, A); or (B, W, A), the head of each dependent.
            paired: whether it is the head of each.

        Returns:
            (B, W, H, C), each dependent with each head; paired (B, W, C). float32.
        """
        words, size = ops.shape(dependents)[1], dependents.shape[-1]
        turned = ops.reshape(
            ops.matmul(dependents, self.kernel), (-1, words, self.num_scores, size)
        )  # (B, W, C, A)
        of_dependents = ops.matmul(dependents, self.dependent_kernel)  # (B, W, C)
        of_heads = ops.matmul(heads, self.head_kernel)  # (B, H, C)
        if paired:
            scores = ops.sum(turned * heads[:, :, None], axis=-1) + of_dependents + of_heads
        else:
            flat = ops.reshape(turned, (-1, words * self.num_scores, size))  # (B, W C, A)
            scores = ops.matmul(flat, ops.transpose(heads, (0, 2, 1)))  # (B, W C, H)
            scores = ops.reshape(scores, (-1, words, self.num_scores, ops.shape(heads)[1]))
            scores = ops.transpose(scores, (0, 1, 3, 2))  # (B, W, H, C)
            scores = scores + of_dependents[:, :, None] + of_heads[:, None]
        return ops.cast(scores, "float32") + ops.cast(self.bias, "float32")

    def compute_output_shape(self, dependents_shape, heads_shape, paired=False):
        """(B, W, H, C), or paired (B, W, C)."""
        heads = () if paired else (heads_shape[1],)
        return (*dependents_shape[:2], *heads, self.num_scores)
