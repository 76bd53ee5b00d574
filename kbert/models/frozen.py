"""Which layers of a model are not trained: as its file remembers it, and as its weights allow."""

from collections.abc import Iterator
from typing import Any

import keras

from kbert.errors import KbertError
from kbert.models.load_report import new_in_encoder


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


def check_floats(model: keras.Model, what: str, source: str | None = None) -> None:
    """Raises KbertError if a model's weights are whole numbers.

    Args:
        model: the model.
        what: is to be done to it; or the option of a command that names it.
        source: what that option names, as `kbert.load` takes it.
    """
    weights = quantized_as(model)
    if weights is not None:
        remedy = "give it kbert.quantize(model, 'float32')"
        if source is not None:
            remedy = f"name a file of kbert.quantize(kbert.load({source!r}), 'float32')"
        raise KbertError(f"the model's weights are {weights}, and {what} takes floats: {remedy}")


def check_trained(model: keras.Model) -> None:
    """Raises KbertError if an encoder of whole numbers is to be trained in more than adapters.

    Whole numbers have no gradient, so biases and norms alone would be trained, unsaid.
    """
    weights = quantized_as(model)
    if weights is None:
        return
    encoders = (layer for layer in _encoders(model) if quantized_as(layer) is not None)
    inner = {id(w) for layer in encoders for w in layer.trainable_weights}
    inner -= {id(w) for layer in new_in_encoder(model) for w in layer.weights}
    beside = [w for w in model.trainable_weights if id(w) in inner and "lora" not in w.name]
    if beside:
        raise KbertError(
            f"the encoder's weights are {weights}, which are not trained: kbert.add_lora(model) "
            "trains adapters beside them, kbert.freeze(model) leaves the head alone to be trained, "
            "and kbert.quantize(model, 'float32') gives a model that is trained in full"
        )


def quantized_as(model: keras.Model) -> str | None:
    """What a model's matrices are stored as, where that is "int8" or "int4"; else None."""
    found = (getattr(layer, "quantized", None) for layer in model._flatten_layers())
    return next((matrix.weights for matrix in found if matrix is not None), None)


def _encoders(model: keras.Model) -> Iterator[Any]:
    """The layers around whole numbers that are encoders."""
    for layer in model._flatten_layers():
        if hasattr(layer, "encoder_layers"):
            yield layer
