"""Sums over batches between two reports: added up on the device, joined over ranks, and kept in a checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, distributed

Sums = Mapping[str, Tensor]  # scalars by name; one of them is the "loss"

# earlier checkpoints hold a translator's sums as a list in this order, the oldest without the last two
EARLIER_NAMES = ("loss", "negative_log_likelihood", "tokens", "reward", "sentences")


def add(earlier: Sums | None, sums: Sums) -> Sums:
    """The sums of more batches; those of one where there were none."""
    return sums if earlier is None else {name: earlier[name] + value for name, value in sums.items()}


def if_finite(sums: Sums) -> Sums:
    """Nothing where the loss is not finite, which would be the mean of all that is reported with it."""
    finite = torch.isfinite(sums["loss"])
    return {name: torch.where(finite, value, torch.zeros_like(value)) for name, value in sums.items()}


def over_ranks(sums: Sums, world_size: int) -> dict[str, Tensor]:
    """The same of all ranks, in float64."""
    together = sum_over_ranks(world_size, *(value.to(torch.float64) for value in sums.values()))
    return dict(zip(sums, together, strict=True))


def sum_over_ranks(world_size: int, *numbers: Tensor) -> Sequence[Tensor]:
    """Scalars of one type, each summed over ranks, in one exchange."""
    if world_size == 1:
        return numbers
    together = torch.stack(numbers)
    distributed.all_reduce(together)
    return together.unbind()


def shares_of_ranks(sums: Sums | None, world_size: int) -> list[dict[str, Tensor]] | None:
    """What each rank has summed since the last report, for a checkpoint; None right after a report."""
    if sums is None:
        return None
    mine = {name: value.detach().cpu() for name, value in sums.items()}
    shares: list[Any] = [mine]
    if world_size > 1:
        shares = [None] * world_size
        distributed.all_gather_object(shares, mine)
    return shares


def share_of_rank(saved: Any, *, rank: int, world_size: int) -> Sums | None:
    """This rank's part of what `shares_of_ranks` gave; with another number of ranks, the first gets the whole.

    Earlier checkpoints hold lists instead of names, or the share of the first rank alone.
    """
    if saved is None:
        return None
    shares = [_named(share) for share in ([saved] if isinstance(saved[0], Tensor) else saved)]
    if len(shares) == world_size:
        return shares[rank]
    whole = {name: torch.stack([share[name] for share in shares]).sum(0) for name in shares[0]}
    return whole if rank == 0 else {name: torch.zeros_like(value) for name, value in whole.items()}


def _named(share: Mapping[str, Tensor] | Sequence[Tensor]) -> dict[str, Tensor]:
    if isinstance(share, Mapping):
        return dict(share)
    missing = [torch.zeros_like(share[0])] * (len(EARLIER_NAMES) - len(share))
    return dict(zip(EARLIER_NAMES, [*share, *missing], strict=True))
