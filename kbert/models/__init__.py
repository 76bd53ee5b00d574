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
sentence.py           a vector for a text
siamese.py            that model on pairs of texts, to learn from them
inputs.py             a look at a model's inputs before a backend meets them
watched_data.py       the same for the data of `fit`, `evaluate` and `predict`
logits.py             which losses fit a head
fingerprint.py        a few digits that tell a model from any other
frozen.py             which layers are not trained, as a file remembers it
fine_tuning.py        an encoder is frozen below, or begun anew above
lora.py               small corrections are trained in an encoder's place
extend.py             more words for a model that is trained already
export.py             a model -> ONNX, SavedModel
"""

from importlib import import_module

from kbert.catalog import CATALOG

# What a task's name, as `kbert.load` takes it, makes of an encoder.
TASKS = {
    entry.task: getattr(import_module(f"kbert.{entry.module}"), entry.class_name)
    for entry in CATALOG
}
