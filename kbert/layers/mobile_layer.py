"""MobileBERT's layer: narrow within, several feed-forward networks, and no means or deviations.

    b = NoNorm(x W)            x is (B, L, D), b narrow: (B, L, S)
    s = NoNorm(x W')           of it queries and keys; values of x itself
    a = NoNorm(b + SelfAttention(s, s, x))
    a = NoNorm(a + FeedForward(a))                 some four times, each with weights of its own
    x = NoNorm(x + a W'')      wide again

Shapes: B batch, L length, D hidden, S bottleneck (intra_bottleneck_size), N heads, H = S / N head
size.
Source: Sun et al. 2020, "MobileBERT: a Compact Task-Agnostic BERT for Resource-Limited Devices",
section 3; google-research/mobilebert, modeling.py.
"""

import keras
from keras import ops

from kbert.layers.attention import SelfAttention
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.dropout import Dropout
from kbert.layers.feed_forward import FeedForward
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.no_norm import NoNorm


@keras.saving.register_keras_serializable("kbert")
class BottleneckSelfAttention(SelfAttention):
    """Multi-head self-attention whose values may be made of wider vectors than queries and keys.

    Args:
        num_attention_heads: N; it must divide S.
        dropout: the rate at which attention weights are dropped in training.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.
        value_size: how many numbers the vectors have that values are made of; None means S.

    Example:
        >>> attend = BottleneckSelfAttention(num_attention_heads=2, value_size=16)
        >>> tuple(attend(ops.zeros((1, 4, 6)), of_values=ops.zeros((1, 4, 16))).shape)
        (1, 4, 6)
    """

    def __init__(
        self,
        num_attention_heads: int,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        seed: int = 0,
        value_size: int | None = None,
        **kwargs,
    ):
        super().__init__(num_attention_heads, dropout, initializer_range, seed, **kwargs)
        self.value_size = value_size

    def _build_projections(self, size: int, width: int) -> None:
        """S -> 2 N H for queries and keys, and S or D -> N H for values."""
        self.query_key = self._dense(size, 2 * width, "query_key")
        self.value = self._dense(self.value_size or size, width, "value")

    def token_projections(self) -> list[Dense]:
        """What makes queries, keys and values of tokens."""
        return [self.query_key, self.value]

    def call(
        self,
        hidden,
        bias=None,
        training=None,
        return_weights=False,
        draw=None,
        lengths=None,
        *,
        of_values,
    ):
        """As `SelfAttention`.

        Args:
            hidden: (B, L, S), of which queries and keys are made.
            bias: what to add to the scores, from `padding_bias`, or None.
            training: whether to drop weights.
            return_weights: whether to return the weights, queries and keys too.
            draw: a draw of `self.dropout`, if it is not to make one.
            lengths: (B,) how many tokens each row has, if that is all that `bias` says.
            of_values: (B, L, S or D), of which values are made.
        """
        both = run(self.query_key, hidden, training=training)  # (B, L, 2 N H)
        value = run(self.value, of_values, training=training)  # (B, L, N H)
        length, heads = hidden.shape[1] or ops.shape(hidden)[1], self.num_attention_heads
        both = ops.reshape(both, (-1, length, 2, heads, self.head_size))  # (B, L, 2, N, H)
        value = ops.reshape(value, (-1, length, heads, self.head_size))  # (B, L, N, H)
        query, key = ops.unstack(both, 2, axis=2)
        return self._attended(query, key, value, bias, training, return_weights, draw, lengths)


