"""What a token is, where it stands and which text it is in, added up.

Shapes: B batch, L length, E embedding (D in BERT), D hidden, V vocabulary.
"""

from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError
from kbert.layers.calling import run
from kbert.layers.dense import Dense, sum_of_rows
from kbert.layers.dropout import Dropout
from kbert.layers.extra_embeddings import ExtraEmbeddings
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.layer_norm import LayerNorm
from kbert.layers.quantized import Quantized, quantized


class TokenTable(keras.layers.Layer):
    """A layer that has a vector for each token, as numbers or as small whole numbers.

    Attributes:
        quantized: the table as whole numbers, where an encoder's `weights` say so; else None.
    """

    quantized: Quantized | None = None
    _token_table: Any = None

    def _build_token_table(self, shape: tuple[int, int], stddev: float, seed: int) -> None:
        self.quantized = quantized(self, shape, "token_table")
        if self.quantized is not None:
            return
        self._token_table = self.add_weight(
            shape=shape,
            initializer=TruncatedNormal(stddev, seed=sub_seed(seed, "token_table")),
            autocast=False,  # a frequent token's gradient is a sum too long for 16 bits
            name="token_table",
        )

    @property
    def token_table(self) -> Any:
        """(V, E): the weight, or what whole numbers stand for."""
        return self._token_table if self.quantized is None else self.quantized.floats()

    def token_vectors(self, input_ids):
        """(B, L) ids -> (B, L, E); what is (B, L, E) already stays as it is."""
        if len(input_ids.shape) == 3:
            return ops.cast(input_ids, self.variable_dtype)
        if self.quantized is not None:
            return self.quantized.floats(input_ids)
        return ops.take(self._token_table, input_ids, axis=0)


