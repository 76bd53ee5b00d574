"""MobileBERT: an encoder of its own, and a words' head with columns of its own.

Source: Sun et al. 2020; transformers, configuration_mobilebert.py and modeling_mobilebert.py.
"""

from kbert.errors import KbertError, whole_number
from kbert.formats.families.bert import MASKED_LM, NEXT_SENTENCE, SETTINGS
from kbert.formats.families.family import LABEL, SPAN, Family, Rows, Settings, Values

_SETTINGS: Settings = {
    **SETTINGS,
    "hidden_act": ("hidden_act", "relu"),
    "hidden_dropout_prob": ("hidden_dropout_prob", 0.0),
    "classifier_activation": ("classifier_activation", True),
    "embedding_size": ("embedding_size", 128),
    "intra_bottleneck_size": ("intra_bottleneck_size", 128),
    "use_bottleneck_attention": ("use_bottleneck_attention", False),
    "num_feedforward_networks": ("num_feedforward_networks", 4),
}
# What kbert's MobileBert always has, which is what a config means that says nothing.
_FIXED = {"trigram_input": True, "use_bottleneck": True, "normalization_type": "no_norm"}
_EMBEDDINGS: Rows = (
    ("embeddings.token_table", "embeddings.word_embeddings.weight"),
    ("embeddings.position_table", "embeddings.position_embeddings.weight"),
    ("embeddings.segment_table", "embeddings.token_type_embeddings.weight"),
    ("embeddings.trigram", "embeddings.embedding_transformation"),
    ("embeddings.layer_norm", "embeddings.LayerNorm"),
)
_MASKED_LM: Rows = (*MASKED_LM, ("mlm.completion", "cls.predictions.dense"))


def _layer(arguments: Values) -> Rows:
    last = arguments["num_feedforward_networks"] - 1
    rows: list[tuple[str, str | tuple[str, ...]]] = [
        ("bottleneck", "bottleneck.input.dense"),
        ("bottleneck_norm", "bottleneck.input.LayerNorm"),
        ("attention_bottleneck", "bottleneck.attention.dense"),
        ("attention_bottleneck_norm", "bottleneck.attention.LayerNorm"),
        ("self_attention.query_key", ("attention.self.query", "attention.self.key")),
        ("self_attention.value", "attention.self.value"),
        ("self_attention.output_projection", "attention.output.dense"),
        ("attention_norm", "attention.output.LayerNorm"),
    ]
    for k in range(last + 1):
        theirs = "" if k == last else f"ffn.{k}."
        rows += [
            (f"feed_forwards.{k}.widen", f"{theirs}intermediate.dense"),
            (f"feed_forwards.{k}.narrow", f"{theirs}output.dense"),
            (f"feed_forward_norms.{k}", f"{theirs}output.LayerNorm"),
        ]
    return (
        *rows,
        ("output_bottleneck", "output.bottleneck.dense"),
        ("output_norm", "output.bottleneck.LayerNorm"),
    )


def _read(config: Values, task: str) -> Values:
    for name, ours in _FIXED.items():
        if config.get(name, ours) != ours:
            raise KbertError(f"{name} is {config[name]!r:.80}; kbert's MobileBert has only {ours}")
    narrow = config.get("use_bottleneck_attention", False)
    if not config.get("key_query_shared_bottleneck", True) and not narrow:
        raise KbertError(
            "key_query_shared_bottleneck is False and so is use_bottleneck_attention: queries and "
            "keys would be made of wide vectors, which transformers' class does not run either"
        )
    count = config.get("num_feedforward_networks", 4)
    return {"num_feedforward_networks": whole_number("num_feedforward_networks", count, 1)}


def _write(arguments: Values) -> Values:
    return {**_FIXED, "key_query_shared_bottleneck": not arguments["use_bottleneck_attention"]}


MOBILEBERT = Family(
    model_type="mobilebert",
    classes="MobileBert",
    prefix="mobilebert.",
    settings=_SETTINGS,
    embeddings=_EMBEDDINGS,
    layer_prefix="encoder.layer.{i}.",
    layer=_layer,
    pooler="pooler.dense",
    heads={
        "pretraining": (*_MASKED_LM, *NEXT_SENTENCE),
        "masked-lm": _MASKED_LM,
        "next-sentence-prediction": NEXT_SENTENCE,
        "sequence-classification": LABEL,
        "token-classification": LABEL,
        "question-answering": SPAN,
        "multiple-choice": LABEL,
    },
    is_mine=lambda arguments, task: True,
    read=_read,
    write=_write,
    architecture="mobilebert",
)
