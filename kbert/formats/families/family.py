"""What kbert's parts are called in Hugging Face's checkpoints: one table a family, read both ways.

A row is (our part, their name or names). Our part is a path of attributes, from the encoder in the
encoder's rows and from the model in a head's. Their name is a module, whose weight and bias are
meant, or a single tensor, which then ends in `.weight` or `.bias`. Several names are put side by
side: BERT's query, key and value are one projection here.

A row counts where the model has the part: a DistilBERT has no segment table, a masked-LM model no
pooler. Source: the modelling files of transformers.
"""

from typing import NamedTuple

Names = str | tuple[str, ...]
Rows = tuple[tuple[str, Names], ...]


class Family(NamedTuple):
    """A `model_type` of Hugging Face's configs."""

    classes: str  # how its classes begin: "Roberta" in RobertaForMaskedLM
    prefix: str  # of the encoder's names in a checkpoint with a head; without one they are bare
    embeddings: Rows
    layer_prefix: str  # of the names of encoder layer {i}
    layer: Rows
    pooler: str  # its module, or "" where the family has none
    heads: dict[str, Rows]  # by task


_EMBEDDINGS: Rows = (
    ("embeddings.token_table", "embeddings.word_embeddings.weight"),
    ("embeddings.position_table", "embeddings.position_embeddings.weight"),
    ("embeddings.segment_table", "embeddings.token_type_embeddings.weight"),
    ("embeddings.layer_norm", "embeddings.LayerNorm"),
    ("embeddings.projection", "embeddings_project"),
)
_LAYER: Rows = (
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
_DISTILBERT_LAYER: Rows = (
    ("self_attention.query_key_value", ("attention.q_lin", "attention.k_lin", "attention.v_lin")),
    ("self_attention.output_projection", "attention.out_lin"),
    ("attention_norm", "sa_layer_norm"),
    ("feed_forward.widen", "ffn.lin1"),
    ("feed_forward.narrow", "ffn.lin2"),
    ("feed_forward_norm", "output_layer_norm"),
)

_LABEL: Rows = (("classifier.dense", "classifier"),)
_SPAN: Rows = (("span.dense", "qa_outputs"),)
# ELECTRA and DistilBERT have a pooler of their own only in some heads.
_SUMMARY: Rows = (("bert.pooler.dense", "sequence_summary.summary"), *_LABEL)
_PRE_CLASSIFIER: Rows = (("bert.pooler.dense", "pre_classifier"), *_LABEL)
# RoBERTa, ELECTRA and BigBird keep a pooler of their own in the classification head.
_POOLED_LABEL: Rows = (
    ("bert.pooler.dense", "classifier.dense"),
    ("classifier.dense", "classifier.out_proj"),
)
_BERT_MLM: Rows = (
    ("mlm.transform", "cls.predictions.transform.dense"),
    ("mlm.layer_norm", "cls.predictions.transform.LayerNorm"),
    ("mlm.bias", "cls.predictions.bias"),
    ("mlm.decoder", "cls.predictions.decoder.weight"),
)
_BERT_NSP: Rows = (("nsp.dense", "cls.seq_relationship"),)
_ROBERTA_MLM: Rows = (
    ("mlm.transform", "lm_head.dense"),
    ("mlm.layer_norm", "lm_head.layer_norm"),
    ("mlm.bias", "lm_head.bias"),
    ("mlm.decoder", "lm_head.decoder.weight"),
)
_ELECTRA_MLM: Rows = (
    ("mlm.transform", "generator_predictions.dense"),
    ("mlm.layer_norm", "generator_predictions.LayerNorm"),
    ("mlm.bias", "generator_lm_head.bias"),
    ("mlm.decoder", "generator_lm_head.weight"),
)
_DISTILBERT_MLM: Rows = (
    ("mlm.transform", "vocab_transform"),
    ("mlm.layer_norm", "vocab_layer_norm"),
    ("mlm.bias", "vocab_projector.bias"),
    ("mlm.decoder", "vocab_projector.weight"),
)

_BERT = Family(
    classes="Bert",
    prefix="bert.",
    embeddings=_EMBEDDINGS,
    layer_prefix="encoder.layer.{i}.",
    layer=_LAYER,
    pooler="pooler.dense",
    heads={
        "pretraining": (*_BERT_MLM, *_BERT_NSP),
        "masked-lm": _BERT_MLM,
        "next-sentence-prediction": _BERT_NSP,
        "sequence-classification": _LABEL,
        "token-classification": _LABEL,
        "question-answering": _SPAN,
        "multiple-choice": _LABEL,
    },
)
_ROBERTA = _BERT._replace(
    classes="Roberta",
    prefix="roberta.",
    heads={
        "masked-lm": _ROBERTA_MLM,
        "sequence-classification": _POOLED_LABEL,
        "token-classification": _LABEL,
        "question-answering": _SPAN,
        "multiple-choice": _LABEL,
    },
)

FAMILIES: dict[str, Family] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA._replace(classes="XLMRoberta"),
    "distilbert": Family(
        classes="DistilBert",
        prefix="distilbert.",
        embeddings=_EMBEDDINGS,
        layer_prefix="transformer.layer.{i}.",
        layer=_DISTILBERT_LAYER,
        pooler="",
        heads={
            "masked-lm": _DISTILBERT_MLM,
            "sequence-classification": _PRE_CLASSIFIER,
            "token-classification": _LABEL,
            "question-answering": _SPAN,
            "multiple-choice": _PRE_CLASSIFIER,
        },
    ),
    "electra": _BERT._replace(
        classes="Electra",
        prefix="electra.",
        pooler="",
        heads={
            "masked-lm": _ELECTRA_MLM,
            "sequence-classification": _POOLED_LABEL,
            "token-classification": _LABEL,
            "question-answering": _SPAN,
            "multiple-choice": _SUMMARY,
        },
    ),
    "big_bird": _BERT._replace(
        classes="BigBird",
        pooler="pooler",
        heads={
            "pretraining": (*_BERT_MLM, *_BERT_NSP),
            "masked-lm": _BERT_MLM,
            "sequence-classification": _POOLED_LABEL,
            "token-classification": _LABEL,
            "multiple-choice": _LABEL,
        },
    ),
}

# Names under which files hold a tensor a second time, or hold no weight at all.
DUPLICATES = {
    "cls.predictions.decoder.bias": "cls.predictions.bias",
    "lm_head.decoder.bias": "lm_head.bias",
}
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")

# How the classes of a family end, by task.
SUFFIXES = {
    "encoder": "Model",
    "pretraining": "ForPreTraining",
    "masked-lm": "ForMaskedLM",
    "next-sentence-prediction": "ForNextSentencePrediction",
    "sequence-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "multiple-choice": "ForMultipleChoice",
}


def encoder_rows(family: Family, num_hidden_layers: int) -> Rows:
    """The rows of a whole encoder, its pooler included, without the prefix.

    Example:
        >>> encoder_rows(FAMILIES["distilbert"], 1)[-1]
        ('encoder_layers.0.feed_forward_norm', 'transformer.layer.0.output_layer_norm')
    """
    rows = list(family.embeddings)
    for i in range(num_hidden_layers):
        prefix = family.layer_prefix.format(i=i)
        rows += [(f"encoder_layers.{i}.{part}", with_prefix(prefix, n)) for part, n in family.layer]
    if family.pooler:
        rows.append(("pooler.dense", family.pooler))
    return tuple(rows)


def with_prefix(prefix: str, names: Names) -> Names:
    """The same names, each behind a prefix."""
    return prefix + names if isinstance(names, str) else tuple(prefix + name for name in names)
