"""BERT and its heads, each a `keras.Model`.

Importing this room makes the classes known to `keras.models.load_model`.
"""

from kbert.models.bert import Bert
from kbert.models.pretraining import (
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
)

__all__ = ["Bert", "BertForMaskedLM", "BertForNextSentencePrediction", "BertForPreTraining"]
