"""What a `BertForPreTraining` costs: weights, arithmetic, memory, time. Nothing is run.

Arithmetic is that of matrix products, counted as on the data sheets of devices: a multiplication
and an addition are two operations (FLOPs), so (M, K) x (K, N) takes 2 M K N. A layer has, for each
token, the projections Q, K, V and output (D x D each), the feed-forward network's two (D x I), and
with K keys its scores and its context:

    layer = 2 (4 D^2 + 2 D I) + 4 K D
    row   = L layers layer + P 2 (D E + E V) + 2 D^2 + 4 D    (masked-LM head, pooler, NSP head)

and L 2 E D more where a projection follows the tables. K is L, or three blocks where attention has
a window. What other encoders do otherwise stands in layouts.py.

The backward pass takes two products for each one of the forward pass: one for the weights, one
for what came in. So a training step is three forward passes. What remat computes again does not
count, since it is no progress; nor do norms, gelu, softmax, losses and AdamW.

Shapes: B batch, L length, K keys of a query, P masked positions, D hidden, E embedding (D in BERT),
I intermediate, N heads, V vocabulary.
Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from kbert.errors import KbertError, counted, number_from_zero, whole_number
from kbert.sizes.layer_types import alternating
from kbert.sizes.layouts import BertLayout, DebertaLayout, MobileBertLayout, ModernBertLayout

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Architecture = Literal["bert", "modernbert", "deberta", "mobilebert"]
Weights = Literal["float32", "int8", "int4"]

_MASKED_SHARE = 0.15  # as kbert/data/pretraining/masking.py has it
_GROUP = 64  # numbers that share a scale in int4; kbert/layers/quantized.py


class Memory(NamedTuple):
    """Bytes, by what they hold; `total` is all of them together.

    Attributes:
        weights: 4 a weight and, in mixed precision, 2 more for the copy that products take.
        gradients: 4 a weight in training.
        moments: 8 a weight in training: AdamW's two running averages.
        activations: what the layers keep for the backward pass; in inference, what one layer
            works on.
        logits: (B, P, V) in float32, and in training their gradient. In mixed precision there are
            copies: without the bias in inference, and of the gradient in 16 bits in training.
    """

    weights: int
    gradients: int
    moments: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All of it.

        In training an upper bound: activations go as gradients come.
        """
        return sum(self)


class Cost(NamedTuple):
    """What `cost` counts, for one batch.

    Attributes:
        tokens: B L, padding included.
        parameters: weights of the model.
        forward_flops: operations of a forward pass.
        training_flops: operations of a training step.
        inference_memory: of a forward pass.
        training_memory: of a training step.
    """

    tokens: int
    parameters: int
    forward_flops: int
    training_flops: int
    inference_memory: Memory
    training_memory: Memory

    def training_seconds(self, tokens: float, peak: float, share: float) -> float:
        """How long a run takes: operations / (peak * share).

        Args:
            tokens: of the whole run: steps * B * L.
            peak: what the device can do, in FLOPs a second; see `kbert/sizes/devices.py`.
            share: how much of that is reached (model FLOPs utilisation, MFU), in (0, 1].

        Raises:
            KbertError: if a number is not what it can be.

        Example:
            >>> from kbert.sizes import SIZES
            >>> base = cost(vocab_size=32000, **SIZES["base"], batch_size=256, length=128)
            >>> days = base.training_seconds(33e9, peak=65e12, share=0.3) / 86400
            >>> f"{days:.1f} days"
            '10.7 days'
        """
        if not 0 < tokens < math.inf or not 0 < peak < math.inf or not 0 < share <= 1:
            raise KbertError(
                "tokens and peak must be above 0 and share in (0, 1], not "
                f"tokens={tokens}, peak={peak}, share={share}"
            )
        return tokens / self.tokens * self.training_flops / (peak * share)


