"""A model whose matrices are small whole numbers: a quarter of the bytes, or an eighth.

    float32 -> int8, int4        each matrix becomes whole numbers and a scale for each row
    int8, int4 -> float32        what they stand for; adapters (LoRA) are added

What is computed are floats still: a matrix is made of its whole numbers where it is used. So the
file and the memory are smaller, and a CPU is no faster.

Source: `kbert/layers/quantized.py` has the rule.
"""

from typing import Any

import numpy as np
from keras import ops

from kbert.errors import KbertError
from kbert.layers.dense import Dense
from kbert.layers.embeddings import TokenTable
from kbert.layers.initializers import starting_at_zero
from kbert.layers.quantized import STORED
from kbert.models.base import KbertModel, check_model
from kbert.models.frozen import quantized_as
from kbert.models.lora import check_no_adapters


def quantize(model: KbertModel, weights: str = "int8") -> KbertModel:
    """The same model with the matrices of its layers and its token table as whole numbers.

    Biases, norms, positions and heads stay as they are. The `.keras` file holds the whole numbers,
    and opens on every backend. Training takes `kbert.add_lora` or `kbert.freeze` before.

    Args:
        model: any of kbert's. It is not changed.
        weights: "int8", "int4", or "float32", which makes floats of them again: by up to half a
            scale they are others than before. With it adapters (LoRA) are merged.

    Returns:
        A model of the same class, with the tokenizer, not compiled.

    Raises:
        KbertError: if there are no such weights, or the model has adapters that would be lost.

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
        >>> small = quantize(bert)
        >>> small.get_config()["weights"], str(small.embeddings.quantized.values.dtype)
        ('int8', 'int8')
    """
    if weights not in STORED:
        raise KbertError(f"weights are one of {', '.join(STORED)}, not {weights!r:.80}")
    check_model(model)
    if weights == "float32":
        return _with_weights(model, weights)
    check_no_adapters(model)
    floats = model if quantized_as(model) is None else _with_weights(model, "float32")
    return _with_weights(floats, weights)


def _with_weights(model: KbertModel, weights: str) -> KbertModel:
    """The model with other weights; one of both has floats."""
    with starting_at_zero(heads=True):
        other = type(model).from_config({**model.get_config(), "weights": weights})
    matrices = dict(_matrices(model))
    values = {weight.path: weight for weight in model.weights}
    places = dict(_matrices(other))
    done = set()
    for path, layer in places.items():
        matrix = _floats(matrices[path])
        if layer.quantized is not None:
            layer.quantized.assign(matrix.T if isinstance(layer, Dense) else matrix)
            done |= {id(layer.quantized.values), id(layer.quantized.scale)}
        else:
            weight = layer._kernel if isinstance(layer, Dense) else layer._token_table
            weight.assign(matrix)
            done.add(id(weight))
    for weight in other.weights:
        if id(weight) not in done:  # a copy: on JAX the two would have one buffer
            weight.assign(np.array(ops.convert_to_numpy(values[weight.path])))
    other.take_after(model)
    return other


def _matrices(model: KbertModel) -> list[tuple[str, Any]]:
    """The dense layers and token tables of a model, by the path of their weight."""
    found = []
    for layer in model._flatten_layers():
        if isinstance(layer, Dense):
            found.append((layer._kernel.path, layer))
        elif isinstance(layer, TokenTable):
            table = layer._token_table if layer.quantized is None else layer.quantized.values
            found.append((table.path, layer))
    return found


def _floats(layer: Any) -> np.ndarray:
    matrix = layer.kernel if isinstance(layer, Dense) else layer.token_table
    return ops.convert_to_numpy(ops.cast(matrix, "float32"))
