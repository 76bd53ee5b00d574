"""BERT and its heads, each a `keras.Model`.

Importing this room makes the classes known to `keras.models.load_model`.

base.py               KbertModel: saving, the format's version
bert.py               the encoder
bert_with_head.py     what the models below share
pretraining.py        the masked-LM head, the next-sentence head, or both
classification.py     a label for a text or a pair
tagging.py            a label for each token
question_answering.py where an answer begins and ends
multiple_choice.py    which of several choices goes with a text
dependency.py         which word depends on which, and how
inputs.py             a look at a model's inputs before a backend meets them
watched_data.py       the same for the data of `fit`, `evaluate` and `predict`
logits.py             which losses fit a head
frozen.py             which layers are not trained, as a file remembers it
fine_tuning.py        an encoder is frozen below, or begun anew above
extend.py             more words for a model that is trained already
export.py             a model -> ONNX, SavedModel
"""

from kbert.models.bert import Bert
from kbert.models.classification import BertForSequenceClassification
from kbert.models.dependency import BertForDependencyParsing
from kbert.models.multiple_choice import BertForMultipleChoice
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
    "multiple-choice": BertForMultipleChoice,
    "dependency-parsing": BertForDependencyParsing,
}
POOLED_TASKS = (
    "pretraining",
    "next-sentence-prediction",
    "sequence-classification",
    "multiple-choice",
)
LABELLED_TASKS = ("sequence-classification", "token-classification", "dependency-parsing")

__all__ = [
    "LABELLED_TASKS",
    "POOLED_TASKS",
    "TASKS",
    "Bert",
    "BertForDependencyParsing",
    "BertForMaskedLM",
    "BertForMultipleChoice",
    "BertForNextSentencePrediction",
    "BertForPreTraining",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
]
