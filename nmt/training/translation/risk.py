"""Fine-tuning on the expected reward of what the model itself says: Wu et al. 2016, section 5.2, equations 8 and 9.

    O(θ) = α Σ_i log P(Y*_i | X_i) + Σ_i Σ_Y P(Y | X_i) r(Y, Y*_i)         r = GLEU of token ids

The sum over all Y is estimated from N draws a sentence (Ranzato et al. 2016, arXiv 1511.06732). Each is weighed by how
much better it is than the others are on average:

    gradient = 1/N Σ_n (r_n - mean of r_m, m ≠ n) ∇ log P(Y_n | X)

The paper subtracts the mean of all N; leaving out the draw itself, which only scales by N / (N - 1), makes the
estimate unbiased.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from nmt.config.training import RiskConfig
from nmt.data.batch import TranslationBatch
from nmt.inference.stepper import DecoderStepper
from nmt.metrics.gleu import sentence_gleu
from nmt.models.decoder import Memory
from nmt.models.losses import LossSums
from nmt.models.masks import padding_mask
from nmt.models.rollout import without_dropout
from nmt.models.translation import TranslationModel
from nmt.search.sampling import SamplingOptions, sample_search
from nmt.text.tokenizer import END, START

_CHUNK_TOKENS = 1024  # whose scores over the vocabulary exist at a time


class Draw(NamedTuple):
    """A target that was drawn for one source of a batch, and what it counts in the gradient."""

    sentence: int
    tokens: tuple[int, ...]  # `</s>` included, unless it was cut
    weight: float


class Drawn(NamedTuple):
    """The draws that count, and the sum over sentences of the mean reward of all."""

    draws: list[Draw]
    reward: float


def with_risk(
    likelihood: LossSums, model: TranslationModel, batch: TranslationBatch, *, config: RiskConfig
) -> tuple[LossSums, Tensor | None]:
    """The loss of the mixed objective from that of the likelihood, and the sum of the sentences' mean rewards.

    The likelihood comes back as it is with `samples` 0, and where it is not finite, so that the step is skipped. Draws
    from torch's global generator. The sum goes over sentences: the reward of one is worth as much as 1/α nats.
    """
    if not config.samples:
        return likelihood, None
    if not bool(torch.isfinite(likelihood.loss)):
        return likelihood, None
    draws, reward = draw_targets(model, batch, samples=config.samples)
    memory = model.encode(batch.source, batch.source_lengths)
    loss = config.likelihood_weight * likelihood.loss - weighted_log_likelihood(model, memory, draws)
    return LossSums(loss, likelihood.negative_log_likelihood), loss.new_tensor(reward)


@torch.no_grad()
def draw_targets(model: TranslationModel, batch: TranslationBatch, *, samples: int) -> Drawn:
    """`samples` draws for each source, from the model without dropout, weighed by their rewards.

    Equal draws come as one; those that are as good as the others are left out. A draw ends at twice the length of
    its reference, where its reward cannot be above one half.
    """
    seed = int(torch.randint(2**31, ()))
    with without_dropout(model):
        drawn = sample_search(
            DecoderStepper(model, batch.source, batch.source_lengths),
            start=START,
            end=END,
            maximum_lengths=2 * batch.target_lengths,
            options=SamplingOptions(samples=samples, seed=seed),
            numbers=batch.ids,
            with_attention=False,
        )
    draws, reward = [], 0.0
    references = zip(batch.target_output.tolist(), batch.target_lengths.tolist(), strict=True)
    for sentence, (hypotheses, (reference, length)) in enumerate(zip(drawn, references, strict=True)):
        rewards = [sentence_gleu(h.tokens, reference[: length - 1]) for h in hypotheses]
        reward += sum(rewards) / samples
        together: dict[tuple[int, ...], float] = {}
        for hypothesis, advantage in zip(hypotheses, advantages(rewards), strict=True):
            tokens = (*hypothesis.tokens, END) if hypothesis.finished else hypothesis.tokens
            together[tokens] = together.get(tokens, 0.0) + advantage / samples
        draws += [Draw(sentence, tokens, weight) for tokens, weight in together.items() if abs(weight) > 1e-9]
    return Drawn(draws, reward)


def advantages(rewards: Sequence[float]) -> list[float]:
    """How much better each of N ≥ 2 rewards is than the mean of the others: (r_n - r̄) N / (N - 1)."""
    count = len(rewards)
    mean = sum(rewards) / count
    return [(reward - mean) * count / (count - 1) for reward in rewards]


def weighted_log_likelihood(model: TranslationModel, memory: Memory, draws: Sequence[Draw]) -> Float[Tensor, ""]:
    """Σ weight · log P(tokens | source), with gradient. The memory is that of the batch the draws were made for."""
    if not draws:
        return memory.values.sum() * 0.0
    device = memory.mask.device
    lengths = torch.tensor([len(draw.tokens) for draw in draws], device=device)
    targets = torch.nn.utils.rnn.pad_sequence([torch.tensor(draw.tokens) for draw in draws], batch_first=True).to(
        device
    )
    inputs = F.pad(targets[:, :-1], (1, 0), value=START)
    sentences = torch.tensor([draw.sentence for draw in draws], device=device)
    outputs = model.decode(inputs, Memory(*(part[sentences] for part in memory))).outputs
    real = padding_mask(lengths, targets.shape[1])
    weights = torch.tensor([draw.weight for draw in draws], device=device)[:, None].expand_as(targets)[real]
    parts = zip(*(t.split(_CHUNK_TOKENS) for t in (outputs[real], targets[real], weights)), strict=True)
    return torch.stack([checkpoint(_weighted, model, *part, use_reentrant=False) for part in parts]).sum()


def _weighted(
    model: TranslationModel, outputs: Float[Tensor, "N O"], targets: Int[Tensor, " N"], weights: Float[Tensor, " N"]
) -> Float[Tensor, ""]:
    """Σ weight · log p(target) over N tokens."""
    return -(weights * F.cross_entropy(model.output(outputs).float(), targets, reduction="none")).sum()
