"""ModernBERT: rotary positions, layers that see a window, and one head before every task's scores.

Its configs have three dropouts, which are all 0 in what is published; that of the feed-forward
counts here for the embeddings, too.

Source: Warner et al. 2024; transformers, configuration_modernbert.py.
"""

from typing import Any

from kbert.errors import KbertError
from kbert.formats.families.family import Family, Rows, Settings, Values
from kbert.formats.readers.archive import MOST_LAYERS
from kbert.sizes.layer_types import FULL, SLIDING, alternating

_SETTINGS: Settings = {
    "vocab_size": ("vocab_size", None),
    "hidden_size": ("hidden_size", None),
    "num_hidden_layers": ("num_hidden_layers", None),
    "num_attention_heads": ("num_attention_heads", None),
    "intermediate_size": ("intermediate_size", None),
    "hidden_dropout_prob": ("mlp_dropout", 0.0),
    "attention_probs_dropout_prob": ("attention_dropout", 0.0),
    "max_position_embeddings": ("max_position_embeddings", 8192),
    "initializer_range": ("initializer_range", 0.02),
    "layer_norm_eps": ("norm_eps", 1e-5),
    "hidden_act": ("hidden_activation", "gelu"),
    "local_attention": ("local_attention", 128),
    "classifier_pooling": ("classifier_pooling", "cls"),
}
_NOT_EXPRESSED = {  # and what kbert's ModernBert has
    "norm_bias": False,
    "attention_bias": False,
    "mlp_bias": False,
    "classifier_bias": False,
    "decoder_bias": True,
    "rope_scaling": None,
}
_THETAS = {  # ours: the kind of layer, the name in older configs, the default
    "global_rope_theta": (FULL, "global_rope_theta", 160_000.0),
    "local_rope_theta": (SLIDING, "local_rope_theta", 10_000.0),
}
_EMBEDDINGS: Rows = (
    ("embeddings.token_table", "embeddings.tok_embeddings.weight"),
    ("embeddings.layer_norm", "embeddings.norm"),
    ("final_norm", "final_norm"),
)
_LAYER: Rows = (
    ("attention_norm", "attn_norm"),  # but in the first
    ("self_attention.query_key_value", "attn.Wqkv"),
    ("self_attention.output_projection", "attn.Wo"),
    ("feed_forward_norm", "mlp_norm"),
    ("feed_forward.widen", "mlp.Wi"),
    ("feed_forward.narrow", "mlp.Wo"),
)
_MASKED_LM: Rows = (
    ("mlm.transform", "head.dense"),
    ("mlm.layer_norm", "head.norm"),
    ("mlm.bias", "decoder.bias"),
    ("mlm.decoder", "decoder.weight"),
)
_POOLED: Rows = (
    ("bert.pooler.dense", "head.dense"),
    ("bert.pooler.layer_norm", "head.norm"),
    ("classifier.dense", "classifier"),
)
_OF_TOKENS: Rows = (("transform.dense", "head.dense"), ("transform.layer_norm", "head.norm"))


def _read(config: Values, task: str) -> Values:
    bent = config.get("hidden_activation", "gelu")  # in the heads as in the layers
    for name, ours in {**_NOT_EXPRESSED, "classifier_activation": bent}.items():
        given = config.get(name, "gelu" if name == "classifier_activation" else ours)
        if given != ours:
            raise KbertError(
                f"{name} is {given!r:.80}; kbert's ModernBert has only {ours!r:.80} here"
            )
    layers: Any = config.get("num_hidden_layers")
    every = config.get("global_attn_every_n_layers", 3)
    types = config.get("layer_types")
    if types is None:
        if type(every) is not int or every < 1:
            raise KbertError(f"global_attn_every_n_layers is from 1, not {every!r:.80}")
        # What is no number of layers, or too many, is told of later.
        possible = isinstance(layers, int) and layers <= MOST_LAYERS
        types = alternating(layers if possible else 0, every)
    if not isinstance(types, list):
        raise KbertError(f"layer_types is a list, not {types!r:.80}")
    return {"layer_types": types, **{ours: _theta(config, ours) for ours in _THETAS}}


def _theta(config: Values, ours: str) -> Any:
    """How slowly positions turn, by either of the two ways in which configs say it."""
    kind, old, default = _THETAS[ours]
    of_kinds = config.get("rope_parameters") or {}
    said = (of_kinds.get(kind) or {}) if isinstance(of_kinds, dict) else None
    if not isinstance(said, dict) or said.get("rope_type", "default") != "default":
        raise KbertError(
            f"rope_parameters are an object of {FULL!r} and {SLIDING!r}, each of rope_type "
            f"'default', not {of_kinds!r:.80}"
        )
    theta = said.get("rope_theta", config.get(old, default))
    # An older transformers turned windows as it turned the rest, where their theta is null.
    return _theta(config, "global_rope_theta") if theta is None and kind == SLIDING else theta


def _write(arguments: Values) -> Values:
    types = list(arguments["layer_types"])
    fulls = [index for index, kind in enumerate(types) if kind == FULL]
    every = fulls[1] if len(fulls) > 1 else len(types)
    # An older transformers knows the rule only, and would read other layers where there is none.
    regular = types == alternating(len(types), every)
    return {
        **({"global_attn_every_n_layers": every} if regular else {}),
        "layer_types": types,
        "global_rope_theta": arguments["global_rope_theta"],
        "local_rope_theta": arguments["local_rope_theta"],
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": arguments[ours]}
            for ours, (kind, _, _) in _THETAS.items()
        },
        "embedding_dropout": arguments["hidden_dropout_prob"],
        "classifier_activation": arguments["hidden_act"],
    }


MODERNBERT = Family(
    model_type="modernbert",
    classes="ModernBert",
    prefix="model.",
    settings=_SETTINGS,
    embeddings=_EMBEDDINGS,
    layer_prefix="layers.{i}.",
    layer=_LAYER,
    pooler="",
    heads={
        "masked-lm": _MASKED_LM,
        "sequence-classification": _POOLED,
        "token-classification": (*_OF_TOKENS, ("classifier.dense", "classifier")),
        "question-answering": (*_OF_TOKENS, ("span.dense", "classifier")),
        "multiple-choice": _POOLED,
    },
    is_mine=lambda arguments, task: True,
    read=_read,
    write=_write,
    architecture="modernbert",
    classifier_dropout=("classifier_dropout", 0.0),
    shared_head="head.",
)
