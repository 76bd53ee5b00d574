"""Multi-head self-attention.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(H)) V

Shapes: B batch, L length, N heads, H head size, D = N * H hidden (unless heads were pruned).
In the paper N is h, H is d_k = d_v and D is d_model; BERT's paper has A for N and H for D.
Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.
"""

import math
from functools import partial
from typing import Any

import keras
from keras import ops
from keras.backend import backend

from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.dropout import Dropout
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.kernels.block_sparse import Blocks, block_bias, block_sparse
from kbert.layers.kernels.dispatch import attention_by_kernel, dropping
from kbert.layers.kernels.windows import (
    band_bias,
    block_count,
    block_size,
    joined,
    local_blocks,
    with_more_keys,
)
from kbert.layers.rotary import rotated, rotation

# Added to the score of a padded key. Beside any real score its exp() is exactly 0, in float32,
# bfloat16 and float16, so a padded key changes nothing.
PADDED = -3e4


def attention_reference(query, key, value, bias=None, dropout=None):
    """Attention as its formula says, weights and all.

    Args:
        query: (B, L, N, H).
        key: (B, L, N, H).
        value: (B, L, N, H).
        bias: what to add to the scores, broadcast to (B, N, L, L), or None.
        dropout: a function to apply to the weights, or None.

    Returns:
        The context (B, L, N, H), and the weights (B, N, L, L) before dropout: row i holds what
        position i takes from every position, and sums to 1.
    """
    query = query / math.sqrt(query.shape[-1])  # first: products in float16 would be too large
    scores = ops.einsum("bqnh,bknh->bnqk", query, key)  # (B, N, L, L)
    if bias is not None:
        scores = scores + bias
    if scores.shape[-1] == 1:  # of which Keras's softmax would warn
        weights = ops.ones_like(scores)
    else:
        weights = ops.cast(ops.softmax(ops.cast(scores, "float32"), axis=-1), value.dtype)
    dropped = weights if dropout is None else dropout(weights)
    return ops.einsum("bnqk,bknh->bqnh", dropped, value), weights  # (B, L, N, H)


