"""ModernBERT's layer: normalised before each part (pre-norm), gated, without biases.

    x = x + Dropout(SelfAttention(LayerNorm(x)))        queries and keys are turned by their place
    x = x + GatedFeedForward(LayerNorm(x))

What is added up is never normalised on its way, so a gradient reaches the first layer as it is.

Shapes: B batch, L length, D hidden, E embedding (D), N heads, H head size, V vocabulary.
Source: Warner et al. 2024, "Smarter, Better, Faster, Longer" (ModernBERT), section 2.1.
"""

import keras

from kbert.layers.attention import SelfAttention
from kbert.layers.calling import run
from kbert.layers.dropout import Dropout
from kbert.layers.embeddings import TokenTable
from kbert.layers.feed_forward import GatedFeedForward
from kbert.layers.initializers import sub_seed
from kbert.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable("kbert")
class TokenEmbeddings(TokenTable):
    """Token embeddings alone, layer-normalised, with dropout: no positions, no segments.

    Args:
        vocab_size: V.
        hidden_size: D.
        dropout: the rate at which they are dropped in training.
        layer_norm_eps: added to the variance before the root.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.
        norm_bias: whether the norm has a bias (DeBERTa's).

    Example:
        >>> import numpy as np
        >>> tuple(TokenEmbeddings(vocab_size=100, hidden_size=16)(np.array([[2, 5, 3]])).shape)
        (1, 3, 16)
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        dropout: float = 0.0,
        layer_norm_eps: float = 1e-5,
        initializer_range: float = 0.02,
        seed: int = 0,
        norm_bias: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.initializer_range, self.seed = initializer_range, seed
        self.layer_norm = LayerNorm(
            epsilon=layer_norm_eps, center=norm_bias, dtype=self.dtype_policy, name="layer_norm"
        )
        self.dropout = Dropout(dropout, seed=sub_seed(seed, "dropout"), dtype=self.dtype_policy)

    def build(self, input_ids_shape=None):
        """Makes the table, (V, D)."""
        shape = (self.vocab_size, self.hidden_size)
        self._build_token_table(shape, self.initializer_range, self.seed)
        self.layer_norm.build((None, None, self.hidden_size))
        self.built = True

    def call(self, input_ids, training=None):
        """(B, L) -> (B, L, D)."""
        token = self.token_vectors(input_ids)  # (B, L, D)
        hidden = run(self.layer_norm, token, training=training)
        return run(self.dropout, hidden, training=training)

    def compute_output_shape(self, input_ids_shape):
        """Adds D."""
        return (*input_ids_shape, self.hidden_size)


@keras.saving.register_keras_serializable("kbert")
class ModernLayer(keras.layers.Layer):
    """Self-attention and a gated feed-forward network, each behind a norm.

    Args:
        num_attention_heads: N.
        intermediate_size: width within the feed-forward network.
        dropout: the rate at which attention's output and what is within the feed-forward network
            are dropped in training.
        attention_dropout: the rate at which attention weights are dropped in training.
        layer_norm_eps: added to the variance before the root.
        initializer_range: standard deviation of the starting weights.
        output_range: the same of the two projections whose output is added to x: smaller, since
            what all layers add grows with their number.
        seed: seed of the starting weights and of dropout.
        hidden_act: the activation within the feed-forward network.
        attention_window: how many positions each sees on either side of its own; None means all.
        attention_norm: whether there is a norm before attention. The first layer has none: what
            comes to it is normalised.
        rope_theta: how slowly queries and keys turn with their place; see `rotary.py`.
        head_size: as for `SelfAttention`.

    Example:
        >>> from keras import ops
        >>> layer = ModernLayer(num_attention_heads=2, intermediate_size=24)
        >>> tuple(layer(ops.zeros((2, 7, 16))).shape)
        (2, 7, 16)
    """

    def __init__(
        self,
        num_attention_heads: int,
        intermediate_size: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        layer_norm_eps: float = 1e-5,
        initializer_range: float = 0.02,
        output_range: float = 0.02,
        seed: int = 0,
        hidden_act: str = "gelu",
        attention_window: int | None = None,
        attention_norm: bool = True,
        rope_theta: float = 10_000.0,
        head_size: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy.name

        def norm(name: str) -> LayerNorm:
            return LayerNorm(epsilon=layer_norm_eps, center=False, dtype=policy, name=name)

        self.attention_norm = norm("attention_norm") if attention_norm else None
        self.self_attention = SelfAttention(
            num_attention_heads,
            attention_dropout,
            initializer_range,
            sub_seed(seed, "self_attention"),
            attention_window,
            use_bias=False,
            output_range=output_range,
            rope_theta=rope_theta,
            head_size=head_size,
            dtype=policy,
            name="self_attention",
        )
        self.attention_dropout = Dropout(
            dropout, seed=sub_seed(seed, "attention_dropout"), dtype=policy
        )
        self.feed_forward_norm = norm("feed_forward_norm")
        self.feed_forward = GatedFeedForward(
            intermediate_size,
            dropout,
            initializer_range,
            output_range,
            sub_seed(seed, "feed_forward"),
            hidden_act,
            dtype=policy,
            name="feed_forward",
        )

    def build(self, input_shape):
        """Builds the parts."""
        for part in (self.attention_norm, self.self_attention, self.feed_forward_norm):
            if part is not None:
                part.build(input_shape)
        self.feed_forward.build(input_shape)
        self.built = True

    def draws(self):
        """A draw for each of the three dropouts, to pass to `call`."""
        return (
            self.self_attention.dropout.draw(),
            self.attention_dropout.draw(),
            self.feed_forward.dropout.draw(),
        )

    def call(
        self,
        hidden,
        bias=None,
        training=None,
        return_weights=False,
        draws=(None, None, None),
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
            keys (B, L, N, H), turned.
        """
        for_weights, for_attended, for_widened = draws
        normal = hidden
        if self.attention_norm is not None:
            normal = run(self.attention_norm, hidden, training=training)
        attended = run(
            self.self_attention,
            normal,
            bias=bias,
            training=training,
            return_weights=return_weights,
            draw=for_weights,
            lengths=lengths,
        )
        details = ()
        if return_weights:
            attended, *details = attended
        attended = run(self.attention_dropout, attended, training=training, draw=for_attended)
        hidden = hidden + attended  # not in place: PyTorch keeps what was there for the gradient
        normal = run(self.feed_forward_norm, hidden, training=training)
        hidden = hidden + run(self.feed_forward, normal, training=training, draw=for_widened)
        return (hidden, *details) if return_weights else hidden

    def compute_output_shape(self, input_shape):
        """The shape does not change."""
        return input_shape
