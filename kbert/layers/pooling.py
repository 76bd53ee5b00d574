"""A whole row as one vector.

Shapes: B batch, L length, D hidden.
"""

import keras
from keras import ops

from kbert.layers.activations import activation
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable("kbert")
class Pooler(keras.layers.Layer):
    """act(W h + b), where h is that of the [CLS] token, the first of the row; act is tanh in BERT.

    ModernBERT's is LayerNorm(act(W h)), and h may be the mean over the row's tokens.

    Args:
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.
        activation: the name of act; see `kbert/layers/activations.py`.
        pooling: what h is: "cls", or "mean".
        use_bias: whether there is a b.
        layer_norm_eps: of the norm, which has no beta; None means that there is none.

    Example:
        >>> tuple(Pooler()(ops.zeros((2, 7, 16))).shape)
        (2, 16)

    Source: google-research/bert, modeling.py, `BertModel`, scope "pooler".
    """

    def __init__(
        self,
        initializer_range: float = 0.02,
        seed: int = 0,
        activation: str = "tanh",
        pooling: str = "cls",
        use_bias: bool = True,
        layer_norm_eps: float | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.initializer_range = initializer_range
        self.seed = seed
        self.activation = activation
        self.pooling = pooling
        self.use_bias = use_bias
        self.layer_norm = None
        if layer_norm_eps is not None:
            self.layer_norm = LayerNorm(
                epsilon=layer_norm_eps, center=False, dtype=self.dtype_policy, name="layer_norm"
            )

    def build(self, input_shape):
        """Makes the projection D -> D, and the norm if there is one."""
        initializer = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, "dense"))
        self.dense = Dense(
            input_shape[-1],
            use_bias=self.use_bias,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense.build((input_shape[0], input_shape[-1]))
        if self.layer_norm is not None:
            self.layer_norm.build((input_shape[0], input_shape[-1]))
        self.built = True

    def call(self, hidden, attention_mask=None, training=None):
        """(B, L, D) -> (B, D); of an `attention_mask` (B, L) only the mean takes notice."""
        pooled = hidden[:, 0] if self.pooling == "cls" else _mean(hidden, attention_mask)
        dense = run(self.dense, pooled, training=training)
        bent = activation(self.activation, dense, training)
        return bent if self.layer_norm is None else run(self.layer_norm, bent, training=training)

    def compute_output_shape(self, input_shape):
        """Drops the length."""
        return (input_shape[0], input_shape[-1])


def _mean(hidden, attention_mask):
    """(B, L, D) -> (B, D), the mean over tokens, summed in float32."""
    wide = ops.cast(hidden, "float32")
    if attention_mask is None:
        return ops.cast(ops.mean(wide, axis=1), hidden.dtype)
    mask = ops.cast(attention_mask, "float32")
    if len(mask.shape) == 3:  # what each position sees; one that sees nothing is padding
        mask = ops.max(mask, axis=-1)
    mask = mask[..., None]  # (B, L, 1)
    count = ops.maximum(ops.sum(mask, axis=1), 1.0)  # a row that is all padding is not to be NaN
    return ops.cast(ops.sum(wide * mask, axis=1) / count, hidden.dtype)
