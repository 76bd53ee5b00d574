"""What stands on an encoder: which word was masked, does the second text follow, which label.

Shapes: B batch, L length, P masked positions, D hidden, E embedding (D in BERT), V vocabulary.
In BERT's paper D is H; a classifier's pooled [CLS] is C there, and its kernel (D, K labels) W^T.
"""

import keras
from keras import ops

from kbert.layers.activations import activation
from kbert.layers.calling import run
from kbert.layers.dense import Dense, linear
from kbert.layers.dropout import Dropout
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.layer_norm import LayerNorm


def gather_positions(hidden, positions):
    """Takes the vectors at given positions of each row: (B, L, D), (B, P) -> (B, P, D)."""
    positions = ops.cast(positions, "int32")
    if keras.backend.backend() == "jax":
        # Row by row, so that devices that share a batch need nothing of each other's rows.
        return ops.take_along_axis(hidden, positions[..., None], axis=1)
    length, hidden_size = hidden.shape[1] or ops.shape(hidden)[1], hidden.shape[-1]
    rows = ops.arange(ops.shape(positions)[0], dtype="int32")[:, None]  # (B, 1)
    flat = ops.reshape(hidden, (-1, hidden_size))  # (B L, D)
    return ops.take(flat, positions + rows * length, axis=0)


@keras.saving.register_keras_serializable("kbert")
class MaskedLMHead(keras.layers.Layer):
    """Scores every word of the vocabulary at masked positions.

        logits = LayerNorm(act(h W + b)) T^T + c        (ModernBERT has no b, nor the norm a beta)

    T is the token embedding table: the decoder is tied to it. It is an argument of the call, so
    it belongs to one layer only. Positions are gathered first: logits at all positions would be
    some seven times the work, and they are the largest array of the whole model.

    In MobileBERT h stays as wide as it is, and T, which is narrow, has columns C of its own beside
    it: (T, C) in the place of T, of which the head has C.

    Args:
        vocab_size: V.
        layer_norm_eps: added to the variance before the root.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.
        embedding_size: E, the width of T.
        hidden_act: the name of act.
        tied: whether T is the embedding table; else the head has a table of its own.
        use_bias: whether W has its b, and the norm its beta.
        completed: whether there is a C, (V, D - E).

    Example:
        >>> import numpy as np
        >>> hidden, table = np.zeros((2, 7, 16), "float32"), np.zeros((100, 16), "float32")
        >>> tuple(MaskedLMHead(100)(hidden, table, np.array([[1], [3]])).shape)
        (2, 1, 100)

    Source: google-research/bert, run_pretraining.py, `get_masked_lm_output`.
    """

    def __init__(
        self,
        vocab_size: int,
        layer_norm_eps: float = 1e-12,
        initializer_range: float = 0.02,
        seed: int = 0,
        embedding_size: int | None = None,
        hidden_act: str = "gelu",
        tied: bool = True,
        use_bias: bool = True,
        completed: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.use_bias = use_bias
        self.completed = completed
        self.completion: Dense | None = None
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.hidden_act = hidden_act
        self.tied = tied
        self.layer_norm_eps = layer_norm_eps
        self.initializer_range = initializer_range
        self.seed = seed

    def build(self, hidden_shape):
        """Makes the transform D -> E, its norm, and a bias for every word."""
        table_size = self.embedding_size or hidden_shape[-1]
        embedding_size = hidden_shape[-1] if self.completed else table_size
        initializer = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, "transform"))
        self.transform = Dense(
            embedding_size,
            use_bias=self.use_bias,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="transform",
        )
        self.transform.build(hidden_shape)
        self.layer_norm = LayerNorm(
            epsilon=self.layer_norm_eps,
            center=self.use_bias,
            dtype=self.dtype_policy,
            name="layer_norm",
        )
        self.layer_norm.build((*hidden_shape[:-1], embedding_size))
        if not self.tied:
            self.decoder = self.add_weight(
                shape=(self.vocab_size, table_size),
                initializer=TruncatedNormal(
                    self.initializer_range, seed=sub_seed(self.seed, "decoder")
                ),
                name="decoder",
            )
        if self.completed:  # its kernel is C; it is never called
            self.completion = Dense(
                embedding_size - table_size,
                use_bias=False,
                kernel_initializer=TruncatedNormal(
                    self.initializer_range, seed=sub_seed(self.seed, "completion")
                ),
                dtype=self.dtype_policy,
                name="completion",
            )
            self.completion.build((None, self.vocab_size))
        self.bias = self.add_weight(
            shape=(self.vocab_size,), initializer="zeros", autocast=False, name="bias"
        )
        self.built = True

    def call(self, hidden, embedding_table, positions=None, training=None):
        """Scores words.

        Args:
            hidden: (B, L, D).
            embedding_table: the token embeddings, (V, E).
            positions: (B, P) integers in [0, L), or None for all positions.
            training: whether gradients will be asked for.

        Returns:
            Logits, (B, P, V), or (B, L, V) without positions; float32.
        """
        if positions is not None:
            hidden = gather_positions(hidden, positions)  # (B, P, D)
        hidden = activation(
            self.hidden_act, run(self.transform, hidden, training=training), training
        )
        hidden = run(self.layer_norm, hidden, training=training)
        table = embedding_table if self.tied else self.decoder
        if self.completion is not None:
            table = ops.convert_to_tensor(table)
            completion = ops.cast(self.completion.kernel, table.dtype)
            table = ops.concatenate([table, completion], axis=-1)  # (V, D)
        if keras.backend.standardize_dtype(hidden.dtype) == "float32":
            return linear(hidden, table, self.bias, training, transposed=True)
        decoder = ops.transpose(ops.cast(table, hidden.dtype))  # (E, V)
        return ops.cast(ops.matmul(hidden, decoder), "float32") + ops.cast(self.bias, "float32")

    def compute_output_shape(self, hidden_shape, embedding_table_shape=None, positions_shape=None):
        """(B, P, V), or (B, L, V) without positions."""
        return (*(positions_shape or hidden_shape[:2]), self.vocab_size)


