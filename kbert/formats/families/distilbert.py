"""DistilBERT: no segments, no pooler but the classification's own, and names of its own.

Source: Sanh et al. 2019.
"""

from kbert.formats.families.bert import EMBEDDINGS
from kbert.formats.families.family import LABEL, SPAN, Family, Rows, Settings, Values

_SETTINGS: Settings = {
    "vocab_size": ("vocab_size", None),
    "hidden_size": ("dim", None),
    "num_hidden_layers": ("n_layers", None),
    "num_attention_heads": ("n_heads", None),
    "intermediate_size": ("hidden_dim", None),
    "hidden_dropout_prob": ("dropout", 0.1),
    "attention_probs_dropout_prob": ("attention_dropout", 0.1),
    "max_position_embeddings": ("max_position_embeddings", 512),
    "initializer_range": ("initializer_range", 0.02),
    "hidden_act": ("activation", "gelu"),
}
_LAYER: Rows = (
    ("self_attention.query_key_value", ("attention.q_lin", "attention.k_lin", "attention.v_lin")),
    ("self_attention.output_projection", "attention.out_lin"),
    ("attention_norm", "sa_layer_norm"),
    ("feed_forward.widen", "ffn.lin1"),
    ("feed_forward.narrow", "ffn.lin2"),
    ("feed_forward_norm", "output_layer_norm"),
)
_MASKED_LM: Rows = (
    ("mlm.transform", "vocab_transform"),
    ("mlm.layer_norm", "vocab_layer_norm"),
    ("mlm.bias", "vocab_projector.bias"),
    ("mlm.decoder", "vocab_projector.weight"),
)
# A pooler of its own, which only some heads have.
_POOLED: Rows = (("bert.pooler.dense", "pre_classifier"), *LABEL)


def _read(config: Values, task: str) -> Values:
    pooler = "relu" if task in ("sequence-classification", "multiple-choice") else "tanh"
    return {"type_vocab_size": 0, "pooler_activation": pooler}


DISTILBERT = Family(
    model_type="distilbert",
    classes="DistilBert",
    prefix="distilbert.",
    settings=_SETTINGS,
    embeddings=EMBEDDINGS,
    layer_prefix="transformer.layer.{i}.",
    layer=_LAYER,
    pooler="",
    heads={
        "masked-lm": _MASKED_LM,
        "sequence-classification": _POOLED,
        "token-classification": LABEL,
        "question-answering": SPAN,
        "multiple-choice": _POOLED,
    },
    is_mine=lambda arguments, task: not arguments["type_vocab_size"],
    read=_read,
)
