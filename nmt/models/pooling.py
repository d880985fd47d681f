"""Maximum pooling of windows side by side, the last ones cut off at the edge: X columns become ⌈X / p⌉."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def max_pool(maps: Float[Tensor, "B C Y X"], pool: tuple[int, int]) -> Float[Tensor, "B C y x"]:
    """The greatest of each window of `pool` rows and columns; of equals, the first has the gradient."""
    if maps.device.type != "cpu":
        return F.max_pool2d(maps, pool, ceil_mode=True)
    apply: Callable[..., Tensor] = _MaxPool.apply
    return apply(maps, pool)


class _MaxPool(torch.autograd.Function):
    """Whole maps compared at once: torch's own loop over windows takes a CPU three times as long, there and back."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, pool: tuple[int, int]) -> Tensor:
        pooled = maps[:, :, :: pool[0], :: pool[1]].clone(memory_format=torch.contiguous_format)
        for candidates, part in _places(maps, pooled, pool):
            torch.maximum(part, candidates, out=part)
        ctx.save_for_backward(maps, pooled)
        ctx.pool = pool
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        maps, pooled = ctx.saved_tensors
        by_maps = torch.empty_like(maps, memory_format=torch.contiguous_format)
        rest = gradient.clone(memory_format=torch.contiguous_format)  # of windows whose greatest has not been met
        places = zip(_places(maps, pooled, ctx.pool), _places(by_maps, rest, ctx.pool), strict=True)
        for (candidates, greatest), (by_candidates, left) in places:
            torch.mul(left, candidates == greatest, out=by_candidates)
            left.sub_(by_candidates)
        return by_maps, None


def _places(maps: Tensor, pooled: Tensor, pool: tuple[int, int]) -> Iterator[tuple[Tensor, Tensor]]:
    """For each place in a window: what stands there in all windows, and the part of `pooled` that has such a place."""
    for row, column in product(range(pool[0]), range(pool[1])):
        there = maps[:, :, row :: pool[0], column :: pool[1]]
        yield there, pooled[:, :, : there.shape[2], : there.shape[3]]
