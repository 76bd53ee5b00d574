"""BERT and its heads, each a `keras.Model`.

Importing this room makes the classes known to `keras.models.load_model`.

base.py               KbertModel: saving, the format's version
watched_model.py      fit, predict and the others, which look at what they are given
encoder.py            what a head may ask of an encoder, whichever it is
bert.py               BERT's encoder, and that of the families which have its layer
modern_bert.py        ModernBERT's: rotary positions, layers that see a window
deberta.py            DeBERTa's: attention to how far away a token stands
mobile_bert.py        MobileBERT's: narrow within its layers
bert_with_head.py     what the models below share
pretraining.py        the masked-LM head, the next-sentence head, or both
classification.py     a label for a text or a pair
tagging.py            a label for each token
question_answering.py where an answer begins and ends
multiple_choice.py    which of several choices goes with a text
dependency.py         which word depends on which, and how
sentence.py           a vector for a text
siamese.py            that model on pairs of texts, to learn from them
electra.py            which tokens were replaced; a generator that replaces them
distillation.py       a student, and the teacher that it learns from
keep_layers.py        a model of some of another's layers
lengthen.py           a model that reads longer rows
in_training.py        what models around a model, to train it, have in common
arguments.py          what an encoder's arguments can be
inputs.py             a look at a model's inputs before a backend meets them
watched_data.py       the same for the data of `fit`, `evaluate` and `predict`, as it comes
logits.py             which losses fit a head
fingerprint.py        a few digits that tell a model from any other
load_report.py        what a file gave to a model, what it did not, and what of it is to be trained
frozen.py             which layers are not trained, as a file remembers it and weights allow
stored.py             a file whose floats take 16 bits
fine_tuning.py        an encoder is frozen below, or begun anew above
lora.py               small corrections are trained in an encoder's place
extend.py             more words for a model that is trained already
extend_inputs.py      vectors of images or sounds, for a model that has read text
trim.py               only the words that texts use
export.py             a model -> ONNX, SavedModel
"""

from importlib import import_module
from typing import Any

from kbert.catalog import CATALOG
from kbert.catalog import ENCODERS as _ENCODERS
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_class

# What a task's name, as `kbert.load` takes it, makes of an encoder.
TASKS = {
    entry.task: getattr(import_module(f"kbert.{entry.module}"), entry.class_name)
    for entry in CATALOG
}
# The encoders that a head may stand on, by what it calls them (`architecture=`).
ENCODERS = {architecture: encoder_class(architecture) for architecture in _ENCODERS}


def new_model(task: str, architecture: str, arguments: dict[str, Any]) -> KbertModel:
    """A model for a task on an encoder.

    Args:
        task: a name of TASKS.
        architecture: a name of ENCODERS.
        arguments: of the encoder, and of the task's head.

    Raises:
        KbertError: if one of them cannot be.

    Example:
        >>> size = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 32}
        >>> new_model("encoder", "bert", {"vocab_size": 9, "num_hidden_layers": 1, **size}).task
        'encoder'
    """
    if task == "encoder":
        return ENCODERS[architecture](**arguments)
    return TASKS[task](architecture=architecture, **arguments)
