"""Diverse beam search: groups of a beam that say something else (Vijayakumar et al. 2018, arXiv 1610.02424).

A `Chooser` for all sentences of a batch. The beam of a sentence, K hypotheses, is divided into G groups of K / G.

1.  A live hypothesis belongs to one group or to several; then it is one row of the beam all the same, scored once,
    and reported once. At first the empty hypothesis belongs to all.
2.  At every step the groups choose one after the other, each among the continuations of its own hypotheses. It ranks
    them by log P - λ · n. The tokens of a hypothesis count towards n, each as often as hypotheses of the groups before
    have been continued with it at its step (Hamming diversity). Among equals the more probable one goes first, then as
    in sentence 2 of `beam.py`.
3.  Of this ranking the first K / G that do not end in `</s>` are the group's next hypotheses, and a `</s>` among the
    first K / G finishes. `</s>` itself costs nothing: groups need not differ in length.
4.  That is all the penalty does: it decides who survives. Hypotheses are ranked and reported with their own
    log-probability and score, and what ended in any group competes in one list.

So the first group is the plain beam of K / G, of which nothing is lost. With one group all is plain beam search, bit
for bit; with λ = 0 all groups agree, and the result is that of the plain beam of K / G. Where groups agree there may be
fewer hypotheses than were asked for. The stopping rule (sentence 8 of `beam.py`) bounds what any hypothesis can become,
in whatever group, and a result never depends on it.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.choice import Choice, best_first, every_rows_best
from nmt.search.selection import Candidates

_FOREIGN = -1  # what a group has against a hypothesis that does not belong to it


class DiverseGroups:
    """Chooses for G groups with a penalty of λ. A `Chooser`; ValueError for fewer than 1 group or λ below 0.

    The state is the n of every row in every group, `_FOREIGN` where the row does not belong to the group.
    """

    def __init__(self, groups: int, strength: float) -> None:
        if groups < 1:
            raise ValueError(f"a beam cannot have {groups} groups")
        if not 0.0 <= strength < torch.inf:
            raise ValueError(f"diversity strength {strength} is below 0 or infinite")
        self.groups = groups
        self.strength = strength

    def start(self, sentences: Int[Tensor, " b"]) -> Int[Tensor, "b 1 G"]:
        """Nobody has anything against the empty hypothesis."""
        return torch.zeros(sentences.shape[0], 1, self.groups, dtype=torch.long, device=sentences.device)

    def choose(
        self,
        log_probabilities: Float[Tensor, "b K V"],
        totals: Float[Tensor, "b K"],
        state: Int[Tensor, "b K G"],
        *,
        end: int,
        beam_size: int,
        banned: tuple[int, ...],
    ) -> tuple[Choice, Int[Tensor, "b C G"]]:
        """Sentences 2 and 3 above; ValueError where the groups cannot be of one size."""
        share = beam_size // self.groups
        if share * self.groups != beam_size:
            raise ValueError(f"a beam of {beam_size} cannot be divided into {self.groups} equal groups")
        # Of a row a group may want `share` tokens and `</s>`, and for up to `beam_size - share` others there is a
        # penalty: what comes behind so many of its row comes behind enough that have none.
        candidates = best_first(every_rows_best(log_probabilities, totals, beam_size + 1, banned=banned))
        exists = ~candidates.log_probabilities.isneginf()
        costs = state.gather(1, candidates.rows.unsqueeze(2).expand(-1, -1, self.groups))
        ends = candidates.tokens == end
        finishing = torch.zeros_like(exists)
        after = torch.full_like(costs, _FOREIGN)
        repeated = torch.zeros_like(candidates.tokens)  # live hypotheses of the groups so far that end alike
        for group in range(self.groups):
            own = exists & (costs[..., group] != _FOREIGN)
            cost = costs[..., group] + repeated
            order = self._ranking(candidates, cost, own)
            first = (own & ends).gather(1, order)
            first[:, share:] = False
            finishing |= torch.zeros_like(own).scatter(1, order, first)
            lives = (own & ~ends).gather(1, order)
            lives &= lives.cumsum(1) <= share
            chosen = torch.zeros_like(own).scatter(1, order, lives)
            after[..., group] = cost.masked_fill(~chosen, _FOREIGN)
            repeated += _as_often(candidates.tokens, chosen, share)
        return Choice(candidates, _survivors((after != _FOREIGN).any(2)), finishing, None), after

    def reorder(
        self, state: Int[Tensor, "B C G"], sentences: Int[Tensor, " b"], candidates: Int[Tensor, "b k"]
    ) -> Int[Tensor, "b k G"]:
        """A hypothesis takes along to whom it belongs."""
        return state[sentences.unsqueeze(1), candidates]

    def may_fail(self, sentence: int) -> bool:
        """Never: the first group is a plain beam."""
        return False

    def _ranking(
        self, candidates: Candidates, cost: Int[Tensor, "b C"], own: Bool[Tensor, "b C"]
    ) -> Int[Tensor, "b C"]:
        """The candidates, a group's own best first, the others behind."""
        values = candidates.log_probabilities - self.strength * cost
        return values.masked_fill(~own, -torch.inf).sort(dim=1, descending=True, stable=True).indices


def _as_often(tokens: Int[Tensor, "b C"], chosen: Bool[Tensor, "b C"], share: int) -> Int[Tensor, "b C"]:
    """How often each of the tokens is among the chosen, of which there are at most `share`."""
    places = chosen.byte().sort(dim=1, descending=True, stable=True).indices[:, :share]
    taken = tokens.gather(1, places).masked_fill(~chosen.gather(1, places), -1)
    return (tokens.unsqueeze(2) == taken.unsqueeze(1)).sum(2)


def _survivors(lives: Bool[Tensor, "b C"]) -> Int[Tensor, "b k"]:
    """Which candidates live, ascending; where a sentence has fewer than others, the last, which does not exist."""
    width = max(1, int(lives.sum(1).max()))
    places = lives.byte().sort(dim=1, descending=True, stable=True).indices[:, :width]
    return places.masked_fill(~lives.gather(1, places), lives.shape[1] - 1)
