"""Length normalisation and coverage penalty of Wu et al. 2016 (GNMT, arXiv 1609.08144), equation 14.

    score(Y, X) = log P(Y | X) / lp(Y) + cp(X; Y)
    lp(Y) = ((5 + |Y|) / 6)^α
    cp(X; Y) = β · Σ_i log min(Σ_j p_ij, 1)        i: source positions, j: target positions

|Y| counts the scored tokens, `</s>` included: the terms of log P(Y | X) and the rows j of the attention, so a
hypothesis that was cut has no `</s>` in either.
"""

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

# A position that was never looked at would cost log 0; the smallest normal float32 costs 87 and keeps scores ordered.
_LEAST_COVERAGE = torch.finfo(torch.float32).tiny


def length_penalty(lengths: Num[Tensor, "*shape"], alpha: float) -> Float[Tensor, "*shape"]:
    """lp of hypotheses with so many scored tokens, by which their log-probability is divided; 1 for α = 0."""
    return ((5.0 + lengths.double()) / 6.0).pow(alpha).float()


def coverage_penalty(
    coverage: Float[Tensor, "*shape S"], beta: float, mask: Bool[Tensor, "*#shape S"] | None = None
) -> Float[Tensor, "*shape"]:
    """cp of hypotheses whose attention sums to `coverage`; never positive, 0 where every position was covered.

    `mask` is true at the real source positions; the others, padding, count as covered.
    """
    logarithms = coverage.float().clamp(min=_LEAST_COVERAGE, max=1.0).log()
    if mask is not None:
        logarithms = logarithms.masked_fill(~mask, 0.0)
    return beta * logarithms.sum(-1)
