"""Disentangled self-attention: what a token is, and how far away it stands, are scored apart.

    score(i, j) = (q_i k_j + q_i Kr[b] + k_j Qr[b]) / sqrt(3 H)        b = bucket(i - j)

Kr and Qr are what projections make of one table of distances, which all layers share. Which
row a distance has says kbert/sizes/distances.py.

No number is looked up for a pair of positions: Kr and Qr are put in a row by distance, 2 L of them,
a product gives q_i Kr for all distances, and row i of it, shifted by i, is that of its keys.

Shapes: B batch, L length, D hidden, N heads, H head size, R rows of the table that are in use.
In the paper q is Q^c, k is K^c, Kr is K^r, Qr is Q^r, and b is delta(i, j) less its k.
Source: He et al. 2020, "DeBERTa", section 3.1; He et al. 2021, "DeBERTaV3"; transformers,
modeling_deberta_v2.py, for `share_att_key`.
"""

import math
from typing import Any

import keras
from keras import ops

from kbert.layers.attention import SelfAttention
from kbert.layers.calling import run
from kbert.layers.dense import Dense, linear
from kbert.layers.dropout import Dropout
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.kernels.free_lengths import places_of, reshaped
from kbert.layers.layer_norm import LayerNorm
from kbert.sizes.distances import rows_of, span_of


@keras.saving.register_keras_serializable("kbert")
class RelativePositions(keras.layers.Layer):
    """The table of distances that all layers share: a row for each bucket, layer-normalised.

    Args:
        hidden_size: D.
        position_buckets: as in `kbert/sizes/distances.py`.
        max_relative_positions: likewise.
        layer_norm: whether the rows are layer-normalised.
        layer_norm_eps: added to the variance before the root.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.

    Example:
        >>> relative = RelativePositions(16, position_buckets=4, max_relative_positions=9)
        >>> rows, places = relative(ops.zeros((1, 4, 16)))
        >>> tuple(rows.shape), ops.convert_to_numpy(places).tolist()
        ((7, 16), [0, 0, 1, 2, 3, 4, 5, 6, 6])
    """

    def __init__(
        self,
        hidden_size: int,
        position_buckets: int,
        max_relative_positions: int,
        layer_norm: bool = True,
        layer_norm_eps: float = 1e-7,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.distances = position_buckets, max_relative_positions
        self.initializer_range = initializer_range
        self.seed = seed
        self.layer_norm = None
        if layer_norm:
            self.layer_norm = LayerNorm(
                epsilon=layer_norm_eps, dtype=self.dtype_policy, name="layer_norm"
            )

    def build(self, input_shape=None):
        """Makes the table (2 span, D), and its norm."""
        self.table = self.add_weight(
            shape=(2 * span_of(*self.distances), self.hidden_size),
            initializer=TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, "table")),
            name="table",
        )
        if self.layer_norm is not None:
            self.layer_norm.build((None, self.hidden_size))
        self.built = True

    def call(self, hidden, longest: int = 0, training=None):
        """The part of the table that a batch needs.

        Args:
            hidden: (B, L, D), of which L alone counts.
            longest: the largest that L can be, where it is free: while a model is exported.
            training: whether gradients will be asked for.

        Returns:
            The table from the first to the last row in use, (R, D); and which of them each distance
            from -L to L has, (2 L + 1,).
        """
        length = hidden.shape[1]
        if isinstance(length, int):
            places = rows_of(length, *self.distances)
            rows, places = self.table[places[0] : places[-1] + 1], places - places[0]
        else:
            length = ops.shape(hidden)[1]
            rows = ops.convert_to_tensor(self.table)
            places = ops.convert_to_tensor(rows_of(longest, *self.distances))[:, None]
            places = ops.take(places, places_of(2 * length + 1) + (longest - length), axis=0)[:, 0]
        if self.layer_norm is not None:
            rows = run(self.layer_norm, rows, training=training)
        return rows, places


