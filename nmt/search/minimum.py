"""A minimum length for each sentence, as a `Stepper` around a `Stepper`; one for all is an option of every search."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.search.stepper import Scored, Stepper


class Owed(NamedTuple):
    """How many tokens each sentence must still say before it may end, and the state of the stepper inside."""

    tokens: Int[Tensor, " B"]  # one less with every step, below 0 in the end
    most: int  # of any sentence at the beginning, less the steps since: when it is 0, all are free
    inner: Any


class MinimumLengths:
    """`</s>` has log-probability -inf before so many other tokens; the others keep theirs."""

    def __init__(self, stepper: Stepper, lengths: Int[Tensor, " B"], *, end: int) -> None:
        self.stepper = stepper
        self.vocabulary_size = stepper.vocabulary_size
        self.lengths = lengths
        self.end = end

    def start(self) -> Owed:
        """All of it."""
        return Owed(self.lengths, max(self.lengths.tolist(), default=0), self.stepper.start())

    def step(self, tokens: Int[Tensor, "B K"], state: Owed) -> tuple[Scored, Owed]:
        """Score as the stepper inside does, but for the end of sentences that are too short for one."""
        scored, inner = self.stepper.step(tokens, state.inner)
        following = Owed(state.tokens - 1, state.most - 1, inner)
        if state.most <= 0:
            return Scored(*scored), following
        changed = scored.log_probabilities.clone()
        changed[..., self.end].masked_fill_(state.tokens.unsqueeze(1) > 0, -torch.inf)
        return Scored(changed, scored.attention), following

    def reorder(self, state: Owed, sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]) -> Owed:
        """Each sentence keeps what it owes."""
        return Owed(state.tokens[sentences], state.most, self.stepper.reorder(state.inner, sentences, rows))
