"""Heads and neurons taken out of a model: what is left are smaller matrices.

A head is H columns of each of queries, keys and values, and H rows of the projection of the output;
a neuron is a column of the widening matrix and a row of the narrowing one. Without them the model
computes what it would if they gave zeros, in less time.

Shapes: D hidden, N heads, H head size, I intermediate.
`kbert.keep_layers` leaves out whole layers.

Source: Michel et al. 2019, "Are Sixteen Heads Really Better than One?", for heads; McCarley et al.
2019, "Structured Pruning of a BERT-based Question Answering Model", for neurons.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from keras import ops

from kbert.compression.importance import check_one_network
from kbert.errors import KbertError, whole_number
from kbert.layers.dense import Dense
from kbert.layers.initializers import starting_at_zero
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_of
from kbert.models.frozen import check_floats
from kbert.models.lora import check_no_adapters

Chosen = Mapping[int, Iterable[int]]


def prune_heads(model: KbertModel, heads: Chosen) -> KbertModel:
    """The same model without some of its attention heads.

    Args:
        model: any of kbert's. It is not changed.
        heads: layer -> heads, each counted from 0 as they are in this model.

    Returns:
        A model of the same class, with the tokenizer, not compiled.

    Raises:
        KbertError: if there is no such layer or head, a layer would have none left, or the model
            has adapters or weights that are no floats.

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["mini"])
        >>> prune_heads(bert, {0: [1, 2], 3: [0]}).get_config()["heads_per_layer"]
        [2, 4, 4, 3]

    Source: Michel et al. 2019, section 2.2.
    """
    layers = _layers(model)
    counts = [layer.self_attention.num_attention_heads for layer in layers]
    gone = _checked(heads, counts, "head")
    values: dict[int, np.ndarray] = {}
    for place, those in gone.items():
        attend = layers[place].self_attention
        size = attend.head_size
        kept = _without(those, counts[place], size)  # (kept heads x H,)
        projections = attend.token_projections()
        if hasattr(attend, "position_query_key"):  # of distances, in DeBERTa
            projections.append(attend.position_query_key)
        if hasattr(attend, "global_query"):  # of global tokens, in Longformer
            projections += [attend.global_query, attend.global_key_value]
        width = counts[place] * size
        for dense in projections:
            parts = dense.units // width  # of queries, keys and values, those that it makes
            _cut(values, dense, np.concatenate([kept + part * width for part in range(parts)]), -1)
        _cut(values, attend.output_projection, kept, 0)
    left = [count - len(gone.get(place, ())) for place, count in enumerate(counts)]
    return rebuilt(model, {"heads_per_layer": left}, values)


def prune_neurons(model: KbertModel, neurons: Chosen) -> KbertModel:
    """The same model without some of the neurons of its feed-forward networks.

    Args:
        model: any of kbert's. It is not changed.
        neurons: layer -> neurons, each in [0, I) of that layer.

    Returns:
        A model of the same class, with the tokenizer, not compiled. Where all layers are left
        equally wide, it is a plain model of another `intermediate_size`.

    Raises:
        KbertError: as `prune_heads`, or if a layer has several such networks (MobileBERT).

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
        >>> prune_neurons(bert, {1: range(500)}).get_config()["intermediate_sizes"]
        [512, 12]

    Source: McCarley et al. 2019, section 3.
    """
    layers = _layers(model)
    check_one_network(layers)
    counts = [layer.feed_forward.intermediate_size for layer in layers]
    gone = _checked(neurons, counts, "neuron")
    values: dict[int, np.ndarray] = {}
    for place, those in gone.items():
        network, count = layers[place].feed_forward, counts[place]
        kept = _without(those, count)
        gates = network.widen.units // count  # 2 where there is a gate beside each
        both = np.concatenate([kept + part * count for part in range(gates)])
        _cut(values, network.widen, both, -1)
        _cut(values, network.narrow, kept, 0)
    left = [count - len(gone.get(place, ())) for place, count in enumerate(counts)]
    changes: dict[str, Any] = {"intermediate_sizes": left}
    if len(set(left)) == 1:
        changes = {"intermediate_sizes": None, "intermediate_size": left[0]}
    return rebuilt(model, changes, values)


def _layers(model: KbertModel) -> list[Any]:
    """A model's layers, if something can be taken out of them."""
    check_no_adapters(model)
    check_floats(model, "pruning")
    return encoder_of(model).encoder_layers


def _checked(chosen: Chosen, counts: list[int], what: str) -> dict[int, set[int]]:
    """What is to go, by layer.

    Raises:
        KbertError: if it is not there, or nothing of its layer would be left.
    """
    if not isinstance(chosen, Mapping):
        raise KbertError(f"{what}s are a dict, as {{0: [1, 2]}}, not {chosen!r:.80}")
    gone = {}
    for layer, those in chosen.items():
        place = whole_number("a layer", layer, 0)
        if place >= len(counts):
            raise KbertError(
                f"layer {place} is none of the model's, which are 0 to {len(counts) - 1}"
            )
        if not isinstance(those, Iterable):
            raise KbertError(
                f"{what}s are a list for each layer, as {{0: [1, 2]}}, not {those!r:.80}"
            )
        those = {whole_number(f"a {what}", each, 0) for each in those}
        for each in those:
            if each >= counts[place]:
                raise KbertError(
                    f"{what} {each} is none of layer {place}'s, which are 0 to {counts[place] - 1}"
                )
        if len(those) == counts[place]:
            raise KbertError(
                f"these are all {counts[place]} {what}s of layer {place}, and one must be left; "
                "kbert.keep_layers leaves out whole layers"
            )
        gone[place] = those
    return gone


def _without(gone: set[int], count: int, size: int = 1) -> np.ndarray:
    """The places of what is left of `count` parts of `size` each."""
    kept = np.array([each for each in range(count) if each not in gone], np.int64)
    return (kept[:, None] * size + np.arange(size)).ravel()


def _cut(values: dict[int, np.ndarray], dense: Dense, kept: np.ndarray, axis: int) -> None:
    """Notes the columns (axis -1, with the bias) or rows (0) that a dense layer keeps."""
    kernel = ops.convert_to_numpy(dense.kernel)
    values[id(dense.kernel)] = np.take(kernel, kept, axis=axis)
    if axis == -1 and dense.bias is not None:
        values[id(dense.bias)] = ops.convert_to_numpy(dense.bias)[kept]


def rebuilt(
    model: KbertModel,
    changes: dict[str, Any],
    values: dict[int, np.ndarray],
    without: Collection[int] = (),
) -> KbertModel:
    """The model by a changed config, with the same weights but for some.

    Args:
        model: the model.
        changes: of its config.
        values: weights that are others, by the id of the variable.
        without: ids of variables that the other has not.
    """
    with starting_at_zero(heads=True):
        other = type(model).from_config({**model.get_config(), **changes})
    kept = [weight for weight in model.weights if id(weight) not in without]
    for weight, own in zip(other.weights, kept, strict=True):
        # A copy: on JAX the two would have one buffer, which a step of either gives away.
        weight.assign(values.get(id(own), np.array(ops.convert_to_numpy(own))))
    other.take_after(model)
    return other
