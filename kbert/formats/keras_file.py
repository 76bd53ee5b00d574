"""The `.keras` file: read it without trusting it.

    check the file -> compare shapes, nothing allocated -> build the model -> fill in its weights

Keras has no part in the reading: it would build the classes that the file names, unpack the file to
the disk, and leave as they are the weights that it does not find.
"""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from kbert.errors import KbertError
from kbert.formats.readers.archive import MODELS, Contents, open_keras_archive
from kbert.layers.initializers import starting_at_zero
from kbert.models.base import KbertModel


def load_keras_file(path: str | Path) -> KbertModel:
    """Loads a model that kbert saved.

    Args:
        path: a file that ends in `.keras`.

    Returns:
        The model, with its tokenizer if it was saved with one. It is not compiled.

    Raises:
        KbertError: if there is no such file, it is not a `.keras` file, it holds what kbert did
            not write, or its weights do not fit its config.
    """
    with open_keras_archive(path) as contents:
        try:
            _check_shapes(contents)
            with starting_at_zero():
                model = _build(contents)
            _load_weights(model, contents)
            model.tokenizer = contents.tokenizer
        except KbertError as error:
            raise KbertError(f"{path}: {error}") from error
        except Exception as error:  # whatever Keras makes of a stranger's config
            reason = " ".join(str(error).split())[:400] or type(error).__name__
            raise KbertError(
                f"{path}: the weights or the vocabulary do not fit its {contents.class_name} of "
                f"{contents.config['num_hidden_layers']} layers, or are damaged: {reason}"
            ) from error
    return model


def _build(contents: Contents) -> KbertModel:
    model_class = getattr(import_module(MODELS[contents.class_name]), contents.class_name)
    return model_class.from_config(contents.config)


def _check_shapes(contents: Contents) -> None:
    """Builds the model without its numbers, and compares its shapes with the file's.

    In a thread of its own: Keras keeps a list of variables that have no numbers yet, one a thread,
    and would draw them all at the next chance, long after the model that they were of is gone.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        wanted = thread.submit(_shapes, contents).result()
    found = Counter(tensor.shape for tensor in contents.tensors.values())
    if wanted != found:
        missing, extra = list(wanted - found), list(found - wanted)
        raise KbertError(
            f"the weights do not fit the config: it asks for {wanted.total()} tensors, and the "
            f"file has {found.total()}; not in the file: {missing[:3]}; "
            f"not in the model: {extra[:3]}"
        )


def _shapes(contents: Contents) -> Counter[tuple[int, ...]]:
    with keras.StatelessScope(initialize_variables=False):
        return Counter(tuple(weight.shape) for weight in _build(contents).weights)


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
        layer.load_own_variables({place: tensor.read() for place, tensor in tensors.items()})


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
            raise KbertError(f"a {type(model).__name__} has no layer {path!r}")
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
