"""Attention with dropout for PyTorch on a CPU, which has no fused kernel for it.

Scores, weights and what is dropped are made for a few queries at a time, so that they stay in the
processor's cache; the backward pass makes them again. So nothing of L x L numbers is ever there.

Shapes: B batch, L queries, K keys, N heads, H head size, R = B N; a part has G of the R rows, or C
queries of one.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

_AT_ONCE = 1 << 20  # scores


class TorchAttention(torch.autograd.Function):
    """softmax(Q K^T / sqrt(H) + bias) V, weights dropped, and its gradient."""

    @staticmethod
    def forward(
        ctx,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bias: torch.Tensor | None,
        scale: float,
        kept: Callable[[tuple[int, ...], int], np.ndarray],
    ) -> torch.Tensor:
        """Attends.

        Args:
            ctx: what the backward pass needs.
            query: (B, L, N, H).
            key: (B, K, N, H); K is L, but for windows.
            value: (B, K, N, H).
            bias: (B, N, L, K), or None; any of B, N and L may be 1.
            scale: what the weights that stay are multiplied by.
            kept: which of the B N L K weights stay: (shape, first) -> booleans of the shape.

        Returns:
            (B, L, N, H).
        """
        batch, length, heads, head_size = query.shape
        query = _rows(query) / math.sqrt(head_size)  # (R, L, H)
        key, value = _rows(key), _rows(value)  # (R, K, H)
        ctx.save_for_backward(query, key, value, bias)
        ctx.heads, ctx.scale, ctx.kept = heads, scale, kept
        context = torch.empty_like(query)
        for rows, queries in _parts(query, key):
            weights = _weights(query[rows, queries], key[rows], bias, rows, queries, heads)
            first = rows.start * length + queries.start  # of the R L queries
            left = weights.mul_(_kept(kept, first, weights)).to(value.dtype)
            torch.bmm(left, value[rows], out=context[rows, queries])
        context *= scale
        return context.view(batch, heads, length, head_size).transpose(1, 2).contiguous()

    @staticmethod
    def backward(ctx, *upstream: torch.Tensor):
        """(B, L, N, H) -> that of query, key and value, and of the bias where it is learned."""
        query, key, value, bias = ctx.saved_tensors
        batch, length, heads, head_size = upstream[0].shape
        above = _rows(upstream[0]) * ctx.scale  # (R, L, H)
        for_query, for_key, for_value = (
            torch.empty_like(query),
            torch.zeros_like(key),
            torch.zeros_like(value),
        )
        is_learned = ctx.needs_input_grad[3]
        for_bias = torch.zeros_like(bias, dtype=torch.float32) if is_learned else None
        for rows, queries in _parts(query, key):
            part, above_part = query[rows, queries], above[rows, queries]
            weights = _weights(part, key[rows], bias, rows, queries, heads)
            mask = _kept(ctx.kept, rows.start * length + queries.start, weights)
            for_weights = torch.bmm(above_part, value[rows].mT).to(weights.dtype).mul_(mask)
            # p (g - sum(p g)), in one pass
            for_scores = torch.ops.aten._softmax_backward_data(
                for_weights, weights, -1, weights.dtype
            )
            if for_bias is not None:
                _add(for_bias, for_scores, rows, queries, heads)
            for_scores = for_scores.to(query.dtype)
            torch.bmm(for_scores, key[rows], out=for_query[rows, queries])
            for_key[rows].baddbmm_(for_scores.mT, part)
            left = weights.mul_(mask).to(value.dtype)
            for_value[rows].baddbmm_(left.mT, above_part)
        for_query /= math.sqrt(head_size)
        return (
            *(
                each.unflatten(0, (batch, heads)).transpose(1, 2)
                for each in (for_query, for_key, for_value)
            ),
            None if for_bias is None else for_bias.to(bias.dtype),
            None,
            None,
        )


def _rows(heads: torch.Tensor) -> torch.Tensor:
    """(B, L, N, H) -> (B N, L, H)."""
    return heads.transpose(1, 2).flatten(0, 1)


def _parts(query: torch.Tensor, key: torch.Tensor) -> Iterator[tuple[slice, slice]]:
    """Which rows, and which queries of them: several rows, or some queries of one."""
    rows, length, _ = query.shape
    at_once = max(1, _AT_ONCE // key.shape[1])  # queries
    if at_once < length:
        for row in range(rows):
            for first in range(0, length, at_once):
                yield slice(row, row + 1), slice(first, min(first + at_once, length))
        return
    at_once //= length
    for first in range(0, rows, at_once):
        yield slice(first, min(first + at_once, rows)), slice(0, length)


def _weights(query, key, bias, rows: slice, queries: slice, heads: int) -> torch.Tensor:
    """(G, C, K), float32."""
    if bias is None:
        scores = torch.bmm(query, key.mT)
    else:
        each = bias if bias.shape[2] == 1 else bias[:, :, queries]
        each = each[_place(bias, torch.arange(rows.start, rows.stop), heads)]  # (G, 1 or C, K)
        scores = torch.baddbmm(each, query, key.mT)
    return torch.softmax(scores, -1, dtype=torch.float32)


def _add(for_bias, for_scores, rows: slice, queries: slice, heads: int) -> None:
    """Adds the gradient of a part's scores, (G, C, K), to that of the bias, in its place."""
    for row, for_row in zip(range(rows.start, rows.stop), for_scores, strict=True):
        there = for_bias[_place(for_bias, row, heads)]  # (1 or L, K)
        if len(there) == 1:
            there += for_row.sum(0, keepdim=True)
        else:
            there[queries] += for_row


def _place(bias, row, heads: int):
    """Which example and head of a bias are those of a row of the B N: its own, or the only one."""
    return row // heads % bias.shape[0], row % heads % bias.shape[1]


def _kept(kept, first: int, weights: torch.Tensor) -> torch.Tensor:
    """(G, C, K): 1 for a weight that stays, 0 for another; `first` is the number of the query."""
    shape = tuple(weights.shape)
    return torch.from_numpy(kept(shape, first * shape[-1])).to(weights.dtype)
