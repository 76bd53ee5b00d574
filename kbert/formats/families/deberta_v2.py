"""DeBERTa-v2 and -v3, which Hugging Face's configs both call deberta-v2.

Source: He et al. 2020 and 2021; microsoft/DeBERTa, for the names of its own words head.
"""

from kbert.errors import KbertError
from kbert.formats.families.bert import LAYER, MASKED_LM, SETTINGS
from kbert.formats.families.family import LABEL, SPAN, Family, Rows, Settings, Values

_SETTINGS: Settings = {
    **{name: said for name, said in SETTINGS.items() if name != "type_vocab_size"},
    "layer_norm_eps": ("layer_norm_eps", 1e-7),
}
_EMBEDDINGS: Rows = (
    ("embeddings.token_table", "embeddings.word_embeddings.weight"),
    ("embeddings.layer_norm", "embeddings.LayerNorm"),
    ("relative_positions.table", "encoder.rel_embeddings.weight"),
    ("relative_positions.layer_norm", "encoder.LayerNorm"),
)
_LAYER: Rows = (
    (
        "self_attention.query_key_value",
        (
            "attention.self.query_proj",
            "attention.self.key_proj",
            "attention.self.value_proj",
        ),
    ),
    (
        "self_attention.position_query_key",
        ("attention.self.pos_query_proj", "attention.self.pos_key_proj"),
    ),
    *LAYER[1:],
)
# A "context pooler" of its own, which only some heads have.
_POOLED: Rows = (("bert.pooler.dense", "pooler.dense"), *LABEL)

# What a config says where it does without what kbert's Deberta does not have: (value, if silent).
_NOT_EXPRESSED: dict[str, tuple[object, object]] = {
    "relative_attention": (True, False),
    "position_biased_input": (False, True),
    "type_vocab_size": (0, 0),
    "conv_kernel_size": (0, 0),  # v2-xlarge and v2-xxlarge have a convolution behind layer 0
}


def _read(config: Values, task: str) -> Values:
    for name, (plain, silent) in _NOT_EXPRESSED.items():
        if config.get(name, silent) not in (plain, None):
            raise KbertError(
                f"{name} is {config.get(name, silent)!r:.80}; kbert's Deberta has only {plain!r}"
            )
    terms = config.get("pos_att_type") or ""
    terms = terms.split("|") if isinstance(terms, str) else terms
    if not isinstance(terms, list) or sorted(map(str, terms)) != ["c2p", "p2c"]:
        raise KbertError(f"pos_att_type is {terms!r:.80}; kbert's Deberta has only 'p2c|c2p'")
    for name in ("embedding_size", "pooler_hidden_size"):
        if config.get(name, config.get("hidden_size")) != config.get("hidden_size"):
            raise KbertError(
                f"{name} is {config[name]!r:.80}; kbert's Deberta has only hidden_size, "
                f"{config.get('hidden_size')!r:.80}"
            )
    buckets, longest = (
        config.get(name, -1) for name in ("position_buckets", "max_relative_positions")
    )
    norms = str(config.get("norm_rel_ebd", "none")).lower().split("|")
    return {
        "position_buckets": 0 if buckets == -1 else buckets,
        "max_relative_positions": None if longest in (-1, 0) else longest,
        "norm_rel_ebd": "layer_norm" if "layer_norm" in map(str.strip, norms) else "none",
        "share_att_key": config.get("share_att_key", False),
        "pooler_activation": config.get("pooler_hidden_act", "gelu"),
    }


def _write(arguments: Values) -> Values:
    return {
        "relative_attention": True,
        "position_biased_input": False,
        "type_vocab_size": 0,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": arguments["position_buckets"] or -1,
        "max_relative_positions": arguments["max_relative_positions"],
        "norm_rel_ebd": arguments["norm_rel_ebd"],
        "share_att_key": arguments["share_att_key"],
        "pooler_hidden_act": arguments["pooler_activation"],
        "pooler_hidden_size": arguments["hidden_size"],
    }


DEBERTA_V2 = Family(
    model_type="deberta-v2",
    classes="DebertaV2",
    prefix="deberta.",
    settings=_SETTINGS,
    embeddings=_EMBEDDINGS,
    layer_prefix="encoder.layer.{i}.",
    layer=_LAYER,
    pooler="",
    heads={
        "masked-lm": MASKED_LM,
        "sequence-classification": _POOLED,
        "token-classification": LABEL,
        "question-answering": SPAN,
        "multiple-choice": _POOLED,
    },
    is_mine=lambda arguments, task: True,
    read=_read,
    write=_write,
    architecture="deberta",
    classifier_dropout=("cls_dropout", None),
    old_names=(
        ("lm_predictions.lm_head.dense.", "cls.predictions.transform.dense."),
        ("lm_predictions.lm_head.LayerNorm.", "cls.predictions.transform.LayerNorm."),
        ("lm_predictions.lm_head.bias", "cls.predictions.bias"),
    ),
    replaced_tokens="mask_predictions.",
)
