"""BERT and its heads, each a `keras.Model`.

Importing this room makes the classes known to `keras.models.load_model`.
"""

from kbert.models.bert import Bert
from kbert.models.classification import BertForSequenceClassification
from kbert.models.pretraining import (
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
)
from kbert.models.question_answering import BertForQuestionAnswering
from kbert.models.tagging import BertForTokenClassification

# What a task's name, as `kbert.load` takes it, makes of an encoder.
TASKS = {
    "encoder": Bert,
    "pretraining": BertForPreTraining,
    "masked-lm": BertForMaskedLM,
    "next-sentence-prediction": BertForNextSentencePrediction,
    "sequence-classification": BertForSequenceClassification,
    "token-classification": BertForTokenClassification,
    "question-answering": BertForQuestionAnswering,
}
POOLED_TASKS = ("pretraining", "next-sentence-prediction", "sequence-classification")
LABELLED_TASKS = ("sequence-classification", "token-classification")

__all__ = [
    "LABELLED_TASKS",
    "POOLED_TASKS",
    "TASKS",
    "Bert",
    "BertForMaskedLM",
    "BertForNextSentencePrediction",
    "BertForPreTraining",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
]
