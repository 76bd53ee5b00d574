"""BERT that puts a label on a text or a pair of texts.

Shapes: B batch, D hidden.
Source: Devlin et al. 2018, section 4.1 and figure 4 (a, b).
"""

from collections.abc import Sequence
from typing import Any

import keras

from kbert.errors import KbertError
from kbert.models.bert_with_head import BertWithHead
from kbert.models.encoder import input_ids_shape

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")


def silent_problem_type(labels: Sequence[str]) -> str:
    """What a classification's logits mean where nobody says it: one label is a number's name."""
    return "regression" if len(labels) == 1 else "single_label_classification"


@keras.saving.register_keras_serializable("kbert")
class BertForSequenceClassification(BertWithHead):
    """BERT with a label head on the pooled [CLS].

    Args:
        labels: the labels' names, in the order of the logits.
        problem_type: "single_label_classification" (one of the labels holds),
            "multi_label_classification" (each may hold) or "regression" (a label is a number's
            name, and its logit the number). The logits are the same; pipelines and losses read it.
        classifier_dropout: dropout before the head; None means the encoder's.
        name: the model's name.
        **bert_arguments: the arguments of `Bert`.

    Raises:
        KbertError: if the labels are not names, each once, there is no such problem type, or
            `add_pooling_layer` is False.

    Example:
        >>> import numpy as np
        >>> model = BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=100, hidden_size=8, num_hidden_layers=1,
        ...     num_attention_heads=2, intermediate_size=32)
        >>> tuple(model({"input_ids": np.array([[2, 5, 3]])}).shape)
        (1, 2)
    """

    def __init__(
        self,
        *,
        labels: Sequence[str],
        problem_type: str = "single_label_classification",
        classifier_dropout: float | None = None,
        name: str = "bert_for_sequence_classification",
        **bert_arguments: Any,
    ):
        super().__init__(name=name, **bert_arguments)
        self._needs_pooler()
        self._head_arguments = {
            "problem_type": _check_problem_type(problem_type),
            "classifier_dropout": classifier_dropout,
        }
        self.name_labels(labels)
        self.classifier = self._label_head("classifier", len(self.labels), classifier_dropout)
        self.built = True

    @property
    def problem_type(self) -> str:
        """What the logits mean; saved with the model, as it was set last."""
        return self._head_arguments["problem_type"]

    @problem_type.setter
    def problem_type(self, problem_type: str) -> None:
        self._head_arguments["problem_type"] = _check_problem_type(problem_type)

    def _num_classes(self):
        is_one = self.problem_type == "single_label_classification"
        return {None: len(self.labels)} if is_one else {}

    def call(self, inputs, training=None):
        """Scores labels: (B, number of labels) logits, float32; inputs as for `Bert`."""
        pooled = self.bert(inputs, training=training)["pooler_output"]  # (B, D)
        return self.classifier(pooled, training=training)

    def compute_output_spec(self, inputs, training=None):
        """What `call` returns, as a symbol."""
        return keras.KerasTensor((input_ids_shape(inputs)[0], len(self.labels)), "float32")


def _check_problem_type(problem_type: str) -> str:
    if problem_type not in PROBLEM_TYPES:
        raise KbertError(
            f"problem_type is one of {', '.join(PROBLEM_TYPES)}, not {problem_type!r:.80}"
        )
    return problem_type
