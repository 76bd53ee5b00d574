"""BigBird: long rows, of which a token sees some blocks.

Source: Zaheer et al. 2020.
"""

from kbert.errors import KbertError
from kbert.formats.families.bert import MASKED_LM, NEXT_SENTENCE, SETTINGS, like_bert
from kbert.formats.families.family import LABEL, POOLED_LABEL, Settings, Values

_SETTINGS: Settings = {
    **SETTINGS,
    "max_position_embeddings": ("max_position_embeddings", 4096),
    "hidden_act": ("hidden_act", "gelu_new"),
}


def _is_mine(arguments: Values, task: str) -> bool:
    of_head = arguments["add_pooling_layer"] and arguments["pooler_activation"] == "gelu_new"
    return of_head or arguments.get("block_size") is not None


def _read(config: Values, task: str) -> Values:
    found: Values = {}
    kind = config.get("attention_type", "block_sparse")
    if kind == "block_sparse":
        found["block_size"] = config.get("block_size", 64)
        found["num_random_blocks"] = config.get("num_random_blocks", 3)
        if found["block_size"] is None:
            raise KbertError("block_size is null, and attention_type 'block_sparse' takes it")
    elif kind != "original_full":
        raise KbertError(f"attention_type is 'block_sparse' or 'original_full', not {kind!r:.80}")
    if task == "sequence-classification":
        found["pooler_activation"] = config.get("hidden_act", "gelu_new")
    return found


def _write(arguments: Values) -> Values:
    if arguments.get("block_size") is None:
        return {"attention_type": "original_full"}
    return {
        "attention_type": "block_sparse",
        "block_size": arguments["block_size"],
        "num_random_blocks": arguments["num_random_blocks"],
    }


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
    write=_write,
)