@keras.saving.register_keras_serializable("kbert")
class Embeddings(TokenTable):
    """Token + position + segment embeddings, layer-normalised, with dropout.

    Where the tables are narrower than the encoder (ELECTRA's small models), a projection E -> D
    follows; in ALBERT always.

    Args:
        vocab_size: V.
        hidden_size: D.
        max_position_embeddings: rows of the position table.
        type_vocab_size: how many segments (texts in one row) there are; with 0 there is no table
            for them (DistilBERT), with 1 all texts are segment 0 (RoBERTa).
        dropout: the rate at which the sum is dropped in training.
        layer_norm_eps: added to the variance before the root.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.
        embedding_size: E; None means D.
        position_offset: the row of the position table at which a text begins: 0 in BERT, and
            in RoBERTa the id of padding + 1.
        always_project: whether the projection is there where E is D, too.
        extra_size: how many numbers each extra vector has, if a row may have some behind its
            tokens; see `ExtraEmbeddings`.

    Example:
        >>> import numpy as np
        >>> embeddings = Embeddings(vocab_size=100, hidden_size=16)
        >>> tuple(embeddings(np.array([[2, 5, 3]], "int32")).shape)
        (1, 3, 16)

    Source: Devlin et al. 2018, figure 2; Clark et al. 2020 (ELECTRA), appendix A, for E; Lan et al.
        2020 (ALBERT), section 3.1, for the projection.
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
        embedding_size: int | None = None,
        position_offset: int = 0,
        always_project: bool = False,
        extra_size: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.embedding_size = embedding_size or hidden_size
        self.position_offset = position_offset
        self.always_project = always_project
        self.projection = self.extra = None
        self.extra_size = extra_size
        self.max_position_embeddings = max_position_embeddings
        self.type_vocab_size = type_vocab_size
        self.initializer_range = initializer_range
        self.seed = seed
        self.layer_norm = self._norm(layer_norm_eps)
        self.dropout = Dropout(dropout, seed=sub_seed(seed, "dropout"), dtype=self.dtype_policy)

    def _norm(self, layer_norm_eps: float) -> Any:
        return LayerNorm(epsilon=layer_norm_eps, dtype=self.dtype_policy, name="layer_norm")

    def _build_tokens(self) -> None:
        shape = (self.vocab_size, self.embedding_size)
        self._build_token_table(shape, self.initializer_range, self.seed)

    def _tokens(self, input_ids, training):
        """What of the sum is the tokens', as wide as the other tables."""
        return self.token_vectors(input_ids)

    def build(self, input_ids_shape=None, token_type_ids_shape=None):
        """Makes the tables, each (rows, E), and the projection if there is one."""

        def table(rows: int, name: str):
            return self.add_weight(
                shape=(rows, self.embedding_size),
                initializer=TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, name)),
                autocast=False,  # as the token table's
                name=name,
            )

        self._build_tokens()
        self.position_table = table(self.max_position_embeddings, "position_table")
        if self.type_vocab_size:
            self.segment_table = table(self.type_vocab_size, "segment_table")
        if self.extra_size is not None:
            self.extra = ExtraEmbeddings(
                self.embedding_size,
                self.max_position_embeddings,
                self.type_vocab_size,
                initializer_range=self.initializer_range,
                seed=sub_seed(self.seed, "extra"),
                dtype=self.dtype_policy,
                name="extra",
            )
            self.extra.build((None, None, self.extra_size))
        self.layer_norm.build((None, None, self.embedding_size))
        if self.always_project or self.embedding_size != self.hidden_size:
            self.projection = Dense(
                self.hidden_size,
                kernel_initializer=TruncatedNormal(
                    self.initializer_range, seed=sub_seed(self.seed, "projection")
                ),
                dtype=self.dtype_policy,
                name="projection",
            )
            self.projection.build((None, None, self.embedding_size))
        self.built = True

    def share_tables(self, other: "Embeddings") -> None:
        """Has the tables and the norm of another layer stand here, too; a projection stays its own.

        From then on they are the same weights: what one is trained to, the other is. Each layer is
        saved with them.

        Args:
            other: built, as this one, of floats, with tables of the same shapes.

        Example:
            >>> one, two = Embeddings(9, 4), Embeddings(9, 8, embedding_size=4)
            >>> one.build(), two.build()
            (None, None)
            >>> two.share_tables(one)
            >>> two.token_table is one.token_table, len(two.weights)
            (True, 7)

        Source: Clark et al. 2020 (ELECTRA), section 3.2.
        """
        tables = ("_token_table", "position_table", "segment_table")
        parts = [(self, other, name) for name in tables if hasattr(self, name)]
        parts += [(self.layer_norm, other.layer_norm, name) for name in ("gamma", "beta")]
        for layer, theirs, name in parts:
            layer._untrack_variable(getattr(layer, name))
            layer._tracker.unlock()
            setattr(layer, name, getattr(theirs, name))  # which tracks it
            layer._tracker.lock()
            layer._post_track_variable(getattr(layer, name))

    def call(
        self,
        input_ids,
        token_type_ids=None,
        extra_embeddings=None,
        extra_positions=None,
        training=None,
    ):
        """Looks up and adds.

        Args:
            input_ids: (B, L) integers in [0, V); or vectors in their place, (B, L, E).
            token_type_ids: (B, L) integers, 0 for the first text and 1 for the second; None
                means one text. Not looked at where there are fewer than two segments.
            extra_embeddings: (B, K, F), or None; see `ExtraEmbeddings`.
            extra_positions: (B, K) integers, or None.
            training: whether to drop.

        Returns:
            (B, L, D); with extra vectors (B, L + K, D).

        Raises:
            KbertError: if L is more than the positions there are.
        """
        length, longest = input_ids.shape[1], self.max_position_embeddings - self.position_offset
        if length is not None and length > longest:
            raise KbertError(
                f"a row of {length} tokens is longer than the model's {longest} positions; "
                "pass max_length to the tokenizer"
            )
        length = length or ops.shape(input_ids)[1]
        token = self._tokens(input_ids, training)  # (B, L, E)
        begin = self.position_offset
        position = self.position_table[begin : begin + length]  # (L, E)
        if self.type_vocab_size > 1 and token_type_ids is not None:
            segment = _segments(self.segment_table, token_type_ids, training)  # (B, L, E)
        else:
            segment = self.segment_table[0] if self.type_vocab_size else 0.0  # (E,)
        if training:
            position = _in_every_row(position, ops.shape(token)[0])
        total = token + position + segment  # float32
        if extra_embeddings is not None:
            extra = run(self.extra, extra_embeddings, extra_positions, training=training)
            total = ops.concatenate([total, extra], axis=1)  # (B, L + K, E)
        hidden = run(self.layer_norm, total, training=training)
        hidden = run(self.dropout, hidden, training=training)
        if self.projection is None:
            return hidden
        return run(self.projection, hidden, training=training)

    def compute_output_shape(self, input_ids_shape, token_type_ids_shape=None):
        """Adds D."""
        return (*input_ids_shape, self.hidden_size)


def _segments(table, token_type_ids, training=None):
    """(T, E), (B, L) -> (B, L, E). In training by a product on XLA, and so its gradient.

    That of a look-up adds to the same few rows again and again, for which the threads of a GPU wait
    for each other.
    """
    if keras.backend.backend() == "torch" or not training:
        return ops.take(table, token_type_ids, axis=0)
    return ops.matmul(ops.one_hot(token_type_ids, table.shape[0], dtype=table.dtype), table)


def _in_every_row(position, rows):
    """(L, E) -> (B, L, E) for XLA, which on a CPU is slow to find its gradient, a sum over B."""
    if keras.backend.backend() == "torch":
        return position

    @ops.custom_gradient
    def repeated(position):
        length, size = ops.shape(position)

        def gradient(upstream):
            return ops.reshape(sum_of_rows(ops.reshape(upstream, (rows, -1))), (length, size))

        return ops.broadcast_to(position, (rows, length, size)), gradient

    return repeated(position)