@keras.saving.register_keras_serializable("kbert")
class TokenTransform(keras.layers.Layer):
    """LayerNorm(act(h W)) of every token, with which ModernBERT's heads on tokens begin.

    Args:
        layer_norm_eps: added to the variance before the root; the norm has no beta.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.
        hidden_act: the name of act.

    Example:
        >>> tuple(TokenTransform()(ops.zeros((2, 7, 16))).shape)
        (2, 7, 16)

    Source: transformers, modeling_modernbert.py, `ModernBertPredictionHead`.
    """

    def __init__(
        self,
        layer_norm_eps: float = 1e-5,
        initializer_range: float = 0.02,
        seed: int = 0,
        hidden_act: str = "gelu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_act = hidden_act
        self.initializer_range, self.seed = initializer_range, seed
        self.layer_norm = LayerNorm(
            epsilon=layer_norm_eps, center=False, dtype=self.dtype_policy, name="layer_norm"
        )

    def build(self, input_shape):
        """Makes the projection D -> D and the norm."""
        self.dense = Dense(
            input_shape[-1],
            use_bias=False,
            kernel_initializer=TruncatedNormal(
                self.initializer_range, seed=sub_seed(self.seed, "dense")
            ),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense.build(input_shape)
        self.layer_norm.build(input_shape)
        self.built = True

    def call(self, hidden, training=None):
        """(B, L, D) -> (B, L, D)."""
        bent = activation(self.hidden_act, run(self.dense, hidden, training=training), training)
        return run(self.layer_norm, bent, training=training)

    def compute_output_shape(self, input_shape):
        """The shape does not change."""
        return input_shape


@keras.saving.register_keras_serializable("kbert")
class LabelHead(keras.layers.Layer):
    """Scores labels, of a row or of each of its tokens: (..., D) -> (..., num_labels) logits.

    Args:
        num_labels: how many labels.
        dropout: the rate at which the vectors are dropped in training.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.

    Example:
        >>> tuple(LabelHead(3)(ops.zeros((2, 16))).shape)
        (2, 3)

    Source: Devlin et al. 2018, section 4; google-research/bert, run_classifier.py, `create_model`.
    """

    def __init__(
        self,
        num_labels: int,
        dropout: float = 0.0,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_labels = num_labels
        self.dropout = Dropout(dropout, seed=sub_seed(seed, "dropout"), dtype=self.dtype_policy)
        initializer = TruncatedNormal(initializer_range, seed=sub_seed(seed, "dense"))
        self.dense = Dense(
            num_labels, kernel_initializer=initializer, dtype=self.dtype_policy, name="dense"
        )

    def build(self, input_shape):
        """Builds the projection D -> num_labels."""
        self.dense.build(input_shape)
        self.built = True

    def call(self, vectors, training=None):
        """(..., D) -> (..., num_labels), float32."""
        dropped = run(self.dropout, vectors, training=training)
        return ops.cast(run(self.dense, dropped, training=training), "float32")

    def compute_output_shape(self, input_shape):
        """The labels in place of D."""
        return (*input_shape[:-1], self.num_labels)


@keras.saving.register_keras_serializable("kbert")
class NextSentenceHead(LabelHead):
    """Scores whether the second text follows the first: (B, D) pooled -> (B, 2) logits.

    The first logit is for `IS_NEXT`, the second for `IS_RANDOM`; see `kbert/labels.py`.

    Args:
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.

    Example:
        >>> tuple(NextSentenceHead()(ops.zeros((5, 16))).shape)
        (5, 2)

    Source: google-research/bert, run_pretraining.py, `get_next_sentence_output`.
    """

    def __init__(self, initializer_range: float = 0.02, seed: int = 0, **kwargs):
        super().__init__(2, 0.0, initializer_range, seed, **kwargs)