@keras.saving.register_keras_serializable("kbert")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with one projection for queries, keys and values.

    Args:
        num_attention_heads: N; it must divide D.
        dropout: the rate at which attention weights are dropped in training.
        initializer_range: standard deviation of the starting weights.
        seed: seed of the starting weights and of dropout.
        window: how many positions each sees on either side of its own; None means all.
        block_size: how many tokens a block has where attention is BigBird's; None means it is not.
        num_random_blocks: how often the first block counts there beside itself.
        use_bias: whether the projections have biases.
        output_range: standard deviation of the starting weights of the projection of the output;
            None means `initializer_range`.
        rope_theta: how slowly queries and keys turn with their place (`rotary.py`); None turns
            none.
        head_size: H; None means D / N. With fewer heads than that (`kbert.prune_heads`) N * H is
            less than D.

    Example:
        >>> attend = SelfAttention(num_attention_heads=2)
        >>> output, weights, *_ = attend(ops.zeros((1, 4, 16)), return_weights=True)
        >>> tuple(output.shape), round(float(ops.convert_to_numpy(weights)[0, 0, 0, 0]), 2)
        ((1, 4, 16), 0.25)

    Source: Devlin et al. 2018, section 3; google-research/bert, modeling.py, `attention_layer`.
    """

    def __init__(
        self,
        num_attention_heads: int,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        seed: int = 0,
        window: int | None = None,
        block_size: int | None = None,
        num_random_blocks: int = 3,
        use_bias: bool = True,
        output_range: float | None = None,
        rope_theta: float | None = None,
        head_size: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.window = window
        self.blocks = None if block_size is None else Blocks(block_size, num_random_blocks)
        self.use_bias = use_bias
        self.rope_theta = rope_theta
        self.output_range = initializer_range if output_range is None else output_range
        self.num_attention_heads = num_attention_heads
        self.head_size = head_size or 0  # until it is built
        self.dropout_rate = dropout
        self.initializer_range = initializer_range
        self.seed = seed
        self.dropout = Dropout(dropout, seed=sub_seed(seed, "dropout"), dtype=self.dtype_policy)

    def build(self, input_shape):
        """Makes the two projections: D -> 3 N H for Q, K, V, and N H -> D for the output."""
        hidden_size = input_shape[-1]
        self.head_size = self.head_size or hidden_size // self.num_attention_heads
        width = self.num_attention_heads * self.head_size
        self._build_projections(hidden_size, width)
        self.output_projection = self._dense(
            width, hidden_size, "output_projection", self.output_range
        )
        self.built = True

    def _build_projections(self, size: int, width: int) -> None:
        self.query_key_value = self._dense(size, 3 * width, "query_key_value")

    def _dense(self, inputs: int, units: int, name: str, stddev: float | None = None) -> Dense:
        stddev = self.initializer_range if stddev is None else stddev
        layer = Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=TruncatedNormal(stddev, seed=sub_seed(self.seed, name)),
            dtype=self.dtype_policy,
            name=name,
        )
        layer.build((None, None, inputs))
        return layer

    def token_projections(self) -> list[Dense]:
        """What makes queries, keys and values of tokens."""
        return [self.query_key_value]

    def call(
        self,
        hidden,
        bias=None,
        training=None,
        return_weights=False,
        draw=None,
        lengths=None,
    ):
        """Lets every position take from every other.

        Args:
            hidden: (B, L, D).
            bias: what to add to the scores, from `padding_bias`, or None.
            training: whether to drop weights.
            return_weights: whether to return the weights, queries and keys too.
            draw: a draw of `self.dropout`, if it is not to make one.
            lengths: (B,) how many tokens each row has, if that is all that `bias` says.

        Returns:
            (B, L, D); or a tuple of it, the weights (B, N, L, L), and the queries and keys
            (B, L, N, H).
        """
        query, key, value = self.projected(hidden, training)
        if self.rope_theta is not None:
            # Made here, and not handed in: Keras would cast what a layer is called with to 16 bits.
            length = query.shape[1] or ops.shape(query)[1]
            by = rotation(length, query.shape[-1], self.rope_theta)
            query, key = rotated(query, by), rotated(key, by)
        return self._attended(query, key, value, bias, training, return_weights, draw, lengths)

    def draw(self):
        """What dropout drops by, to pass to `call`."""
        return self.dropout.draw()

    def projected(self, hidden, training):
        """(B, L, D) -> queries, keys and values, (B, L, N, H) each."""
        length, heads = hidden.shape[1], self.num_attention_heads
        projected = run(self.query_key_value, hidden, training=training)  # (B, L, 3 N H)
        shape = (-1, length or ops.shape(hidden)[1], 3, heads, self.head_size)
        projected = ops.reshape(projected, shape)  # (B, L, 3, N, H)
        query, key, value = ops.unstack(projected, 3, axis=2)  # (B, L, N, H)
        return query, key, value

    def _attended(
        self, query, key, value, bias, training, return_weights=False, draw=None, lengths=None
    ):
        """What `call` returns, of queries, keys and values."""
        dropout = self.dropout if training and self.dropout_rate > 0 else None
        if dropout is not None and draw is None:
            draw = dropout.draw()
        weights = None
        if return_weights:
            drop = dropping(dropout, draw)
            bias = bias if self.window is None else windowed(bias, query, self.window)
            bias = bias if self.blocks is None else blocked(bias, query, self.blocks)
            context, weights = attention_reference(query, key, value, bias, drop)
        else:
            context = attention(
                query,
                key,
                value,
                bias,
                lengths=lengths,
                window=self.window,
                blocks=self.blocks,
                dropout=dropout,
                draw=draw,
            )
        output = self._merged(context, training)
        return (output, weights, query, key) if return_weights else output

    def _merged(self, context, training):
        """(B, L, N, H) -> (B, L, D)."""
        length, heads, head_size = context.shape[1:]
        shape = (-1, length or ops.shape(context)[1], heads * head_size)
        merged = ops.reshape(context, shape)  # (B, L, N H)
        return run(self.output_projection, merged, training=training)


def attention(
    query,
    key,
    value,
    bias=None,
    *,
    lengths=None,
    window: int | None = None,
    blocks: Blocks | None = None,
    more: tuple[Any, Any, Any] | None = None,
    dropout: Dropout | None = None,
    draw=None,
):
    """What the formula gives, without an array of L x L where a kernel can do without.

    `kernels/dispatch.py` has the table of what each backend does.

    Args:
        query: (B, L, N, H).
        key: (B, L, N, H).
        value: (B, L, N, H).
        bias: what to add to the scores, (B, N, L, L), or None; any axis but the last may be 1.
            What is learned in it gets its gradient.
        lengths: (B,) how many tokens each row has, if that is all that `bias` says; or None.
        window: how many positions a position sees on either side of its own; None means all.
        blocks: which blocks of keys it sees, in place of a window; None means all.
        more: keys and values (B, G, N, H) that it sees beside its window, and their bias
            (B, 1, 1 or L, G), or None.
        dropout: drops weights, unless None.
        draw: a draw of `dropout`.

    Returns:
        The context, (B, L, N, H): what `attention_reference` gives.
    """
    query, key, value = (ops.convert_to_tensor(each) for each in (query, key, value))
    bias = None if bias is None else ops.convert_to_tensor(bias)
    length = query.shape[1] if isinstance(query.shape[1], int) else None  # free when exported
    per_key = bias is None or bias.shape[2] == 1
    if blocks is not None and (length is None or length > blocks.longest_full):
        if length and per_key:
            attend = partial(attention, dropout=dropout, draw=draw)
            return block_sparse(attend, query, key, value, bias, blocks, PADDED)
        bias, lengths = blocked(bias, query, blocks), None
    if window is not None:
        # TensorFlow's `fit` and `predict` leave L free once there were two: then it is in blocks.
        is_long = 3 * block_size(window) < length if length else backend() == "tensorflow"
        if per_key and is_long:
            length = length or ops.shape(query)[1]
            query, *keys = local_blocks(query, key, value, bias, window, PADDED)
            if more is not None:
                keys = with_more_keys(*keys, more, blocks=block_count(length, block_size(window)))
            return joined(attention(query, *keys, dropout=dropout, draw=draw), length)
        bias, lengths = windowed(bias, query, window), None
        if more is not None:
            key, value, bias = with_more_keys(key, value, bias, more)
    context = attention_by_kernel(query, key, value, bias, lengths, dropout, draw)
    if context is None:
        context, _ = attention_reference(query, key, value, bias, dropping(dropout, draw))
    return context


def padding_bias(attention_mask, dtype: str):
    """Turns a mask, 1 token and 0 padding, into what is added to scores.

    (B, L), the same for every position, becomes (B, 1, 1, L); (B, L, L), in which row i says what
    position i may look at, becomes (B, 1, L, L). A row that is all padding is left unmasked: its
    output means nothing, but is never NaN.
    """
    mask = ops.cast(attention_mask, "float32")
    has_tokens = ops.max(mask, axis=-1, keepdims=True)  # (B, 1) or (B, L, 1)
    bias = ops.cast((1.0 - mask) * has_tokens * PADDED, dtype)
    return bias[:, None] if len(bias.shape) == 3 else bias[:, None, None, :]


def windowed(bias, query, window: int):
    """A bias that lets each position see its window only, (B or 1, 1, L, L)."""
    length = query.shape[1] or ops.shape(query)[1]
    of_window = ops.cast(band_bias(length, length, window, PADDED), query.dtype)[None, None]
    return of_window if bias is None else ops.minimum(bias, of_window)


def blocked(bias, query, blocks: Blocks):
    """A bias that lets each position see its blocks only, (B or 1, 1, L, L), in a row of blocks."""
    length = query.shape[1]
    if isinstance(length, int) and length <= blocks.longest_full:
        return bias
    length = length or ops.shape(query)[1]
    of_blocks = ops.cast(block_bias(length, blocks, PADDED), query.dtype)[None, None]
    return of_blocks if bias is None else bias + of_blocks
