"""How much the loss would change without a head or a neuron, by one gradient.

    importance = mean over examples of |dL / dm|        m multiplies what the head, or neuron, gives

What it gives goes through its rows W of the next matrix, so dL/dm is the sum of W * dL/dW: the
gradient of the weights tells it, and the model needs no mask.

Shapes: D hidden, N heads, H head size, I intermediate.
Source: Michel et al. 2019, "Are Sixteen Heads Really Better than One?", section 4.1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kbert.errors import KbertError, number_from_zero
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_of
from kbert.models.frozen import check_floats
from kbert.models.inputs import as_inputs
from kbert.models.lora import check_no_adapters


def head_importance(model: KbertModel, batches: Iterable[Any]) -> list[np.ndarray]:
    """How much each head matters to the loss.

    Each example is taken alone, which takes a forward and a backward pass; some hundred will do.

    Args:
        model: a model of kbert that is compiled, as by `model.compile(**kbert.objective(model))`.
        batches: (inputs, labels), or with sample weights as a third: `kbert.LabelledBatches`, or a
            list of such.

    Returns:
        For each layer (N,) numbers from 0.

    Raises:
        KbertError: if the model is not compiled, there are no examples, it has adapters or
            weights that are no floats, or its loss is no number.

    Example:
        >>> import kbert
        >>> model = kbert.BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=100, **kbert.SIZES["tiny"])
        >>> model.compile(**kbert.objective(model))
        >>> batch = np.array([[2, 5, 3], [2, 6, 3]]), np.array([0, 1])
        >>> importance = head_importance(model, [batch])
        >>> [layer.shape for layer in importance]
        [(2,), (2,)]
        >>> kbert.prune_heads(model, least_important(importance, 0.25)).count_params() < (
        ...     model.count_params())
        True

    Source: Michel et al. 2019, section 4.1.
    """
    layers = encoder_of(model).encoder_layers
    counts = [layer.self_attention.num_attention_heads for layer in layers]
    kernels = [layer.self_attention.output_projection.kernel for layer in layers]
    return _importance(model, batches, kernels, counts)


def neuron_importance(model: KbertModel, batches: Iterable[Any]) -> list[np.ndarray]:
    """How much each neuron of the feed-forward networks matters to the loss.

    Args:
        model: as for `head_importance`.
        batches: likewise.

    Returns:
        For each layer (I,) numbers from 0.

    Raises:
        KbertError: likewise, or if a layer has several such networks (MobileBERT).
    """
    layers = encoder_of(model).encoder_layers
    check_one_network(layers)
    counts = [layer.feed_forward.intermediate_size for layer in layers]
    return _importance(model, batches, [x.feed_forward.narrow.kernel for x in layers], counts)


def least_important(importance: Sequence[np.ndarray], share: float) -> dict[int, list[int]]:
    """A share of all heads, or neurons, that matter least, for `prune_heads` or `prune_neurons`.

    Layers are made comparable by their root sum of squares. One of each layer is always left.

    Args:
        importance: for each layer, what `head_importance` or `neuron_importance` gave.
        share: of all, in [0, 1).

    Raises:
        KbertError: if the share is none, or the importance is not of that form, or NaN.

    Example:
        >>> least_important([np.array([3.0, 4.0]), np.array([0.1, 0.0, 0.1])], 0.4)
        {0: [0], 1: [1]}

    Source: Molchanov et al. 2017, "Pruning Convolutional Neural Networks for Resource Efficient
        Inference", section 2.2, for the root sum of squares.
    """
    number_from_zero("share", share, end=1)
    scores, layers = [], _each_layers(importance)
    for layer, numbers in enumerate(layers):
        length = np.sqrt((numbers**2).sum()) or 1.0
        best = int(numbers.argmax())
        scores += [(each / length, layer, i) for i, each in enumerate(numbers) if i != best]
    total = sum(len(numbers) for numbers in layers)
    gone: dict[int, list[int]] = {}
    for _, layer, i in sorted(scores)[: round(share * total)]:
        gone.setdefault(layer, []).append(i)
    return {layer: sorted(gone[layer]) for layer in sorted(gone)}


def _each_layers(importance: Any) -> list[np.ndarray]:
    """(N,) or (I,) numbers for each layer, none of them NaN.

    Raises:
        KbertError: if they are not.
    """
    try:
        layers = [np.asarray(each, np.float64) for each in importance]
    except (TypeError, ValueError):
        layers = []
    if not layers or any(each.ndim != 1 or not each.size for each in layers):
        raise KbertError(
            "importance is a list with an array of numbers for each layer, as head_importance "
            f"gives it, not {importance!r:.80}"
        )
    for layer, numbers in enumerate(layers):
        if not np.isfinite(numbers).all():
            raise KbertError(
                f"the importance of layer {layer} is {numbers[~np.isfinite(numbers)][0]}: the "
                "model's weights or its loss are no numbers"
            )
    return layers


def check_one_network(layers: Iterable[Any]) -> None:
    """Raises KbertError if a number of a layer's does not say which neuron is meant."""
    for layer in layers:
        if not hasattr(layer, "feed_forward"):
            raise KbertError(
                f"each layer has {len(layer.feed_forwards)} feed-forward networks (a MobileBert), "
                "so its neurons have no numbers of their own; its heads have, and "
                "kbert.keep_layers leaves out whole layers"
            )


