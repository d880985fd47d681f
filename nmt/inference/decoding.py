"""One batch of requests through models and search: the only place where an option becomes a way to choose."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.inference.stepper import DecoderStepper
from nmt.models.translation import TranslationModel
from nmt.search.beam import SearchOptions, beam_search
from nmt.search.greedy import greedy_search
from nmt.search.hypothesis import Hypothesis
from nmt.text.tokenizer import END, PAD, START, UNKNOWN


class Request(NamedTuple):
    """One sentence to be translated, in ids."""

    source: tuple[int, ...]  # without `</s>`


class _Common(NamedTuple):
    """What every search is told."""

    start: int
    end: int
    maximum_lengths: Int[Tensor, " B"]
    forbidden: tuple[int, ...]
    source_lengths: Int[Tensor, " B"]
    with_attention: bool


@torch.inference_mode()
def decode_batch(
    models: Sequence[TranslationModel],
    requests: Sequence[Request],
    options: SearchConfig,
    *,
    n_best: int = 1,
    attention: bool = False,
) -> list[list[Hypothesis]]:
    """Up to `n_best` hypotheses a request, best first, in the order given."""
    (model,) = models
    device = model.output.bias.device
    lengths = torch.tensor([len(request.source) + 1 for request in requests])
    source = torch.full((len(requests), int(lengths.max())), PAD)
    for row, request in zip(source, requests, strict=True):
        row[: len(request.source) + 1] = torch.tensor([*request.source, END])
    source, lengths = source.to(device), lengths.to(device)
    stepper = DecoderStepper(model, source, lengths)
    common = _Common(START, END, maximum_lengths(lengths, options), (PAD, UNKNOWN, START), lengths, attention)
    if options.beam_size == 1 and options.length_penalty == options.coverage_penalty == 0.0:
        return [[one] for one in greedy_search(stepper, min_length=options.min_length, **common._asdict())]
    chosen = SearchOptions(
        beam_size=options.beam_size,
        length_penalty=options.length_penalty,
        coverage_penalty=options.coverage_penalty,
        min_length=options.min_length,
        n_best=n_best,
    )
    return beam_search(stepper, options=chosen, **common._asdict())


def maximum_lengths(source_lengths: Int[Tensor, " B"], options: SearchConfig) -> Int[Tensor, " B"]:
    """Scored target tokens at most, `</s>` included, for sources of so many tokens with theirs."""
    limits = (source_lengths * options.max_length_ratio).long() + options.max_length_offset
    return limits.clamp(min=options.min_length + 1, max=max(options.max_length, options.min_length + 1))
