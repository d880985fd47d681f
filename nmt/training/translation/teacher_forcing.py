"""The ratio of true decoder inputs over a run, the coins it weighs, and from the configuration to a way of reading.

i = steps or epochs since the warm-up, e = `start`, ε = `end`, and ratio = ε + (e - ε) · d(i) with, as in Bengio et al.
2015 (arXiv 1506.03099, section 2.4),

linear           d(i) = max(0, 1 - i / length)
exponential      d(i) = k^i                          k = 0.01^(1 / length): 1 % is left after `length`
inverse sigmoid  d(i) = k / (k + exp(i / k))         k such that length = 2 k ln k: half is left after half of it
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.config.training import TeacherForcingConfig
from nmt.data.batch import TranslationBatch
from nmt.models.decoder import Memory
from nmt.models.feedback import Choose, GumbelNoise, Sample, best_word
from nmt.models.masks import padding_mask
from nmt.models.rollout import Rolled, parallel_passes, roll_out, step_by_step
from nmt.models.translation import TranslationModel

# Encoded batches → what the output layer reads
Read = Callable[[TranslationModel, TranslationBatch, Memory], Float[Tensor, "B T O"]]


def truth_ratio(config: TeacherForcingConfig, *, step: int, epoch: int) -> float:
    """Share of true inputs, 0 to 1, after `step` steps of the optimiser and `epoch` epochs: of nothing else."""
    units = max(0, (step if config.unit == "step" else epoch) - config.warmup)
    if units == 0:
        return config.start
    return config.end + (config.start - config.end) * _left(config, units)


def _left(config: TeacherForcingConfig, units: int) -> float:
    """Share of the decay that is still to come, 1 to 0."""
    match config.kind:
        case "constant":
            return 1.0
        case "linear":
            assert config.length is not None  # the section has seen to it
            return max(0.0, 1.0 - units / config.length)
        case "exponential":
            return float(_k(config) ** units)
        case "inverse_sigmoid":
            k = _k(config)
            return 0.5 * (1.0 - math.tanh((units / k - math.log(k)) / 2))  # k / (k + exp(i / k)), without overflow


def _k(config: TeacherForcingConfig) -> float:
    """The constant as in the paper, or the one that `length` amounts to."""
    if config.k is not None:
        return config.k
    length = config.length
    assert length is not None  # the section has seen to it
    if config.kind == "exponential":
        return float(0.01 ** (1.0 / length))
    k = 1.0 + length
    for _ in range(60):  # Newton's method for 2 k ln k = length
        k -= (2 * k * math.log(k) - length) / (2 * math.log(k) + 2)
    return max(1.0, k)


def draw_truth(
    config: TeacherForcingConfig, ratio: float, *, lengths: Int[Tensor, " B"], width: int
) -> Bool[Tensor, "B T"]:
    """Which of `width` inputs of each target are to be true, on the CPU, from torch's global generator.

    Padding counts as true where the lengths are at hand; a GPU would have to be waited for, and predicting padding is
    cheaper there than waiting.
    """
    rows = {"token": (len(lengths), width), "sentence": (len(lengths), 1), "batch": (1, 1)}[config.coin]
    truth = (torch.rand(rows) < ratio).expand(len(lengths), width).clone()
    truth[:, 0] = True
    return truth if lengths.is_cuda else truth | ~padding_mask(lengths.cpu(), width)


def read_truth(model: TranslationModel, batch: TranslationBatch, memory: Memory) -> Float[Tensor, "B T O"]:
    """Plain teacher forcing."""
    return model.decode(batch.target_input, memory).outputs


def read_target(
    model: TranslationModel, batch: TranslationBatch, memory: Memory, *, config: TeacherForcingConfig, ratio: float
) -> Float[Tensor, "B T O"]:
    """What the output layer reads when about `ratio` of the decoder's inputs are true, and the others its own words."""
    if ratio >= 1.0:
        return read_truth(model, batch, memory)
    truth = draw_truth(config, ratio, lengths=batch.target_lengths, width=batch.target_input.shape[1])
    ways: dict[str, Callable[..., Rolled]] = {
        "parallel": partial(parallel_passes, passes=config.passes),
        "rollout": roll_out,
        "loop": step_by_step,
    }
    return ways[config.method](model, batch.target_input, memory, truth=truth, choose=_feedback(config)).outputs


def _feedback(config: TeacherForcingConfig) -> Choose:
    """The words that are fed back."""
    match config.feedback:
        case "argmax":
            return best_word
        case "sample":
            return Sample(config.temperature, config.top_k)
        case "gumbel":
            return GumbelNoise(config.temperature, config.top_k)
