"""Which frames a given text stands at: the most probable of the paths that say it (Viterbi over a CTC output).

The states are the symbols with a blank before, between and behind them. Each frame a path stays in its state, goes to
the next one, or skips a blank; but never the blank between two equal symbols, since without it they would be one.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nmt.search.ctc import BLANK, check_symbols


class Span(NamedTuple):
    """Frames [start, end) in which a path says a symbol; never empty."""

    start: int
    end: int


class Alignment(NamedTuple):
    spans: tuple[Span, ...]  # one of each symbol of the text, in order, disjoint
    path: tuple[int, ...]  # the symbol or blank of each frame
    log_probability: float  # of this one path


def align(log_probs: Float[Tensor, "F V"], ids: Sequence[int]) -> Alignment:
    """The best path that says `ids`, computed in float64; of equal paths, the one that comes to each symbol latest.

    Raises ValueError where the frames are too few to spell the ids, every such path has probability 0, or an id is the
    blank or no symbol of the V.
    """
    frames, symbols = log_probs.shape
    check_symbols(ids, symbols)
    repeats = sum(left == right for left, right in pairwise(ids))
    if frames < len(ids) + repeats:
        raise ValueError(
            f"{frames} frames cannot spell {len(ids)} symbols, {repeats} of them equal to the one before: "
            f"that takes {len(ids) + repeats}"
        )
    if frames == 0:
        return Alignment((), (), 0.0)
    states = torch.full((2 * len(ids) + 1,), BLANK)
    states[1::2] = torch.tensor(ids, dtype=torch.int64)
    skips = torch.zeros(len(states), dtype=torch.bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    emitted = log_probs.detach().double().cpu()[:, states]
    walk, log_probability = _best_walk(emitted, skips)
    if log_probability == -torch.inf:
        raise ValueError(f"every path that says these {len(ids)} symbols has probability 0")
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for frame, state in enumerate(walk):
        starts.setdefault(state, frame)
        ends[state] = frame + 1
    spans = tuple(Span(starts[state], ends[state]) for state in range(1, len(states), 2))
    return Alignment(spans, tuple(states[walk].tolist()), log_probability)


def _best_walk(emitted: Float[Tensor, "F N"], skips: Bool[Tensor, " N"]) -> tuple[list[int], float]:
    """The best states of all frames and the log-probability of that walk.

    It begins in one of the first two states and ends in one of the last two; `skips` says which may be come to from two
    states before.
    """
    frames, states = emitted.shape
    best = torch.full_like(emitted[0], -torch.inf)
    best[:2] = emitted[0, :2]
    moves = torch.zeros(frames, states, dtype=torch.int64)  # how many states each one was come to from
    blocked = torch.where(skips, 0.0, -torch.inf).to(emitted)
    padded = torch.full((states + 2,), -torch.inf, dtype=emitted.dtype)
    for frame in range(1, frames):
        padded[2:] = best
        ways = torch.stack([padded[2:], padded[1:-1], padded[:-2] + blocked])
        best, moves[frame] = ways.max(dim=0)
        best = best + emitted[frame]
    state = states - 1 if states == 1 or best[-1] >= best[-2] else states - 2
    log_probability = float(best[state])
    walk = [state]
    for steps in reversed(moves[1:].tolist()):
        state -= steps[state]
        walk.append(state)
    return walk[::-1], log_probability
