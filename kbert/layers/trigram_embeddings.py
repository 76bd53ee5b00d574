"""MobileBERT's embeddings: narrow vectors of a token and of its neighbours become a wide one.

Shapes: B batch, L length, D hidden, E embedding, V vocabulary.
Source: Sun et al. 2020, "MobileBERT: a Compact Task-Agnostic BERT for Resource-Limited Devices",
section 3.1; google-research/mobilebert, modeling.py.
"""

import keras
from keras import ops

from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.embeddings import Embeddings
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.no_norm import NoNorm


@keras.saving.register_keras_serializable("kbert")
class TrigramEmbeddings(Embeddings):
    """Embeddings whose token table is narrow: a token is read with those beside it.

        x = NoNorm((after, token, before) W + b + position + segment)

    At either end of the row stand zeros. Padding is no end: the last token of a row that is padded
    has the vector of [PAD] after it, and the same row without padding zeros, as in transformers.

    Args:
        vocab_size: as for `Embeddings`.
        hidden_size: D, the width of the other tables.
        token_size: E, the width of the token table.
        max_position_embeddings: as for `Embeddings`.
        type_vocab_size: likewise.
        dropout: likewise.
        initializer_range: likewise.
        seed: likewise.

    Example:
        >>> import numpy as np
        >>> embeddings = TrigramEmbeddings(vocab_size=100, hidden_size=16, token_size=4)
        >>> tuple(embeddings(np.array([[2, 5, 3]], "int32")).shape)
        (1, 3, 16)

    Source: Sun et al. 2020, section 3.6; transformers, modeling_mobilebert.py, for the order.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        token_size: int,
        max_position_embeddings: int = 512,
        type_vocab_size: int = 2,
        dropout: float = 0.0,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            vocab_size,
            hidden_size,
            max_position_embeddings,
            type_vocab_size,
            dropout,
            initializer_range=initializer_range,
            seed=seed,
            **kwargs,
        )
        self.token_size = token_size

    def _norm(self, layer_norm_eps):
        return NoNorm(dtype=self.dtype_policy, name="layer_norm")

    def _build_tokens(self):
        """The table (V, E), and the projection 3 E -> D."""
        shape = (self.vocab_size, self.token_size)
        self._build_token_table(shape, self.initializer_range, self.seed)
        self.trigram = Dense(
            self.hidden_size,
            kernel_initializer=TruncatedNormal(
                self.initializer_range, seed=sub_seed(self.seed, "trigram")
            ),
            dtype=self.dtype_policy,
            name="trigram",
        )
        self.trigram.build((None, None, 3 * self.token_size))

    def _tokens(self, input_ids, training):
        token = self.token_vectors(input_ids)  # (B, L, E)
        after = ops.pad(token[:, 1:], ((0, 0), (0, 1), (0, 0)))
        before = ops.pad(token[:, :-1], ((0, 0), (1, 0), (0, 0)))
        three = ops.concatenate([after, token, before], axis=-1)  # (B, L, 3 E)
        wide = run(self.trigram, ops.cast(three, self.compute_dtype), training=training)
        return ops.cast(wide, self.variable_dtype)  # (B, L, D)
