"""Minimum Bayes risk: of several candidates, the one that is on average most like all of them.

Kumar & Byrne 2004 (N04-1022); with samples as candidates Eikema & Aziz 2020 (arXiv 2005.10283):

    y* = argmax_h Σ_r w_r · utility(hypothesis h, reference r)      h, r: the candidates

Every candidate is hypothesis and reference, itself included. Samples have equal weights, since what is probable is
drawn more often; candidates of a beam are weighted by `posterior`.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from nmt.metrics.pairwise import Utility, pairwise_scores


class Reranked(NamedTuple):
    """What became of n candidates."""

    order: tuple[int, ...]  # indices of the candidates, best first; among equals the earlier one
    utilities: tuple[float, ...]  # expected utility in per cent of each candidate, as they were given


def rerank(texts: Sequence[str], weights: Sequence[float] | None = None, *, utility: Utility = "chrf") -> Reranked:
    """Order candidates by expected utility against all of them.

    `weights` are at least 0 with a sum above 0, and need not be normalised; equal by default. ValueError for other
    weights, or another number of them than texts.
    """
    given = [1.0] * len(texts) if weights is None else [float(weight) for weight in weights]
    total = math.fsum(given)
    if len(given) != len(texts) or (texts and not (0.0 < total < math.inf and all(weight >= 0.0 for weight in given))):
        raise ValueError(f"{len(texts)} candidates need as many weights of at least 0, not all 0, instead of {given}")
    distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}  # samples often agree
    shares = [0.0] * len(distinct)
    for text, weight in zip(texts, given, strict=True):
        shares[distinct[text]] += weight / total
    expected = (pairwise_scores(list(distinct), utility) @ shares).tolist() if distinct else []
    utilities = tuple(expected[distinct[text]] for text in texts)
    return Reranked(tuple(sorted(range(len(texts)), key=lambda place: -utilities[place])), utilities)


def posterior(log_probabilities: Sequence[float]) -> list[float]:
    """Probabilities of the candidates of a beam among themselves: their log-probabilities, renormalised."""
    best = max(log_probabilities, default=0.0)
    masses = [math.exp(value - best) for value in log_probabilities]
    total = math.fsum(masses)
    return [mass / total for mass in masses]
