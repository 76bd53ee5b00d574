"""The `.keras` file: read it without trusting it.

    check the file -> compare shapes, nothing allocated -> build the model -> fill in its weights

Keras has no part in the reading: it would build the classes that the file names, unpack the file to
the disk, and leave as they are the weights that it does not find.
"""

import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from kbert.catalog import BY_CLASS
from kbert.errors import KbertError, kind_of
from kbert.formats.readers.archive import Contents, open_keras_archive
from kbert.formats.readers.stored_tensor import check_finite
from kbert.formats.without_numbers import without_numbers
from kbert.layers.initializers import starting_at_zero
from kbert.models.base import KbertModel


def load_keras_file(path: str | Path, *, seed: int | None = None) -> KbertModel:
    """Loads a model that kbert saved.

    Args:
        path: a file that ends in `.keras`.
        seed: of dropout, in place of the one in the file; None means that.

    Returns:
        The model, with its tokenizer if it was saved with one. It is not compiled.

    Raises:
        KbertError: if there is no such file, it is not a `.keras` file, it holds what kbert did
            not write, or its weights do not fit its config.
    """
    with open_keras_archive(path) as contents:
        try:
            if seed is not None:
                contents.config["seed"] = seed
            _check_shapes(contents)
            with starting_at_zero(heads=True):
                model = _build(contents)
            _load_weights(model, contents)
            model.tokenizer = contents.tokenizer
        except KbertError as error:
            raise KbertError(f"{path}: {error}") from error
        except Exception as error:  # whatever Keras makes of a stranger's config
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise KbertError(
                f"{path}: the weights or the vocabulary do not fit its {contents.class_name} of "
                f"{contents.config['num_hidden_layers']} layers, or are damaged: {reason}"
            ) from error
    return model


def _build(contents: Contents) -> KbertModel:
    module = import_module(f"kbert.{BY_CLASS[contents.class_name].module}")
    return getattr(module, contents.class_name).from_config(contents.config)


def _check_shapes(contents: Contents) -> None:
    """Builds the model without its numbers, and compares its shapes with the file's."""
    wanted = without_numbers(
        lambda: Counter(_kind(weight.shape, weight.dtype) for weight in _build(contents).weights)
    )
    found = Counter(_kind(tensor.shape, tensor.dtype) for tensor in contents.tensors.values())
    if wanted != found:
        missing, extra = list(wanted - found), list(found - wanted)
        raise KbertError(
            f"the weights do not fit the config: it asks for {wanted.total()} tensors, and the "
            f"file has {found.total()}; not in the file: {missing[:3]}; "
            f"not in the model: {extra[:3]}"
        )


def _kind(shape: Any, dtype: str) -> tuple[int | str, ...]:
    """A shape; with a word where numbers are whole, for which no floats will do."""
    return (*shape, "int8") if dtype == "int8" else tuple(shape)


def _load_weights(model: KbertModel, contents: Contents) -> None:
    """Fills every weight, one layer at a time.

    The file has as many tensors of each shape as the model, and no layer is filled twice, so none
    is left as it was.
    """
    by_layer: dict[str, dict[str, Any]] = {}
    for path, tensor in contents.tensors.items():
        layer_path, _, place = path.rpartition("/vars/")
        by_layer.setdefault(layer_path if "/vars/" in path else path, {})[place] = tensor
    filled: set[int] = set()
    for path, tensors in by_layer.items():
        layer = _find_layer(model, path)
        if id(layer) in filled:
            raise KbertError(f"{path!r} is the second set of weights of one layer")
        filled.add(id(layer))
        numbers = {place: tensor.read() for place, tensor in tensors.items()}
        for array in numbers.values():
            check_finite(array, path)
        layer.load_own_variables(numbers)


def _find_layer(model: KbertModel, path: str) -> Any:
    """The layer that Keras writes under a path.

    A path is the names of attributes, from the model down. In a list a layer goes by its class
    (`encoder_layers/encoder_layer`), from the second on with a number (`encoder_layer_1`).
    """
    found: Any = model
    for name in path.split("/"):
        if isinstance(found, list | tuple):
            found = _by_class(found).get(name)
        else:
            found = None if name.startswith("_") else getattr(found, name, None)
        layers = found if isinstance(found, list | tuple) else [found]
        if not layers or not all(isinstance(layer, keras.layers.Layer) for layer in layers):
            raise KbertError(f"{kind_of(model)} has no layer {path!r}")
    return found


def _by_class(layers: list | tuple) -> dict[str, Any]:
    """Layers by the names that Keras gives to those of a list."""
    named: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    for layer in layers:
        words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
        name = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
        named[f"{name}_{counts[name]}" if counts[name] else name] = layer
        counts[name] += 1
    return named
