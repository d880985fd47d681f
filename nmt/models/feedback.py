"""Which word a decoder in training is fed in the place of the true one: functions from logits to word ids.

Ids carry no gradient. `GumbelNoise` takes the maximum of logits / τ + g, g = -log(-log u) ("word oracle with Gumbel
noise": Zhang et al. 2019, arXiv 1906.02448), which has the distribution of `Sample`, softmax(logits / τ), from another
draw of numbers. The relaxed form with a gradient through the word (Goyal et al. 2017, arXiv 1704.06970) is not here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

Choose = Callable[[Float[Tensor, "N V"]], Int[Tensor, " N"]]


def best_word(logits: Float[Tensor, "N V"]) -> Int[Tensor, " N"]:
    """The likeliest word of each row."""
    return logits.argmax(dim=-1)


@dataclass(frozen=True)
class Sample:
    """Draws each row's word from softmax(logits / temperature), among the `top_k` likeliest words (0 = all).

    By one random number a row, looked up in the summed weights: `torch.multinomial` draws one for each word of the
    vocabulary, which took four times as long on a CPU.
    A row that is not finite draws from all words alike: the loss says that it is not, where the batch can be named.
    """

    temperature: float = 1.0
    top_k: int = 0

    def __call__(self, logits: Float[Tensor, "N V"]) -> Int[Tensor, " N"]:
        scores = _among_the_best(logits.float() / self.temperature, self.top_k)
        summed = scores.softmax(dim=-1).nan_to_num_(nan=1.0).cumsum(dim=-1)
        above_0 = 1 - torch.rand(len(summed), 1, device=summed.device)  # or a word of weight 0 could be drawn
        return torch.searchsorted(summed, above_0 * summed[:, -1:])[:, 0]


@dataclass(frozen=True)
class GumbelNoise:
    """The likeliest word of each row after Gumbel noise, among the `top_k` likeliest words without it (0 = all)."""

    temperature: float = 1.0
    top_k: int = 0

    def __call__(self, logits: Float[Tensor, "N V"]) -> Int[Tensor, " N"]:
        scores = _among_the_best(logits.float() / self.temperature, self.top_k)
        noise = -torch.empty_like(scores).exponential_().log_()
        return (scores + noise).argmax(dim=-1)


def _among_the_best(scores: Tensor, count: int) -> Tensor:
    """Scores `N V` with all but the `count` highest of each row made impossible (ties with the last one stay)."""
    if not 0 < count < scores.shape[-1]:
        return scores
    lowest = scores.topk(count, dim=-1).values[:, -1:]
    return scores.masked_fill(scores < lowest, float("-inf"))
