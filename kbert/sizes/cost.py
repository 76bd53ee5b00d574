"""What a `BertForPreTraining` costs: weights, arithmetic, memory, time. Nothing is run.

Arithmetic is that of matrix products, counted as on the data sheets of devices: a multiplication
and an addition are two operations (FLOPs), so (M, K) x (K, N) takes 2 M K N. A layer has, for each
token, the projections Q, K, V and output (D x D each), the feed-forward network's two (D x I), and
with K keys its scores and its context:

    layer = 2 (4 D^2 + 2 D I) + 4 K D        (3 D I in ModernBERT: its first is twice as wide)
    row   = L layers layer + P 2 (D E + E V) + 2 D^2 + 4 D    (masked-LM head, pooler, NSP head)

and L 2 E D more where a projection follows the tables. Layers that share their weights (ALBERT)
take as long as others.

In DeBERTa a token has two products with 2 L distances more, 8 L D in a layer; and of a batch each
layer projects the R rows of distances that it needs, 4 R D^2.

K is L, or three blocks where attention has a window (`kbert/layers/kernels/windows.py`); in
ModernBERT and Longformer that is a layer's own. In BigBird it is five blocks, and for two blocks of
queries all.

MobileBERT's layers have other matrices (`kbert/sizes/mobile.py`), and its words' head has D in the
place of E.

The backward pass takes two products for each one of the forward pass: one for the weights, one
for what came in. So a training step is three forward passes. What remat computes again does not
count, since it is no progress; nor do norms, gelu, softmax, losses and AdamW.

Shapes: B batch, L length, K keys of a query, P masked positions, D hidden, E embedding (D in BERT),
I intermediate, N heads, V vocabulary.
Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1, for counting;
Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", section
4, for what a layer keeps.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from kbert.errors import KbertError, number_from_zero, whole_number
from kbert.sizes.distances import rows_of, span_of
from kbert.sizes.layer_types import FULL, alternating
from kbert.sizes.mobile import Mobile

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Architecture = Literal["bert", "modernbert", "deberta", "mobilebert"]
Weights = Literal["float32", "int8", "int4"]

_MASKED_SHARE = 0.15  # as kbert/data/pretraining/masking.py has it
_WEIGHTS_KEPT = 256  # the most keys that are not computed in parts; layers/kernels/dispatch.py
_LEAST_BLOCK = 64  # queries; kbert/layers/kernels/windows.py
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
    v, d, i, n = vocab_size, hidden_size, intermediate_size, num_attention_heads
    if architecture not in get_args(Architecture):
        known = ", ".join(get_args(Architecture))
        raise KbertError(f"architecture is one of {known}, not {architecture!r:.80}")
    modern, by_distance = architecture == "modernbert", architecture == "deberta"
    is_mobile = architecture == "mobilebert"
    e = d // 4 if is_mobile else d
    if embedding_size is not None and (is_mobile or architecture == "bert"):
        e = embedding_size
    # What heads share, and how wide the vectors are that words are scored by.
    s, t = d, e
    if is_mobile:
        s, t = d // 4 if intra_bottleneck_size is None else intra_bottleneck_size, d
    longest = max_position_embeddings if max_relative_positions is None else max_relative_positions
    groups = num_hidden_layers if num_hidden_groups is None else num_hidden_groups
    masked = math.ceil(_MASKED_SHARE * length) if masked is None else masked
    for name, count, least in (
        ("vocab_size", v, 1),
        ("hidden_size", d, 1),
        ("num_hidden_layers", num_hidden_layers, 1),
        ("num_attention_heads", n, 1),
        ("intermediate_size", i, 1),
        ("batch_size", batch_size, 1),
        ("length", length, 1),
        ("max_position_embeddings", max_position_embeddings, 1),
        ("type_vocab_size", type_vocab_size, 0),
        ("masked", masked, 0),
        ("block_size", 1 if block_size is None else block_size, 1),
        ("num_random_blocks", num_random_blocks, 0),
        ("embedding_size", e, 1),
        ("num_hidden_groups", groups, 1),
        ("inner_group_num", inner_group_num, 1),
        ("local_attention", local_attention, 2),
        ("position_buckets", position_buckets, 0),
        ("max_relative_positions", longest, 1),
        ("intra_bottleneck_size", s, 1),
        ("num_feedforward_networks", num_feedforward_networks, 1),
    ):
        whole_number(name, count, least)
    if s % n:
        width = "intra_bottleneck_size" if is_mobile else "hidden_size"
        raise KbertError(f"{width} {s} is not a multiple of num_attention_heads {n}")
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

    wide = 3 if modern else 2  # I, in the matrices of a feed-forward network
    # Beside the layers: of a token, of a row, of all rows together.
    tables_flops, row_flops, batch_flops = 0, 0, 0
    has_projection = architecture == "bert" and (e != d or num_hidden_groups is not None)
    taken_again = 0  # weights, by layers that share them
    layer_products = 4 * d * d + wide * d * i  # of a token
    pooler_flops, mobile = 2 * d * d, None
    if is_mobile:
        windows = [None] * num_hidden_layers
        mobile = Mobile(
            d, s, e, i, num_feedforward_networks, use_bottleneck_attention, classifier_activation
        )
        rows = max_position_embeddings + type_vocab_size
        parameters = mobile.parameters(v, rows, num_hidden_layers)
        tables_flops = 2 * 3 * e * d
        layer_products = sum(map(math.prod, mobile.matrices()))
        pooler_flops = 2 * d * d if classifier_activation else 0
    elif modern:
        types = alternating(num_hidden_layers) if layer_types is None else layer_types
        windows = [None if kind == FULL else local_attention // 2 for kind in types]
        parameters = _of_modernbert(v, d, i, num_hidden_layers)
    elif by_distance:
        windows = [None] * num_hidden_layers
        distances = 2 * span_of(position_buckets, longest)
        parameters = _of_deberta(v, d, i, num_hidden_layers, distances, share_att_key)
        tables_flops = 8 * length * d * num_hidden_layers
        in_use = rows_of(length, position_buckets, longest)
        batch_flops = 4 * int(in_use[-1] - in_use[0] + 1) * d * d * num_hidden_layers
    else:
        windows = _windows(attention_window, num_hidden_layers * inner_group_num)
        tables = (v + max_position_embeddings + type_vocab_size) * e + 2 * e
        tables += (e * d + d) if has_projection else 0
        layer = 4 * (d * d + d) + (d * i + i) + (i * d + d) + 2 * (2 * d)
        heads = (d * d + d) + (2 * d + 2) + (d * e + e) + 2 * e + v  # pooler, NSP, masked LM
        own_layers = groups * inner_group_num
        if global_attention:  # for all tokens K and V, and of one of them Q
            layer += 3 * (d * d + d)
            tables_flops += 4 * d * d * len(windows)
            row_flops = (2 * d * d + 4 * length * d) * len(windows)
        parameters = tables + own_layers * layer + heads
        taken_again = (len(windows) - own_layers) * layer
        tables_flops += 2 * e * d if has_projection else 0
    keys: list[float] = [_keys(window, length) for window in windows]
    if architecture == "bert" and block_size is not None:
        keys = [_keys_of_blocks(block_size, num_random_blocks, length)] * len(keys)

    more = 1 if global_attention and architecture == "bert" else 0  # keys
    layers_flops = sum(2 * layer_products + 4 * (k + more) * s for k in keys)
    heads_flops = masked * 2 * (d * t + t * v) + pooler_flops + 4 * d  # of a row
    of_row = round(length * (tables_flops + layers_flops)) + row_flops + heads_flops
    forward = batch_flops + batch_size * of_row

    b = 4 if precision == "float32" else 2  # bytes of a number that is not kept in float32
    # The 16-bit copy that a product takes is made anew where a layer has its turn again.
    copies = 0 if precision == "float32" else 2 * (parameters + taken_again)
    stored = 0  # bytes of whole numbers, less those of floats
    if weights != "float32":
        layer = [(3 * d, d), (d, d), ((wide - 1) * i, d), (d, i)]
        layer += [(2 * d, d)] if by_distance and not share_att_key else []
        layer += [(d, d), (2 * d, d)] if more else []
        layers = groups * inner_group_num if architecture == "bert" else num_hidden_layers
        layer, projection = (layer, (d, e)) if mobile is None else (mobile.matrices(), (d, 3 * e))
        projected = has_projection or is_mobile
        matrices = [(v, e), *([projection] if projected else []), *(layer * layers)]
        stored = sum(
            _bytes_of_whole(*matrix, weights) - 4 * math.prod(matrix) for matrix in matrices
        )
    logits = 4 * batch_size * masked * v
    in_inference, in_training = (1, 2) if precision == "float32" else (2, 2.5)
    tokens = batch_size * length
    kept = []
    for k in keys:
        dropped = hidden_dropout_prob > 0
        of_layer = _kept_by_layer(d, i, b, dropped, modern)
        kept.append(of_layer if mobile is None else mobile.kept(b, dropped))
        if by_distance:
            kept[-1] += b * n * k  # the bias
        kept[-1] += 2 * b * d if more else 0  # keys and values for global tokens
        if k < length:  # in three blocks, or in five
            blocks = 4 if block_size is None else 8
            kept[-1] += b * (2 if modern else blocks) * d  # keys and values, beside all of them
        if attention_probs_dropout_prob > 0 and k <= _WEIGHTS_KEPT:
            kept[-1] += n * (k + more) * (4 + 1 + b)  # weights, which are dropped, what is left
            # The formula keeps divided queries where a kernel keeps its context; a ModernBERT's
            # turned queries stand nowhere else.
            kept[-1] -= b * d if modern else 0
        else:
            of_bias = b * k if k < length and block_size is None else 0
            kept[-1] += 4 * n + of_bias  # logarithms of sums; the bias of each query
            # The kernel's context, in which that of global tokens is not yet.
            kept[-1] += b * d if more else 0
    layers = len(kept) * b * d + max(kept) if remat else sum(kept)
    normed = d if is_mobile else e
    kept_by_embeddings = 4 * normed + (normed if hidden_dropout_prob > 0 else 0)
    kept_by_embeddings += b * e if has_projection else 0
    kept_by_embeddings += b * 3 * e if is_mobile else 0
    kept_by_heads = masked * (b * d + (2 * b + 4) * t)  # gathered; gelu's, norm's input and output
    kept_by_heads -= masked * b * t if is_mobile and b == 4 else 0  # relu's output is norm's input
    # What the last layer gives. ModernBERT norms it, too, and its first layer has a norm less.
    last = 0 if modern else b * d
    activations = tokens * (kept_by_embeddings + layers + last) + batch_size * kept_by_heads
    activations += 4 * v * d if is_mobile and b == 4 else 0  # the table and what completes it
    return Cost(
        tokens=tokens,
        parameters=parameters,
        forward_flops=forward,
        training_flops=3 * forward,
        inference_memory=Memory(
            4 * parameters + copies + stored,
            0,
            0,
            tokens * b * (3 * d + wide * i if mobile is None else mobile.working()),
            in_inference * logits,
        ),
        training_memory=Memory(
            4 * parameters + copies,
            4 * parameters,
            8 * parameters,
            activations,
            int(in_training * logits),
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
        raise KbertError(f"attention_window has {len(each)} numbers, and there are {layers} layers")
    for window in each:
        whole_number("attention_window", 1 if window is None else window, 1)
    return each


def _keys(window: int | None, length: int) -> int:
    """K: the whole row, or three blocks where they are shorter."""
    blocks = 3 * max(window or length, _LEAST_BLOCK)
    return min(blocks, length)


def _keys_of_blocks(size: int, num_random: int, length: int) -> float:
    """K of BigBird, on average: five blocks for most queries, all for those of two blocks."""
    if length <= (5 + 2 * num_random) * size:
        return length
    blocks = -(-length // size)
    return (5 * (blocks - 2) + 2 * blocks) * size * size / length


def _of_modernbert(v: int, d: int, i: int, num_hidden_layers: int) -> int:
    """Weights: no positions, no segments, and no biases but the words' scores'.

    Of its norms the first layer has one less, and the encoder one more at the end.
    """
    layer = 4 * d * d + 3 * d * i + 2 * d
    heads = (d * d + d) + (2 * d + 2) + (d * d + d) + v  # pooler, NSP, masked LM
    return v * d + d + num_hidden_layers * layer + heads


def _of_deberta(
    v: int, d: int, i: int, num_hidden_layers: int, distances: int, shared: bool
) -> int:
    """Weights: BERT's layers and heads, and in place of positions and segments a table."""
    layer = 4 * (d * d + d) + (d * i + i) + (i * d + d) + 2 * (2 * d)
    layer += 0 if shared else 2 * (d * d + d)
    heads = (d * d + d) + (2 * d + 2) + (d * d + d) + 2 * d + v  # pooler, NSP, masked LM
    return v * d + 2 * d + distances * d + 2 * d + num_hidden_layers * layer + heads


def _kept_by_layer(d: int, i: int, b: int, dropout: bool, modern: bool) -> int:
    """Bytes of a token that a layer keeps for its backward pass, beside attention's weights.

    For the products: its input, Q, K, V, the context, the first norm's output (6 D), and gelu's
    input and output (2 I). For the two norms: their inputs, in float32, with mean and deviation.
    ModernBERT's has Q and K before and after they are turned (8 D), and the gate beside gelu's
    input and output, and what the gate lets through (4 I).
    """
    products = 8 * d + 4 * i if modern else 6 * d + 2 * i
    dropped = (d + i if modern else 2 * d) if dropout else 0
    return b * products + 4 * (2 * d) + 4 * 4 + dropped
