"""One layer of the encoder, normalised after each addition (post-norm).

    x = LayerNorm(x + Dropout(SelfAttention(x)))
    x = LayerNorm(x + Dropout(FeedForward(x)))

Shapes: B batch, L length, D hidden, N heads, H head size.
In Vaswani et al. D is d_model, N is h and H is d_k; in BERT's paper D is H, N is A, and L counts
the layers.
"""

from typing import Any

import keras

from kbert.layers.attention import SelfAttention
from kbert.layers.calling import computed_again, run
from kbert.layers.dropout import Dropout
from kbert.layers.feed_forward import FeedForward
from kbert.layers.global_attention import GlobalSelfAttention
from kbert.layers.initializers import sub_seed
from kbert.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable("kbert")
class EncoderLayer(keras.layers.Layer):
    """Self-attention and a feed-forward network, each with a residual connection.

    Args:
        num_attention_heads: N.
        intermediate_size: width within the feed-forward network.
        dropout: the rate at which the two outputs are dropped in training.
        attention_dropout: the rate at which attention weights are dropped in training.
        layer_norm_eps: added to the variance before the root.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.
        hidden_act: the activation within the feed-forward network.
        attention_window: how many positions each sees on either side of its own; None means all.
        global_attention: whether some tokens see all, with projections of their own; then `call`
            takes `global_positions`.
        block_size: how many tokens a block has where attention is BigBird's; None means it is not.
        num_random_blocks: as for `SelfAttention`.
        head_size: as for `SelfAttention`.
        self_attention: another layer in the place of `SelfAttention`, with N heads; then dropout of
            weights and the window are its own.

    Example:
        >>> from keras import ops
        >>> layer = EncoderLayer(num_attention_heads=2, intermediate_size=64)
        >>> tuple(layer(ops.zeros((2, 7, 16))).shape)
        (2, 7, 16)

    Source: Vaswani et al. 2017, section 3.1; google-research/bert, `transformer_model`.
    """

    def __init__(
        self,
        num_attention_heads: int,
        intermediate_size: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        layer_norm_eps: float = 1e-12,
        initializer_range: float = 0.02,
        seed: int = 0,
        hidden_act: str = "gelu",
        attention_window: int | None = None,
        global_attention: bool = False,
        block_size: int | None = None,
        num_random_blocks: int = 3,
        head_size: int | None = None,
        self_attention: SelfAttention | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy.name

        def norm(name: str) -> LayerNorm:
            return LayerNorm(epsilon=layer_norm_eps, dtype=policy, name=name)

        def drop(name: str) -> Dropout:
            return Dropout(dropout, seed=sub_seed(seed, name), dtype=policy, name=name)

        named = {"head_size": head_size, "dtype": policy, "name": "self_attention"}
        for_attention = (
            num_attention_heads,
            attention_dropout,
            initializer_range,
            sub_seed(seed, "self_attention"),
        )
        if self_attention is not None:
            self.self_attention = self_attention
        elif global_attention:
            assert attention_window is not None
            self.self_attention = GlobalSelfAttention(
                *for_attention, window=attention_window, **named
            )
        else:
            self.self_attention = SelfAttention(
                *for_attention, attention_window, block_size, num_random_blocks, **named
            )
        self.attention_dropout = drop("attention_dropout")
        self.attention_norm = norm("attention_norm")
        self.feed_forward = FeedForward(
            intermediate_size,
            initializer_range,
            sub_seed(seed, "feed_forward"),
            hidden_act,
            dtype=policy,
            name="feed_forward",
        )
        self.feed_forward_dropout = drop("feed_forward_dropout")
        self.feed_forward_norm = norm("feed_forward_norm")

    def build(self, input_shape):
        """Builds the parts."""
        for part in (
            self.self_attention,
            self.attention_norm,
            self.feed_forward,
            self.feed_forward_norm,
        ):
            part.build(input_shape)
        self.built = True

    def draws(self):
        """A draw for each of the three dropouts, to pass to `call`."""
        return (
            self.self_attention.draw(),
            self.attention_dropout.draw(),
            self.feed_forward_dropout.draw(),
        )

    def call(
        self,
        hidden,
        bias=None,
        training=None,
        return_weights=False,
        draws=(None, None, None),
        lengths=None,
        **of_attention,
    ):
        """Runs the layer.

        Args:
            hidden: (B, L, D).
            bias: what to add to attention scores, or None.
            training: whether to drop.
            return_weights: whether to return what the heads did, too.
            draws: what `draws()` gave, if the layer is not to draw itself.
            lengths: (B,) how many tokens each row has, if that is all that `bias` says.
            **of_attention: what `self_attention` takes beside that.

        Returns:
            (B, L, D); or a tuple of it, the attention weights (B, N, L, L), and the queries and
            keys (B, L, N, H).
        """
        for_weights, for_attended, for_widened = draws
        attended = run(
            self.self_attention,
            hidden,
            bias=bias,
            training=training,
            return_weights=return_weights,
            draw=for_weights,
            lengths=lengths,
            **of_attention,
        )
        details = ()
        if return_weights:
            attended, *details = attended
        attended = run(self.attention_dropout, attended, training=training, draw=for_attended)
        hidden = run(self.attention_norm, hidden + attended, training=training)
        widened = run(self.feed_forward, hidden, training=training)
        widened = run(self.feed_forward_dropout, widened, training=training, draw=for_widened)
        hidden = run(self.feed_forward_norm, hidden + widened, training=training)
        return (hidden, *details) if return_weights else hidden

    def compute_output_shape(self, input_shape):
        """The shape does not change."""
        return input_shape


def rematerialized(layer: Any, hidden, bias, lengths=None, relative=None, **options: Any):
    """Runs an encoder layer in training, keeping for the backward pass what went in and no more.

    The backward pass computes the layer again. What it drops is drawn before, so that it is the
    same both times.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
    """
    draws = layer.draws()
    *rows, places = relative or (None,)  # what is learned is an argument, or it has no gradient

    def computed(hidden, *rows):
        of_attention = {**options, "relative": (*rows, places)} if rows else options
        # Again outside of all other layers' calls, so by one of its own.
        return layer(hidden, bias=bias, training=True, draws=draws, lengths=lengths, **of_attention)

    return computed_again(computed, hidden, *rows)
