"""What an encoder's arguments can be: whole numbers, rates, names."""

from collections.abc import Callable
from typing import Any

from kbert.errors import KbertError, number_from_zero, whole_number
from kbert.layers.activations import ACTIVATIONS
from kbert.layers.quantized import STORED

_LEAST = {  # whole numbers
    "vocab_size": 1,
    "hidden_size": 1,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 1,
    "max_position_embeddings": 1,
    "type_vocab_size": 0,
    "embedding_size": 1,
    "position_offset": 0,
    "inner_group_num": 1,
    "num_random_blocks": 0,
    "intra_bottleneck_size": 1,
    "num_feedforward_networks": 1,
    "seed": 0,
}
_LEAST_IF_THERE = {"block_size": 1, "num_hidden_groups": 1, "extra_size": 1}  # or None
_ENDS = {  # numbers from 0
    "hidden_dropout_prob": 1,
    "attention_probs_dropout_prob": 1,
    "initializer_range": 100.0,  # beyond, nothing is learnt
    "layer_norm_eps": 1.0,
}
_ACTIVATIONS = ("hidden_act", "pooler_activation")
_FLAGS = (
    *("add_pooling_layer", "global_attention", "remat"),
    *("classifier_activation", "use_bottleneck_attention"),
)
_LISTS = ("heads_per_layer", "intermediate_sizes")  # of whole numbers from 1, or None
_END_OF_SEEDS = 2**63


def checked(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an encoder, whole numbers as ints.

    A name means the same in every encoder, so it is checked in one place; a rule between several is
    its own encoder's.

    Raises:
        KbertError: if one of them cannot be.

    Example:
        >>> checked({"hidden_size": 8, "num_attention_heads": 2, "remat": False})["hidden_size"]
        8
    """
    rules: dict[str, Callable[[str, Any], Any]] = {
        **dict.fromkeys(_LEAST, _whole),
        **dict.fromkeys(_LEAST_IF_THERE, _whole_or_none),
        "attention_window": _windows,
        **dict.fromkeys(_ENDS, _number),
        **dict.fromkeys(_ACTIVATIONS, _activation),
        **dict.fromkeys(_FLAGS, _flag),
        "weights": _stored,
        **dict.fromkeys(_LISTS, _whole_each),
    }
    found = {
        name: rules[name](name, value) if name in rules else value
        for name, value in arguments.items()
    }
    # What heads share: in MobileBERT the narrow vectors.
    width = "intra_bottleneck_size" if "intra_bottleneck_size" in found else "hidden_size"
    if found[width] % found["num_attention_heads"]:
        raise KbertError(
            f"{width} {found[width]} is not a multiple of num_attention_heads "
            f"{found['num_attention_heads']}"
        )
    return found


def _whole(name: str, value: Any) -> int:
    number = whole_number(name, value, _LEAST[name])
    if name == "seed" and number >= _END_OF_SEEDS:
        raise KbertError(f"seed is a whole number below 2^63, not {value!r:.80}")
    return number


def _whole_or_none(name: str, value: Any) -> int | None:
    if value is None:
        return None
    return whole_number(f"{name}, if it is not None,", value, _LEAST_IF_THERE[name])


def _windows(name: str, value: Any) -> int | list[int] | None:
    """None, a number, or one for each layer."""
    if isinstance(value, list | tuple):
        return _whole_each(name, value)
    return None if value is None else whole_number(f"{name}, if it is not None,", value, 1)


def _whole_each(name: str, value: Any) -> list[int] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value:
        raise KbertError(f"{name} is None, or a list of whole numbers, not {value!r:.80}")
    return [whole_number(f"{name}[{i}]", each, 1) for i, each in enumerate(value)]


def _number(name: str, value: Any) -> float:
    return number_from_zero(name, value, end=_ENDS[name])


def _activation(name: str, value: Any) -> str:
    if value not in [*ACTIVATIONS]:
        raise KbertError(f"{name} is one of {', '.join(ACTIVATIONS)}, not {value!r}")
    return value


def _stored(name: str, value: Any) -> str:
    if value not in [*STORED]:
        raise KbertError(f"{name} are one of {', '.join(STORED)}, not {value!r:.80}")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise KbertError(f"{name} is True or False, not {value!r:.80}")
    return value
