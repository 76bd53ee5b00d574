"""Multi-head self-attention.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(H)) V

Shapes: B batch, L length, N heads, H head size, D = N * H hidden.
Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.
"""

import math
import re
from functools import partial

import keras
from keras import ops

from kbert.layers.block_attention import attention_in_blocks, undivided_softmax
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.dropout import Dropout, drawn_by_cuda
from kbert.layers.initializers import TruncatedNormal, sub_seed
from kbert.layers.local_attention import band_bias, block_size, joined, local_blocks

# Added to the score of a padded key. Beside any real score its exp() is exactly 0, in float32,
# bfloat16 and float16, so a padded key changes nothing.
PADDED = -3e4

_LONG = 256  # keys; with fewer it is faster at once: a CPU's cache holds all weights of a few rows


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


def attention(
    query,
    key,
    value,
    bias=None,
    *,
    lengths=None,
    window: int | None = None,
    dropout: Dropout | None = None,
    draw=None,
):
    """Attention by what each backend does best, without an array of L x L where it can.

        PyTorch        `scaled_dot_product_attention`; on a CPU with dropout `TorchAttention`
        JAX on a GPU   cuDNN's kernel, for rows of which `lengths` are known, in 16 bits, without
                       dropout
        XLA else       the formula, in blocks of queries where rows are long

    Args:
        query: (B, L, N, H).
        key: (B, L, N, H).
        value: (B, L, N, H).
        bias: what to add to the scores, (B, 1, 1, L) or (B, 1, L, L), or None.
        lengths: (B,) how many tokens each row has, if that is all that `bias` says; or None.
        window: how many positions a position sees on either side of its own; None means all.
        dropout: drops weights, unless None.
        draw: a draw of `dropout`.

    Returns:
        The context, (B, L, N, H): what `attention_reference` gives.
    """
    query, key, value = (ops.convert_to_tensor(each) for each in (query, key, value))
    length = query.shape[1] if isinstance(query.shape[1], int) else None  # free when exported
    if window is not None:
        per_key = bias is None or bias.shape[2] == 1
        if length and per_key and 3 * block_size(window) < length:
            parts = local_blocks(query, key, value, bias, window, PADDED)
            return joined(attention(*parts, dropout=dropout, draw=draw), length)
        bias, lengths = windowed(bias, query, window), None

    if keras.backend.backend() == "torch":
        return _attention_by_torch(query, key, value, bias, dropout, draw)
    if dropout is None and _cudnn_takes(query, bias, lengths):
        import jax

        if lengths is not None:
            lengths = ops.maximum(lengths, 1)  # a row that is all padding is not to be NaN
        return jax.nn.dot_product_attention(
            query, key, value, key_value_seq_lengths=lengths, implementation="cudnn"
        )
    if length and key.shape[1] > _LONG:
        drop = None if dropout is None else partial(dropout.drop_rows, draw=draw)
        return attention_in_blocks(query, key, value, bias, drop)
    drop = _dropping(dropout, draw)
    if keras.backend.standardize_dtype(query.dtype) == "float32":
        return _attention_by_xla(query, key, value, bias, drop)
    return attention_reference(query, key, value, bias, drop)[0]


def _dropping(dropout: Dropout | None, draw):
    """A function that drops weights by a draw, or None."""
    return None if dropout is None else partial(run, dropout, training=True, draw=draw)


def _attention_by_xla(query, key, value, bias=None, dropout=None):
    """The formula in float32, in the order in which XLA is fastest on a CPU.

    What the formula does to each weight is done to queries and context: they have H numbers a
    position where weights have L. In 16 bits a sum before its division could be too large.
    """
    scores = ops.einsum("bqnh,bknh->bnqk", query / math.sqrt(query.shape[-1]), key)
    weights, sums = undivided_softmax(scores if bias is None else scores + bias)  # (B, N, L, L)
    if dropout is not None:
        weights = dropout(weights)
    context = ops.einsum("bnqk,bknh->bnqh", weights, value) / sums
    return ops.transpose(context, (0, 2, 1, 3))  # (B, L, N, H)


