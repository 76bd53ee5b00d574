"""What is done to a pretrained encoder before it is fine-tuned: freeze below, begin anew above.

Lower layers hold what all tasks need, upper ones what pretraining needed. On small data the one is
worth keeping, and the other is worth nothing.
"""

from typing import Any

import keras

from kbert.errors import KbertError, whole_number
from kbert.layers.initializers import TruncatedNormal
from kbert.models.base import KbertModel
from kbert.models.encoder import Encoder, encoder_of
from kbert.models.frozen import check_floats
from kbert.models.load_report import new_in_encoder
from kbert.models.lora import check_no_adapters


def freeze(model: KbertModel, layers: int | None = None) -> None:
    """Has the lower part of a model's encoder not trained. Compile the model afterwards.

    Args:
        model: any of kbert's; its file remembers what is frozen.
        layers: how many encoder layers, from the bottom, and the tables below with them; with 0 the
            tables alone. None means all, with the pooler, so that only the head is trained, and the
            pooler with it where the model's source had none.

    Raises:
        KbertError: if there are not as many layers, or one of them is above, too, as where layers
            share their weights (ALBERT).

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
        >>> freeze(bert, layers=1)
        >>> [layer.trainable for layer in bert.encoder_layers]
        [False, True]

    Source: Lee et al. 2019, "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning".
    """
    bert = encoder_of(model)
    count = len(bert.layers_in_order) if layers is None else _count(bert, layers)
    lower, _ = _cut(bert, count)
    for layer in (bert.embeddings, bert.relative_positions, *lower):
        if layer is not None:
            layer.trainable = False
    for layer in (bert.final_norm, bert.pooler) if layers is None else ():
        if layer is not None:
            layer.trainable = False
    for layer in new_in_encoder(model):
        layer.trainable = True


def reinitialize_top(model: KbertModel, layers: int) -> None:
    """Gives the upper layers of a model's encoder, and its pooler, the weights they began with.

    Args:
        model: any of kbert's.
        layers: how many encoder layers, from the top; 1 to 6 of 12 were best. With 0 the pooler
            alone.

    Raises:
        KbertError: if there are not as many layers, one of them is below, too, or the model has
            adapters (LoRA).

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
        >>> bert.set_weights([weight + 1 for weight in bert.get_weights()])  # as if trained
        >>> reinitialize_top(bert, layers=1)
        >>> [float(layer.get_weights()[1].max()) for layer in bert.encoder_layers]  # biases
        [1.0, 0.0]

    Source: Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning", section 5.
    """
    check_no_adapters(model)
    check_floats(model, "reinitialize_top")
    bert = encoder_of(model)
    _, top = _cut(bert, len(bert.layers_in_order) - _count(bert, layers))
    if top and bert.final_norm is not None:
        top.append(bert.final_norm)
    for part in (*top, *([] if bert.pooler is None else [bert.pooler])):
        for layer in part._flatten_layers():
            _begin_anew(layer)


def _begin_anew(layer: keras.layers.Layer) -> None:
    initializer = getattr(layer, "kernel_initializer", None)
    if isinstance(initializer, TruncatedNormal):
        layer.kernel.assign(initializer(tuple(layer.kernel.shape), layer.kernel.dtype))
    for name, start in (("bias", 0), ("gamma", 1), ("beta", 0)):
        weight = getattr(layer, name, None)
        if weight is not None:
            weight.assign(keras.ops.full(weight.shape, start, weight.dtype))


def _cut(bert: Encoder, count: int) -> tuple[list[Any], list[Any]]:
    """The lowest `count` layers, and the others.

    Raises:
        KbertError: if one is among both, as where layers share their weights (ALBERT).
    """
    lower, upper = bert.layers_in_order[:count], bert.layers_in_order[count:]
    shared = {id(layer) for layer in lower} & {id(layer) for layer in upper}
    if shared:
        raise KbertError(
            f"layers below and above the place {count} of {len(lower) + len(upper)} share their "
            "weights, so what is done to the one is done to the other; take all of them, or a "
            "place between two groups (num_hidden_groups)"
        )
    return lower, upper


def _count(bert: Encoder, layers: int) -> int:
    count, most = whole_number("layers", layers, 0), len(bert.layers_in_order)
    if count > most:
        raise KbertError(f"the model has {most} encoder layers, not {count}")
    return count
