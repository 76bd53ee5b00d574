"""ELECTRA: tables that may be narrower than the layers, and no pooler but the classification's own.

Source: Clark et al. 2020.
"""

from kbert.formats.families.bert import like_bert
from kbert.formats.families.family import LABEL, POOLED_LABEL, SPAN, Rows, Values, check_words_head

_MASKED_LM: Rows = (
    ("mlm.transform", "generator_predictions.dense"),
    ("mlm.layer_norm", "generator_predictions.LayerNorm"),
    ("mlm.bias", "generator_lm_head.bias"),
    ("mlm.decoder", "generator_lm_head.weight"),
)
_REPLACED_TOKENS: Rows = (
    ("replaced.dense", "discriminator_predictions.dense"),
    ("replaced.score", "discriminator_predictions.dense_prediction"),
)


def _is_mine(arguments: Values, task: str) -> bool:
    narrow = arguments["embedding_size"] != arguments["hidden_size"]
    if not arguments["add_pooling_layer"]:
        return narrow or task in ("encoder", "replaced-token-detection")
    return narrow or arguments["pooler_activation"] == "gelu"


def _read(config: Values, task: str) -> Values:
    check_words_head(config, task)
    pooler = "gelu" if task in ("sequence-classification", "multiple-choice") else "tanh"
    return {"embedding_size": config.get("embedding_size", 128), "pooler_activation": pooler}


ELECTRA = like_bert(
    model_type="electra",
    classes="Electra",
    prefix="electra.",
    pooler="",
    heads={
        "replaced-token-detection": _REPLACED_TOKENS,
        "masked-lm": _MASKED_LM,
        "sequence-classification": POOLED_LABEL,
        "token-classification": LABEL,
        "question-answering": SPAN,
        "multiple-choice": (("bert.pooler.dense", "sequence_summary.summary"), *LABEL),
    },
    is_mine=_is_mine,
    read=_read,
    write=lambda arguments: {"embedding_size": arguments["embedding_size"]},
)
