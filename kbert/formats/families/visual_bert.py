"""VisualBERT: vectors of an image's regions behind the text's tokens.

Source: Li et al. 2019; transformers, modeling_visual_bert.py.
"""

from kbert.errors import KbertError
from kbert.formats.families.bert import EMBEDDINGS, MASKED_LM, NEXT_SENTENCE, SETTINGS, like_bert
from kbert.formats.families.family import Rows, Settings, Values

_SETTINGS: Settings = {**SETTINGS, "extra_size": ("visual_embedding_dim", 512)}
_EMBEDDINGS: Rows = (
    *EMBEDDINGS[:-1],
    ("embeddings.extra.projection", "embeddings.visual_projection"),
    ("embeddings.extra.position_table", "embeddings.visual_position_embeddings.weight"),
    ("embeddings.extra.segment_table", "embeddings.visual_token_type_embeddings.weight"),
)
# Whose `cls` scores another place of the row than the pooled [CLS], or choices.
_OTHER_HEADS = (
    "VisualBertForQuestionAnswering",
    "VisualBertForMultipleChoice",
    "VisualBertForRegionToPhraseAlignment",
)


def _read(config: Values, task: str) -> Values:
    if config.get("bypass_transformer", False):
        raise KbertError("bypass_transformer is True; kbert's Bert has only False")
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    if task == "sequence-classification" and name in _OTHER_HEADS:
        raise KbertError(
            f"the head of {name} scores something else than the pooled [CLS]: load the encoder "
            '(task="encoder"), save it as .keras, and load that for the task'
        )
    return {}


def _write(arguments: Values) -> Values:
    if arguments["type_vocab_size"] < 2:
        raise KbertError(
            "as a visual_bert checkpoint: its extra vectors are of the second segment, and the "
            f"model's type_vocab_size is {arguments['type_vocab_size']}: save it as .keras"
        )
    return {}


VISUAL_BERT = like_bert(
    model_type="visual_bert",
    classes="VisualBert",
    prefix="visual_bert.",
    settings=_SETTINGS,
    embeddings=_EMBEDDINGS,
    heads={
        "pretraining": (*MASKED_LM, *NEXT_SENTENCE),
        "sequence-classification": (("classifier.dense", "cls"),),
    },
    is_mine=lambda arguments, task: arguments.get("extra_size") is not None,
    read=_read,
    write=_write,
    suffixes={"sequence-classification": "ForVisualReasoning"},
)
