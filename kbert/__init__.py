"""kbert: Korean BERT in Keras 3, on TensorFlow, JAX or PyTorch.

The public names are imported when they are first used, so `import kbert` loads no backend.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from kbert.backend import choose_backend

__version__ = "0.1.0"

_HOME = {
    "KbertError": "errors",
    "SIZES": "sizes",
    "Tokenizer": "text.tokenizer",
    "Bert": "models.bert",
    "BertForPreTraining": "models.pretraining",
    "BertForMaskedLM": "models.pretraining",
    "BertForNextSentencePrediction": "models.pretraining",
    "load": "formats.load",
    "FillMask": "pipelines.fill_mask",
    "NextSentence": "pipelines.next_sentence",
}
__all__ = [*_HOME]

if TYPE_CHECKING:
    from kbert.errors import KbertError
    from kbert.formats.load import load
    from kbert.models.bert import Bert
    from kbert.models.pretraining import (
        BertForMaskedLM,
        BertForNextSentencePrediction,
        BertForPreTraining,
    )
    from kbert.pipelines.fill_mask import FillMask
    from kbert.pipelines.next_sentence import NextSentence
    from kbert.sizes import SIZES
    from kbert.text.tokenizer import Tokenizer


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'kbert' has no attribute {name!r}; it has {sorted(_HOME)}")
    return getattr(import_module(f"kbert.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


choose_backend()