def _attention_by_torch(query, key, value, bias, dropout: Dropout | None, draw):
    from torch.nn.functional import scaled_dot_product_attention

    device = query.device.type
    if dropout is not None and device == "cpu" and key.shape[1] > _LONG:
        from kbert.layers.torch_attention import TorchAttention

        kept = partial(dropout.kept_by_numpy, draw)
        return TorchAttention.apply(query, key, value, bias, dropout.scale, kept)
    if dropout is not None and device != "cuda":
        return attention_reference(query, key, value, bias, _dropping(dropout, draw))[0]

    query, key, value = (each.transpose(1, 2) for each in (query, key, value))  # (B, N, L, H)
    if device == "cuda":
        context = _attention_by_cuda(query, key, value, bias, dropout, draw)
    else:
        context = scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return context.transpose(1, 2)


def _attention_by_cuda(query, key, value, bias, dropout: Dropout | None, draw):
    """(B, N, L, H) -> (B, N, L, H)."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    kernels = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    if query.shape[2] % 128 != 64:  # there cuDNN's gradients can be NaN (pytorch issue 196678)
        kernels.append(SDPBackend.CUDNN_ATTENTION)
    with sdpa_kernel(kernels):
        if dropout is None:
            return scaled_dot_product_attention(query, key, value, attn_mask=bias)
        with drawn_by_cuda(draw, query.device):
            return scaled_dot_product_attention(
                query, key, value, attn_mask=bias, dropout_p=dropout.rate
            )


def _cudnn_takes(query, bias, lengths) -> bool:
    """Whether JAX has cuDNN's kernel for this: on GPUs from Ampere on; elsewhere False."""
    if keras.backend.backend() != "jax" or (bias is not None and lengths is None):
        return False
    import jax

    if keras.backend.standardize_dtype(query.dtype) not in ("bfloat16", "float16"):
        return False
    device = jax.local_devices()[0]
    capability = getattr(device, "compute_capability", "") if device.platform == "gpu" else ""
    if not re.fullmatch(r"\d+\.\d+", capability) or float(capability) < 8:  # AMD's are names
        return False
    length, _, head_size = query.shape[1:]
    return length % 128 == 0 and head_size % 8 == 0 and head_size <= 128


def windowed(bias, query, window: int):
    """A bias that lets each position see its window only, (B or 1, 1, L, L)."""
    length = query.shape[1] or ops.shape(query)[1]
    of_window = ops.cast(band_bias(length, length, window, PADDED), query.dtype)[None, None]
    return of_window if bias is None else ops.minimum(bias, of_window)


def attention_reference(query, key, value, bias=None, dropout=None):
    """Attention as its formula says, for what no kernel offers: dropout, and the weights.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.window = window
        self.num_attention_heads = num_attention_heads
        self.dropout_rate = dropout
        self.initializer_range = initializer_range
        self.seed = seed
        self.dropout = Dropout(dropout, seed=sub_seed(seed, "dropout"), dtype=self.dtype_policy)

    def build(self, input_shape):
        """Makes the two projections: D -> 3 D for Q, K, V, and D -> D for the output."""
        hidden_size = input_shape[-1]

        def dense(units: int, name: str) -> Dense:
            layer = Dense(
                units,
                kernel_initializer=TruncatedNormal(
                    self.initializer_range, seed=sub_seed(self.seed, name)
                ),
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build(input_shape)
            return layer

        self.query_key_value = dense(3 * hidden_size, "query_key_value")
        self.output_projection = dense(hidden_size, "output_projection")
        self.built = True

    def call(self, hidden, bias=None, training=None, return_weights=False, draw=None, lengths=None):
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
        length, heads = hidden.shape[1], self.num_attention_heads
        head_size = hidden.shape[-1] // heads
        projected = run(self.query_key_value, hidden, training=training)  # (B, L, 3 D)
        shape = (-1, length or ops.shape(hidden)[1], 3, heads, head_size)
        projected = ops.reshape(projected, shape)  # (B, L, 3, N, H)
        query, key, value = ops.unstack(projected, 3, axis=2)  # (B, L, N, H)

        dropout = self.dropout if training and self.dropout_rate > 0 else None
        if dropout is not None and draw is None:
            draw = dropout.draw()
        weights = None
        if return_weights:
            drop = _dropping(dropout, draw)
            bias = bias if self.window is None else windowed(bias, query, self.window)
            context, weights = attention_reference(query, key, value, bias, drop)
        else:
            context = attention(
                query,
                key,
                value,
                bias,
                lengths=lengths,
                window=self.window,
                dropout=dropout,
                draw=draw,
            )
        merged = ops.reshape(context, (-1, shape[1], heads * head_size))  # (B, L, D)
        output = run(self.output_projection, merged, training=training)
        return (output, weights, query, key) if return_weights else output
