"""BigBird, as far as it is BERT: rows that are short enough for full attention.

Source: Zaheer et al. 2020.
"""

from kbert.formats.families.bert import MASKED_LM, NEXT_SENTENCE, SETTINGS, like_bert
from kbert.formats.families.family import LABEL, POOLED_LABEL, Settings, Values

_SETTINGS: Settings = {
    **SETTINGS,
    "max_position_embeddings": ("max_position_embeddings", 4096),
    "hidden_act": ("hidden_act", "gelu_new"),
}


def _is_mine(arguments: Values, task: str) -> bool:
    return arguments["add_pooling_layer"] and arguments["pooler_activation"] == "gelu_new"


def _read(config: Values, task: str) -> Values:
    if task != "sequence-classification":
        return {}
    return {"pooler_activation": config.get("hidden_act", "gelu_new")}


BIG_BIRD = like_bert(
    model_type="big_bird",
    classes="BigBird",
    settings=_SETTINGS,
    pooler="pooler",
    heads={
        "pretraining": (*MASKED_LM, *NEXT_SENTENCE),
        "masked-lm": MASKED_LM,
        "sequence-classification": POOLED_LABEL,
        "token-classification": LABEL,
        "multiple-choice": LABEL,
    },
    is_mine=_is_mine,
    read=_read,
    write=lambda arguments: {"attention_type": "original_full"},
)
