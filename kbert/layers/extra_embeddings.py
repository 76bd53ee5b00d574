"""Vectors that are of no token, as a row takes them: regions of an image, frames of a sound.

    extra = W x + b + position + segment

They stand behind the text's tokens; from there on they are treated as these are.

Shapes: B batch, K extra vectors, F numbers of each, E embedding.
Source: Li et al. 2019, "VisualBERT: A Simple and Performant Baseline for Vision and Language",
section 3.2.
"""

import keras
from keras import ops

from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.initializers import TruncatedNormal, sub_seed


@keras.saving.register_keras_serializable("kbert")
class ExtraEmbeddings(keras.layers.Layer):
    """Vectors projected to the width of the embeddings, each with a position and a segment.

    The tables are their own. All extra vectors are of the second segment, where there are two.

    Args:
        embedding_size: E.
        max_position_embeddings: rows of the position table.
        type_vocab_size: rows of the segment table; with 0 there is none.
        initializer_range: standard deviation of the starting weights.
        seed: of the starting weights.

    Example:
        >>> layer = ExtraEmbeddings(embedding_size=16)
        >>> tuple(layer(ops.zeros((2, 5, 48))).shape)
        (2, 5, 16)

    Source: transformers, modeling_visual_bert.py, `VisualBertEmbeddings`.
    """

    def __init__(
        self,
        embedding_size: int,
        max_position_embeddings: int = 512,
        type_vocab_size: int = 2,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.embedding_size = embedding_size
        self.max_position_embeddings = max_position_embeddings
        self.type_vocab_size = type_vocab_size
        self.initializer_range, self.seed = initializer_range, seed

    def build(self, extra_embeddings_shape, extra_positions_shape=None):
        """Makes the projection F -> E, and the tables, each (rows, E)."""

        def initializer(name: str):
            return TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, name))

        def table(rows: int, name: str):
            shape = (rows, self.embedding_size)
            return self.add_weight(
                shape=shape, initializer=initializer(name), autocast=False, name=name
            )

        self.projection = Dense(
            self.embedding_size,
            kernel_initializer=initializer("projection"),
            dtype=self.dtype_policy,
            name="projection",
        )
        self.projection.build(extra_embeddings_shape)
        self.position_table = table(self.max_position_embeddings, "position_table")
        if self.type_vocab_size:
            self.segment_table = table(self.type_vocab_size, "segment_table")
        self.built = True

    def call(self, extra_embeddings, extra_positions=None, training=None):
        """Projects and adds.

        Args:
            extra_embeddings: (B, K, F).
            extra_positions: (B, K) integers, rows of the position table; None means that all are
                of the first, as in VisualBERT, so that their order tells nothing.
            training: passed on.

        Returns:
            (B, K, E).
        """
        projected = run(self.projection, extra_embeddings, training=training)
        if extra_positions is None:
            position = self.position_table[0]  # (E,)
        else:
            position = ops.take(self.position_table, extra_positions, axis=0)  # (B, K, E)
        total = ops.cast(projected, self.variable_dtype) + position
        return total + self.segment_table[-1] if self.type_vocab_size else total

    def compute_output_shape(self, extra_embeddings_shape, extra_positions_shape=None):
        """F becomes E."""
        return (*extra_embeddings_shape[:-1], self.embedding_size)
