"""BERT that puts a label on every token, as named-entity recognition does.

Shapes: B batch, L length, D hidden.
Source: Devlin et al. 2018, section 5.3 and figure 4 (d).
"""

from collections.abc import Sequence
from typing import Any

import keras

from kbert.models.bert_with_head import BertWithHead
from kbert.models.encoder import input_ids_shape


@keras.saving.register_keras_serializable("kbert")
class BertForTokenClassification(BertWithHead):
    """BERT with a label head on every token.

    Args:
        labels: the labels' names, in the order of the logits.
        classifier_dropout: dropout before the head; None means the encoder's.
        name: the model's name.
        **bert_arguments: the arguments of `Bert`; `add_pooling_layer` is False unless given.

    Raises:
        KbertError: if the labels are not names, each once.

    Example:
        >>> import numpy as np
        >>> model = BertForTokenClassification(
        ...     labels=["O", "B-PS", "I-PS"], vocab_size=100, hidden_size=8, num_hidden_layers=1,
        ...     num_attention_heads=2, intermediate_size=32)
        >>> tuple(model({"input_ids": np.array([[2, 5, 6, 3]])}).shape)
        (1, 4, 3)
    """

    def __init__(
        self,
        *,
        labels: Sequence[str],
        classifier_dropout: float | None = None,
        name: str = "bert_for_token_classification",
        **bert_arguments: Any,
    ):
        super().__init__(name=name, **{"add_pooling_layer": False, **bert_arguments})
        self._head_arguments = {"classifier_dropout": classifier_dropout}
        self.transform = self._token_transform()
        self.name_labels(labels)
        self.classifier = self._label_head("classifier", len(self.labels), classifier_dropout)
        self.built = True

    def _num_classes(self):
        return {None: len(self.labels)}

    def call(self, inputs, training=None):
        """Scores labels: (B, L, number of labels) logits, float32; inputs as for `Bert`."""
        hidden = self._token_vectors(inputs, training)  # (B, L, D)
        return self.classifier(hidden, training=training)

    def compute_output_spec(self, inputs, training=None):
        """What `call` returns, as a symbol."""
        return keras.KerasTensor((*input_ids_shape(inputs), len(self.labels)), "float32")