@keras.saving.register_keras_serializable("kbert")
class DisentangledSelfAttention(SelfAttention):
    """Multi-head self-attention to what a token is and to how far away it stands.

    Args:
        num_attention_heads: N; it must divide D.
        dropout: the rate at which attention weights are dropped in training.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.
        position_dropout: the rate at which the rows of the table are dropped in training.
        share_att_key: whether the table goes through the projections of the tokens' queries and
            keys; else it has its own.

    Example:
        >>> relative = RelativePositions(16, position_buckets=4, max_relative_positions=9)
        >>> attend = DisentangledSelfAttention(num_attention_heads=2)
        >>> hidden = ops.zeros((1, 4, 16))
        >>> tuple(attend(hidden, relative=relative(hidden)).shape)
        (1, 4, 16)
    """

    def __init__(
        self,
        num_attention_heads: int,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        seed: int = 0,
        position_dropout: float = 0.1,
        share_att_key: bool = True,
        **kwargs,
    ):
        super().__init__(num_attention_heads, dropout, initializer_range, seed, **kwargs)
        self.share_att_key = share_att_key
        self.position_dropout = Dropout(
            position_dropout, seed=sub_seed(seed, "position_dropout"), dtype=self.dtype_policy
        )

    def build(self, input_shape):
        """Makes the projections, for distances D -> 2 N H where they have their own."""
        super().build(input_shape)
        if not self.share_att_key:
            self.position_query_key = Dense(
                2 * self.num_attention_heads * self.head_size,
                kernel_initializer=TruncatedNormal(
                    self.initializer_range, seed=sub_seed(self.seed, "position_query_key")
                ),
                dtype=self.dtype_policy,
                name="position_query_key",
            )
            self.position_query_key.build((None, input_shape[-1]))

    def call(
        self,
        hidden,
        bias=None,
        training=None,
        return_weights=False,
        draw=None,
        lengths=None,
        *,
        relative,
    ):
        """As `SelfAttention`.

        Args:
            hidden: (B, L, D).
            bias: what else to add to the scores, (B, 1, 1, L) or (B, 1, L, L), or None.
            training: whether to drop.
            return_weights: whether to return the weights, queries and keys too; a query is
                divided by sqrt(3), so that q k / sqrt(H) is its part of a score.
            draw: a draw of `self.dropout` and one of `self.position_dropout`, if it is to make
                none.
            lengths: not looked at: no kernel takes them beside distances.
            relative: what `RelativePositions` gives for L.
        """
        for_weights, for_positions = (None, None) if draw is None else draw
        query, key, value = self.projected(hidden, training)
        query = query / math.sqrt(3)
        rows, places = relative
        rows = run(self.position_dropout, rows, training=training, draw=for_positions)
        queries, keys = self._of_distances(rows, training)  # (R, N H)
        scale = 1 / math.sqrt(query.shape[-1])  # before products, which could be too large
        queries = ops.take(queries * scale / math.sqrt(3), places[:-1], axis=0)
        keys = ops.take(keys * scale, ops.flip(places[1:]), axis=0)  # (2 L, N H)
        to_distances = _shifted(query, keys)  # (N, B, L, L): query, key
        from_distances = _shifted(key, queries)  # (N, B, L, L): key, query
        both = ops.swapaxes(to_distances + ops.swapaxes(from_distances, 2, 3), 0, 1)
        bias = both if bias is None else both + bias  # (B, N, L, L)
        return self._attended(query, key, value, bias, training, return_weights, for_weights)

    def draw(self):
        """A draw of both dropouts, to pass to `call`."""
        return self.dropout.draw(), self.position_dropout.draw()

    def _of_distances(self, rows, training):
        """Queries and keys of the table's rows, (R, N H) each."""
        width = self.num_attention_heads * self.head_size
        if self.share_att_key:
            of_tokens: Any = self.query_key_value
            kernel, bias = of_tokens.kernel[:, : 2 * width], of_tokens.bias[: 2 * width]
            both = linear(rows, kernel, bias, training=training)
        else:
            both = run(self.position_query_key, rows, training=training)
        queries, keys = ops.split(both, 2, axis=-1)
        return queries, keys


def _shifted(vectors, by_distance):
    """The product of vector i with that of its distance to j: (N, B, L, L).

    In row i of all products that with j stands in place j - i + L, which of the numbers of all rows
    is L + i (2 L - 1) + j. So without the first L, and read in rows of 2 L - 1, it is number j.

    Args:
        vectors: (B, L, N, H).
        by_distance: (2 L, N H), of which number L + t belongs to j = i + t.
    """
    length, heads, head_size = vectors.shape[1:]
    length = length or ops.shape(vectors)[1]
    rows = ops.reshape(ops.transpose(vectors, (2, 0, 1, 3)), (heads, -1, head_size))  # (N, B L, H)
    by_distance = ops.reshape(by_distance, (-1, heads, head_size))
    products = ops.matmul(rows, ops.transpose(by_distance, (1, 2, 0)))  # (N, B L, 2 L)
    # Every slice begins at a number, also where L is free: jax2onnx takes no other.
    kept = reshaped(products, (heads, -1, 2 * length, length))[:, :, 1:]
    return reshaped(kept, (heads, -1, length, 2 * length - 1))[..., :length]
