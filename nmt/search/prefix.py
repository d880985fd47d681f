"""Translations that begin as they are told, as a `Stepper` around a `Stepper`: each sentence has its own prefix.

While its prefix lasts, the demanded token keeps the log-probability it has, and all others get -inf. So the score of a
hypothesis is that of the whole sentence under the model, and two continuations differ as the model says they do.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.search.stepper import Scored, Stepper

_FREE = -1  # behind the end of a sentence's prefix


class Demanded(NamedTuple):
    """What each sentence has still to say, and the state of the stepper inside."""

    tokens: Int[Tensor, "B P"]  # one less with every step; `_FREE` where a prefix is over
    inner: Any


class ForcedPrefix:
    """Each of B sentences begins with its prefix, which may be empty; its tokens count towards lengths like any other.

    ValueError for a token outside of the vocabulary.
    """

    def __init__(self, stepper: Stepper, prefixes: Sequence[Sequence[int]]) -> None:
        for sentence, prefix in enumerate(prefixes):
            for token in prefix:
                if not 0 <= token < stepper.vocabulary_size:
                    raise ValueError(
                        f"the prefix of sentence {sentence} holds token {token}, which is not in the stepper's "
                        f"vocabulary of {stepper.vocabulary_size}"
                    )
        self.stepper = stepper
        self.vocabulary_size = stepper.vocabulary_size
        self.prefixes = [list(prefix) for prefix in prefixes]

    def start(self) -> Demanded:
        """All prefixes in full."""
        longest = max(map(len, self.prefixes), default=0)
        tokens = torch.tensor([prefix + [_FREE] * (longest - len(prefix)) for prefix in self.prefixes])
        return Demanded(tokens.long().view(len(self.prefixes), longest), self.stepper.start())

    def step(self, tokens: Int[Tensor, "B K"], state: Demanded) -> tuple[Scored, Demanded]:
        """Score as the stepper inside does, and leave sentences within their prefix nothing but its next token."""
        scored, inner = self.stepper.step(tokens, state.inner)
        if state.tokens.shape[1] == 0:
            return Scored(*scored), Demanded(state.tokens, inner)
        values = scored.log_probabilities
        demanded = state.tokens[:, 0].to(values.device)
        forced = (demanded != _FREE).nonzero().squeeze(1)
        index = demanded[forced].view(-1, 1, 1).expand(-1, values.shape[1], 1)
        own = values[forced]
        alone = torch.full_like(own, -torch.inf).scatter(2, index, own.gather(2, index))
        changed = values.index_copy(0, forced, alone)
        return Scored(changed, scored.attention), Demanded(state.tokens[:, 1:], inner)

    def reorder(self, state: Demanded, sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]) -> Demanded:
        """Each sentence keeps what it has still to say."""
        return Demanded(
            state.tokens[sentences.to(state.tokens.device)], self.stepper.reorder(state.inner, sentences, rows)
        )
