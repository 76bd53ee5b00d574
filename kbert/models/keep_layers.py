"""A model of some of another's layers: a student to begin with, or a smaller model at once."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from keras import ops

from kbert.errors import KbertError, kind_of
from kbert.layers.initializers import starting_at_zero
from kbert.models.base import KbertModel
from kbert.models.encoder import Encoder, encoder_of
from kbert.models.lora import check_no_adapters

Model = TypeVar("Model", bound=KbertModel)
# Arguments that are lists, or may be.
_OF_LAYERS = ("layer_types", "heads_per_layer", "intermediate_sizes", "attention_window")


def keep_layers(model: Model, layers: int | Sequence[int]) -> Model:
    """A new model with some of a model's encoder layers, and all else as it is.

    DistilBERT begins so. Without training afterwards a model of half the layers knows little.

    Args:
        model: any of kbert's.
        layers: which, counted from 0, from the bottom; or how many: then they are evenly spaced,
            the first and the last among them, as 0, 2, 4, 7, 9, 11 are 6 of 12.

    Returns:
        The smaller model, not compiled; nothing of it is frozen.

    Raises:
        KbertError: if there are no such layers, they share their weights (ALBERT), a ModernBert
            is to begin with another than its first, or the model has adapters (LoRA).

    Example:
        >>> import kbert
        >>> teacher = kbert.BertForMaskedLM(vocab_size=100, **kbert.SIZES["mini"])
        >>> student = keep_layers(teacher, 2)
        >>> len(teacher.bert.encoder_layers), len(student.bert.encoder_layers)
        (4, 2)

    Source: Sajjad et al. 2020, section 3; Sanh et al. 2019, section 3, and
        huggingface/transformers-research-projects, distillation, scripts/extract_distilbert.py,
        for which layers.
    """
    check_no_adapters(model)
    bert = encoder_of(model)
    config = bert.get_config()
    chosen = _chosen(bert, layers)
    changes: dict[str, Any] = {"num_hidden_layers": len(chosen)}
    if config.get("layer_types") is not None and chosen[0] != 0:
        raise KbertError(
            f"{kind_of(bert)}'s first layer has no norm, so it stays the first: layers "
            f"{chosen} begin with another"
        )
    for name in _OF_LAYERS:
        if isinstance(config.get(name), list):
            changes[name] = [config[name][index] for index in chosen]
    arguments = {name: each for name, each in model.get_config().items() if name != "frozen"}
    with starting_at_zero(heads=True):
        smaller = type(model).from_config(arguments | changes)

    small = encoder_of(smaller)
    pairs = [*zip(_beside_layers(smaller), _beside_layers(model), strict=True)]
    for own, index in zip(small.encoder_layers, chosen, strict=True):
        pairs += zip(own.weights, bert.encoder_layers[index].weights, strict=True)
    for variable, other in pairs:
        # A copy: on JAX a step with both models would be given one buffer twice.
        variable.assign(np.array(ops.convert_to_numpy(other)))
    smaller.take_after(model)
    return smaller


def evenly_spaced(count: int, of: int) -> list[int]:
    """So many of 0, 1, ... with the same distance between them, the first and the last included.

    Example:
        >>> evenly_spaced(6, 12), evenly_spaced(3, 12), evenly_spaced(1, 12)
        ([0, 2, 4, 7, 9, 11], [0, 6, 11], [0])
    """
    return [round(i * (of - 1) / max(count - 1, 1)) for i in range(count)]


def _chosen(bert: Encoder, layers: Any) -> list[int]:
    if len(bert.layers_in_order) != len(bert.encoder_layers) or bert.get_config().get(
        "num_hidden_groups"
    ):
        raise KbertError("the layers share their weights (num_hidden_groups): none can be left out")
    most = len(bert.encoder_layers)
    layers = layers.tolist() if isinstance(layers, np.ndarray | np.integer) else layers
    if type(layers) is int:
        if not 1 <= layers <= most:
            raise KbertError(f"layers is from 1 to the model's {most}, not {layers}")
        return evenly_spaced(layers, most)
    chosen = list(layers) if isinstance(layers, Sequence) and not isinstance(layers, str) else []
    chosen = [each.item() if isinstance(each, np.integer) else each for each in chosen]
    rising = sorted({each for each in chosen if type(each) is int and 0 <= each < most})
    if not chosen or rising != chosen:
        raise KbertError(
            f"layers is a whole number, or a list of layers from 0 to {most - 1}, each once and in "
            f"their order, not {layers!r:.80}"
        )
    return chosen


def _beside_layers(model: KbertModel) -> list[Any]:
    """The weights that are of no encoder layer."""
    inner = {id(weight) for layer in encoder_of(model).encoder_layers for weight in layer.weights}
    return [weight for weight in model.weights if id(weight) not in inner]
