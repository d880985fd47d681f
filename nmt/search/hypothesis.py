"""What a search returns: a target sentence with its score and where it looked."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Hypothesis(NamedTuple):
    """One translation of one sentence; every tuple and the rows of `attention` run over the scored tokens in order.

    The scored tokens are `tokens` and, where the hypothesis is finished, the `</s>` behind them.
    """

    tokens: tuple[int, ...]  # without </s>
    score: float  # what hypotheses are ranked by, penalties included; bigger is better
    log_probability: float  # the sum of token_log_probabilities, in natural logarithm
    token_log_probabilities: tuple[float, ...]  # one per scored token
    attention: Float[Tensor, "T S"] | None  # on the CPU, padding cut off; None if not asked for or none is given
    finished: bool  # False: cut at its maximum length


EMPTY_HYPOTHESIS = Hypothesis((), 0.0, 0.0, (), None, finished=False)  # of a sentence with maximum length 0
