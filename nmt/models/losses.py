"""Label-smoothed cross-entropy straight from what the output layer reads, without ever keeping N×V logits.

Tokens are taken in chunks; each chunk's gradient is computed in the forward pass, while its logits are still in the
cache, and only the gradients of the inputs (N×D), the matrix (V×D) and the bias (V) are kept for the backward pass.

    loss(n) = (1 - ε) · (-log p(y_n)) + ε / V · Σ_v -log p(v)         Szegedy et al. 2016; F.cross_entropy has the same
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.models.linear import product

CHUNK_TOKENS = 256  # on a CPU: logits of one chunk stay in a core's cache for vocabularies of some thousands
CHUNK_LOGITS = 2**26  # on a GPU, which needs large products: 256 MB of float32


class LossSums(NamedTuple):
    """Sums over N tokens, to be divided by the tokens of the global batch."""

    loss: Float[Tensor, ""]  # smoothed; what is minimised
    negative_log_likelihood: Float[Tensor, ""]  # detached; exp(sum / N) is the perplexity


class _FusedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        real: Tensor | None,
        smoothing: float,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        wants_gradient = any(ctx.needs_input_grad[:3])
        loss = inputs.new_zeros((), dtype=torch.float32)
        total_nll = torch.zeros_like(loss)
        matrix = weight.to(dtype)
        grad_inputs = torch.empty_like(inputs) if wants_gradient else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if wants_gradient else None
        grad_bias = torch.zeros_like(bias, dtype=torch.float32) if wants_gradient else None
        size = CHUNK_TOKENS if inputs.device.type == "cpu" else max(CHUNK_TOKENS, CHUNK_LOGITS // weight.shape[0])
        for begin in range(0, inputs.shape[0], size):
            part = slice(begin, begin + size)
            chunk = inputs[part].to(dtype)
            target = targets[part, None]
            logits = product(chunk, matrix.T, bias.to(dtype)).float()
            log_probabilities = logits.log_softmax(dim=-1)
            counted = None if real is None else real[part, None].float()
            nll = -_sum(log_probabilities.gather(1, target), counted)
            total_nll += nll
            if smoothing:
                nll = (1 - smoothing) * nll - smoothing * _sum(log_probabilities.mean(1, keepdim=True), counted)
            loss += nll
            if grad_inputs is None or grad_weight is None or grad_bias is None:
                continue
            gradient = log_probabilities.exp_()
            if smoothing:
                gradient -= smoothing / gradient.shape[1]
            gradient.scatter_add_(1, target, torch.full_like(target, smoothing - 1, dtype=gradient.dtype))
            if counted is not None:
                gradient *= counted
            grad_bias += gradient.sum(0)
            small = gradient.to(dtype)
            grad_inputs[part] = product(small, matrix)
            grad_weight += product(small.T, chunk)
        ctx.save_for_backward(grad_inputs, grad_weight, grad_bias)
        ctx.mark_non_differentiable(total_nll)
        return loss, total_nll

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        grad_inputs, grad_weight, grad_bias = ctx.saved_tensors
        scale = gradients[0]
        return grad_inputs * scale.to(grad_inputs.dtype), grad_weight * scale, grad_bias * scale, None, None, None, None


def _sum(column: Tensor, counted: Tensor | None) -> Tensor:
    """Of `n 1`, without the rows that do not count."""
    return column.sum() if counted is None else (column * counted).sum()


def cross_entropy_sums(
    inputs: Float[Tensor, "N D"],
    weight: Float[Tensor, "V D"],
    bias: Float[Tensor, " V"],
    *,
    targets: Int[Tensor, " N"],
    real: Bool[Tensor, " N"] | None = None,
    label_smoothing: float = 0.0,
) -> LossSums:
    """Sum of the smoothed loss over N tokens; products in autocast's dtype where it is on, the softmax in float32.

    Only `real` tokens count, by default all. Leaving the others out beforehand is less work, but then it must be known
    how many there are, which is to wait for a GPU.
    """
    device = inputs.device.type
    autocast = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if autocast else weight.dtype
    with torch.autocast(device, enabled=False):
        apply: Callable[..., tuple[Tensor, Tensor]] = _FusedCrossEntropy.apply
        return LossSums(*apply(inputs, weight, bias, targets, real, label_smoothing, dtype))
