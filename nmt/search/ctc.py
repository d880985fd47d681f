"""What the frames of a CTC output say: the collapse of a path, the best path, the exact likelihood of a text.

A path gives each frame one symbol; it says the text that is left when repeats are merged and blanks then dropped. The
probability of a text is the sum over all paths that say it (Graves et al. 2006, equation 3).
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

BLANK = 0


def collapse(path: Iterable[int]) -> list[int]:
    """The text of a path: `[0, 3, 3, 0, 3, 5]` says `[3, 3, 5]`."""
    return [symbol for symbol, _ in groupby(path) if symbol != BLANK]


def best_path(log_probs: Float[Tensor, "B F V"], lengths: Int[Tensor, " B"]) -> list[list[int]]:
    """The text of each line's most probable path, which need not be the most probable text; frames past a length count
    for nothing."""
    paths = log_probs.argmax(dim=2).tolist()
    return [collapse(path[:length]) for path, length in zip(paths, lengths.tolist(), strict=True)]


def log_likelihood(log_probs: Float[Tensor, "F V"], ids: Sequence[int]) -> float:
    """log p(ids | line) over all paths, computed in float64; -inf where the frames cannot spell the ids.

    Raises ValueError where an id is the blank or no symbol of the V.
    """
    return log_likelihoods_of_line(log_probs, [ids])[0]


def log_likelihoods_of_line(log_probs: Float[Tensor, "F V"], texts: Sequence[Sequence[int]]) -> list[float]:
    """`log_likelihood` of several texts of one line, such as its n-best."""
    expanded = log_probs.detach().double().cpu().unsqueeze(0).expand(len(texts), -1, -1)
    return log_likelihoods(expanded, torch.full((len(texts),), len(log_probs)), texts)


def log_likelihoods(
    log_probs: Float[Tensor, "B F V"], lengths: Int[Tensor, " B"], texts: Sequence[Sequence[int]]
) -> list[float]:
    """`log_likelihood` of one text of each of B lines; frames past a length count for nothing."""
    if len(texts) != len(log_probs):
        raise ValueError(f"{len(texts)} texts but {len(log_probs)} lines; give one for each")
    for ids in texts:
        check_symbols(ids, log_probs.shape[2])
    lengths = lengths.cpu().long()
    some = lengths.nonzero().squeeze(1)  # torch refuses a line without frames
    targets = [texts[line] for line in some.tolist()]
    found = [-torch.inf if ids else 0.0 for ids in texts]
    if targets:
        values = log_probs.detach().double().cpu().transpose(0, 1)
        losses = F.ctc_loss(
            values if len(targets) == len(texts) else values[:, some],
            torch.tensor([symbol for ids in targets for symbol in ids], dtype=torch.int64),
            lengths[some],
            torch.tensor([len(ids) for ids in targets]),
            blank=BLANK,
            reduction="none",
        )
        for line, loss in zip(some.tolist(), losses.tolist(), strict=True):
            found[line] = -loss
    return found


def check_symbols(ids: Iterable[int], symbols: int) -> None:
    """ValueError where an id cannot stand in a text: the blank, or none of the `symbols` columns."""
    for place, symbol in enumerate(ids):
        if not BLANK < symbol < symbols:
            raise ValueError(f"symbol {place} of the text is {symbol}, not one of 1 to {symbols - 1}")
