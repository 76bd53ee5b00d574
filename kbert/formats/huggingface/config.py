"""`config.json` of a Hugging Face checkpoint, as arguments of kbert's models, and back.

The family of a model that goes out is the one whose class computes the same: RoBERTa where
positions have an offset, DistilBERT where there are no segments, ELECTRA where the tables are
narrower or there is no pooler, else BERT.

Source: the configuration files of transformers, for names and defaults.
"""

from typing import Any

from kbert.errors import KbertError
from kbert.formats.families.family import FAMILIES, SUFFIXES
from kbert.formats.huggingface.weights import task_of
from kbert.layers.activations import ACTIVATIONS
from kbert.models import LABELLED_TASKS, POOLED_TASKS
from kbert.models.base import KbertModel
from kbert.models.classification import PROBLEM_TYPES

# Our argument: its name in the config, and its default there; None where it must be given.
_SHARED: dict[str, tuple[str, Any]] = {
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
_DISTILBERT = {
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
_MAX_LABELS = 10_000

# What kbert's Bert does not have, and the value with which a checkpoint does without it.
_NOT_EXPRESSED = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "rescale_embeddings": False,
    "use_bias": True,
}


def family_of(config: dict[str, Any], where: str) -> str:
    """The `model_type` of a config, if kbert knows its family.

    Raises:
        KbertError: if it does not.
    """
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        raise KbertError(
            f"{where}: model_type is {model_type!r:.80}; kbert loads {', '.join(FAMILIES)}"
        )
    return model_type


def encoder_arguments(config: dict[str, Any], where: str) -> dict[str, Any]:
    """The arguments of the `Bert` that a config describes, but for those of its pooler.

    Raises:
        KbertError: if the config lacks a size, or asks for what `Bert` does not have.
    """
    model_type = family_of(config, where)
    for name, plain in _NOT_EXPRESSED.items():
        if config.get(name, plain) not in (plain, None):
            raise KbertError(
                f"{where}: {name} is {config[name]!r:.80}; kbert's Bert has only {plain!r}"
            )
    table = _DISTILBERT if model_type == "distilbert" else _SHARED
    arguments = {}
    for ours, (theirs, default) in table.items():
        value = config.get(theirs, default)
        if value is None:
            raise KbertError(f"{where}: has no {theirs}")
        arguments[ours] = value
    if model_type == "distilbert":
        arguments["type_vocab_size"] = 0
    if model_type == "electra":
        arguments["embedding_size"] = config.get("embedding_size", 128)
    if model_type in ("roberta", "xlm-roberta"):
        pad = config.get("pad_token_id", 1)
        if not isinstance(pad, int):
            raise KbertError(f"{where}: pad_token_id is a whole number, not {pad!r:.80}")
        arguments["position_offset"] = pad + 1
    arguments["hidden_act"] = _activation_name(arguments["hidden_act"], where)
    return arguments


def pooler_activation(config: dict[str, Any], task: str) -> str:
    """The activation of the pooler that a task has in a config's family."""
    if task not in ("sequence-classification", "multiple-choice"):
        return "tanh"
    by_family = {"electra": "gelu", "distilbert": "relu"}
    if task == "sequence-classification":
        by_family["big_bird"] = config.get("hidden_act", "gelu_new")
    return by_family.get(config["model_type"], "tanh")


def task_of_config(config: dict[str, Any]) -> str:
    """The task of the class that a config names, or "encoder" where kbert has none for it."""
    architecture = (config.get("architectures") or [""])[0]
    classes = FAMILIES[config["model_type"]].classes
    heads = FAMILIES[config["model_type"]].heads
    for task, suffix in SUFFIXES.items():
        if architecture == classes + suffix and task in heads:
            return task
    return "encoder"


def label_names(config: dict[str, Any], where: str) -> list[str]:
    """The labels of a config, in the order of their ids.

    Raises:
        KbertError: if they are not numbered from 0 without a gap.
    """
    id2label = config.get("id2label")
    if id2label is None:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or not 1 <= count <= _MAX_LABELS:
            raise KbertError(f"{where}: num_labels is from 1 to {_MAX_LABELS}, not {count!r:.80}")
        return [f"LABEL_{i}" for i in range(count)]
    keys = [str(i) for i in range(len(id2label))] if isinstance(id2label, dict) else []
    if not keys or set(keys) != set(id2label) or len(keys) > _MAX_LABELS:
        raise KbertError(
            f"{where}: id2label maps 0, 1, ... to up to {_MAX_LABELS} names, not {id2label!r:.80}"
        )
    return [id2label[key] for key in keys]


def problem_type(config: dict[str, Any], labels: list[str]) -> str:
    """What a classification's logits mean; where a config is silent, one label is a number."""
    found = config.get("problem_type")
    if found in PROBLEM_TYPES:
        return found
    return "regression" if len(labels) == 1 else "single_label_classification"


def _activation_name(name: Any, where: str) -> str:
    """Our name of an activation; some of theirs are the same function."""
    same = {"gelu_pytorch_tanh": "gelu_new", "gelu_fast": "gelu_new", "gelu_python": "gelu"}
    ours = same.get(name, name) if isinstance(name, str) else name
    if ours not in ACTIVATIONS:
        raise KbertError(
            f"{where}: the activation is {name!r:.80}; kbert has {', '.join([*ACTIVATIONS, *same])}"
        )
    return ours


def family_for(model: KbertModel) -> str:
    """The `model_type` whose class in transformers computes what a model does."""
    arguments, task = _bert_config(model), task_of(model)
    pooler = arguments["pooler_activation"] if arguments["add_pooling_layer"] else None
    if arguments["position_offset"]:
        return "roberta"
    if not arguments["type_vocab_size"]:
        return "distilbert"
    if arguments["embedding_size"] != arguments["hidden_size"] or pooler == "gelu":
        return "electra"
    if pooler == "gelu_new":
        return "big_bird"
    return "electra" if task == "encoder" and pooler is None else "bert"


def config_of(model: KbertModel, model_type: str) -> dict[str, Any]:
    """The `config.json` with which transformers' class of a family computes what a model does.

    Raises:
        KbertError: if no class of that family does.
    """
    arguments, task = _bert_config(model), task_of(model)
    table = _DISTILBERT if model_type == "distilbert" else _SHARED
    config: dict[str, Any] = {
        "model_type": model_type,
        "architectures": [FAMILIES[model_type].classes + SUFFIXES.get(task, "")],
        "dtype": "float32",
    }
    config |= {theirs: arguments[ours] for ours, (theirs, _) in table.items()}
    if model_type == "electra":
        config["embedding_size"] = arguments["embedding_size"]
    if model_type == "big_bird":
        config["attention_type"] = "original_full"
    if hasattr(model, "mlm"):
        config["tie_word_embeddings"] = model.mlm.tied
    if model.tokenizer is not None:
        tokenizer = model.tokenizer
        config |= {
            "pad_token_id": tokenizer.pad_id,
            "bos_token_id": tokenizer.cls_id,
            "eos_token_id": tokenizer.sep_id,
            "sep_token_id": tokenizer.sep_id,
        }
    if arguments["position_offset"]:
        config["pad_token_id"] = arguments["position_offset"] - 1
    if task in LABELLED_TASKS:
        labels = dict(enumerate(model.labels))
        config["id2label"] = labels
        config["label2id"] = {name: index for index, name in labels.items()}
    if "classifier_dropout" in model.get_config():
        config["classifier_dropout"] = model.get_config()["classifier_dropout"]
    if task == "sequence-classification":
        config["problem_type"] = model.problem_type

    _check_same(arguments, config, task)
    return config


def _check_same(arguments: dict[str, Any], config: dict[str, Any], task: str) -> None:
    """Reads a config back, and raises KbertError if it describes another model."""
    model_type = config["model_type"]
    where = f"as a {model_type} checkpoint"
    if task != "encoder" and task not in FAMILIES[model_type].heads:
        raise KbertError(f"{where}: the family has no head for {task!r}")
    again: dict[str, Any] = {"embedding_size": arguments["hidden_size"], "position_offset": 0}
    again["attention_window"] = None
    again |= {"layer_norm_eps": 1e-12, **encoder_arguments(config, where)}
    if arguments["add_pooling_layer"] and task in ("encoder", *POOLED_TASKS):
        again["pooler_activation"] = pooler_activation(config, task)
        if task == "encoder" and not FAMILIES[model_type].pooler:
            raise KbertError(f"{where}: the family has no pooler, and the model has one")
    for name, value in again.items():
        if value != arguments[name]:
            raise KbertError(
                f"{where}: {name} would be {value!r}, and the model's is {arguments[name]!r}"
            )


def _bert_config(model: KbertModel) -> dict[str, Any]:
    return (model if task_of(model) == "encoder" else model.bert).get_config()
