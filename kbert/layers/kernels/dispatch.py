"""Which kernel computes attention: what each backend does best, with no array of L x L if it can.

    PyTorch        `scaled_dot_product_attention`; on a CPU with dropout, where rows are long,
                   `TorchAttention`
    JAX on a GPU   cuDNN's kernel, for rows of which `lengths` are known, in 16 bits, without
                   dropout
    XLA else       the formula, in blocks of queries where rows are long

What none of them does is the formula's, `attention_reference` in `layers/attention.py`; all give
the same.

Shapes: B batch, L length, N heads, H head size.
"""

import math
import re
from functools import partial

import keras
from keras import ops

from kbert.layers.calling import run
from kbert.layers.dropout import Dropout, drawn_by_cuda
from kbert.layers.kernels.blocks import attention_in_blocks, undivided_softmax

_LONG = 256  # keys; with fewer it is faster at once: a CPU's cache holds all weights of a few rows
_FEW = 64  # queries, as those of global tokens: a block would be mostly empty


def attention_by_kernel(query, key, value, bias, lengths, dropout: Dropout | None, draw):
    """Attention by the kernel that is best here, or None: then it is the formula.

    Args:
        query: (B, L, N, H).
        key: (B, L, N, H).
        value: (B, L, N, H).
        bias: what to add to the scores, (B, N, L, L), or None; any axis but the last may be 1.
        lengths: (B,) how many tokens each row has, if that is all that `bias` says; or None.
        dropout: drops weights, unless None.
        draw: a draw of `dropout`.

    Returns:
        The context, (B, L, N, H), or None.
    """
    if keras.backend.backend() == "torch":
        return _attention_by_torch(query, key, value, bias, dropout, draw)
    if dropout is None and _cudnn_takes(query, bias, lengths):
        import jax

        if lengths is not None:
            lengths = ops.maximum(lengths, 1)  # a row that is all padding is not to be NaN
        return jax.nn.dot_product_attention(
            query, key, value, key_value_seq_lengths=lengths, implementation="cudnn"
        )
    length_is_known = isinstance(query.shape[1], int)  # it is not when a model is exported
    if length_is_known and query.shape[1] > _FEW and key.shape[1] > _LONG:
        drop = None if dropout is None else partial(dropout.drop_rows, draw=draw)
        return attention_in_blocks(query, key, value, bias, drop)
    if keras.backend.standardize_dtype(query.dtype) == "float32":
        return _attention_by_xla(query, key, value, bias, dropping(dropout, draw))
    return None


def dropping(dropout: Dropout | None, draw):
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
    """(B, L, N, H), or None: on a CPU with dropout short rows are the formula's."""
    from torch.nn.functional import scaled_dot_product_attention

    device = query.device.type
    if dropout is not None and device == "cpu" and key.shape[1] > _LONG:
        from kbert.layers.kernels.torch import TorchAttention

        kept = partial(dropout.kept_by_numpy, draw)
        return TorchAttention.apply(query, key, value, bias, dropout.scale, kept)
    if dropout is not None and device != "cuda":
        return None

    query, key, value = (each.transpose(1, 2) for each in (query, key, value))  # (B, N, L, H)
    if device == "cuda":
        context = _attention_by_cuda(query, key, value, bias, dropout, draw)
    else:
        # Where Keras asks for shapes alone, on the device "meta", weights are not cast to 16 bits.
        mask = None if bias is None else bias.to(query.dtype)
        context = scaled_dot_product_attention(query, key, value, attn_mask=mask)
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