@keras.saving.register_keras_serializable("kbert")
class MobileLayer(keras.layers.Layer):
    """Self-attention and some feed-forward networks, between a narrowing and a widening.

    Args:
        num_attention_heads: N; it must divide S.
        intermediate_size: width within each feed-forward network.
        bottleneck_size: S.
        feed_forward_networks: how many there are.
        bottleneck_attention: whether queries, keys and values are all made of b; else queries and
            keys of a narrowing of their own, and values of x.
        dropout: the rate at which what is wide again is dropped in training.
        attention_dropout: the rate at which attention weights are dropped in training.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.
        hidden_act: the activation within the feed-forward networks.
        head_size: as for `SelfAttention`; None means S / N.

    Example:
        >>> layer = MobileLayer(num_attention_heads=2, intermediate_size=24, bottleneck_size=4)
        >>> tuple(layer(ops.zeros((2, 7, 16))).shape)
        (2, 7, 16)
    """

    def __init__(
        self,
        num_attention_heads: int,
        intermediate_size: int,
        bottleneck_size: int,
        feed_forward_networks: int = 4,
        bottleneck_attention: bool = False,
        dropout: float = 0.0,
        attention_dropout: float = 0.1,
        initializer_range: float = 0.02,
        seed: int = 0,
        hidden_act: str = "relu",
        head_size: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy.name
        self.num_attention_heads, self.head_size = num_attention_heads, head_size
        self.attention_dropout_rate = attention_dropout
        self.bottleneck_size, self.bottleneck_attention = bottleneck_size, bottleneck_attention
        self.initializer_range, self.seed = initializer_range, seed
        self.attention_norm = NoNorm(dtype=policy, name="attention_norm")
        self.feed_forwards = [
            FeedForward(
                intermediate_size,
                initializer_range,
                sub_seed(seed, f"feed_forward_{k}"),
                hidden_act,
                dtype=policy,
                name=f"feed_forward_{k}",
            )
            for k in range(feed_forward_networks)
        ]
        self.feed_forward_norms = [
            NoNorm(dtype=policy, name=f"feed_forward_norm_{k}")
            for k in range(feed_forward_networks)
        ]
        self.output_dropout = Dropout(dropout, seed=sub_seed(seed, "output_dropout"), dtype=policy)

    def build(self, input_shape):
        """Makes and builds the parts."""
        hidden_size, policy = input_shape[-1], self.dtype_policy.name
        narrow_shape = (*input_shape[:-1], self.bottleneck_size)

        def dense(inputs: int, units: int, name: str) -> tuple[Dense, NoNorm]:
            """A projection and what stands behind it."""
            start = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, name))
            layer = Dense(units, kernel_initializer=start, dtype=policy, name=name)
            layer.build((*input_shape[:-1], inputs))
            norm = NoNorm(dtype=policy, name=f"{name}_norm")
            norm.build((*input_shape[:-1], units))
            return layer, norm

        narrow_size = self.bottleneck_size
        self.bottleneck, self.bottleneck_norm = dense(hidden_size, narrow_size, "bottleneck")
        self.attention_bottleneck = self.attention_bottleneck_norm = None
        if not self.bottleneck_attention:
            self.attention_bottleneck, self.attention_bottleneck_norm = dense(
                hidden_size, narrow_size, "attention_bottleneck"
            )
        self.self_attention = BottleneckSelfAttention(
            self.num_attention_heads,
            self.attention_dropout_rate,
            self.initializer_range,
            sub_seed(self.seed, "self_attention"),
            None if self.bottleneck_attention else hidden_size,
            head_size=self.head_size,
            dtype=policy,
            name="self_attention",
        )
        parts = self.self_attention, self.attention_norm
        for part in (*parts, *self.feed_forwards, *self.feed_forward_norms):
            part.build(narrow_shape)
        self.output_bottleneck, self.output_norm = dense(
            narrow_size, hidden_size, "output_bottleneck"
        )
        self.built = True

    def draws(self):
        """A draw for each of the two dropouts, to pass to `call`."""
        return self.self_attention.draw(), self.output_dropout.draw()

    def call(
        self,
        hidden,
        bias=None,
        training=None,
        return_weights=False,
        draws=(None, None),
        lengths=None,
    ):
        """Runs the layer.

        Args:
            hidden: (B, L, D).
            bias: what to add to attention scores, or None.
            training: whether to drop.
            return_weights: whether to return what the heads did, too.
            draws: what `draws()` gave, if the layer is not to draw itself.
            lengths: (B,) how many tokens each row has, if that is all that `bias` says.

        Returns:
            (B, L, D); or a tuple of it, the attention weights (B, N, L, L), and the queries and
            keys (B, L, N, H).
        """
        for_weights, for_output = draws
        narrow = run(self.bottleneck, hidden, training=training)
        narrow = run(self.bottleneck_norm, narrow, training=training)  # (B, L, S)
        looking, of_values = narrow, narrow
        if self.attention_bottleneck is not None:
            looking = run(self.attention_bottleneck, hidden, training=training)
            looking = run(self.attention_bottleneck_norm, looking, training=training)
            of_values = hidden
        attended = run(
            self.self_attention,
            looking,
            bias=bias,
            training=training,
            return_weights=return_weights,
            draw=for_weights,
            lengths=lengths,
            of_values=of_values,
        )
        details = ()
        if return_weights:
            attended, *details = attended
        inner = run(self.attention_norm, narrow + attended, training=training)
        for network, norm in zip(self.feed_forwards, self.feed_forward_norms, strict=True):
            widened = run(network, inner, training=training)
            inner = run(norm, inner + widened, training=training)
        wide = run(self.output_bottleneck, inner, training=training)  # (B, L, D)
        wide = run(self.output_dropout, wide, training=training, draw=for_output)
        hidden = run(self.output_norm, hidden + wide, training=training)
        return (hidden, *details) if return_weights else hidden

    def compute_output_shape(self, input_shape):
        """The shape does not change."""
        return input_shape
