"""A whole row as one vector.

Shapes: B batch, L length, D hidden.
"""

import keras

from kbert.layers.activations import activation
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.initializers import TruncatedNormal, sub_seed


@keras.saving.register_keras_serializable("kbert")
class Pooler(keras.layers.Layer):
    """act(W h + b) of the [CLS] token, the first of the row; act is tanh in BERT.

    Args:
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.
        activation: the name of act; see `kbert/layers/activations.py`.

    Example:
        >>> from keras import ops
        >>> tuple(Pooler()(ops.zeros((2, 7, 16))).shape)
        (2, 16)

    Source: google-research/bert, modeling.py, `BertModel`, scope "pooler".
    """

    def __init__(
        self,
        initializer_range: float = 0.02,
        seed: int = 0,
        activation: str = "tanh",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.initializer_range = initializer_range
        self.seed = seed
        self.activation = activation

    def build(self, input_shape):
        """Makes the projection D -> D."""
        initializer = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, "dense"))
        self.dense = Dense(
            input_shape[-1],
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense.build((input_shape[0], input_shape[-1]))
        self.built = True

    def call(self, hidden, training=None):
        """(B, L, D) -> (B, D)."""
        dense = run(self.dense, hidden[:, 0], training=training)
        return activation(self.activation, dense, training)

    def compute_output_shape(self, input_shape):
        """Drops the length."""
        return (input_shape[0], input_shape[-1])
