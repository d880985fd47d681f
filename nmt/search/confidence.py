"""How sure a text of a line is, by its exact likelihood: three numbers that mean different things.

- `exp(log_likelihood)` is p(text | line): how probable it is that every symbol is right, so far as the model knows
  itself. It falls with the length of a line.
- `per_symbol` is its geometric mean over symbols, for which long and short lines can be compared.
- `shares` compares the texts found with one another: 1 for the only one, whatever its probability.
"""

import math
from collections.abc import Sequence

from nmt.search.prefix_beam import CTCHypothesis


def per_symbol(log_likelihood: float, symbols: int) -> float:
    """p(text | line) ^ (1 / symbols), from 0 to 1; of the empty text p itself."""
    return math.exp(min(0.0, log_likelihood) / max(1, symbols))


def shares(hypotheses: Sequence[CTCHypothesis]) -> list[float]:
    """The posterior of each among these texts, by what they are ranked by; they sum to 1.

    Without a language model that is p(text | line) divided by the sum over the texts. Where all are impossible, equal
    shares.
    """
    best = max((one.score for one in hypotheses), default=0.0)
    if best == -math.inf:
        return [1 / len(hypotheses)] * len(hypotheses)
    weights = [math.exp(one.score - best) for one in hypotheses]
    return [weight / sum(weights) for weight in weights]
