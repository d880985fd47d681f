"""Which positions of a padded batch are real, and how to reverse only those."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def padding_mask(lengths: Int[Tensor, " B"], size: int) -> Bool[Tensor, "B S"]:
    """True where a position holds a token: lengths [2, 3] and size 3 → [[1, 1, 0], [1, 1, 1]]."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def reversal_index(lengths: Int[Tensor, " B"], size: int) -> Int[Tensor, "B S"]:
    """Positions that reverse each sequence and leave its padding where it is: length 2 of 3 → [1, 0, 2].

    The index is its own inverse. Reversing so keeps padding at the end, where a recurrent layer that starts at the
    other end of the sentence never meets it.
    """
    positions = torch.arange(size, device=lengths.device)
    mirrored = lengths[:, None] - 1 - positions
    return torch.where(mirrored >= 0, mirrored, positions)


def reorder_positions(values: Float[Tensor, "B S D"], index: Int[Tensor, "B S"]) -> Float[Tensor, "B S D"]:
    """Position s of sentence b becomes `values[b, index[b, s]]`."""
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[-1]))
