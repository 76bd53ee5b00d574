"""ALBERT: layers that share their weights, narrow tables, and a projection behind them in any case.

Its second head judges whether two texts stand in their order; here it is in the place of the
next-sentence head, whose shape it has.

Source: Lan et al. 2020.
"""

from kbert.errors import KbertError
from kbert.formats.families.bert import EMBEDDINGS, SETTINGS, like_bert
from kbert.formats.families.family import LABEL, SPAN, Rows, Settings, Values

_SETTINGS: Settings = {
    **SETTINGS,
    "hidden_act": ("hidden_act", "gelu_new"),
    "hidden_dropout_prob": ("hidden_dropout_prob", 0.0),
    "attention_probs_dropout_prob": ("attention_probs_dropout_prob", 0.0),
    "embedding_size": ("embedding_size", 128),
    "num_hidden_groups": ("num_hidden_groups", 1),
    "inner_group_num": ("inner_group_num", 1),
}
_EMBEDDINGS: Rows = (
    *EMBEDDINGS[:-1],
    ("embeddings.projection", "encoder.embedding_hidden_mapping_in"),
)
_LAYER: Rows = (
    ("self_attention.query_key_value", ("attention.query", "attention.key", "attention.value")),
    ("self_attention.output_projection", "attention.dense"),
    ("attention_norm", "attention.LayerNorm"),
    ("feed_forward.widen", "ffn"),
    ("feed_forward.narrow", "ffn_output"),
    ("feed_forward_norm", "full_layer_layer_norm"),
)
_MASKED_LM: Rows = (
    ("mlm.transform", "predictions.dense"),
    ("mlm.layer_norm", "predictions.LayerNorm"),
    ("mlm.bias", "predictions.bias"),
    ("mlm.decoder", "predictions.decoder.weight"),
)


def _read(config: Values, task: str) -> Values:
    for name in ("num_hidden_groups", "inner_group_num"):
        count = config.get(name, 1)
        if type(count) is not int or count < 1:
            raise KbertError(f"{name} is a whole number from 1, not {count!r:.80}")
    return {}


def _layer_prefix(i: int, arguments: Values) -> str:
    group, inner = divmod(i, arguments["inner_group_num"])
    return f"encoder.albert_layer_groups.{group}.albert_layers.{inner}."


ALBERT = like_bert(
    model_type="albert",
    classes="Albert",
    prefix="albert.",
    settings=_SETTINGS,
    embeddings=_EMBEDDINGS,
    layer_prefix=_layer_prefix,
    layer=_LAYER,
    pooler="pooler",
    heads={
        "pretraining": (*_MASKED_LM, ("nsp.dense", "sop_classifier.classifier")),
        "masked-lm": _MASKED_LM,
        "sequence-classification": LABEL,
        "token-classification": LABEL,
        "question-answering": SPAN,
        "multiple-choice": LABEL,
    },
    is_mine=lambda arguments, task: arguments.get("num_hidden_groups") is not None,
    read=_read,
    layers_of=lambda arguments: arguments["num_hidden_groups"] * arguments["inner_group_num"],
    classifier_dropout=("classifier_dropout_prob", 0.1),
)
