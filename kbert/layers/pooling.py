"""A whole row as one vector.

Shapes: B batch, L length, D hidden.
"""

import keras
from keras import ops

from kbert.layers.activations import activation
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.kernels.free_lengths import places_of
from kbert.layers.layer_norm import LayerNorm

# How the vectors of a text's tokens become one; see `pool_tokens`.
POOLINGS = ("mean", "cls", "max", "weighted-mean")
_LEAST = -1e9  # what no token has


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
        transform: whether there is a W; else h is what the pooler gives (MobileBERT).

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
        transform: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.initializer_range = initializer_range
        self.seed = seed
        self.activation = activation
        self.pooling = pooling
        self.use_bias = use_bias
        self.transform = transform
        self.dense = self.layer_norm = None
        if layer_norm_eps is not None:
            self.layer_norm = LayerNorm(
                epsilon=layer_norm_eps, center=False, dtype=self.dtype_policy, name="layer_norm"
            )

    def build(self, input_shape):
        """Makes the projection D -> D, and the norm if there is one."""
        self.built = True
        if not self.transform:
            return
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

    def call(self, hidden, attention_mask=None, training=None):
        """(B, L, D) -> (B, D); of an `attention_mask` (B, L) only the mean takes notice."""
        pooled = hidden[:, 0] if self.pooling == "cls" else _mean(hidden, attention_mask)
        if self.dense is None:
            return pooled
        dense = run(self.dense, pooled, training=training)
        bent = activation(self.activation, dense, training)
        return bent if self.layer_norm is None else run(self.layer_norm, bent, training=training)

    def compute_output_shape(self, input_shape):
        """Drops the length."""
        return (input_shape[0], input_shape[-1])


def pool_tokens(hidden, mask, pooling: str):
    """The vectors of a text's tokens as one; padding never counts.

    | pooling       | the vector                                                      |
    |---------------|-----------------------------------------------------------------|
    | mean          | sum_l m_l h_l / sum_l m_l, with [CLS] and [SEP] among the tokens |
    | cls           | h_1, that of [CLS]                                              |
    | max           | the largest of each of the D numbers, over the tokens           |
    | weighted-mean | sum_l l m_l h_l / sum_l l m_l: a token counts by its place, from 1 |

    Args:
        hidden: (B, L, D).
        mask: (B, L), 1 for a token and 0 for padding; or None, where all are tokens.
        pooling: a name of the table.

    Returns:
        (B, D); zeros for a row without any token, but for "cls".

    Example:
        >>> import numpy as np
        >>> hidden = np.array([[[1.0, 4.0], [4.0, 1.0], [9.0, 9.0]]], "float32")
        >>> mask = np.array([[1, 1, 0]])
        >>> [ops.convert_to_numpy(pool_tokens(hidden, mask, each))[0].tolist()
        ...  for each in ("mean", "cls", "max", "weighted-mean")]
        [[2.5, 2.5], [1.0, 4.0], [4.0, 4.0], [3.0, 2.0]]

    Source: Reimers and Gurevych 2019, "Sentence-BERT", section 3, of the first three; Muennighoff
        2022, "SGPT", equation 2, of the last.
    """
    hidden = ops.convert_to_tensor(hidden)
    if pooling == "cls":
        return hidden[:, 0]
    dtype = keras.backend.standardize_dtype(hidden.dtype)
    counts = ops.ones_like(hidden[:, :, :1]) if mask is None else ops.cast(mask, dtype)[:, :, None]
    if pooling == "max":
        # Taken by its place: TensorFlow's gradient of a maximum asks which numbers are equal to it,
        # and divides 0 by 0 where XLA computes them a second time and a last bit differs.
        places = ops.argmax(ops.where(counts > 0, hidden, _LEAST), axis=1, keepdims=True)
        largest = ops.take_along_axis(hidden, places, axis=1)[:, 0]
        return ops.where(ops.max(counts, axis=1) > 0, largest, 0.0)
    if pooling == "weighted-mean":
        places = places_of(ops.shape(hidden)[1]) + 1
        counts = counts * ops.cast(places, dtype)[None, :, None]  # (B, L, 1)
    return ops.sum(hidden * counts, axis=1) / ops.maximum(ops.sum(counts, axis=1), 1e-9)


def normalized(vectors):
    """Vectors of length 1: x / |x|, along the last axis; a vector of zeros stays one.

    Example:
        >>> import numpy as np
        >>> unit = normalized(np.array([[3.0, 4.0], [0.0, 0.0]], "float32"))
        >>> ops.convert_to_numpy(unit).round(3)
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    vectors = ops.convert_to_tensor(vectors)
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, 1e-24))


def _mean(hidden, attention_mask):
    """(B, L, D) -> (B, D), the mean over tokens, summed in float32."""
    mask = attention_mask
    if mask is not None and len(mask.shape) == 3:  # what each sees; one that sees none is padding
        mask = ops.max(mask, axis=-1)
    return ops.cast(pool_tokens(ops.cast(hidden, "float32"), mask, "mean"), hidden.dtype)
