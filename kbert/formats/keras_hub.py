"""Weights and vocabulary to and from KerasHub (keras-nlp), by one table of names read both ways.

    Bert <-> BertBackbone    BertForMaskedLM <-> BertMaskedLM    Tokenizer <-> BertTokenizer

KerasHub's classes fix what Bert has as arguments: gelu by a tanh in the encoder, exact gelu and an
epsilon of 1e-5 in the masked-LM head. Its files do not hold these, so setting them on its layers
would last until the model is saved; a model that has them otherwise is refused instead, or
converted as an approximation when that is asked for.

Shapes: D hidden, N heads, H head size. Here queries, keys and values are one kernel (D, 3 D); there
they are three (D, N, H), and the output projection is (N, H, D).
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import keras
import numpy as np

from kbert.errors import KbertError, how_to_install, kind_of
from kbert.layers.initializers import starting_at_zero
from kbert.models.bert import Bert
from kbert.models.encoder import encoder_of
from kbert.models.load_report import LoadReport
from kbert.models.lora import check_no_adapters
from kbert.models.pretraining import BertForMaskedLM
from kbert.text import special_tokens
from kbert.text.tokenizer import Tokenizer

_Rows = tuple[tuple[str, tuple[str, ...]], ...]

# (our part, KerasHub's part or parts), from the encoder, an encoder layer, or the model. A part
# is a layer, whose kernel and bias or gamma and beta are meant, or a single weight.
_EMBEDDINGS = (
    ("embeddings.token_table", ("token_embedding.embeddings",)),
    ("embeddings.position_table", ("position_embedding.position_embeddings",)),
    ("embeddings.segment_table", ("segment_embedding.embeddings",)),
    ("embeddings.layer_norm", ("embeddings_layer_norm",)),
)
_LAYER = (
    (
        "self_attention.query_key_value",
        (
            "_self_attention_layer.query_dense",
            "_self_attention_layer.key_dense",
            "_self_attention_layer.value_dense",
        ),
    ),
    ("self_attention.output_projection", ("_self_attention_layer.output_dense",)),
    ("attention_norm", ("_self_attention_layer_norm",)),
    ("feed_forward.widen", ("_feedforward_intermediate_dense",)),
    ("feed_forward.narrow", ("_feedforward_output_dense",)),
    ("feed_forward_norm", ("_feedforward_layer_norm",)),
)
_POOLER = (("pooler.dense", ("pooled_dense",)),)
_MASKED_LM = (
    ("mlm.transform", ("masked_lm_head._intermediate_dense",)),
    ("mlm.layer_norm", ("masked_lm_head._intermediate_layer_norm",)),
    ("mlm.bias", ("masked_lm_head._bias",)),
)
_WEIGHTS = ("kernel", "bias", "gamma", "beta")

_SIZES = {  # our argument: KerasHub's
    "vocab_size": "vocabulary_size",
    "hidden_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_dim",
    "hidden_dropout_prob": "dropout",
    "max_position_embeddings": "max_sequence_length",
    "type_vocab_size": "num_segments",
}
_FLOATS = {"float32", "float16", "bfloat16"}


def to_keras_hub(source: Any, *, approximate: bool = False) -> Any:
    """Makes KerasHub's model or tokenizer of ours.

    A pooler that the model lacks starts with random weights there.

    Args:
        source: a Bert, a BertForMaskedLM (with its tokenizer it comes with a preprocessor), or a
            Tokenizer.
        approximate: whether to convert a model whose activation, epsilons or dropouts KerasHub
            does not have. The weights are the same then, and the outputs nearly: exact gelu in
            random models of the sizes mini and small moved no logit by more than 2e-3.

    Returns:
        A `keras_hub.models.BertBackbone`, `BertMaskedLM` or `BertTokenizer`.

    Raises:
        KbertError: if it is none of the three, or has what KerasHub's does not.

    Example:
        >>> from kbert import SIZES
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"], layer_norm_eps=1e-12)
        >>> backbone = to_keras_hub(bert)  # doctest: +SKIP
        >>> from_keras_hub(backbone).hidden_size  # doctest: +SKIP
        128
    """
    hub = _keras_hub()
    if isinstance(source, Tokenizer):
        return _to_hub_tokenizer(hub, source)
    if not isinstance(source, Bert | BertForMaskedLM):
        raise KbertError(
            "to_keras_hub takes a Bert, a BertForMaskedLM or a Tokenizer, not "
            f"{kind_of(source)}; of a model with another head convert model.bert"
        )
    check_no_adapters(source)
    config = source.get_config()
    _check_expressible(source, config)
    differences = _differences(config, is_masked_lm=isinstance(source, BertForMaskedLM))
    if differences and not approximate:
        raise KbertError(
            f"KerasHub's model would compute a little else: {'; '.join(differences)}. "
            "Pass approximate=True to convert it all the same"
        )
    sizes = {theirs: config[ours] for ours, theirs in _SIZES.items()}
    converted = hub.models.BertBackbone(**sizes, dtype=config["dtype"])
    if isinstance(source, BertForMaskedLM):
        preprocessor = None
        if source.tokenizer is not None:
            preprocessor = hub.models.BertMaskedLMPreprocessor(
                _to_hub_tokenizer(hub, source.tokenizer), sequence_length=source.bert.max_length
            )
        converted = hub.models.BertMaskedLM(converted, preprocessor)
    for weight, theirs in _pairs(source, converted):
        parts = np.split(keras.ops.convert_to_numpy(weight.value), len(theirs), axis=-1)
        for part, variable in zip(parts, theirs, strict=True):
            variable.assign(part.reshape(variable.shape))
    return converted


def from_keras_hub(source: Any, *, approximate: bool = False) -> Any:
    """Makes our model or tokenizer of KerasHub's.

    Args:
        source: a `keras_hub.models.BertBackbone`, `BertMaskedLM` (of which the pooler is left, as
            `model.load_report` says, and the preprocessor's tokenizer taken) or `BertTokenizer`.
        approximate: as for `to_keras_hub`; a BertMaskedLM needs it, whose head has another
            activation and epsilon than its encoder.

    Returns:
        A Bert, BertForMaskedLM or Tokenizer.

    Raises:
        KbertError: if it is none of the three, is quantised, or has what ours does not.
    """
    hub = _keras_hub()
    if isinstance(source, hub.models.BertTokenizer):
        return _from_hub_tokenizer(source)
    is_masked_lm = isinstance(source, hub.models.BertMaskedLM)
    if not is_masked_lm and not isinstance(source, hub.models.BertBackbone):
        raise KbertError(
            "from_keras_hub takes a BertBackbone, BertMaskedLM or BertTokenizer of KerasHub, not "
            f"{kind_of(source)}; of a model with another head convert its backbone"
        )
    backbone = source.backbone if is_masked_lm else source
    dtypes = {variable.dtype for variable in source.weights}
    if not dtypes <= _FLOATS:
        raise KbertError(f"a quantised model cannot be converted: it has {sorted(dtypes)} weights")
    arguments = {ours: getattr(backbone, theirs) for ours, theirs in _SIZES.items()}
    arguments["attention_probs_dropout_prob"] = arguments["hidden_dropout_prob"]
    arguments |= {"hidden_act": "gelu_new", "layer_norm_eps": 1e-12}
    differences = _differences(arguments, is_masked_lm=is_masked_lm)
    if differences and not approximate:
        raise KbertError(
            f"kbert's model would compute a little else: {'; '.join(differences)}. "
            "Pass approximate=True to convert it all the same"
        )
    make = BertForMaskedLM if is_masked_lm else Bert
    with starting_at_zero():
        model = make(**arguments, dtype=backbone.dtype_policy.name)
    for weight, theirs in _pairs(model, source):
        shape = (*weight.shape[:-1], weight.shape[-1] // len(theirs))
        parts = [keras.ops.convert_to_numpy(variable).reshape(shape) for variable in theirs]
        weight.assign(np.concatenate(parts, axis=-1))
    unused = ["pooled_dense.kernel", "pooled_dense.bias"] if is_masked_lm else []
    model.load_report = LoadReport((), tuple(unused))
    if is_masked_lm and source.preprocessor is not None:
        model.tokenizer = _from_hub_tokenizer(source.preprocessor.tokenizer)
    return model


def _keras_hub() -> Any:
    try:
        import keras_hub
    except ImportError as error:
        raise KbertError(f"this needs KerasHub: {how_to_install('keras-hub')}") from error
    return keras_hub


def _pairs(model: Any, converted: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Every weight of ours, and what it is made of in KerasHub's model."""
    bert = getattr(model, "bert", model)
    backbone = getattr(converted, "backbone", converted)
    roots: list[tuple[Any, Any, _Rows]] = [(bert, backbone, _EMBEDDINGS)]
    roots += [
        (ours, theirs, _LAYER)
        for ours, theirs in zip(bert.encoder_layers, backbone.transformer_layers, strict=True)
    ]
    if bert.pooler is not None:
        roots.append((bert, backbone, _POOLER))
    if bert is not model:
        roots.append((model, converted, _MASKED_LM))
    for ours, theirs, rows in roots:
        for part, names in rows:
            found = attrgetter(part)(ours)
            others = [attrgetter(name)(theirs) for name in names]
            if hasattr(found, "assign"):
                yield found, others
                continue
            for name in _WEIGHTS:
                if hasattr(found, name):
                    yield getattr(found, name), [getattr(other, name) for other in others]


def _check_expressible(source: Any, config: dict[str, Any]) -> None:
    """Raises KbertError if a model has what KerasHub's has not even nearly."""
    architecture = encoder_of(source).architecture
    if architecture != "bert":
        raise KbertError(f"KerasHub's BERT cannot have architecture={architecture!r}")
    defaults = {"tie_word_embeddings": True, "num_hidden_groups": None, "block_size": None}
    defaults |= {"weights": "float32", "heads_per_layer": None, "intermediate_sizes": None}
    defaults |= {"extra_size": None}
    config = {**defaults, **config}
    for name, expressible in (
        ("weights", config["weights"] == "float32"),
        ("heads_per_layer", config["heads_per_layer"] is None),
        ("intermediate_sizes", config["intermediate_sizes"] is None),
        ("extra_size", config["extra_size"] is None),
        ("embedding_size", config["embedding_size"] == config["hidden_size"]),
        ("position_offset", config["position_offset"] == 0),
        ("type_vocab_size", config["type_vocab_size"] > 0),
        ("pooler_activation", config["pooler_activation"] == "tanh"),
        ("hidden_act", config["hidden_act"] in ("gelu", "gelu_new")),
        ("tie_word_embeddings", config["tie_word_embeddings"]),
        ("attention_window", config["attention_window"] is None),
        ("block_size", config["block_size"] is None),
        ("num_hidden_groups", config["num_hidden_groups"] is None),
    ):
        if not expressible:
            raise KbertError(f"KerasHub's BERT cannot have {name}={config[name]!r}")


def _differences(config: dict[str, Any], *, is_masked_lm: bool) -> list[str]:
    """What our model has otherwise than KerasHub's, where that changes numbers a little."""
    rows = [
        ("the encoder's activation", "gelu_new", config["hidden_act"]),
        ("the encoder's layer_norm_eps", 1e-12, config["layer_norm_eps"]),
        (
            "attention_probs_dropout_prob",
            config["hidden_dropout_prob"],
            config["attention_probs_dropout_prob"],
        ),
    ]
    if is_masked_lm:
        rows += [
            ("the head's activation", "gelu", config["hidden_act"]),
            ("the head's layer_norm_eps", 1e-5, config["layer_norm_eps"]),
        ]
    return [
        f"{name} is {theirs} there and {ours} here" for name, theirs, ours in rows if theirs != ours
    ]


def _to_hub_tokenizer(hub: Any, tokenizer: Tokenizer) -> Any:
    settings = tokenizer.settings
    lowercase, accents = settings["lowercase"], settings["strip_accents"]
    others = set(settings) - {"lowercase", "strip_accents", "split_cjk"}
    if not tokenizer.is_wordpiece or not settings["split_cjk"] or others:
        raise KbertError(
            "KerasHub's BertTokenizer is plain WordPiece, and cannot have "
            f"{', '.join(sorted(others)) or 'unigram scores, merges or split_cjk=False'}; set "
            "model.tokenizer = None to convert the weights alone"
        )
    return hub.models.BertTokenizer(
        vocabulary=tokenizer.vocabulary,
        lowercase=lowercase,
        strip_accents=lowercase if accents is None else accents,
        special_tokens_in_strings=True,
    )


def _from_hub_tokenizer(tokenizer: Any) -> Tokenizer:
    if tokenizer.vocabulary is None:
        raise KbertError("KerasHub's tokenizer has no vocabulary")
    if tokenizer.suffix_indicator != "##" or not tokenizer.split:
        raise KbertError("kbert's WordPiece splits words and marks their continuations with ##")
    return Tokenizer(
        tokenizer.vocabulary,
        lowercase=tokenizer.lowercase,
        strip_accents=tokenizer.strip_accents,
        split_cjk=tokenizer.split_on_cjk,
        special_tokens={**special_tokens.BERT, "unk": tokenizer.oov_token},
    )
