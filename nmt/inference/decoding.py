"""One batch of requests through models and search: the only place where an option becomes a way to choose."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.errors import ConfigError, DataError
from nmt.inference.stepper import DecoderStepper
from nmt.models.translation import TranslationModel
from nmt.search.beam import SearchOptions, beam_search
from nmt.search.choice import Chooser
from nmt.search.combine import Linear, LogLinear
from nmt.search.constrained import Constrained
from nmt.search.diverse import DiverseGroups
from nmt.search.greedy import greedy_search
from nmt.search.hypothesis import Hypothesis
from nmt.search.minimum import MinimumLengths
from nmt.search.prefix import ForcedPrefix
from nmt.search.repetition import NoRepeatNgram, RepetitionPenalty
from nmt.search.sampling import SamplingOptions, sample_search
from nmt.search.stepper import Stepper
from nmt.text.tokenizer import END, PAD, START, UNKNOWN

_NEVER = (PAD, UNKNOWN, START)  # is any of them chosen


class Request(NamedTuple):
    """One sentence to be translated, in ids."""

    source: tuple[int, ...]  # without `</s>`
    prefix: tuple[int, ...] = ()  # how its translation begins, without `<s>`
    phrases: tuple[tuple[int, ...], ...] = ()  # what its translation must hold

    @property
    def number(self) -> int:
        """Which it is of all that could be asked, in 64 bits with a sign: equal requests are drawn alike anywhere."""
        asked = "|".join(" ".join(map(str, ids)) for ids in (self.source, self.prefix))
        return int.from_bytes(hashlib.blake2b(asked.encode(), digest_size=8).digest(), "big", signed=True)


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
    """Up to `n_best` hypotheses a request, best first, in the order given; when sampling, as many, in the order drawn.

    Several models are an ensemble: they read the same ids and are on one device. A request of which no hypothesis holds
    all phrases is answered as if it had none; `missing_phrases` of `nmt.search.constrained` tells. Raises what
    `check_request` does.
    """
    for request in requests:
        check_request(request, options)
    found = _search(models, requests, options, n_best=n_best, attention=attention)
    failed = [place for place, hypotheses in enumerate(found) if not hypotheses]
    if failed:
        again = [requests[place]._replace(phrases=()) for place in failed]
        answers = _search(models, again, options, n_best=n_best, attention=attention)
        for place, hypotheses in zip(failed, answers, strict=True):
            found[place] = hypotheses
    return found


def _search(
    models: Sequence[TranslationModel],
    requests: Sequence[Request],
    options: SearchConfig,
    *,
    n_best: int,
    attention: bool,
) -> list[list[Hypothesis]]:
    """The one search that the options and the requests ask for."""
    source, lengths = _padded(requests, models[0].output.bias.device)
    limits = maximum_lengths(
        lengths, options, demanded=[len(request.prefix) + sum(map(len, request.phrases)) for request in requests]
    )
    stepper = _constrained(_ensemble(models, source, lengths, options), requests, options)
    if options.min_length_ratio > 0.0:
        stepper = MinimumLengths(stepper, minimum_lengths(lengths, options), end=END)
    common = _Common(START, END, limits, _NEVER, lengths, attention)._asdict()
    if options.sampling:
        numbers = torch.tensor([request.number for request in requests])
        return sample_search(stepper, options=_sampling(options, n_best), numbers=numbers, **common)
    chooser = _chooser(requests, options, lengths.device)
    if chooser is None and options.beam_size == 1 and options.length_penalty == options.coverage_penalty == 0.0:
        return [[one] for one in greedy_search(stepper, min_length=options.min_length, **common)]
    return beam_search(stepper, options=_beam(options, n_best), chooser=chooser, **common)


def _chooser(requests: Sequence[Request], options: SearchConfig, device: torch.device) -> Chooser | None:
    """Who survives in a beam, where it is not simply the best."""
    if any(request.phrases for request in requests):
        return Constrained([request.phrases for request in requests], device=device)
    if options.diverse_beam_groups > 1:
        return DiverseGroups(options.diverse_beam_groups, options.diverse_beam_strength)
    return None


def maximum_lengths(
    source_lengths: Int[Tensor, " B"], options: SearchConfig, *, demanded: Sequence[int] | None = None
) -> Int[Tensor, " B"]:
    """Scored target tokens at most, `</s>` included, for sources of so many tokens with theirs.

    The minimum length and so many tokens as are demanded, by a prefix and by phrases, always fit, and one behind them.
    """
    limits = (source_lengths * options.max_length_ratio).long() + options.max_length_offset
    limits = limits.clamp(max=options.max_length).maximum(minimum_lengths(source_lengths, options) + 1)
    return limits if demanded is None else limits.maximum(torch.tensor(demanded, device=limits.device) + 1)


def minimum_lengths(source_lengths: Int[Tensor, " B"], options: SearchConfig) -> Int[Tensor, " B"]:
    """Target tokens before `</s>` at least, for sources of so many tokens with theirs.

    What follows from the ratio stays below the absolute maximum; an absolute minimum goes before that.
    """
    lengths = ((source_lengths - 1) * options.min_length_ratio).long()
    return lengths.clamp(max=options.max_length - 1).clamp(min=options.min_length)


def _padded(requests: Sequence[Request], device: torch.device) -> tuple[Int[Tensor, "B S"], Int[Tensor, " B"]]:
    """The sources with their `</s>`, and how long they are."""
    lengths = torch.tensor([len(request.source) + 1 for request in requests])
    source = torch.full((len(requests), int(lengths.max())), PAD)
    for row, request in zip(source, requests, strict=True):
        row[: len(request.source) + 1] = torch.tensor([*request.source, END])
    return source.to(device), lengths.to(device)


def _ensemble(
    models: Sequence[TranslationModel], source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"], options: SearchConfig
) -> Stepper:
    """One stepper for one model or several."""
    steppers = [DecoderStepper(model, source, lengths) for model in models]
    if len(steppers) == 1:
        return steppers[0]
    return Linear(steppers) if options.ensemble == "linear" else LogLinear(steppers, renormalised=True)


def _constrained(stepper: Stepper, requests: Sequence[Request], options: SearchConfig) -> Stepper:
    """What is not asked for adds nothing. A prefix comes first, so that the others see what it leaves."""
    if any(request.prefix for request in requests):
        stepper = ForcedPrefix(stepper, [request.prefix for request in requests])
    if options.repetition_penalty != 1.0:
        stepper = RepetitionPenalty(stepper, options.repetition_penalty)
    if options.no_repeat_ngram > 0:
        stepper = NoRepeatNgram(stepper, options.no_repeat_ngram, specials=(*_NEVER, END))
    return stepper


def check_request(request: Request, options: SearchConfig) -> None:
    """Raise DataError where a prefix or a phrase has a token that no translation can have.

    And ConfigError for phrases where nothing is searched, or by diverse groups.
    """
    if request.phrases and options.sampling:
        raise ConfigError("phrases can be demanded of a beam search only; leave out sampling, or the phrases")
    if request.phrases and options.diverse_beam_groups > 1:
        raise ConfigError(
            "phrases cannot be demanded of diverse beams; set diverse_beam_groups to 1, or leave them out"
        )
    for what, tokens in (("prefix", request.prefix), *(("phrase", phrase) for phrase in request.phrases)):
        if UNKNOWN in tokens:
            raise DataError(
                f"the {what} holds characters that the target tokenizer does not know; leave them out, or train with"
                " byte fallback"
            )
        if not {PAD, START, END}.isdisjoint(tokens):
            raise DataError(f"the {what} {list(tokens)} holds padding, <s> or </s>")


def _sampling(options: SearchConfig, samples: int) -> SamplingOptions:
    return SamplingOptions(
        samples=samples,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
        min_length=options.min_length,
    )


def _beam(options: SearchConfig, n_best: int) -> SearchOptions:
    return SearchOptions(
        beam_size=options.beam_size,
        length_penalty=options.length_penalty,
        coverage_penalty=options.coverage_penalty,
        min_length=options.min_length,
        n_best=n_best,
    )
