"""LoRA: of a large matrix only a small correction is trained, and added to it at the end.

    y = x (W + A B) + b        A (I, r) and B (r, O) are trained; B starts at 0, so nothing changes

Shapes: I inputs, O outputs, r rank, D hidden.
Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.
"""

from collections.abc import Iterator

import keras
import numpy as np

from kbert.errors import KbertError, whole_number
from kbert.layers.dense import Dense
from kbert.layers.initializers import TruncatedNormal, starting_at_zero, sub_seed
from kbert.models.base import KbertModel, check_model
from kbert.models.encoder import encoder_of
from kbert.models.frozen import check_floats
from kbert.models.load_report import new_in_encoder


def add_lora(model: KbertModel, rank: int = 8, *, feed_forward: bool = False) -> None:
    """Has of a model's encoder only small corrections trained, and its head. Compile it afterwards.

    Every layer's projection to queries, keys and values gets an A (D, r) and a B (r, 3 D); the
    three share A, as they share one projection (in MobileBERT values have one of their own). All
    that the encoder had is frozen, its pooler and biases too; what its source had not, as a pooler,
    is trained with the head. A rate of some 1e-4 to 5e-4 suits what is left.

    Weights may be int8 or int4 (`kbert.quantize`), and then stay so beside A and B.

    Training takes the optimizer's state for A and B alone. `model.save` writes the sum W + A B, as
    `merge_lora` makes it; a run's checkpoints keep A and B.

    Args:
        model: any of kbert's. It is changed; what it gives is not, before it is trained.
        rank: r.
        feed_forward: whether both projections of the feed-forward networks get theirs, too.

    Raises:
        KbertError: if the rank is none, or more than the smaller side of a matrix, where nothing
            would be saved; or the model has adapters already.

    Example:
        >>> from kbert import SIZES, BertForSequenceClassification
        >>> model = BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=100, **SIZES["tiny"])
        >>> add_lora(model, rank=4)
        >>> [weight.path.split("/")[-1] for weight in model.trainable_weights[:2]]
        ['lora_kernel_a', 'lora_kernel_b']

    Source: Hu et al. 2021, sections 4.1 and 4.2.
    """
    rank = whole_number("rank", rank, 1)
    check_no_adapters(model)
    bert = encoder_of(model)
    adapted: dict[str, Dense] = {}
    for number, layer in enumerate(bert.encoder_layers):
        parts = {part.name: part for part in layer.self_attention.token_projections()}
        networks = {"": layer.feed_forward} if hasattr(layer, "feed_forward") else {}
        networks = networks or {f"{each.name}/": each for each in layer.feed_forwards}
        for name, network in networks.items() if feed_forward else ():
            parts |= {f"{name}{part.name}": part for part in (network.widen, network.narrow)}
        adapted |= {f"lora/{number}/{name}": part for name, part in parts.items()}
    most = min(min(part.kernel.shape) for part in adapted.values())
    if rank > most:
        raise KbertError(f"rank is from 1 to {most}, the smaller side of a matrix, not {rank}")
    # By its weights: what a file remembers as frozen are layers, and a merged model has none.
    for weight in bert.weights:
        weight.trainable = False
    for weight in [weight for layer in new_in_encoder(model) for weight in layer.weights]:
        weight.trainable = True
    for name, part in adapted.items():
        seed = sub_seed(bert.get_config()["seed"], name)
        start = TruncatedNormal(part.kernel.shape[0] ** -0.5, seed=seed)  # x A is of the size of x
        part.enable_lora(rank, a_initializer=start)


def merge_lora(model: KbertModel) -> KbertModel:
    """A plain model that computes what a model with adapters does: W + A B in place of W.

    Args:
        model: after `add_lora`; it stays as it is, and can be trained further.

    Returns:
        A model of the same class, with the tokenizer, not compiled. What was frozen before
        `add_lora` is, and nothing else.

    Raises:
        KbertError: if the model has no adapters, or its weights are not floats; then
            `kbert.quantize(model, "float32")` merges them.

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
        >>> add_lora(bert)
        >>> len(bert.weights), len(merge_lora(bert).weights)
        (35, 31)

    Source: Hu et al. 2021, section 4.1, "No Additional Inference Latency".
    """
    check_model(model)
    check_floats(model, "merge_lora")  # quantize merges them, too
    sums = {id(layer._kernel): _sum(layer) for layer in _with_adapters(model)}
    if not sums:
        raise KbertError("the model has no adapters (LoRA) to merge")
    adapters = {
        id(weight)
        for layer in _with_adapters(model)
        for weight in (layer.lora_kernel_a, layer.lora_kernel_b)
    }
    with starting_at_zero(heads=True):
        plain = type(model).from_config(model.get_config())
    kept = [weight for weight in model.weights if id(weight) not in adapters]
    for weight, own in zip(plain.weights, kept, strict=True):
        # A copy: on JAX the two would have one buffer, which a step of either gives away.
        weight.assign(sums.get(id(own), np.array(keras.ops.convert_to_numpy(own))))
    plain.take_after(model)
    return plain


def check_no_adapters(model: KbertModel) -> None:
    """Raises KbertError if a model is none, or has weights of LoRA or pruning beside its own."""
    check_model(model)
    if any(True for _ in _with_adapters(model)):
        raise KbertError("the model has adapters (LoRA): give merge_lora(model), a plain one")
    if any(isinstance(each, Dense) and each.sparse for each in model._flatten_layers()):
        raise KbertError(
            "the model's weights are being pruned (kbert.PruneWeights): give "
            "kbert.merge_pruning(model), a plain one"
        )


def _with_adapters(model: KbertModel) -> Iterator[Dense]:
    for layer in model._flatten_layers():
        if isinstance(layer, Dense) and layer.lora_enabled:
            yield layer


def _sum(layer: Dense) -> np.ndarray:
    """(I, O) W + A B, in float32 whatever the layer computes in."""
    kernel, a, b = (
        keras.ops.convert_to_numpy(weight.value)
        for weight in (layer._kernel, layer.lora_kernel_a, layer.lora_kernel_b)
    )
    return kernel + (layer.lora_alpha / layer.lora_rank) * (a @ b)
