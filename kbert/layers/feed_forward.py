"""The feed-forward network of an encoder layer, plain and gated.

    FFN(x) = act(x W1 + b1) W2 + b2

where act is, in BERT, the exact gelu x * Phi(x), and not its tanh approximation.
Shapes: B batch, L length, D hidden, I intermediate (4 D in BERT).
"""

import keras
from keras import ops

from kbert.layers.activations import activation
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.dropout import Dropout
from kbert.layers.initializers import TruncatedNormal, sub_seed


@keras.saving.register_keras_serializable("kbert")
class FeedForward(keras.layers.Layer):
    """Widens every position to I, bends it, and narrows it again: 8 D^2 weights when I = 4 D.

    Args:
        intermediate_size: I.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.
        hidden_act: the name of act; see `kbert/layers/activations.py`.

    Example:
        >>> from keras import ops
        >>> tuple(FeedForward(64)(ops.zeros((2, 7, 16))).shape)
        (2, 7, 16)

    Source: Vaswani et al. 2017, section 3.3; Hendrycks and Gimpel 2016 (gelu).
    """

    def __init__(
        self,
        intermediate_size: int,
        initializer_range: float = 0.02,
        seed: int = 0,
        hidden_act: str = "gelu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.intermediate_size = intermediate_size
        self.initializer_range = initializer_range
        self.seed = seed
        self.hidden_act = hidden_act

    def build(self, input_shape):
        """Makes the two projections."""

        def dense(units: int, name: str) -> Dense:
            initializer = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, name))
            return Dense(units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name)

        self.widen = dense(self.intermediate_size, "widen")
        self.widen.build(input_shape)
        self.narrow = dense(input_shape[-1], "narrow")
        self.narrow.build((*input_shape[:-1], self.intermediate_size))
        self.built = True

    def call(self, hidden, training=None):
        """(B, L, D) -> (B, L, D)."""
        bent = activation(self.hidden_act, run(self.widen, hidden, training=training), training)
        return run(self.narrow, bent, training=training)


@keras.saving.register_keras_serializable("kbert")
class GatedFeedForward(keras.layers.Layer):
    """A feed-forward network one half of which says how much of the other goes on (GeGLU).

        FFN(x) = (act(x W_a) * x W_g) W2        (W_a W_g) = W1

    Args:
        intermediate_size: I; W1 is (D, 2 I), and there are no biases.
        dropout: the rate at which what goes into W2 is dropped in training.
        initializer_range: standard deviation of the starting weights of W1.
        output_range: the same of W2.
        seed: seed of the starting weights and of dropout.
        hidden_act: the name of act; see `kbert/layers/activations.py`.

    Example:
        >>> from keras import ops
        >>> tuple(GatedFeedForward(24)(ops.zeros((2, 7, 16))).shape)
        (2, 7, 16)

    Source: Shazeer 2020, "GLU Variants Improve Transformer"; in ModernBERT the first half is bent.
    """

    def __init__(
        self,
        intermediate_size: int,
        dropout: float = 0.0,
        initializer_range: float = 0.02,
        output_range: float = 0.02,
        seed: int = 0,
        hidden_act: str = "gelu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.intermediate_size = intermediate_size
        self.initializer_range, self.output_range = initializer_range, output_range
        self.seed = seed
        self.hidden_act = hidden_act
        self.dropout = Dropout(dropout, seed=sub_seed(seed, "dropout"), dtype=self.dtype_policy)

    def build(self, input_shape):
        """Makes the two projections."""

        def dense(units: int, stddev: float, name: str) -> Dense:
            initializer = TruncatedNormal(stddev, seed=sub_seed(self.seed, name))
            return Dense(
                units,
                use_bias=False,
                kernel_initializer=initializer,
                dtype=self.dtype_policy,
                name=name,
            )

        self.widen = dense(2 * self.intermediate_size, self.initializer_range, "widen")
        self.widen.build(input_shape)
        self.narrow = dense(input_shape[-1], self.output_range, "narrow")
        self.narrow.build((*input_shape[:-1], self.intermediate_size))
        self.built = True

    def call(self, hidden, training=None, draw=None):
        """(B, L, D) -> (B, L, D); by a `draw` of `self.dropout`, unless it is to make one."""
        bent, gate = ops.split(run(self.widen, hidden, training=training), 2, axis=-1)  # (B, L, I)
        gated = activation(self.hidden_act, bent, training) * gate
        gated = run(self.dropout, gated, training=training, draw=draw)
        return run(self.narrow, gated, training=training)
