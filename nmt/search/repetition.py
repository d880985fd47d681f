"""Two ways against translations that go round in circles, each a `Stepper` around a `Stepper`.

Both know what a hypothesis has said, forced tokens included, but not the `<s>` that is read first. Neither
renormalises: all other tokens keep their log-probability and nothing gets more, so nothing rises above 0. What a search
reports are the log-probabilities as changed here.

Neither changes anything where there is no choice: a token that a forced prefix demands keeps the model's
log-probability.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.stepper import Scored, Stepper


class Said(NamedTuple):
    """The tokens of each row so far, and the state of the stepper inside."""

    tokens: Int[Tensor, "B K t"] | None  # None before `<s>` has been read
    inner: Any


class _Remembering:
    """A stepper that knows the tokens of each row."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.vocabulary_size = stepper.vocabulary_size

    def start(self) -> Said:
        """Nothing said yet."""
        return Said(None, self.stepper.start())

    def step(self, tokens: Int[Tensor, "B K"], state: Said) -> tuple[Scored, Said]:
        """Score as the stepper inside does, less what was said too often."""
        scored, inner = self.stepper.step(tokens, state.inner)
        if state.tokens is None:  # this was `<s>`
            return Scored(*scored), Said(tokens.new_zeros(*tokens.shape, 0), inner)
        said = torch.cat([state.tokens, tokens.unsqueeze(2)], dim=2)
        changed = self._discourage(scored.log_probabilities, said)
        return Scored(changed, scored.attention), Said(said, inner)

    def reorder(self, state: Said, sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]) -> Said:
        """What was said goes where its row goes."""
        said = None if state.tokens is None else state.tokens[sentences.unsqueeze(1), rows]
        return Said(said, self.stepper.reorder(state.inner, sentences, rows))

    def _discourage(
        self, log_probabilities: Float[Tensor, "B K V"], said: Int[Tensor, "B K t"]
    ) -> Float[Tensor, "B K V"]:
        raise NotImplementedError


class NoRepeatNgram(_Remembering):
    """Forbids the token that would complete an n-gram for the second time (Paulus et al. 2018, arXiv 1705.04304, 2.5).

    `</s>` is never forbidden, since nothing that goes on holds one. Where nothing else would be left to a row, nothing
    is forbidden to it: repeating is better than having no way on. `specials` are tokens, such as `</s>` and padding,
    that count as no way on.
    """

    def __init__(self, stepper: Stepper, size: int, *, specials: tuple[int, ...] = ()) -> None:
        if size < 1:
            raise ValueError(f"there are no n-grams of {size} tokens")
        super().__init__(stepper)
        self.size = size
        self.specials = list(specials)

    def _discourage(
        self, log_probabilities: Float[Tensor, "B K V"], said: Int[Tensor, "B K t"]
    ) -> Float[Tensor, "B K V"]:
        length = said.shape[2]
        if length < self.size:
            return log_probabilities
        ngrams = said.unfold(2, self.size, 1)  # B × K × (t - n + 1) × n
        again = (ngrams[..., :-1] == said[..., None, length - self.size + 1 :]).all(3)
        last = ngrams[..., -1]
        if not bool(again.any()):
            return log_probabilities
        values = log_probabilities.gather(2, last).masked_fill(again, -torch.inf)
        changed = log_probabilities.scatter_reduce(2, last, values, "amin")  # a token may be last of many n-grams
        stuck = changed.index_fill(2, self._specials(changed), -torch.inf).amax(2, keepdim=True).isneginf()
        return torch.where(stuck, log_probabilities, changed)

    def _specials(self, like: Tensor) -> Int[Tensor, " specials"]:
        return torch.tensor(self.specials, dtype=torch.long, device=like.device)


class RepetitionPenalty(_Remembering):
    """Makes tokens that were said θ times as unlikely, in logarithms (after Keskar et al. 2019, arXiv 1909.05858, 4.1).

    log p of a token that the row has said becomes θ · log p, that is, p becomes p^θ, for θ ≥ 1, however often it was
    said. The paper divides positive logits by θ, which raises negative ones; log-probabilities are never positive, so
    multiplying is what makes them smaller.
    """

    def __init__(self, stepper: Stepper, penalty: float) -> None:
        if not 1.0 <= penalty < torch.inf:
            raise ValueError(f"repetition penalty {penalty} is below 1 or infinite")
        super().__init__(stepper)
        self.penalty = penalty

    def _discourage(
        self, log_probabilities: Float[Tensor, "B K V"], said: Int[Tensor, "B K t"]
    ) -> Float[Tensor, "B K V"]:
        values = log_probabilities.gather(2, said)
        values = torch.where(_only_one(log_probabilities), values, values * self.penalty)
        return log_probabilities.scatter(2, said, values)


def _only_one(log_probabilities: Float[Tensor, "B K V"]) -> Bool[Tensor, "B K 1"]:
    """Rows that can go on with a single token."""
    return (log_probabilities > -torch.inf).sum(2, keepdim=True) == 1
