"""Cross-entropy for PyTorch, which runs eagerly: a few rows at a time.

What one operation wrote is then still in the processor's cache for the next, and no second array of
the logits' size is kept from the forward pass to the backward pass.

Shapes: M entries, V vocabulary.
"""

import torch

_AT_ONCE = 1 << 20  # logits


class TorchCrossEntropy(torch.autograd.Function):
    """`cross_entropy(labels, logits)` with its gradient."""

    @staticmethod
    def forward(ctx, labels, logits):
        """(...), (..., V) -> (...)."""
        flat = logits.reshape(-1, logits.shape[-1])  # (M, V)
        places = labels.reshape(-1, 1).long()  # (M, 1)
        parts = flat.split(_rows(flat))
        log_sums = torch.cat([part.logsumexp(1, keepdim=True) for part in parts])  # (M, 1)
        ctx.save_for_backward(flat, places, log_sums)
        return (log_sums - flat.gather(1, places)).reshape(labels.shape)

    @staticmethod
    def backward(ctx, upstream):
        """(...) -> (..., V)."""
        flat, places, log_sums = ctx.saved_tensors
        scales = upstream.reshape(-1, 1)  # (M, 1)
        gradient = torch.empty_like(flat)
        parts = (each.split(_rows(flat)) for each in (gradient, flat, log_sums, scales))
        for part, logits, sums, scale in zip(*parts, strict=True):
            torch.sub(logits, sums, out=part).exp_().mul_(scale)
        gradient.scatter_add_(1, places, -scales)
        return None, gradient.reshape(*upstream.shape, gradient.shape[1])


def _rows(flat: torch.Tensor) -> int:
    return flat.shape[0] if flat.is_cuda else max(1, _AT_ONCE // flat.shape[1])
