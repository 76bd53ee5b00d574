"""BERT that says which of several endings of a text is right, as SWAG and KoBEST's COPA ask.

Shapes: B batch, C choices, L length, D hidden.
Source: Devlin et al. 2018, section 4.4.
"""

from typing import Any

import keras
from keras import ops

from kbert.models.bert_with_head import BertWithHead
from kbert.models.encoder import input_ids_shape


@keras.saving.register_keras_serializable("kbert")
class BertForMultipleChoice(BertWithHead):
    """BERT that reads a text with each of its choices, and gives each a score.

    A row is [CLS] text [SEP] choice [SEP], and its pooled [CLS] has one logit. Rows know nothing
    of each other, so a model takes any number of choices, whatever it was trained on.

    Args:
        classifier_dropout: dropout before the head; None means the encoder's.
        name: the model's name.
        **bert_arguments: the arguments of `Bert`.

    Raises:
        KbertError: if `add_pooling_layer` is False.

    Example:
        >>> import numpy as np
        >>> model = BertForMultipleChoice(
        ...     vocab_size=100, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...     intermediate_size=32)
        >>> two_choices = np.array([[[2, 5, 3, 7, 3], [2, 5, 3, 8, 3]]])  # (1, 2, 5)
        >>> tuple(model({"input_ids": two_choices}).shape)
        (1, 2)

    Source: Zellers et al. 2018, "SWAG", for the task.
    """

    input_axes = ("batch", "choices", "length")

    def __init__(
        self,
        *,
        classifier_dropout: float | None = None,
        name: str = "bert_for_multiple_choice",
        **bert_arguments: Any,
    ):
        super().__init__(name=name, **bert_arguments)
        self._needs_pooler()
        self._head_arguments = {"classifier_dropout": classifier_dropout}
        self.classifier = self._label_head("classifier", 1, classifier_dropout)
        self.built = True

    def call(self, inputs, training=None):
        """Scores choices: (B, C) logits, float32.

        Args:
            inputs: as for `Bert`, but that each array has an axis of choices behind the first:
                `input_ids`, `token_type_ids` and `attention_mask` (B, C, L), or the ids alone.
            training: whether to drop.
        """
        given = inputs if isinstance(inputs, dict) else {"input_ids": inputs}
        ids = given["input_ids"]
        choices = ids.shape[1] or ops.shape(ids)[1]
        rows = {
            name: ops.reshape(given[name], (-1, *ops.shape(given[name])[2:]))  # (B C, L)
            for name in ("input_ids", "token_type_ids", "attention_mask", "lengths")
            if given.get(name) is not None
        }
        pooled = self.bert(rows, training=training)["pooler_output"]  # (B C, D)
        return ops.reshape(self.classifier(pooled, training=training), (-1, choices))

    def compute_output_spec(self, inputs, training=None):
        """What `call` returns, as a symbol."""
        return keras.KerasTensor(input_ids_shape(inputs)[:2], "float32")
