"""BERT that finds the answer to a question in a text, as KorQuAD and KLUE-MRC ask.

Shapes: B batch, L length, D hidden.
Source: Devlin et al. 2018, section 4.2 and figure 4 (c).
"""

from typing import Any

import keras

from kbert.models.bert_with_head import BertWithHead
from kbert.models.encoder import input_ids_shape
from kbert.models.watched_data import LENGTH


@keras.saving.register_keras_serializable("kbert")
class BertForQuestionAnswering(BertWithHead):
    """BERT that scores every token as the first and as the last of the answer.

    Args:
        name: the model's name.
        **bert_arguments: the arguments of `Bert`; `add_pooling_layer` is False unless given.

    Example:
        >>> import numpy as np
        >>> model = BertForQuestionAnswering(
        ...     vocab_size=100, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...     intermediate_size=32)
        >>> logits = model({"input_ids": np.array([[2, 5, 3, 6, 3]])})
        >>> tuple(logits["start"].shape), tuple(logits["end"].shape)
        ((1, 5), (1, 5))
    """

    def __init__(self, *, name: str = "bert_for_question_answering", **bert_arguments: Any):
        super().__init__(name=name, **{"add_pooling_layer": False, **bert_arguments})
        self.transform = self._token_transform()
        self.span = self._label_head("span", 2)
        self.built = True

    def _num_classes(self):
        return {"start": LENGTH, "end": LENGTH}

    @property
    def questions_are_global(self) -> bool:
        """Whether [CLS] and the question are to be `global_positions`, as Longformer has it."""
        return bool(self.bert.get_config().get("global_attention"))

    def call(self, inputs, training=None) -> dict[str, Any]:
        """Scores answers: a dict of `start` and `end` logits, each (B, L) float32.

        Args:
            inputs: as for `Bert`: the question is the first text, the second holds the answer.
            training: whether to drop.
        """
        logits = self.span(self._token_vectors(inputs, training))  # (B, L, 2)
        return {"start": logits[..., 0], "end": logits[..., 1]}

    def compute_output_spec(self, inputs, training=None) -> dict[str, Any]:
        """What `call` returns, as symbols."""
        symbol = keras.KerasTensor(input_ids_shape(inputs), "float32")
        return {"start": symbol, "end": symbol}
