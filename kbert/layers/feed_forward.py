"""The feed-forward network of an encoder layer.

    FFN(x) = act(x W1 + b1) W2 + b2

where act is, in BERT, the exact gelu x * Phi(x), and not its tanh approximation.
Shapes: B batch, L length, D hidden, I intermediate (4 D in BERT).
"""

import keras

from kbert.layers.activations import activation
from kbert.layers.calling import run
from kbert.layers.dense import Dense
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