def cost(
    *,
    vocab_size: int,
    hidden_size: int,
    num_hidden_layers: int,
    num_attention_heads: int,
    intermediate_size: int,
    batch_size: int,
    length: int,
    masked: int | None = None,
    max_position_embeddings: int = 512,
    type_vocab_size: int = 2,
    hidden_dropout_prob: float = 0.1,
    attention_probs_dropout_prob: float = 0.1,
    precision: Precision = "float32",
    weights: Weights = "float32",
    remat: bool = False,
    attention_window: int | Sequence[int] | None = None,
    global_attention: bool = False,
    block_size: int | None = None,
    num_random_blocks: int = 3,
    embedding_size: int | None = None,
    num_hidden_groups: int | None = None,
    inner_group_num: int = 1,
    architecture: Architecture = "bert",
    layer_types: Sequence[str] | None = None,
    local_attention: int = 128,
    position_buckets: int = 256,
    max_relative_positions: int | None = None,
    share_att_key: bool = True,
    intra_bottleneck_size: int | None = None,
    use_bottleneck_attention: bool = False,
    num_feedforward_networks: int = 4,
    classifier_activation: bool = True,
) -> Cost:
    """Counts what a forward pass and a training step of a model take.

    The first five arguments, and those with a default in an encoder, are the encoder's.

    Args:
        vocab_size: V.
        hidden_size: D.
        num_hidden_layers: how many layers.
        num_attention_heads: N; it must divide D.
        intermediate_size: I.
        batch_size: B.
        length: L, in tokens.
        masked: P, the positions of a row whose words are scored; None means 15% of L.
        max_position_embeddings: rows of the position table.
        type_vocab_size: rows of the segment table.
        hidden_dropout_prob: if above 0, a byte is kept for each number that is dropped or not.
        attention_probs_dropout_prob: if above 0, queries of up to 256 keys keep attention weights
            (N K a token) too; those of more, and those without dropout, keep none.
        precision: what Keras calls the dtype policy.
        weights: what the matrices of layers and tokens are in `inference_memory` (and in the file):
            a byte or half of one for each weight, and 4 for each scale (`kbert.quantize`). Training
            is counted with floats.
        remat: whether each layer keeps its input only, and is computed again in the backward pass.
        attention_window: how many positions each sees on either side of its own, or that for each
            layer; None means all. What fills up the last block, where L is no multiple of it, is
            not counted.
        global_attention: whether it is Longformer's: then [CLS] is counted as a token that sees
            all, and that all see.
        block_size: how many tokens a block has where attention is BigBird's; None means it is not.
        num_random_blocks: rows of up to 5 + twice as many blocks see all.
        embedding_size: E; None means D, and D / 4 of a MobileBert.
        num_hidden_groups: how many groups of layers share their weights, in ALBERT; None means that
            each layer has its own.
        inner_group_num: how many layers a group has.
        architecture: which encoder. What is only a Bert's (segments, `attention_window`, E, groups)
            does not count for the others.
        layer_types: of a ModernBert; None means that every third layer sees the whole row.
        local_attention: of a ModernBert.
        position_buckets: of a Deberta.
        max_relative_positions: of a Deberta; None means `max_position_embeddings`.
        share_att_key: of a Deberta.
        intra_bottleneck_size: of a MobileBert; None means D / 4.
        use_bottleneck_attention: of a MobileBert.
        num_feedforward_networks: of a MobileBert.
        classifier_activation: of a MobileBert.

    Raises:
        KbertError: if a number is not what it can be.

    Example:
        >>> from kbert.sizes import SIZES
        >>> base = cost(vocab_size=30522, **SIZES["base"], batch_size=1, length=512)
        >>> f"{base.parameters:,} weights, {base.training_flops / 1e9:.0f} GFLOP a step"
        '110,106,428 weights, 301 GFLOP a step'
    """
    if architecture not in get_args(Architecture):
        known = ", ".join(get_args(Architecture))
        raise KbertError(f"architecture is one of {known}, not {architecture!r:.80}")
    is_mobile = architecture == "mobilebert"
    quarter = hidden_size // 4
    shared = hidden_size  # S
    if is_mobile:
        shared = quarter if intra_bottleneck_size is None else intra_bottleneck_size
    embedding = quarter if is_mobile else hidden_size
    if embedding_size is not None and architecture in ("bert", "mobilebert"):
        embedding = embedding_size
    longest = max_position_embeddings if max_relative_positions is None else max_relative_positions
    groups = num_hidden_layers if num_hidden_groups is None else num_hidden_groups
    masked = math.ceil(_MASKED_SHARE * length) if masked is None else masked
    for name, count, least in (
        ("vocab_size", vocab_size, 1),
        ("hidden_size", hidden_size, 1),
        ("num_hidden_layers", num_hidden_layers, 1),
        ("num_attention_heads", num_attention_heads, 1),
        ("intermediate_size", intermediate_size, 1),
        ("batch_size", batch_size, 1),
        ("length", length, 1),
        ("max_position_embeddings", max_position_embeddings, 1),
        ("type_vocab_size", type_vocab_size, 0),
        ("masked", masked, 0),
        ("block_size", 1 if block_size is None else block_size, 1),
        ("num_random_blocks", num_random_blocks, 0),
        ("embedding_size", embedding, 1),
        ("num_hidden_groups", groups, 1),
        ("inner_group_num", inner_group_num, 1),
        ("local_attention", local_attention, 2),
        ("position_buckets", position_buckets, 0),
        ("max_relative_positions", longest, 1),
        ("intra_bottleneck_size", shared, 1),
        ("num_feedforward_networks", num_feedforward_networks, 1),
    ):
        whole_number(name, count, least)
    if shared % num_attention_heads:
        width = "intra_bottleneck_size" if is_mobile else "hidden_size"
        raise KbertError(
            f"{width} {shared} is not a multiple of num_attention_heads {num_attention_heads}"
        )
    if not masked <= length <= max_position_embeddings:
        raise KbertError(
            f"of masked={masked}, length={length} and max_position_embeddings="
            f"{max_position_embeddings} each must be at most the next"
        )
    number_from_zero("hidden_dropout_prob", hidden_dropout_prob, end=1)
    number_from_zero("attention_probs_dropout_prob", attention_probs_dropout_prob, end=1)
    if precision not in get_args(Precision):
        raise KbertError(f"precision is one of {', '.join(get_args(Precision))}, not {precision!r}")
    if weights not in get_args(Weights):
        raise KbertError(f"weights are one of {', '.join(get_args(Weights))}, not {weights!r:.80}")

    sizes = (vocab_size, hidden_size, embedding, intermediate_size, num_attention_heads)
    rows = max_position_embeddings + type_vocab_size
    if is_mobile:
        layout = MobileBertLayout(
            *(*sizes, num_hidden_layers, rows, shared, num_feedforward_networks),
            narrow_values=use_bottleneck_attention,
            pooled=classifier_activation,
        )
    elif architecture == "modernbert":
        types = alternating(num_hidden_layers) if layer_types is None else layer_types
        layout = ModernBertLayout(*sizes, num_hidden_layers, types, local_attention)
    elif architecture == "deberta":
        layout = DebertaLayout(*sizes, num_hidden_layers, position_buckets, longest, share_att_key)
    else:
        layers = num_hidden_layers * inner_group_num
        layout = BertLayout(
            *(*sizes, layers, rows),
            shared_by=None if num_hidden_groups is None else (groups, inner_group_num),
            windows=_windows(attention_window, layers),
            global_attention=global_attention,
            block_size=block_size,
            num_random_blocks=num_random_blocks,
        )

    of_row = round(length * layout.token_flops(length)) + layout.row_flops(length, masked)
    forward = layout.batch_flops(length) + batch_size * of_row

    parameters = layout.parameters()
    taken_again = (layout.layers - layout.own_layers) * layout.of_layer()
    b = 4 if precision == "float32" else 2  # bytes of a number that is not kept in float32
    # The 16-bit copy that a product takes is made anew where a layer has its turn again.
    copies = 0 if precision == "float32" else 2 * (parameters + taken_again)
    stored = 4 * parameters
    if weights != "float32":
        matrices = layout.stored_matrices()
        stored -= sum(4 * math.prod(matrix) for matrix in matrices)
        stored += sum(_bytes_of_whole(*matrix, weights) for matrix in matrices)

    tokens, dropped = batch_size * length, hidden_dropout_prob > 0
    kept = [
        layout.kept_by_layer(b, dropped)
        + layout.kept_by_attention(k, length, b, attention_probs_dropout_prob > 0)
        for k in layout.keys(length)
    ]
    in_layers = len(kept) * b * hidden_size + max(kept) if remat else sum(kept)
    beside = layout.kept_beside(tokens, batch_size * masked, b, dropped)
    logits = 4 * batch_size * masked * vocab_size
    in_inference, in_training = (1, 2) if precision == "float32" else (2, 2.5)
    return Cost(
        tokens=tokens,
        parameters=parameters,
        forward_flops=forward,
        training_flops=3 * forward,
        inference_memory=Memory(
            weights=stored + copies,
            gradients=0,
            moments=0,
            activations=tokens * b * layout.working(),
            logits=in_inference * logits,
        ),
        training_memory=Memory(
            weights=4 * parameters + copies,
            gradients=4 * parameters,
            moments=8 * parameters,
            activations=round(tokens * in_layers) + beside,
            logits=int(in_training * logits),
        ),
    )


def _bytes_of_whole(rows: int, size: int, weights: str) -> int:
    """Of a matrix of whole numbers and its scales, as kbert/layers/quantized.py has them."""
    if weights == "int8":
        return rows * (size + 4)
    groups = size // _GROUP if size % _GROUP == 0 else 1
    return rows * (math.ceil(size / 2) + 4 * groups)


def _windows(given: int | Sequence[int] | None, layers: int) -> list[int | None]:
    """The window of each layer."""
    each: list[int | None] = [given] * layers if not isinstance(given, Sequence) else [*given]
    if len(each) != layers:
        raise KbertError(
            f"attention_window has {counted(len(each), 'number')}, and num_hidden_layers is "
            f"{layers}"
        )
    for window in each:
        whole_number("attention_window", 1 if window is None else window, 1)
    return each
