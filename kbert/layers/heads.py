"""The two heads of pretraining: which word was masked, and does the second text follow the first.

Shapes: B batch, L length, P masked positions, D hidden, V vocabulary.
"""

import keras
from keras import ops

from kbert.layers.initializers import TruncatedNormal, sub_seed


def gather_positions(hidden, positions):
    """Takes the vectors at given positions of each row: (B, L, D), (B, P) -> (B, P, D)."""
    length, hidden_size = hidden.shape[1] or ops.shape(hidden)[1], hidden.shape[-1]
    rows = ops.arange(ops.shape(positions)[0], dtype=positions.dtype)[:, None]  # (B, 1)
    flat = ops.reshape(hidden, (-1, hidden_size))  # (B L, D)
    return ops.take(flat, positions + rows * length, axis=0)


@keras.saving.register_keras_serializable("kbert")
class MaskedLMHead(keras.layers.Layer):
    """Scores every word of the vocabulary at masked positions.

        logits = LayerNorm(gelu(h W + b)) E^T + c

    E is the token embedding table: the decoder is tied to it. It is an argument of the call, so
    it belongs to one layer only. Positions are gathered first: logits at all positions would be
    some seven times the work, and they are the largest array of the whole model.

    Args:
        vocab_size: V.
        layer_norm_eps: added to the variance before the root.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.

    Source: google-research/bert, run_pretraining.py, `get_masked_lm_output`.
    """

    def __init__(
        self,
        vocab_size: int,
        layer_norm_eps: float = 1e-12,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.layer_norm_eps = layer_norm_eps
        self.initializer_range = initializer_range
        self.seed = seed

    def build(self, hidden_shape):
        """Makes the transform D -> D, its norm, and a bias for every word."""
        hidden_size = hidden_shape[-1]
        initializer = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, "transform"))
        self.transform = keras.layers.Dense(
            hidden_size, kernel_initializer=initializer, dtype=self.dtype_policy, name="transform"
        )
        self.transform.build(hidden_shape)
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_eps, dtype=self.dtype_policy, name="layer_norm"
        )
        self.layer_norm.build(hidden_shape)
        self.bias = self.add_weight(shape=(self.vocab_size,), initializer="zeros", name="bias")
        self.built = True

    def call(self, hidden, embedding_table, positions=None):
        """Scores words.

        Args:
            hidden: (B, L, D).
            embedding_table: the token embeddings, (V, D).
            positions: (B, P) integers in [0, L), or None for all positions.

        Returns:
            Logits, (B, P, V), or (B, L, V) without positions; float32.
        """
        if positions is not None:
            hidden = gather_positions(hidden, positions)  # (B, P, D)
        hidden = self.layer_norm(ops.gelu(self.transform(hidden), approximate=False))
        decoder = ops.transpose(ops.cast(embedding_table, hidden.dtype))  # (D, V)
        return ops.cast(ops.matmul(hidden, decoder), "float32") + ops.cast(self.bias, "float32")

    def compute_output_shape(self, hidden_shape, embedding_table_shape=None, positions_shape=None):
        """(B, P, V), or (B, L, V) without positions."""
        return (*(positions_shape or hidden_shape[:2]), self.vocab_size)


@keras.saving.register_keras_serializable("kbert")
class NextSentenceHead(keras.layers.Layer):
    """Scores whether the second text follows the first: (B, D) pooled -> (B, 2) logits.

    The first logit is for `IS_NEXT`, the second for `IS_RANDOM`; see `kbert/labels.py`.

    Args:
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.

    Source: google-research/bert, run_pretraining.py, `get_next_sentence_output`.
    """

    def __init__(self, initializer_range: float = 0.02, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        initializer = TruncatedNormal(initializer_range, seed=sub_seed(seed, "dense"))
        self.dense = keras.layers.Dense(
            2, kernel_initializer=initializer, dtype=self.dtype_policy, name="dense"
        )

    def build(self, input_shape):
        """Builds the projection D -> 2."""
        self.dense.build(input_shape)
        self.built = True

    def call(self, pooled):
        """(B, D) -> (B, 2), float32."""
        return ops.cast(self.dense(pooled), "float32")

    def compute_output_shape(self, input_shape):
        """Two logits."""
        return (input_shape[0], 2)
