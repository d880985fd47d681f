"""Dropout with a mask per position, or one mask per sentence for all of its positions ("variational").

Srivastava et al. 2014; Gal & Ghahramani 2016, arXiv 1512.05287.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Module):
    """Zero units of `B T D` with probability `p` while training and scale the rest by 1 / (1 - p).

    On a CPU, `p` is taken as a multiple of 1/256.
    """

    def __init__(self, p: float, *, variational: bool = False) -> None:
        super().__init__()
        self.p = p
        self.variational = variational

    def forward(self, values: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        if not self.training or self.p == 0.0:
            return values
        if not self.variational:
            return drop(values, self.p)
        noise = self.noise(values)
        return values if noise is None else values * noise

    def noise(self, like: Float[Tensor, "B T D"]) -> Float[Tensor, "B t D"] | None:
        """The factors for `B T D` drawn at once, for whoever reads it step by step; None when nothing is dropped."""
        if not self.training or self.p == 0.0:
            return None
        shape = (like.shape[0], 1 if self.variational else like.shape[1], like.shape[2])
        return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(1 - self.p).div_(1 - self.p)


def drop(values: Tensor, p: float) -> Tensor:
    """Zero every value with probability `p` and scale the rest by 1 / (1 - p)."""
    return values * byte_mask(values, p) if values.device.type == "cpu" else F.dropout(values, p)


def byte_mask(like: Tensor, p: float) -> Tensor:
    """Factors that drop with probability `p`, rounded to a multiple of 1/256, from one random byte each.

    A CPU draws eight of them as one integer, four times faster than one Bernoulli number each; with four dropouts a
    step, that was a twentieth of the training time.
    """
    count = like.numel()
    dropped = min(255, round(256 * p))
    words = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)  # all 64 bits random, the sign too
    kept = words.view(torch.uint8)[:count].view(like.shape) >= dropped
    return kept.to(like.dtype).mul_(256 / (256 - dropped))


class TokenDropout(nn.Module):
    """Zero whole embedded tokens of `B T E` with probability `p` while training; the rest is scaled by 1 / (1 - p)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Float[Tensor, "B T E"]) -> Float[Tensor, "B T E"]:
        if not self.training or self.p == 0.0:
            return values
        kept = torch.empty(values.shape[:2], dtype=values.dtype, device=values.device).bernoulli_(1 - self.p)
        return values * kept.div_(1 - self.p)[:, :, None]
