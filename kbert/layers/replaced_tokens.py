"""What replaced-token detection needs: words drawn by their probability, and who finds them.

Shapes: B batch, L length, P masked positions, D hidden, V vocabulary.
Source: Clark et al. 2020, "ELECTRA", section 2; google-research/electra, run_pretraining.py.
"""

import keras
import numpy as np
from keras import ops

from kbert.layers.activations import activation
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.dropout import uniform_numbers
from kbert.layers.initializers import TruncatedNormal, sub_seed


def drawn_words(logits, uniform):
    """Words by their probabilities, softmax(z), from one number each.

        word = the first w with p_0 + ... + p_w > u

    google-research/electra takes argmax(z + Gumbel noise), which has the same distribution and
    takes a random number for each word of the vocabulary.

    Args:
        logits: (..., V) float32.
        uniform: (...) numbers in [0, 1).

    Returns:
        (...) int32.

    Example:
        >>> z = ops.log(ops.array([0.2, 0.5, 0.3]))
        >>> [int(drawn_words(z, u)) for u in (0.1, 0.3, 0.6, 0.9)]
        [0, 1, 1, 2]
    """
    sums = ops.cumsum(ops.softmax(logits, axis=-1), axis=-1)  # (..., V)
    least = ops.expand_dims(ops.convert_to_tensor(uniform, "float32"), -1) * sums[..., -1:]
    words = ops.sum(ops.cast(sums <= least, "int32"), axis=-1)
    # Where rounding makes u the whole sum.
    return ops.cast(ops.minimum(words, logits.shape[-1] - 1), "int32")


@keras.saving.register_keras_serializable("kbert")
class WordSampler(keras.layers.Layer):
    """Draws a word at each position by its probability: (B, P, V) logits -> (B, P) int32.

    The noise comes from a count, as dropout's does, so a run that goes on draws what it would have
    drawn, and every backend draws the same. Outside of training it is always that of the first
    call, so that equal questions have equal answers.

    Args:
        seed: equal seeds draw equally.

    Example:
        >>> tuple(WordSampler(seed=1)(ops.zeros((2, 3, 9))).shape)
        (2, 3)
    """

    def __init__(self, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        with keras.device("cpu"):  # where PyTorch counts, as in `Dropout`
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, logits, training=None):
        """Draws; no gradient goes through."""
        draw = np.array([self.seed, 0], np.uint32)
        if training:
            with keras.device("cpu"):
                draw = self.seed_generator.next()
        return drawn_words(ops.stop_gradient(logits), uniform_numbers(draw, _rows(logits)))

    def compute_output_shape(self, logits_shape):
        """Without V."""
        return logits_shape[:-1]


def _rows(logits):
    """(B, P) of logits, each a number where it is known."""
    known, found = logits.shape[:-1], ops.shape(logits)
    return tuple(found[i] if size is None else size for i, size in enumerate(known))


def put_words(input_ids, positions, words):
    """Rows with other words at some positions.

    Args:
        input_ids: (B, L) integers.
        positions: (B, P) integers, each once in a row; a 0 is filling, and nothing is put there.
        words: (B, P) integers.

    Returns:
        (B, L) int32; and (B, L) booleans, which positions they are.

    Example:
        >>> ids, at = put_words(ops.array([[2, 4, 5, 3]]), ops.array([[2, 0]]), ops.array([[7, 9]]))
        >>> ops.convert_to_numpy(ids).tolist(), ops.convert_to_numpy(at).tolist()
        ([[2, 4, 7, 3]], [[False, False, True, False]])
    """
    ids, positions = ops.cast(input_ids, "int32"), ops.cast(positions, "int32")
    places = ops.arange(ops.shape(ids)[1], dtype="int32")  # (L,)
    is_there = ops.logical_and(positions[..., None] == places, positions[..., None] > 0)
    put = ops.sum(ops.where(is_there, ops.cast(words, "int32")[..., None], 0), axis=1)  # (B, L)
    at = ops.any(is_there, axis=1)  # (B, L)
    return ops.where(at, put, ids), at


@keras.saving.register_keras_serializable("kbert")
class ReplacedTokenHead(keras.layers.Layer):
    """Scores each token on standing in another's place: (B, L, D) -> (B, L) logits.

        logit = w . act(h W + b) + c

    Args:
        hidden_act: the name of act.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights.

    Example:
        >>> tuple(ReplacedTokenHead()(ops.zeros((2, 7, 16))).shape)
        (2, 7)

    Source: google-research/electra, run_pretraining.py, `_get_discriminator_output`, whose last
        layer starts Glorot uniform; here both start as BERT's do.
    """

    def __init__(
        self,
        hidden_act: str = "gelu",
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_act, self.initializer_range, self.seed = hidden_act, initializer_range, seed

    def build(self, hidden_shape):
        """Makes the projections D -> D and D -> 1."""

        def dense(units: int, name: str) -> Dense:
            initializer = TruncatedNormal(self.initializer_range, seed=sub_seed(self.seed, name))
            layer = Dense(units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name)
            layer.build(hidden_shape)
            return layer

        self.dense = dense(hidden_shape[-1], "dense")
        self.score = dense(1, "score")
        self.built = True

    def call(self, hidden, training=None):
        """(B, L, D) -> (B, L), float32."""
        hidden = activation(self.hidden_act, run(self.dense, hidden, training=training), training)
        return ops.cast(run(self.score, hidden, training=training)[..., 0], "float32")

    def compute_output_shape(self, hidden_shape):
        """Without D."""
        return hidden_shape[:-1]
