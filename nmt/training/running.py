"""Sums over batches between two reports: added up on the device, joined over ranks, and kept in a checkpoint."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, distributed

from nmt.data.batch import TranslationBatch
from nmt.models.losses import LossSums


class Running(NamedTuple):
    """What is reported, as sums over the real target tokens; the reward is a sum over sentences."""

    loss: Tensor
    negative_log_likelihood: Tensor
    tokens: Tensor
    reward: Tensor
    sentences: Tensor

    @classmethod
    def of(cls, batch: TranslationBatch, sums: LossSums, reward: Tensor | None = None) -> Self:
        """Of one batch."""
        tokens, sentences = batch.target_lengths.sum(), torch.ones_like(batch.target_lengths).sum()
        loss, likelihood = sums.loss.detach(), sums.negative_log_likelihood.detach()
        return cls(loss, likelihood, tokens, torch.zeros_like(loss) if reward is None else reward, sentences)

    def plus(self, earlier: "Running | None") -> "Running":
        return self if earlier is None else Running(*(a + b for a, b in zip(earlier, self, strict=True)))

    def if_finite(self) -> "Running":
        """Nothing where the loss is not finite, which would be the mean of all that is reported with it."""
        finite = torch.isfinite(self.loss)
        return Running(*(torch.where(finite, part, torch.zeros_like(part)) for part in self))

    def over_ranks(self, world_size: int) -> "Running":
        return Running(*sum_over_ranks(world_size, *(part.to(torch.float64) for part in self)))


def sum_over_ranks(world_size: int, *numbers: Tensor) -> Sequence[Tensor]:
    """Scalars of one type, each summed over ranks, in one exchange."""
    if world_size == 1:
        return numbers
    together = torch.stack(numbers)
    distributed.all_reduce(together)
    return together.unbind()


def shares_of_ranks(running: Running | None, world_size: int) -> list[list[Tensor]] | None:
    """What each rank has summed since the last report, for a checkpoint; None right after a report."""
    if running is None:
        return None
    mine = [part.detach().cpu() for part in running]
    shares: list[Any] = [mine]
    if world_size > 1:
        shares = [None] * world_size
        distributed.all_gather_object(shares, mine)
    return shares


def share_of_rank(saved: Any, *, rank: int, world_size: int) -> Running | None:
    """This rank's part of what `shares_of_ranks` gave; with another number of ranks, the first gets the whole.

    Earlier checkpoints hold the share of the first rank alone, or no rewards.
    """
    if saved is None:
        return None
    shares = [saved] if isinstance(saved[0], Tensor) else saved
    mine = shares[rank] if len(shares) == world_size else [torch.stack(p).sum(0) for p in zip(*shares, strict=True)]
    if len(shares) != world_size and rank > 0:
        mine = [torch.zeros_like(part) for part in mine]
    missing = len(Running._fields) - len(mine)
    return Running(*mine, *[torch.zeros_like(mine[0])] * missing)
