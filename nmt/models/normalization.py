"""Normalisation of padded feature maps: only real columns count, and what comes back is zero beyond them.

Batch: Ioffe & Szegedy 2015, arXiv 1502.03167. Layer: Ba et al. 2016, arXiv 1607.06450, over the channels of a place.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

MOMENTUM = 0.1  # of the running statistics
EPSILON = 1e-5
ALL_BUT_CHANNELS = (0, 2, 3)


class MaskedBatchNorm(nn.Module):
    """One mean and variance a channel, over the real columns of a batch; in evaluation, the running ones."""

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))

    def forward(self, maps: Float[Tensor, "B C Y X"], real: Bool[Tensor, "B X"]) -> Float[Tensor, "B C Y X"]:
        maps, columns = maps.to(self.weight.dtype), real[:, None, None, :]  # float32 under autocast too
        if not self.training:
            scale = self.weight * torch.rsqrt(self.running_variance + EPSILON)
            shift = self.bias - self.running_mean * scale
            return torch.addcmul(shift[:, None, None], maps, scale[:, None, None]) * columns
        apply: Callable[..., tuple[Tensor, Tensor, Tensor]] = _BatchNorm.apply
        outputs, mean, variance = apply(maps, columns, self.weight, self.bias)
        with torch.no_grad():
            self.running_mean.lerp_(mean, MOMENTUM)
            self.running_variance.lerp_(variance, MOMENTUM)
        return outputs


class _BatchNorm(torch.autograd.Function):
    """With its gradient by hand: autograd would keep and walk every map between, a tenth of the training time.

    Sums and products only: `torch.var_mean` is 25 times slower on a CPU.
    """

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,  # B C Y X
        real: Tensor,  # B 1 1 X
        weight: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The maps, and mean and variance of every channel."""
        count = real.sum() * maps.shape[2]
        centred = maps * real
        mean = centred.sum(ALL_BUT_CHANNELS) / count
        centred.sub_(mean[:, None, None]).mul_(real)
        variance = centred.square().sum(ALL_BUT_CHANNELS) / count
        deviation = (variance + EPSILON).sqrt()
        outputs = (centred * (weight / deviation)[:, None, None]).add_(bias[:, None, None]).mul_(real)
        ctx.save_for_backward(centred, real, weight, deviation, count)
        ctx.mark_non_differentiable(mean, variance)
        return outputs, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None, Tensor, Tensor]:
        """∂maps = weight / deviation · (g − mean(g) − z · mean(g · z)), where z = centred / deviation."""
        centred, real, weight, deviation, count = ctx.saved_tensors
        gradient = gradient * real
        by_bias = gradient.sum(ALL_BUT_CHANNELS)
        by_weight = (gradient * centred).sum(ALL_BUT_CHANNELS) / deviation
        along = centred * (by_weight / deviation / count)[:, None, None]
        gradient.sub_(along).sub_((by_bias / count)[:, None, None]).mul_((weight / deviation)[:, None, None])
        return gradient.mul_(real), None, by_weight, by_bias


class ChannelNorm(nn.Module):
    """Every place of a map by itself: mean 0 and variance 1 over its channels; the same in training and evaluation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Float[Tensor, "B C Y X"], real: Bool[Tensor, "B X"]) -> Float[Tensor, "B C Y X"]:
        places = maps.movedim(1, -1)
        outputs = F.layer_norm(places, places.shape[-1:], self.weight, self.bias, EPSILON).movedim(-1, 1)
        return outputs * real[:, None, None, :]


class NoNorm(nn.Module):
    """Leaves real columns as they are."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, maps: Float[Tensor, "B C Y X"], real: Bool[Tensor, "B X"]) -> Float[Tensor, "B C Y X"]:
        return maps * real[:, None, None, :]
