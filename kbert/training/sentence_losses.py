"""Losses of sentence vectors: functions of the angles between them.

Shapes: B batch, T texts of an example, E numbers of a vector, K candidates: B (T - 1).
Source: named with each; sentence-transformers' classes of the same formulas are what the tests hold
them to.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError, number_from_zero, whole_number

SCALE = 20.0  # by which cosines are multiplied before a softmax: 1 / 0.05, SimCSE's temperature
_NONE = -1e9  # in the place of what does not count


def _cosines(vectors):
    """(B, T, E) -> (B,): of each example's first two."""
    unit = _normalized(vectors[:, :2])
    return ops.sum(unit[:, 0] * unit[:, 1], axis=-1)


def _normalized(vectors):
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, 1e-24))


def _mean(losses, weights):
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1e-7)


def _flat(numbers, like):
    """(B,) float32 of (B,) or (B, 1); ones where there are none."""
    if numbers is None:
        return ops.ones_like(like[:, 0, 0])
    return ops.reshape(ops.cast(numbers, "float32"), (-1,))


@keras.saving.register_keras_serializable("kbert")
class CosineError(keras.losses.Loss):
    """How far the cosine is from how alike two texts are.

        loss = mean of (cos(u, v) - y / most)^2

    Args:
        most: the y of two texts that mean the same; of STS 5.
        name: of the loss.
        **kwargs: Keras's.

    Example:
        >>> import numpy as np
        >>> vectors = np.array([[[1.0, 0.0], [0.0, 1.0]]], "float32")  # cosine 0
        >>> float(CosineError()(np.array([2.5]), vectors))
        0.25

    Source: Reimers and Gurevych 2019, section 3, "Regression Objective Function".
    """

    def __init__(self, most: float = 5.0, name: str = "cosine_error", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.most = number_from_zero("most", most)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """(B,), (B, 2, E) -> the mean over the batch, by weight."""
        y_pred = ops.cast(y_pred, "float32")
        wanted = _flat(y_true, y_pred) / self.most
        return _mean(ops.square(_cosines(y_pred) - wanted), _flat(sample_weight, y_pred))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "most": self.most}


