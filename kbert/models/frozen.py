"""Which layers of a model are not trained, as its file remembers it."""

from collections.abc import Iterator
from typing import Any

import keras

from kbert.errors import KbertError


def frozen_layers(model: keras.Model) -> list[str]:
    """The paths of the layers that are frozen; "" is the model itself.

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
        >>> bert.pooler.trainable = False
        >>> frozen_layers(bert)
        ['pooler', 'pooler/dense']
    """
    return [path for path, layer in _layers(model) if not layer.trainable]


def restore_frozen(model: keras.Model, frozen: Any) -> None:
    """Freezes what `frozen_layers` named, and nothing else.

    Raises:
        KbertError: if it names what the model has not.
    """
    known = dict(_layers(model))
    if not isinstance(frozen, list) or not all(path in [*known] for path in frozen):
        raise KbertError(
            f"frozen is a list of the model's layers, as ['embeddings'], not {frozen!r:.80}"
        )
    if frozen:
        for path, layer in known.items():  # from the outside in, since a layer sets those within
            layer.trainable = path not in frozen


def _layers(layer: keras.layers.Layer, path: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """Each layer that has weights, with the names on the way to it."""
    yield path, layer
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        if inner.weights:
            yield from _layers(inner, f"{path}/{inner.name}".lstrip("/"))
