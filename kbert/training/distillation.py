"""What a student learns from, as `fit` takes it: batches with an answer for each term.

Shapes: B batch, L length, P masked positions.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kbert.errors import KbertError, kind_of


class DistillationBatches(keras.utils.PyDataset):
    """The batches of a student alone, with what each term of a `Distillation` counts.

    Soft targets of masked tokens, and of labels, count where the right answers do; soft targets of
    all tokens, hidden states and relations at every token, special ones included, and padding not.

    Args:
        batches: `(x, y, sample_weight)`: `PretrainingBatches(..., objective="masked-lm")`, or
            `LabelledBatches(examples, student)`.
        model: the `Distillation`.

    Raises:
        KbertError: if the model is no `Distillation`, batches are none, or one is for several
            heads.

    Example:
        >>> import kbert
        >>> teacher = kbert.BertForMaskedLM(vocab_size=9, **kbert.SIZES["tiny"])
        >>> model = kbert.Distillation(kbert.keep_layers(teacher, 1), teacher)
        >>> x = {"input_ids": np.array([[2, 4, 3]]), "masked_lm_positions": np.array([[1]])}
        >>> batch = (x, np.array([[7]]), np.ones((1, 1), "float32"))
        >>> _, _, weights = DistillationBatches([batch], model)[0]
        >>> {name: each.tolist() for name, each in weights.items()}
        {'soft': [[1.0]], 'mlm': [[1.0]], 'hidden': [[1.0, 1.0, 1.0]]}
    """

    def __init__(self, batches: Any, model: Any):
        super().__init__(workers=1)
        if getattr(model, "objective", None) != "distillation":
            raise KbertError(
                f"model is the kbert.Distillation, student and teacher, not {kind_of(model)}"
            )
        if not hasattr(batches, "__getitem__") or isinstance(batches, str | dict):
            raise KbertError(
                "batches are PretrainingBatches(..., objective='masked-lm') or LabelledBatches("
                f"examples, student), not {batches!r:.80}"
            )
        self.batches = batches
        self._terms, self._everywhere = tuple(model.loss_weights), model.soft_targets == "all"

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        """A batch: `(x, y, sample_weight)`, the last two by term."""
        batch = self.batches[index]
        if not isinstance(batch, list | tuple) or len(batch) != 3:
            raise KbertError(f"a batch is (inputs, labels, sample_weight), not {batch!r:.80}")
        x, y, weights = batch
        if isinstance(y, dict):
            raise KbertError(
                f"a student has one head, and these batches are for {', '.join(y)}: take "
                "PretrainingBatches(..., objective='masked-lm')"
            )
        given, tokens = np.asarray(x["input_ids"]), x.get("attention_mask")
        of_tokens = np.ones_like(given) if tokens is None else np.asarray(tokens)
        everywhere = np.asarray(of_tokens, np.float32)  # (B, L)
        counted: dict[str, Any] = {}
        for term in self._terms:
            at_all = term in ("hidden", "relations") or (term == "soft" and self._everywhere)
            counted[term] = everywhere if at_all else weights
        answers = {
            term: y if term in ("mlm", "labels") else np.zeros_like(counted[term])
            for term in self._terms
        }
        return x, answers, counted

    def on_epoch_begin(self) -> None:
        """Passed on."""
        getattr(self.batches, "on_epoch_begin", lambda: None)()

    def on_epoch_end(self) -> None:
        """Passed on."""
        getattr(self.batches, "on_epoch_end", lambda: None)()


@keras.saving.register_keras_serializable("kbert")
class ComputedLoss(keras.losses.Loss):
    """Losses that a model's call has computed, averaged by weight; no label is looked at.

        loss = sum(w y_pred) / sum(w)

    Args:
        name: of the loss.
        reduction: as Keras has it.
        **kwargs: Keras's.

    Example:
        >>> computed, weights = np.array([[1.0, 5.0]], "float32"), np.array([[3.0, 1.0]])
        >>> float(ComputedLoss()(np.zeros((1, 2)), computed, weights))
        2.0
    """

    def __init__(
        self,
        name: str = "computed_loss",
        reduction: str = "mean_with_sample_weight",
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        """As computed."""
        return ops.cast(y_pred, "float32")
