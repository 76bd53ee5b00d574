"""The loss of replaced-token detection, and how well the replaced are found.

What a discriminator is asked is made within the model's call, so its output brings the right answer
along: (B, L, 2) is, for each token, a logit, and 1 where it was replaced and 0 where not.

Shapes: B batch, L length.
Source: Clark et al. 2020, section 2; google-research/electra, run_pretraining.py.
"""

from typing import Any, Literal

import keras
from keras import ops

Kind = Literal["accuracy", "precision", "recall", "replaced"]


@keras.saving.register_keras_serializable("kbert")
class ReplacedTokenLoss(keras.losses.Loss):
    """Cross-entropy of "this token was replaced" at every token, averaged by weight.

        loss = sum(w (log(1 + exp(z)) - r z)) / sum(w)

    Args:
        name: of the loss.
        reduction: as Keras has it.
        label_smoothing: e in [0, 1): a right answer r counts as (1 - e) r + e / 2.
        **kwargs: Keras's.

    Example:
        >>> import numpy as np
        >>> given = np.array([[[0.0, 1.0], [20.0, 1.0]]], "float32")
        >>> float(ReplacedTokenLoss()(np.zeros((1, 2)), given)).__round__(4)
        0.3466
    """

    def __init__(
        self,
        name: str = "replaced_token_loss",
        reduction: str = "mean_with_sample_weight",
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """(B, L), (B, L, 2) -> (B, L); what is right stands in the second."""
        logits, replaced = ops.cast(y_pred[..., 0], "float32"), ops.cast(y_pred[..., 1], "float32")
        right = (1 - self.label_smoothing) * replaced + self.label_smoothing / 2
        return ops.softplus(logits) - right * logits

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("kbert")
class ReplacedTokenRate(keras.metrics.Mean):
    """A share of tokens, by weight.

    | kind      | of                        | which are         |
    |-----------|---------------------------|-------------------|
    | accuracy  | all tokens                | judged rightly    |
    | precision | those that it calls so    | replaced          |
    | recall    | the replaced              | called so         |
    | replaced  | all tokens                | replaced          |

    A token is called replaced where its logit is above 0. Nearly all are not, so an accuracy is to
    be compared with 1 - replaced, which calling none so would reach.

    Args:
        kind: see above.
        name: of the metric; None means the kind.
        **kwargs: Keras's.

    Example:
        >>> import numpy as np
        >>> given = np.array([[[2.0, 1.0], [3.0, 0.0], [-1.0, 0.0], [-1.0, 1.0]]], "float32")
        >>> [float(ReplacedTokenRate(kind)(None, given)) for kind in ("precision", "recall")]
        [0.5, 0.5]
    """

    def __init__(self, kind: Kind, name: str | None = None, **kwargs: Any):
        super().__init__(name=name or kind, **kwargs)
        self.kind = kind

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts (B, L, 2)."""
        called = ops.cast(y_pred[..., 0] > 0, "float32")
        replaced = ops.cast(y_pred[..., 1], "float32")
        weights = ops.ones_like(called) if sample_weight is None else sample_weight
        weights = ops.cast(weights, "float32")
        if self.kind == "precision":
            return super().update_state(replaced, weights * called)
        if self.kind == "recall":
            return super().update_state(called, weights * replaced)
        is_right = ops.cast(ops.equal(called, replaced), "float32")
        return super().update_state(is_right if self.kind == "accuracy" else replaced, weights)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "kind": self.kind}


def replaced_token_metrics() -> list[keras.metrics.Metric]:
    """One of each kind."""
    return [ReplacedTokenRate(kind) for kind in ("accuracy", "precision", "recall", "replaced")]
