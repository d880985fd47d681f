"""What a translation is: the candidates of one line, and how those of its parts are joined where it was split."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nmt.inference.splitting import join_parts
from nmt.search.alignment import hard_alignment


class TranslatedHypothesis(NamedTuple):
    """One candidate. `pieces` and the rows of `attention` include `</s>` where the search reached it.

    Of a line that was split, everything runs over its parts one after the other, the `</s>` of each included.
    """

    text: str
    score: float  # what candidates are ranked by: log-probability over length penalty, plus coverage penalty
    log_probability: float
    pieces: tuple[str, ...]
    token_log_probabilities: tuple[float, ...]
    attentions: tuple[Float[Tensor, "T S"], ...]  # one a part, on the CPU; none if not asked for
    finished: bool  # False where the maximum length cut it, or one of its parts
    missing_terms: tuple[str, ...] = ()  # of a glossary, each as often as it is missing
    missing_copies: tuple[str, ...] = ()  # numbers and addresses, say, that were to be copied; each likewise

    @property
    def attention(self) -> Float[Tensor, "T S"] | None:
        """Where each piece looked, zero between different parts; None if not asked for."""
        if len(self.attentions) < 2:
            return self.attentions[0] if self.attentions else None
        joined: Tensor = torch.block_diag(*self.attentions)  # only now, as it grows with the square of the parts
        return joined

    @property
    def alignment(self) -> tuple[int, ...]:
        """The source piece that each target piece looked at most, counted from 0; empty without attention."""
        offsets = accumulate((block.shape[1] for block in self.attentions), initial=0)
        return tuple(
            offset + position
            for block, offset in zip(self.attentions, offsets, strict=False)
            for position in hard_alignment(block)
        )


class Translation(NamedTuple):
    """What became of one line: candidates, best first; none for a line without a word."""

    source: str
    hypotheses: tuple[TranslatedHypothesis, ...]
    source_pieces: tuple[str, ...] = ()
    parts: int = 1  # in how many the line was translated

    @property
    def text(self) -> str:
        """The best translation, or "" for an empty line."""
        return self.hypotheses[0].text if self.hypotheses else ""


def join_translations(source: str, parts: Sequence[Translation]) -> Translation:
    """The translation of a line from those of its parts.

    Candidate k is made of the k-th of every part, or the last where a part has fewer; scores and log-probabilities
    add up. That keeps candidates sorted. It is not the k best of all combinations, of which most would differ in one
    part only.
    """
    spoken = [part for part in parts if part.hypotheses]
    if len(spoken) == 1:
        return spoken[0]._replace(source=source)
    count = max((len(part.hypotheses) for part in spoken), default=0)
    ranks = [[part.hypotheses[min(rank, len(part.hypotheses) - 1)] for part in spoken] for rank in range(count)]
    pieces = tuple(piece for part in spoken for piece in part.source_pieces)
    return Translation(source, tuple(_join_hypotheses(rank) for rank in ranks), pieces, max(1, len(spoken)))


def _join_hypotheses(parts: Sequence[TranslatedHypothesis]) -> TranslatedHypothesis:
    return TranslatedHypothesis(
        text=join_parts([part.text for part in parts]),
        score=sum(part.score for part in parts),
        log_probability=sum(part.log_probability for part in parts),
        pieces=tuple(piece for part in parts for piece in part.pieces),
        token_log_probabilities=tuple(value for part in parts for value in part.token_log_probabilities),
        attentions=tuple(attention for part in parts for attention in part.attentions),
        finished=all(part.finished for part in parts),
        missing_terms=tuple(term for part in parts for term in part.missing_terms),
        missing_copies=tuple(text for part in parts for text in part.missing_copies),
    )
