"""What a token is, where it stands and which text it is in, added up.

Shapes: B batch, L length, D hidden, V vocabulary.
"""

import keras
from keras import ops

from kbert.errors import KbertError
from kbert.layers.initializers import TruncatedNormal, sub_seed


@keras.saving.register_keras_serializable("kbert")
class Embeddings(keras.layers.Layer):
    """Token + position + segment embeddings, layer-normalised, with dropout.

    Args:
        vocab_size: V.
        hidden_size: D.
        max_position_embeddings: the longest L, special tokens included.
        type_vocab_size: how many segments (texts in one row) there are.
        dropout: the rate at which the sum is dropped in training.
        layer_norm_eps: added to the variance before the root.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.

    Source: Devlin et al. 2018, figure 2.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        max_position_embeddings: int = 512,
        type_vocab_size: int = 2,
        dropout: float = 0.1,
        layer_norm_eps: float = 1e-12,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.max_position_embeddings = max_position_embeddings
        self.type_vocab_size = type_vocab_size
        self.initializer_range = initializer_range
        self.seed = seed
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_eps, dtype=self.dtype_policy, name="layer_norm"
        )
        self.dropout = keras.layers.Dropout(
            dropout, seed=sub_seed(seed, "dropout"), dtype=self.dtype_policy
        )

    def build(self, input_shape=None):
        """Makes the three tables, each (rows, D)."""

        def table(rows: int, name: str):
            initializer = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, name))
            return self.add_weight(
                shape=(rows, self.hidden_size), initializer=initializer, name=name
            )

        self.token_table = table(self.vocab_size, "token_table")
        self.position_table = table(self.max_position_embeddings, "position_table")
        self.segment_table = table(self.type_vocab_size, "segment_table")
        self.layer_norm.build((None, None, self.hidden_size))
        self.built = True

    def call(self, input_ids, token_type_ids=None, training=None):
        """Looks up and adds.

        Args:
            input_ids: (B, L) integers in [0, V).
            token_type_ids: (B, L) integers, 0 for the first text and 1 for the second; None
                means one text.
            training: whether to drop.

        Returns:
            (B, L, D).

        Raises:
            KbertError: if L is more than the positions there are.
        """
        length = input_ids.shape[1]
        if length is not None and length > self.max_position_embeddings:
            raise KbertError(
                f"a row of {length} tokens is longer than the model's "
                f"{self.max_position_embeddings} positions; pass max_length to the tokenizer"
            )
        length = length or ops.shape(input_ids)[1]
        token = ops.take(self.token_table, input_ids, axis=0)  # (B, L, D)
        position = self.position_table[:length]  # (L, D)
        if token_type_ids is None:
            segment = self.segment_table[0]  # (D,)
        else:
            segment = ops.take(self.segment_table, token_type_ids, axis=0)  # (B, L, D)
        total = ops.cast(token + position + segment, self.compute_dtype)
        return self.dropout(self.layer_norm(total), training=training)

    def compute_output_shape(self, input_shape, token_type_ids_shape=None):
        """Adds D."""
        return (*input_shape, self.hidden_size)
