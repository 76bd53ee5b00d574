"""Longformer's self-attention: a window for each token, and tokens that see and are seen by all.

    local     softmax(q_i [K of the window, K of the global tokens]^T / sqrt(H)) [V of both]
    global    softmax(q'_i K'^T / sqrt(H)) V'       with projections of their own

The cost grows with L (w + G). Where the global tokens stand is an input, since it depends on the
task: the first token where a row is classified, the question where an answer is looked for.

Shapes: B batch, L length, D hidden, N heads, H head size, G global tokens, w window.
In the paper q' is Q_g, K' is K_g and V' is V_g.
Source: Beltagy et al. 2020, "Longformer", section 3.1; transformers, modeling_longformer.py,
`LongformerSelfAttention`.
"""

import keras
from keras import ops

from kbert.layers.attention import PADDED, SelfAttention, attention, attention_reference, windowed
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.dropout import Dropout
from kbert.layers.heads import gather_positions
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.kernels.dispatch import dropping
from kbert.layers.kernels.free_lengths import places_of
from kbert.layers.kernels.windows import with_more_keys


@keras.saving.register_keras_serializable("kbert")
class GlobalSelfAttention(SelfAttention):
    """Multi-head self-attention to a window and to global tokens.

    Args:
        num_attention_heads: N; it must divide D.
        dropout: the rate at which attention weights are dropped in training.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.
        window: how many positions each sees on either side of its own.
        **kwargs: as for `SelfAttention`.

    Example:
        >>> attend = GlobalSelfAttention(num_attention_heads=2, window=1)
        >>> hidden = ops.zeros((1, 4, 16))
        >>> _, weights, *_ = attend(hidden, return_weights=True, global_positions=[[0, -1]])
        >>> (ops.convert_to_numpy(weights)[0, 0] > 0).astype(int).tolist()
        [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 1, 1]]
    """

    def __init__(
        self,
        num_attention_heads: int,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        seed: int = 0,
        *,
        window: int,
        **kwargs,
    ):
        super().__init__(num_attention_heads, dropout, initializer_range, seed, window, **kwargs)
        self.global_dropout = Dropout(
            dropout, seed=sub_seed(seed, "global_dropout"), dtype=self.dtype_policy
        )

    def build(self, input_shape):
        """Makes the projections, and those of global tokens: D -> N H, and D -> 2 N H of all."""
        super().build(input_shape)
        width = self.num_attention_heads * self.head_size

        def dense(units: int, name: str) -> Dense:
            seed = sub_seed(self.seed, name)
            start = TruncatedNormal(self.initializer_range, seed=seed)
            layer = Dense(units, kernel_initializer=start, dtype=self.dtype_policy, name=name)
            layer.build(input_shape)
            return layer

        self.global_query = dense(width, "global_query")
        self.global_key_value = dense(2 * width, "global_key_value")

    def call(
        self,
        hidden,
        bias=None,
        training=None,
        return_weights=False,
        draw=None,
        lengths=None,
        *,
        global_positions=None,
    ):
        """As `SelfAttention`.

        Args:
            hidden: (B, L, D).
            bias: what to add to the scores, (B, 1, 1, L) or (B, 1, L, L), or None.
            training: whether to drop weights.
            return_weights: whether to return the weights, queries and keys too; the latter are
                the local ones.
            draw: a draw of `self.dropout` and one of `self.global_dropout`, if it is to make none.
            lengths: not looked at where there are global tokens.
            global_positions: (B, G) where the global tokens of each row stand, each once; -1 is
                none. None means that no row has any.
        """
        if draw is None:
            draw = self.draw() if training and self.dropout_rate > 0 else (None, None)
        local_draw, global_draw = draw
        if global_positions is None:
            return super().call(
                hidden, bias, training, return_weights, draw=local_draw, lengths=lengths
            )
        places = ops.cast(global_positions, "int32")  # (B, G)
        positions = places_of(ops.shape(hidden)[1])
        is_at = places[:, :, None] == positions  # (B, G, L)
        is_global = ops.any(is_at, axis=1)  # (B, L)
        if bias is None:
            bias = ops.zeros_like(is_global[:, None, None], dtype=hidden.dtype)
        query, key, value = self.projected(hidden, training)
        local, weights = self._local(
            (query, key, value), bias, is_at, training, local_draw, return_weights
        )
        seeing_all, global_weights = self._global(
            hidden, bias, is_at, training, global_draw, return_weights
        )
        which = ops.argmax(ops.cast(is_at, "int32"), axis=1)  # (B, L) of the global ones
        of_global = _at(seeing_all, which)
        context = ops.where(is_global[:, :, None, None], of_global, local)  # (B, L, N, H)
        output = self._merged(context, training)
        if not return_weights:
            return output
        of_global = ops.take_along_axis(global_weights, which[:, None, :, None], axis=2)
        weights = ops.where(is_global[:, None, :, None], of_global, weights)  # (B, N, L, L)
        return output, weights, query, key

    def draw(self):
        """A draw of both dropouts, to pass to `call`."""
        return self.dropout.draw(), self.global_dropout.draw()

    def _local(self, projected, bias, is_at, training, draw, return_weights):
        """What all tokens take from their windows and the global ones, (B, L, N, H), and weights.

        Those of global tokens mean nothing. A global key within a window counts once.
        """
        query, key, value = projected
        places = ops.argmax(ops.cast(is_at, "int32"), axis=2)  # (B, G)
        is_there = ops.any(is_at, axis=2)[:, None, None]  # (B, 1, 1, G)
        by_key = ops.swapaxes(bias[:, 0], 1, 2)  # (B, L, 1 or L)
        of_more = ops.swapaxes(gather_positions(by_key, places), 1, 2)[:, None]  # (B, 1, 1 or L, G)
        more = (
            _at(key, places),  # (B, G, N, H)
            _at(value, places),
            ops.where(is_there, of_more, PADDED),
        )
        bias = ops.where(ops.any(is_at, axis=1)[:, None, None], PADDED, bias)
        dropout = self.dropout if training and self.dropout_rate > 0 else None
        assert self.window is not None
        if not return_weights:
            how = {"window": self.window, "more": more, "dropout": dropout, "draw": draw}
            return attention(query, key, value, bias, **how), None
        keys = with_more_keys(key, value, windowed(bias, query, self.window), more)
        context, weights = attention_reference(query, *keys, dropping(dropout, draw))
        length = ops.shape(query)[1]
        to_more = ops.einsum(
            "bnqg,bgl->bnql", weights[..., length:], ops.cast(is_at, weights.dtype)
        )
        return context, weights[..., :length] + to_more

    def _global(self, hidden, bias, is_at, training, draw, return_weights):
        """What the global tokens take from all, (B, G, N, H), and weights (B, N, G, L)."""
        places = ops.argmax(ops.cast(is_at, "int32"), axis=2)  # (B, G); 0 where there is none
        rows = gather_positions(hidden, places)  # (B, G, D)
        shape = (-1, places.shape[1] or ops.shape(places)[1], self.num_attention_heads)
        query = run(self.global_query, rows, training=training)
        query = ops.reshape(query, (*shape, self.head_size))  # (B, G, N, H)
        both = run(self.global_key_value, hidden, training=training)  # (B, L, 2 N H)
        shape = (-1, hidden.shape[1] or ops.shape(hidden)[1], 2, self.num_attention_heads)
        key, value = ops.unstack(ops.reshape(both, (*shape, self.head_size)), 2, axis=2)
        if bias.shape[2] != 1:  # it differs by query
            bias = ops.take_along_axis(bias, places[:, None, :, None], axis=2)  # (B, 1, G, L)
        dropout = self.global_dropout if training and self.dropout_rate > 0 else None
        if not return_weights:
            return attention(query, key, value, bias, dropout=dropout, draw=draw), None
        return attention_reference(query, key, value, bias, dropping(dropout, draw))


def _at(vectors, places):
    """(B, L, N, H), (B, G) -> (B, G, N, H). Heads are one axis in between: so nothing is kept."""
    length, heads, size = vectors.shape[1:]
    rows = ops.reshape(vectors, (-1, length or ops.shape(vectors)[1], heads * size))
    count = places.shape[1] or ops.shape(places)[1]
    return ops.reshape(gather_positions(rows, places), (-1, count, heads, size))
