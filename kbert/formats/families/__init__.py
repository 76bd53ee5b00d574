"""The families of Hugging Face's checkpoints, a file each: is it me, my config, my names.

A new family is a file here, and its name in `_ALL`.

family.py      what a family is; the rows that several of them share
bert.py        BERT, by which the others are described
roberta.py     RoBERTa and XLM-RoBERTa: positions from behind the padding's id
distilbert.py  DistilBERT: no segments, and names of its own
electra.py     ELECTRA: narrow tables, no pooler
longformer.py  Longformer: windows, and tokens that see all
big_bird.py    BigBird: long rows, of which a token sees some blocks
albert.py      ALBERT: layers that share their weights
modernbert.py  ModernBERT: an encoder of its own
deberta_v2.py  DeBERTa-v2 and -v3: likewise
mobilebert.py  MobileBERT: likewise
visual_bert.py VisualBERT: vectors of an image's regions behind the text
"""

from typing import Any

from kbert.errors import KbertError
from kbert.formats.families.albert import ALBERT
from kbert.formats.families.bert import BERT
from kbert.formats.families.big_bird import BIG_BIRD
from kbert.formats.families.deberta_v2 import DEBERTA_V2
from kbert.formats.families.distilbert import DISTILBERT
from kbert.formats.families.electra import ELECTRA
from kbert.formats.families.family import Family
from kbert.formats.families.longformer import LONGFORMER
from kbert.formats.families.mobilebert import MOBILEBERT
from kbert.formats.families.modernbert import MODERNBERT
from kbert.formats.families.roberta import ROBERTA, XLM_ROBERTA
from kbert.formats.families.visual_bert import VISUAL_BERT

# In the order in which they are asked for a model that goes out; BERT takes what no other does.
_ALL = (
    *(MODERNBERT, DEBERTA_V2, MOBILEBERT, VISUAL_BERT, ALBERT, LONGFORMER, ROBERTA, XLM_ROBERTA),
    *(DISTILBERT, ELECTRA),
    *(BIG_BIRD, BERT),
)
FAMILIES: dict[str, Family] = {family.model_type: family for family in _ALL}


def family_of(model_type: Any) -> Family:
    """The family that a config's `model_type` names.

    Raises:
        KbertError: if kbert knows none of that name.

    Example:
        >>> family_of("electra").classes
        'Electra'
    """
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise KbertError(f"model_type is one of {known}, not {model_type!r:.80}")
    return FAMILIES[model_type]


def family_for(architecture: str, arguments: dict[str, Any], task: str) -> Family:
    """The family whose class in transformers computes what a model does.

    Args:
        architecture: of its encoder.
        arguments: those of its encoder.
        task: its task.
    """
    same = (family for family in _ALL if family.architecture == architecture)
    return next(family for family in same if family.is_mine(arguments, task))
