"""Several steppers as one, by which models are ensembled and a language model is fused: the searches need not know.

    log-linear   log p(y) = Σ_i w_i log p_i(y)       a weighted product of experts
    linear       log p(y) = log Σ_i w_i p_i(y)       a mixture: log-linear is strict, linear forgiving

An ensemble has weights that sum to 1. Shallow fusion (Gulcehre et al. 2015, arXiv 1503.03535, section 4.1) is
log-linear with weight 1 for the translation model and λ for the language model. Weights are above 0, so every sum stays
≤ 0, which is all that the stopping rule of the beam search needs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.stepper import Scored, Stepper


class _Combined(ABC):
    """Steppers side by side over the same sentences, each with its own state."""

    def __init__(self, steppers: Sequence[Stepper], weights: Sequence[float] | None) -> None:
        if not steppers:
            raise ValueError("there is no stepper to combine")
        for stepper in steppers[1:]:
            if stepper.vocabulary_size != steppers[0].vocabulary_size:
                raise ValueError(
                    f"steppers with vocabularies of {steppers[0].vocabulary_size} and {stepper.vocabulary_size} tokens "
                    "cannot be combined; they must share one"
                )
        weights = [1.0 / len(steppers)] * len(steppers) if weights is None else list(weights)
        if len(weights) != len(steppers) or not all(0.0 < weight < math.inf for weight in weights):
            raise ValueError(f"{len(steppers)} steppers need as many weights above 0, not {weights}")
        self.steppers = tuple(steppers)
        self.weights = tuple(weights)
        self.vocabulary_size = steppers[0].vocabulary_size

    def start(self) -> tuple[Any, ...]:
        """The states of all."""
        return tuple(stepper.start() for stepper in self.steppers)

    def step(self, tokens: Int[Tensor, "B K"], state: tuple[Any, ...]) -> tuple[Scored, tuple[Any, ...]]:
        """All read the same tokens; attention is the weighted mean of those that give one."""
        said, states = zip(
            *(stepper.step(tokens, own) for stepper, own in zip(self.steppers, state, strict=True)), strict=True
        )
        combined = self._combine([scored.log_probabilities for scored in said])
        return Scored(combined, self._attention([scored.attention for scored in said])), states

    def reorder(
        self, state: tuple[Any, ...], sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]
    ) -> tuple[Any, ...]:
        """All alike."""
        return tuple(stepper.reorder(own, sentences, rows) for stepper, own in zip(self.steppers, state, strict=True))

    @abstractmethod
    def _combine(self, log_probabilities: list[Float[Tensor, "B K V"]]) -> Float[Tensor, "B K V"]: ...

    def _attention(self, given: Sequence[Float[Tensor, "B K S"] | None]) -> Float[Tensor, "B K S"] | None:
        looked = [(weight, one) for weight, one in zip(self.weights, given, strict=True) if one is not None]
        if len({one.shape[2] for _, one in looked}) > 1:
            raise ValueError(f"steppers look at {[one.shape[2] for _, one in looked]} source positions, not the same")
        if len(looked) < 2:
            return looked[0][1] if looked else None
        total = sum(weight for weight, _ in looked)
        return torch.stack([one.float() * (weight / total) for weight, one in looked]).sum(0)


class LogLinear(_Combined):
    """Σ_i w_i log p_i, equal weights that sum to 1 by default; renormalised over the vocabulary where asked for.

    Renormalised, what is reported is the log-probability of a distribution again. Otherwise it is the plain sum: with
    weights that sum to 1 or more, one of a distribution that has lost some of its mass.
    """

    def __init__(
        self, steppers: Sequence[Stepper], weights: Sequence[float] | None = None, *, renormalised: bool = False
    ) -> None:
        super().__init__(steppers, weights)
        self.renormalised = renormalised

    def _combine(self, log_probabilities: list[Float[Tensor, "B K V"]]) -> Float[Tensor, "B K V"]:
        total = log_probabilities[0] * self.weights[0]
        for weight, values in zip(self.weights[1:], log_probabilities[1:], strict=True):
            total = total.add_(values, alpha=weight)
        if not self.renormalised:
            return total
        mass = total.logsumexp(-1, keepdim=True)
        return total.sub_(mass.masked_fill(mass.isneginf(), 0.0))  # a row without any possible token stays one


class Linear(_Combined):
    """log Σ_i w_i p_i, with weights that sum to 1; equal ones by default."""

    def __init__(self, steppers: Sequence[Stepper], weights: Sequence[float] | None = None) -> None:
        super().__init__(steppers, weights)
        if not math.isclose(sum(self.weights), 1.0, abs_tol=1e-6):
            raise ValueError(f"the weights {list(self.weights)} of a linear mixture sum to {sum(self.weights)}, not 1")

    def _combine(self, log_probabilities: list[Float[Tensor, "B K V"]]) -> Float[Tensor, "B K V"]:
        total = log_probabilities[0] + math.log(self.weights[0])
        for weight, values in zip(self.weights[1:], log_probabilities[1:], strict=True):
            total = torch.logaddexp(total, values + math.log(weight))
        return total.clamp_(max=0.0)  # rounding must not make a certain token more than that
