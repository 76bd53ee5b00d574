"""BERT, by which the others are described."""

from dataclasses import replace

from kbert.formats.families.family import LABEL, SPAN, Family, Rows, Settings

SETTINGS: Settings = {
    "vocab_size": ("vocab_size", None),
    "hidden_size": ("hidden_size", None),
    "num_hidden_layers": ("num_hidden_layers", None),
    "num_attention_heads": ("num_attention_heads", None),
    "intermediate_size": ("intermediate_size", None),
    "hidden_dropout_prob": ("hidden_dropout_prob", 0.1),
    "attention_probs_dropout_prob": ("attention_probs_dropout_prob", 0.1),
    "max_position_embeddings": ("max_position_embeddings", 512),
    "type_vocab_size": ("type_vocab_size", 2),
    "initializer_range": ("initializer_range", 0.02),
    "layer_norm_eps": ("layer_norm_eps", 1e-12),
    "hidden_act": ("hidden_act", "gelu"),
}
EMBEDDINGS: Rows = (
    ("embeddings.token_table", "embeddings.word_embeddings.weight"),
    ("embeddings.position_table", "embeddings.position_embeddings.weight"),
    ("embeddings.segment_table", "embeddings.token_type_embeddings.weight"),
    ("embeddings.layer_norm", "embeddings.LayerNorm"),
    ("embeddings.projection", "embeddings_project"),
)
LAYER: Rows = (
    (
        "self_attention.query_key_value",
        ("attention.self.query", "attention.self.key", "attention.self.value"),
    ),
    ("self_attention.output_projection", "attention.output.dense"),
    ("attention_norm", "attention.output.LayerNorm"),
    ("feed_forward.widen", "intermediate.dense"),
    ("feed_forward.narrow", "output.dense"),
    ("feed_forward_norm", "output.LayerNorm"),
)
MASKED_LM: Rows = (
    ("mlm.transform", "cls.predictions.transform.dense"),
    ("mlm.layer_norm", "cls.predictions.transform.LayerNorm"),
    ("mlm.bias", "cls.predictions.bias"),
    ("mlm.decoder", "cls.predictions.decoder.weight"),
)
NEXT_SENTENCE: Rows = (("nsp.dense", "cls.seq_relationship"),)

BERT = Family(
    model_type="bert",
    classes="Bert",
    prefix="bert.",
    settings=SETTINGS,
    embeddings=EMBEDDINGS,
    layer_prefix="encoder.layer.{i}.",
    layer=LAYER,
    pooler="pooler.dense",
    heads={
        "pretraining": (*MASKED_LM, *NEXT_SENTENCE),
        "masked-lm": MASKED_LM,
        "next-sentence-prediction": NEXT_SENTENCE,
        "sequence-classification": LABEL,
        "token-classification": LABEL,
        "question-answering": SPAN,
        "multiple-choice": LABEL,
    },
    is_mine=lambda arguments, task: True,
)


def like_bert(**differences) -> Family:
    """A family that is BERT but for what is given."""
    return replace(BERT, **differences)
