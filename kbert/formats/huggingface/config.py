"""`config.json` of a Hugging Face checkpoint <-> arguments of kbert's models.

What is a family's own is in its file of `families/`; here is what every config has.

Source: the configuration files of transformers, for names and defaults.
"""

from collections.abc import Sequence
from typing import Any

from kbert.catalog import BY_TASK, CATALOG
from kbert.errors import KbertError, kind_of, with_article
from kbert.formats.families.family import Family
from kbert.labels import REGRESSION_LABELS
from kbert.layers.activations import ACTIVATIONS
from kbert.models.base import KbertModel
from kbert.models.classification import silent_problem_type
from kbert.models.encoder import encoder_of

_MAX_LABELS = 10_000
_SAME_ACTIVATIONS = {
    "gelu_pytorch_tanh": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_python": "gelu",
}

# What kbert's Bert does not have, and the value with which a checkpoint does without it.
_NOT_EXPRESSED = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "rescale_embeddings": False,
    "use_bias": True,
}


def saved_task(config: dict[str, Any], family: Family) -> str:
    """The task of the class that a config names, or "encoder" where kbert has none for it."""
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else ""
    for entry in CATALOG:
        if entry.task in family.heads and name == family.class_for(entry.task):
            return entry.task
    return "encoder"


def encoder_arguments(config: dict[str, Any], family: Family, task: str) -> dict[str, Any]:
    """The arguments of the encoder that a config describes, within a model for a task.

    Raises:
        KbertError: if the config lacks a size, or asks for what the encoder does not have.
    """
    for name, plain in _NOT_EXPRESSED.items():
        if config.get(name, plain) not in (plain, None):
            raise KbertError(f"{name} is {config[name]!r:.80}; kbert's Bert has only {plain!r}")
    arguments: dict[str, Any] = {}
    if family.architecture == "bert":
        arguments["pooler_activation"] = "tanh"
    for ours, (theirs, default) in family.settings.items():
        value = config.get(theirs, default)
        if value is None:
            raise KbertError(f"has no {theirs}")
        arguments[ours] = value
    arguments |= family.read(config, task)
    for name in {"hidden_act", "pooler_activation"} & set(arguments):
        arguments[name] = _activation_name(arguments[name])
    return arguments


def head_arguments(
    config: dict[str, Any],
    family: Family,
    task: str,
    labels: Sequence[str] | None,
    problem_type: str | None,
) -> dict[str, Any]:
    """The arguments that a task adds to those of the encoder.

    Raises:
        KbertError: if the labels are not what the task takes.
    """
    entry, arguments = BY_TASK[task], {}
    if labels is not None and not entry.takes_labels:
        raise KbertError(f"labels are for classification and tagging, not for {task!r}")
    if problem_type is not None and task != "sequence-classification":
        raise KbertError(f"problem_type is for sequence-classification, not for {task!r}")
    if task in ("pretraining", "masked-lm"):
        tied = config.get("tie_word_embeddings")
        arguments["tie_word_embeddings"] = True if tied is None else tied
    if entry.takes_labels:
        if labels is None and entry.suffix is None:
            raise KbertError(f"{task!r} needs labels, a list of names")
        if labels is None and problem_type == "regression" and saved_task(config, family) != task:
            labels = list(REGRESSION_LABELS)  # of a new head
        arguments["labels"] = label_names(config) if labels is None else labels
    if any(part.startswith("classifier.") for part, _ in family.heads.get(task, ())):
        arguments["classifier_dropout"] = config.get(*family.classifier_dropout)
    if task == "sequence-classification":
        said = problem_type or _kept_problem_type(config, family, labels)
        arguments["problem_type"] = said or silent_problem_type(arguments["labels"])
    return arguments


def _kept_problem_type(
    config: dict[str, Any], family: Family, labels: Sequence[str] | None
) -> str | None:
    """What a config says of its labels, as far as it holds of those that are asked for.

    A new head, of other labels, may be of several labels at once as the former was; that it was
    regression, or of one of several, says nothing of it (`with_task` has the same rule).
    """
    own = config.get("problem_type")
    if labels is None or own == "multi_label_classification":
        return own
    has_head = saved_task(config, family) == "sequence-classification"
    return own if has_head and len(labels) == len(label_names(config)) else None


