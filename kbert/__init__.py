"""kbert: Korean BERT in Keras 3, on TensorFlow, JAX or PyTorch.

The public names are imported when they are first used, so `import kbert` loads no backend.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from kbert.backend import choose_backend, require_backend
from kbert.catalog import BY_CLASS
from kbert.version import VERSION

__version__ = VERSION

_HOME = {entry.class_name: entry.module for entry in BY_CLASS.values()} | {
    "KbertError": "errors",
    "SIZES": "sizes",
    "Tokenizer": "text.tokenizer",
    "extend_vocabulary": "models.extend",
    "extend_inputs": "models.extend_inputs",
    "trim_vocabulary": "models.trim",
    "load": "formats.load",
    "export_huggingface": "formats.huggingface.export",
    "export_sentence_transformers": "formats.sentence_transformers.export",
    "push_to_hub": "formats.push_to_hub",
    "export_with_tokenizer": "formats.tensorflow_text",
    "from_keras_hub": "formats.keras_hub",
    "to_keras_hub": "formats.keras_hub",
    "FillMask": "pipelines.fill_mask",
    "NextSentence": "pipelines.next_sentence",
    "Examples": "data.labelled.examples",
    "LabelledBatches": "data.labelled.batches",
    "read_table": "data.labelled.read_table",
    "KeepBest": "evaluation.keep_best",
    "evaluate": "evaluation.evaluate",
    "write_report": "evaluation.report",
    "TextClassifier": "pipelines.classify",
    "TokenClassifier": "pipelines.tag",
    "QuestionAnswering": "pipelines.answer",
    "features": "pipelines.features",
    "objective": "training.losses",
    "adamw": "training.optimizers",
    "SiameseBert": "models.siamese",
    "ReplacedTokenDetection": "models.electra",
    "generator_for": "models.electra",
    "Distillation": "models.distillation",
    "DistillationBatches": "training.distillation",
    "keep_layers": "models.keep_layers",
    "lengthen": "models.lengthen",
    "freeze": "models.fine_tuning",
    "reinitialize_top": "models.fine_tuning",
    "add_lora": "models.lora",
    "quantize": "compression.quantize",
    "head_importance": "compression.importance",
    "neuron_importance": "compression.importance",
    "least_important": "compression.importance",
    "prune_heads": "compression.prune",
    "prune_neurons": "compression.prune",
    "PruneWeights": "compression.prune_weights",
    "merge_pruning": "compression.prune_weights",
    "share_of_zeros": "compression.prune_weights",
    "merge_lora": "models.lora",
    "read_task": "tasks.read",
    "MultipleChoice": "pipelines.choose",
    "DependencyParser": "pipelines.parse",
    "SentenceEncoder": "pipelines.sentence_encoder",
    "CrossEncoder": "pipelines.cross_encoder",
    "WordVectors": "pipelines.word_vectors",
    "SentenceIndex": "search.index",
    "ApproximateIndex": "search.approximate",
}
_ROOMS = ("explain",)  # public as modules: kbert.explain.attention(...)
__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:  # what editors and type checkers see; at run time `__getattr__` finds it
    import kbert.explain as explain  # noqa: F401
    from kbert.compression.importance import head_importance as head_importance
    from kbert.compression.importance import least_important as least_important
    from kbert.compression.importance import neuron_importance as neuron_importance
    from kbert.compression.prune import prune_heads as prune_heads
    from kbert.compression.prune import prune_neurons as prune_neurons
    from kbert.compression.prune_weights import PruneWeights as PruneWeights
    from kbert.compression.prune_weights import merge_pruning as merge_pruning
    from kbert.compression.prune_weights import share_of_zeros as share_of_zeros
    from kbert.compression.quantize import quantize as quantize
    from kbert.data.labelled.batches import LabelledBatches as LabelledBatches
    from kbert.data.labelled.examples import Examples as Examples
    from kbert.data.labelled.read_table import read_table as read_table
    from kbert.errors import KbertError as KbertError
    from kbert.evaluation.evaluate import evaluate as evaluate
    from kbert.evaluation.keep_best import KeepBest as KeepBest
    from kbert.evaluation.report import write_report as write_report
    from kbert.formats.huggingface.export import export_huggingface as export_huggingface
    from kbert.formats.keras_hub import from_keras_hub as from_keras_hub
    from kbert.formats.keras_hub import to_keras_hub as to_keras_hub
    from kbert.formats.load import load as load
    from kbert.formats.push_to_hub import push_to_hub as push_to_hub
    from kbert.formats.sentence_transformers.export import (
        export_sentence_transformers as export_sentence_transformers,
    )
    from kbert.formats.tensorflow_text import export_with_tokenizer as export_with_tokenizer
    from kbert.models.bert import Bert as Bert
    from kbert.models.classification import (
        BertForSequenceClassification as BertForSequenceClassification,
    )
    from kbert.models.deberta import Deberta as Deberta
    from kbert.models.dependency import BertForDependencyParsing as BertForDependencyParsing
    from kbert.models.distillation import Distillation as Distillation
    from kbert.models.electra import ElectraForPreTraining as ElectraForPreTraining
    from kbert.models.electra import ReplacedTokenDetection as ReplacedTokenDetection
    from kbert.models.electra import generator_for as generator_for
    from kbert.models.extend import extend_vocabulary as extend_vocabulary
    from kbert.models.extend_inputs import extend_inputs as extend_inputs
    from kbert.models.fine_tuning import freeze as freeze
    from kbert.models.fine_tuning import reinitialize_top as reinitialize_top
    from kbert.models.keep_layers import keep_layers as keep_layers
    from kbert.models.lengthen import lengthen as lengthen
    from kbert.models.lora import add_lora as add_lora
    from kbert.models.lora import merge_lora as merge_lora
    from kbert.models.mobile_bert import MobileBert as MobileBert
    from kbert.models.modern_bert import ModernBert as ModernBert
    from kbert.models.multiple_choice import BertForMultipleChoice as BertForMultipleChoice
    from kbert.models.pretraining import BertForMaskedLM as BertForMaskedLM
    from kbert.models.pretraining import (
        BertForNextSentencePrediction as BertForNextSentencePrediction,
    )
    from kbert.models.pretraining import BertForPreTraining as BertForPreTraining
    from kbert.models.question_answering import BertForQuestionAnswering as BertForQuestionAnswering
    from kbert.models.sentence import SentenceBert as SentenceBert
    from kbert.models.siamese import SiameseBert as SiameseBert
    from kbert.models.tagging import BertForTokenClassification as BertForTokenClassification
    from kbert.models.trim import trim_vocabulary as trim_vocabulary
    from kbert.pipelines.answer import QuestionAnswering as QuestionAnswering
    from kbert.pipelines.choose import MultipleChoice as MultipleChoice
    from kbert.pipelines.classify import TextClassifier as TextClassifier
    from kbert.pipelines.cross_encoder import CrossEncoder as CrossEncoder
    from kbert.pipelines.features import features as features
    from kbert.pipelines.fill_mask import FillMask as FillMask
    from kbert.pipelines.next_sentence import NextSentence as NextSentence
    from kbert.pipelines.parse import DependencyParser as DependencyParser
    from kbert.pipelines.sentence_encoder import SentenceEncoder as SentenceEncoder
    from kbert.pipelines.tag import TokenClassifier as TokenClassifier
    from kbert.pipelines.word_vectors import WordVectors as WordVectors
    from kbert.search.approximate import ApproximateIndex as ApproximateIndex
    from kbert.search.index import SentenceIndex as SentenceIndex
    from kbert.sizes import SIZES as SIZES
    from kbert.tasks.read import read_task as read_task
    from kbert.text.tokenizer import Tokenizer as Tokenizer
    from kbert.training.distillation import DistillationBatches as DistillationBatches
    from kbert.training.losses import objective as objective
    from kbert.training.optimizers import adamw as adamw


def __getattr__(name: str):
    if name not in _HOME and name not in _ROOMS:
        raise AttributeError(f"module 'kbert' has no attribute {name!r}; it has {__dir__()}")
    try:
        module = import_module(f"kbert.{_HOME.get(name, name)}")
    except (ImportError, ValueError):
        require_backend()  # its error says what to do about a backend, and Keras's own does not
        raise
    return module if name in _ROOMS else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])


choose_backend()