def _importance(
    model: KbertModel, batches: Iterable[Any], kernels: list[Any], counts: list[int]
) -> list[np.ndarray]:
    """Sums of |W * dL/dW| over the rows of each part of each kernel, a mean over examples."""
    check_no_adapters(model)
    check_floats(model, "importance")
    if getattr(model, "_compile_loss", None) is None:
        raise KbertError(
            "importance is by the loss: model.compile(**kbert.objective(model)) before"
        )
    gradients = _gradients(model, kernels)
    values = [ops.convert_to_numpy(kernel) for kernel in kernels]
    sums, examples = [np.zeros(count) for count in counts], 0
    for example in _examples(batches):
        examples += 1
        for total, kernel, gradient in zip(sums, values, gradients(*example), strict=True):
            product = kernel * ops.convert_to_numpy(gradient)  # (N H, D) or (I, D)
            total += np.abs(product.reshape(len(total), -1).sum(axis=1, dtype=np.float64))
    if not examples:
        raise KbertError("there are no examples by which anything could matter")
    return _each_layers([total / examples for total in sums])


def _examples(batches: Any) -> Iterator[list[Any]]:
    """Each row of each batch that has a weight, as a batch of one: inputs, labels, weights."""
    if isinstance(batches, keras.utils.PyDataset):  # which would go on for ever
        batches = map(batches.__getitem__, range(len(batches)))
    elif not isinstance(batches, Iterable) or isinstance(batches, str | Mapping):
        raise KbertError(
            "batches are kbert.LabelledBatches(examples, model), or a list of (inputs, labels), "
            f"not {batches!r:.80}"
        )
    for batch in batches:
        if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
            raise KbertError(
                f"a batch is (inputs, labels), or with sample weights as a third, not {batch!r:.80}"
            )
        x, y, weights = (*batch, None)[:3]
        x = as_inputs(x)
        wrong = [each for each in keras.tree.flatten((x, y)) if not getattr(each, "ndim", 0)]
        if wrong:
            raise KbertError(f"inputs and labels are arrays with a row for each, not {wrong[0]!r}")
        for row in range(len(keras.tree.flatten(x)[0])):
            example = [_row(each, row) for each in (x, y, weights)]
            if weights is None or any(map(np.any, keras.tree.flatten(example[2]))):
                yield example  # another fills up its batch


def _row(arrays: Any, row: int) -> Any:
    """One row of an array, or of each of several; None of None."""
    if arrays is None:
        return None
    return keras.tree.map_structure(lambda array: array[row : row + 1], arrays)


def _gradients(model: KbertModel, kernels: list[Any]) -> Callable[..., Iterable[Any]]:
    """A function of an example that gives the loss's gradient for each kernel."""

    def loss(x, y, weights):
        predicted = model(x, training=False)
        return model.compute_loss(x, y, predicted, weights, training=False)

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        def of_values(values, *example):
            pairs = list(zip(kernels, values, strict=True))
            with keras.StatelessScope(state_mapping=pairs):
                return loss(*example)

        compiled = jax.jit(jax.grad(of_values))
        return lambda *example: compiled([kernel.value for kernel in kernels], *example)
    if backend == "tensorflow":
        import tensorflow as tf

        def by_tape(*example):
            values = [kernel.value for kernel in kernels]
            with tf.GradientTape() as tape:
                tape.watch(values)
                total = loss(*example)
            return tape.gradient(total, values)

        return by_tape
    import torch

    def by_autograd(*example):
        values = [kernel.value for kernel in kernels]
        needed = [value.requires_grad for value in values]
        with torch.enable_grad():
            for value in values:  # frozen or not
                value.requires_grad_(True)
            try:
                return torch.autograd.grad(loss(*example), values)
            finally:
                for value, before in zip(values, needed, strict=True):
                    value.requires_grad_(before)

    return by_autograd
