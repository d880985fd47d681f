"""Connectionist temporal classification (Graves et al. 2006): −log of the sum over all paths that collapse to a text.

Lines whose frames cannot spell their text have probability 0, an infinite loss and no gradient worth having. They are
found beforehand, counted, and given the empty text, which every line can spell: so nothing infinite is ever computed.
`zero_infinity` alone would hide them in the mean, and cuDNN has ignored it (pytorch/pytorch#176910).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from nmt.models.masks import padding_mask

BLANK = 0


class CTCSums(NamedTuple):
    """Sums over the lines of a batch."""

    loss: Float[Tensor, ""]  # nats; to be divided by the characters of the global batch
    characters: Int[Tensor, ""]  # of the lines that count
    lost: Int[Tensor, ""]  # lines left out


def is_feasible(
    frame_lengths: Int[Tensor, " B"], targets: Int[Tensor, "B T"], target_lengths: Int[Tensor, " B"]
) -> Bool[Tensor, " B"]:
    """Whether there are as many frames as labels and blanks between equal neighbours."""
    pairs = padding_mask(target_lengths, targets.shape[1])[:, 1:]
    repeats = ((targets[:, 1:] == targets[:, :-1]) & pairs).sum(dim=1)
    return frame_lengths >= target_lengths + repeats


def ctc_sums(
    log_probs: Float[Tensor, "B F V"],
    frame_lengths: Int[Tensor, " B"],
    *,
    targets: Int[Tensor, "B T"],
    target_lengths: Int[Tensor, " B"],
) -> CTCSums:
    """The loss of every feasible line, in float32 whatever the precision around it.

    Raises ValueError where a target is the blank or no symbol of the V (on a GPU its assertion fails, later).
    """
    _check_labels(targets, target_lengths, symbols=log_probs.shape[2])
    feasible = is_feasible(frame_lengths, targets, target_lengths)
    spelt = target_lengths * feasible
    with torch.autocast(log_probs.device.type, enabled=False):
        losses = F.ctc_loss(
            log_probs.float().transpose(0, 1),
            targets.to(torch.int64),
            frame_lengths.to(torch.int64),
            spelt.to(torch.int64),
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
    loss = torch.where(feasible, losses, torch.zeros_like(losses)).sum()
    return CTCSums(loss, spelt.sum(), (~feasible).sum())


def _check_labels(targets: Tensor, lengths: Tensor, *, symbols: int) -> None:
    """Looking at the answer is free on a CPU; on a GPU it would wait for all that is under way, so the GPU looks."""
    known = (targets > BLANK) & (targets < symbols) | ~padding_mask(lengths, targets.shape[1])
    if targets.device.type != "cpu":
        torch._assert_async(known.all(), f"labels must be 1 to {symbols - 1}")
    elif not known.all():
        labels = targets[~known].tolist()
        raise ValueError(f"labels must be 1 to {symbols - 1}, got {', '.join(map(str, labels[:5]))}")