@keras.saving.register_keras_serializable("kbert")
class CoSENT(keras.losses.Loss):
    """Cosines in the order of how alike the texts are.

        loss = log(1 + sum over i, j with y_i < y_j of exp(scale (cos_i - cos_j)))

    The y count by their order alone, so any numbers will do. Rows of weight 0 are in no pair.

    Args:
        scale: by which cosines are multiplied.
        name: of the loss.
        **kwargs: Keras's.

    Example:
        >>> import numpy as np
        >>> alike, unlike = [[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]  # cosines 1 and 0
        >>> vectors = np.array([alike, unlike], "float32")
        >>> float(CoSENT(scale=1.0)(np.array([1.0, 4.0]), vectors)).__round__(4)  # log(1 + e)
        1.3133

    Source: Su Jianlin 2022, "CoSENT", kexue.fm/archives/8847.
    """

    def __init__(self, scale: float = SCALE, name: str = "cosent", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.scale = number_from_zero("scale", scale)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """(B,), (B, 2, E) -> the loss of the batch."""
        y_pred = ops.cast(y_pred, "float32")
        cosines = self.scale * _cosines(y_pred)
        y, weights = _flat(y_true, y_pred), _flat(sample_weight, y_pred)
        wrong = cosines[:, None] - cosines[None, :]  # (B, B)
        counts = ops.logical_and(y[:, None] < y[None, :], weights[:, None] * weights[None, :] > 0)
        return ops.softplus(ops.logsumexp(ops.where(counts, wrong, _NONE)))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("kbert")
class InBatchNegatives(keras.losses.Loss):
    """Which of all second texts in the batch belongs to a first one.

        loss = mean over i of -log(exp(s_ii) / sum over k of exp(s_ik)),  s_ik = scale cos(a_i, c_k)

    The candidates c are the second texts of all examples, then the third ones (hard negatives) and
    so on. A text is no negative of itself: a candidate that is the same text as a_i, or as the one
    that belongs to it, does not count, and neither does that of a row of weight 0.

    It is MultipleNegativesRankingLoss of sentence-transformers, and InfoNCE; on the same text
    twice, of which dropout makes two vectors, it is unsupervised SimCSE.

    Args:
        scale: by which cosines are multiplied.
        name: of the loss.
        **kwargs: Keras's.

    Example:
        >>> import numpy as np
        >>> vectors = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]], "float32")
        >>> texts = np.array([[0, 1], [2, 3]])  # a number for each text
        >>> float(InBatchNegatives(scale=1.0)(texts, vectors)).__round__(4)  # log(1 + 1 / e)
        0.3133

    Source: Henderson et al. 2017, "Efficient Natural Language Response Suggestion for Smart Reply",
        section 4.4; Gao et al. 2021, "SimCSE", equations 1 and 5.
    """

    def __init__(self, scale: float = SCALE, name: str = "in_batch_negatives", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.scale = number_from_zero("scale", scale)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """(B, T) numbers of the texts, (B, T, E) -> the mean over the batch, by weight."""
        if len(y_true.shape) != 2:
            raise KbertError(
                "in-batch negatives take a number for each text, (batch, texts), equal for equal "
                f"texts; LabelledBatches gives them; not {tuple(y_true.shape)}"
            )
        unit = _normalized(ops.cast(y_pred, "float32"))
        anchors, others = unit[:, 0], ops.transpose(unit[:, 1:], (1, 0, 2))  # (T - 1, B, E)
        candidates = ops.reshape(others, (-1, unit.shape[-1]))  # (K, E), the right ones first
        scores = self.scale * ops.matmul(anchors, ops.transpose(candidates))  # (B, K)

        texts = ops.cast(y_true, "int32")
        of_candidates = ops.reshape(ops.transpose(texts[:, 1:]), (-1,))  # (K,)
        weights = _flat(sample_weight, y_pred)
        of_rows = weights[:, None] * ops.ones_like(y_pred[:, 1:, 0])  # (B, T - 1)
        for_candidates = ops.reshape(ops.transpose(of_rows), (-1,))  # (K,)
        rows = ops.arange(ops.shape(texts)[0], dtype="int32")[:, None]
        right = rows == ops.arange(ops.shape(of_candidates)[0], dtype="int32")[None, :]  # (B, K)
        same = ops.logical_or(
            of_candidates[None, :] == texts[:, :1], of_candidates[None, :] == texts[:, 1:2]
        )
        negative = ops.logical_and(ops.logical_not(same), for_candidates[None, :] > 0)
        scores = ops.where(ops.logical_or(right, negative), scores, _NONE)
        of_right = ops.sum(ops.where(right, scores, 0.0), axis=1)
        return _mean(ops.logsumexp(scores, axis=1) - of_right, weights)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("kbert")
class Matryoshka(keras.losses.Loss):
    """Another loss on the first numbers of the vectors, too, so that these alone are vectors.

        loss = sum over m in sizes of loss(y, first m numbers of each vector)

    Args:
        loss: `CosineError`, `CoSENT` or `InBatchNegatives`, which look at angles.
        sizes: each m, from 1 to E. E should be among them, or the whole vector is not trained.
        name: of the loss.
        **kwargs: Keras's.

    Example:
        >>> import numpy as np
        >>> vectors = np.array([[[1.0, 1.0], [1.0, -1.0]]], "float32")  # cosine 0, of one number 1
        >>> float(Matryoshka(CosineError(), [2, 1])(np.array([0.0]), vectors))
        1.0

    Source: Kusupati et al. 2022, "Matryoshka Representation Learning", equation 1.
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        sizes: Sequence[int],
        name: str = "matryoshka",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.loss = loss if isinstance(loss, keras.losses.Loss) else keras.losses.deserialize(loss)
        self.sizes = [whole_number("a size", size, 1) for size in sizes]
        if not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise KbertError(
                f"sizes are numbers from 1, each once, as [768, 256], not {sizes!r:.80}"
            )

    def __call__(self, y_true, y_pred, sample_weight=None):
        """As the other loss takes them."""
        if max(self.sizes) > y_pred.shape[-1]:
            raise KbertError(
                f"size {max(self.sizes)} is more than the {y_pred.shape[-1]} numbers of a vector"
            )
        parts = [self.loss(y_true, y_pred[..., :size], sample_weight) for size in self.sizes]
        return sum(parts[1:], parts[0])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        loss = keras.losses.serialize(self.loss)
        return {**super().get_config(), "loss": loss, "sizes": self.sizes}