def label_names(config: dict[str, Any]) -> list[str]:
    """The labels of a config, in the order of their ids.

    Raises:
        KbertError: if they are not numbered from 0 without a gap.

    Example:
        >>> label_names({"id2label": {"1": "긍정", "0": "부정"}})
        ['부정', '긍정']
    """
    id2label = config.get("id2label")
    if id2label is None:
        count = config.get("num_labels", 2)
        if type(count) is not int or not 1 <= count <= _MAX_LABELS:
            raise KbertError(f"num_labels is from 1 to {_MAX_LABELS}, not {count!r:.80}")
        return [f"LABEL_{i}" for i in range(count)]
    keys = [str(i) for i in range(len(id2label))] if isinstance(id2label, dict) else []
    if not keys or set(keys) != set(id2label) or len(keys) > _MAX_LABELS:
        raise KbertError(
            f"id2label maps 0, 1, ... to up to {_MAX_LABELS} names, not {id2label!r:.80}"
        )
    return [id2label[key] for key in keys]


def _activation_name(name: Any) -> str:
    """Our name of an activation; some of theirs are the same function."""
    ours = _SAME_ACTIVATIONS.get(name, name) if isinstance(name, str) else None
    if ours not in ACTIVATIONS:
        known = ", ".join([*ACTIVATIONS, *_SAME_ACTIVATIONS])
        raise KbertError(f"the activation is {name!r:.80}; kbert has {known}")
    return ours


def config_of(model: KbertModel, family: Family) -> dict[str, Any]:
    """The `config.json` with which transformers' class of a family computes what a model does.

    Raises:
        KbertError: if no class of that family does.
    """
    encoder, task = encoder_of(model), model.task
    arguments, entry = encoder.get_config(), BY_TASK[task]
    if encoder.architecture != family.architecture:
        raise KbertError(
            f"as {with_article(family.model_type)} checkpoint: the model's encoder is "
            f"{kind_of(encoder)}, and the family's is another"
        )
    if task != "encoder" and task not in family.heads:
        raise KbertError(
            f"as {with_article(family.model_type)} checkpoint: the family has no head for {task!r}"
        )
    config: dict[str, Any] = {
        "model_type": family.model_type,
        "architectures": [family.class_for(task)],
        "dtype": "float32",
    }
    config |= {
        theirs: arguments[ours]
        for ours, (theirs, _) in family.settings.items()
        if ours in arguments  # else it is read as its default, and told of below
    }
    if has_no_segments(arguments, family):
        config["type_vocab_size"] = 1  # of zeros: transformers' class adds one in any case
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
        if family.architecture == "modernbert":  # its class warns of the number that it has itself
            config["cls_token_id"] = tokenizer.cls_id
    config |= family.write(arguments)
    if entry.takes_labels:
        labels = dict(enumerate(model.labels))
        config["id2label"] = labels
        config["label2id"] = {name: index for index, name in labels.items()}
    if "classifier_dropout" in model.get_config():
        name, default = family.classifier_dropout
        dropout = model.get_config()["classifier_dropout"]
        if dropout is None and default is not None:  # there transformers' class wants a number
            dropout = arguments["hidden_dropout_prob"]
        config[name] = dropout
    if task == "sequence-classification":
        config["problem_type"] = model.problem_type
    _check_same(arguments, config, family, task)
    return config


def has_no_segments(arguments: dict[str, Any], family: Family) -> bool:
    """Whether a model has no table of segments, and the family's classes have one in any case."""
    return "type_vocab_size" in family.settings and not arguments["type_vocab_size"]


def _check_same(
    arguments: dict[str, Any], config: dict[str, Any], family: Family, task: str
) -> None:
    """Reads a config back, and raises KbertError if it describes another model."""
    where = f"as {with_article(family.model_type)} checkpoint"
    plain = {
        "embedding_size": arguments["hidden_size"],
        "position_offset": 0,
        "attention_window": None,
        "global_attention": False,
        "block_size": None,
        "num_hidden_groups": None,
        "extra_size": None,
        "layer_norm_eps": 1e-12,
    }
    again = {name: value for name, value in plain.items() if name in arguments}
    again |= encoder_arguments(config, family, task)
    if not arguments["add_pooling_layer"] or not (task == "encoder" or BY_TASK[task].is_pooled):
        again.pop("pooler_activation", None)
    elif task == "encoder" and not family.pooler:
        raise KbertError(f"{where}: the family has no pooler, and the model has one")
    if has_no_segments(arguments, family):
        again.pop("type_vocab_size")
    for name, value in again.items():
        if value != arguments.get(name):
            raise KbertError(
                f"{where}: {name} would be {value!r}, and the model's is {arguments.get(name)!r}"
            )
