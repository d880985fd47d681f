"""Sampling: independent draws from a stepper's distribution, for a batch of sentences at once.

1.  A draw goes on token by token until `</s>` or until it has `maximum_lengths` tokens, when it is cut.
2.  At every step the allowed tokens (not `forbidden`, no `</s>` before `min_length` others) get probabilities
    proportional to p^(1/temperature). Of these the `top_k` most probable remain (Fan et al. 2018, arXiv 1805.04833),
    and of those the fewest most probable whose share is at least `top_p` (the nucleus of Holtzman et al. 2020, arXiv
    1904.09751); the lower token is the more probable among equals. One of them is drawn in proportion.
3.  What is reported, score included, are the stepper's own log-probabilities: neither tempered nor truncated.
4.  The random number of a step is a function of the seed, the sentence's number, the draw and the step. So a sentence
    is given the same draws in any batch, at any place and in any company, as far as its probabilities are the same;
    sentences of one number, with the same probabilities, are given the same.

A sentence leaves the batch with the last of its draws, and rows are dropped once all sentences can spare them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.chances import chances
from nmt.search.hypothesis import EMPTY_HYPOTHESIS, Hypothesis
from nmt.search.selection import allowed, check_numbers, impossible
from nmt.search.start import check_tokens, start_sentences
from nmt.search.stepper import Stepper

_NUCLEUS = 128  # tokens looked at first for a nucleus, which is seldom bigger


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How tokens are drawn; ValueError where a value makes no sense."""

    samples: int = 1  # draws for each sentence
    temperature: float = 1.0  # above 0; below 1 the probable become more so
    top_k: int = 0  # most probable tokens drawn from; 0 is all
    top_p: float = 1.0  # their share of the probability at least, above 0
    seed: int = 1
    min_length: int = 0  # tokens before `</s>`

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples {self.samples} is below 1")
        if not 0.0 < self.temperature < torch.inf:
            raise ValueError(f"temperature {self.temperature} is not above 0")
        if self.top_k < 0:
            raise ValueError(f"top_k {self.top_k} is below 0")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p {self.top_p} does not lie above 0 and up to 1")
        if self.min_length < 0:
            raise ValueError(f"min_length {self.min_length} is below 0")


class _Rows(NamedTuple):
    """The rows of b of B sentences, k each, of which at least one a sentence is still being drawn."""

    sentences: Int[Tensor, " b"]  # which they are, ascending
    draws: Int[Tensor, "b k"]  # which of a sentence's draws a row is
    live: Bool[Tensor, "b k"]  # the others have ended, and what becomes of them does not matter
    tokens: Int[Tensor, "b k"]  # the last of each draw
    state: Any  # the stepper's


class _Step(NamedTuple):
    """What was drawn at one step, N draws of all B sentences; meaningless for those that had ended."""

    tokens: Int[Tensor, "B N"]
    log_probabilities: Float[Tensor, "B N"]
    attention: Float[Tensor, "B N S"] | None


@torch.no_grad()
def sample_search(
    stepper: Stepper,
    *,
    start: int,
    end: int,
    maximum_lengths: Int[Tensor, " B"],
    options: SamplingOptions,
    numbers: Int[Tensor, " B"] | None = None,
    forbidden: tuple[int, ...] = (),
    source_lengths: Int[Tensor, " B"] | None = None,
    with_attention: bool = True,
) -> list[list[Hypothesis]]:
    """`samples` hypotheses for each of B sentences, in the order drawn, equal ones kept.

    `numbers` say which sentence is which, and so what is drawn; by default they count from 0. The other parameters are
    those of `beam_search`. A sentence of maximum length 0 has empty hypotheses.

    Raises ValueError where the stepper answers NaN or leaves a draw no token of positive probability.
    """
    check_tokens(stepper, (end, *forbidden))
    shape, device = (maximum_lengths.shape[0], options.samples), maximum_lengths.device
    numbers = torch.arange(shape[0], device=device) if numbers is None else numbers.to(device)
    history: list[_Step] = []
    lengths = torch.zeros(shape, dtype=torch.long, device=device)
    finished = torch.zeros(shape, dtype=torch.bool, device=device)
    rows = _first_rows(stepper, start, maximum_lengths, options.samples)
    while rows.sentences.shape[0] > 0:
        scored, state = stepper.step(rows.tokens, rows.state)
        step = len(history) + 1
        banned = (*forbidden, end) if step <= options.min_length else forbidden
        drawable = allowed(scored.log_probabilities, banned)
        _check(drawable, rows, step)
        tokens = draw(drawable, chances(options.seed, numbers[rows.sentences].unsqueeze(1), rows.draws, step), options)

        at = (rows.sentences.unsqueeze(1), rows.draws)
        reported = scored.log_probabilities.gather(2, tokens.unsqueeze(2)).squeeze(2)
        attention = scored.attention if with_attention else None
        history.append(
            _Step(
                _spread(tokens, at, shape),
                _spread(reported, at, shape),
                None if attention is None else _spread(attention, at, shape),
            )
        )
        lengths[at] += rows.live
        finished[at] |= tokens == end  # a row that is not live has finished before
        live = rows.live & (tokens != end) & (maximum_lengths[rows.sentences] > step).unsqueeze(1)
        rows = _next_rows(stepper, rows._replace(live=live, tokens=tokens.masked_fill(~live, end), state=state))
    return _hypotheses(history, lengths.tolist(), finished.tolist(), source_lengths)


def draw(
    log_probabilities: Float[Tensor, "B K V"], chance: Float[Tensor, "B K"], options: SamplingOptions
) -> Int[Tensor, "B K"]:
    """One token a row, by a number from [0, 1): tempered, truncated, read off the cumulative distribution in float64.

    Log-probabilities need not be normalised; a row whose tokens are all impossible is given any token.
    """
    best = log_probabilities.amax(2, keepdim=True)
    weights = ((log_probabilities - best).double() / options.temperature).exp()  # 1 for the most probable
    if options.top_k == 0 and options.top_p == 1.0:
        return _pick(weights, chance)
    rows = log_probabilities.flatten(0, 1), weights.flatten(0, 1), chance.flatten()
    if options.top_k:
        tokens = _most_probable(rows[0], min(options.top_k, weights.shape[2]))
        ranked = rows[1].gather(1, tokens)
        return _pick_within(tokens, ranked, ranked.sum(1), rows[2], options.top_p).view_as(chance)
    return _draw_from_nucleus(*rows, top_p=options.top_p).view_as(chance)


def _draw_from_nucleus(
    log_probabilities: Float[Tensor, "R V"], weights: Float[Tensor, "R V"], chance: Float[Tensor, " R"], *, top_p: float
) -> Int[Tensor, " R"]:
    """`draw` without `top_k`, which puts as many of a row's most probable tokens in order as may suffice, then more.

    How many may is told by (Σp)² / Σp², the number of equal tokens that would be as hard to guess twice.
    """
    vocabulary, count = weights.shape[1], _NUCLEUS
    total = weights.sum(1)
    expected = (top_p * total.square() / weights.square().sum(1)).nan_to_num(0.0)
    drawn = torch.zeros_like(chance, dtype=torch.long)
    left = torch.ones_like(chance, dtype=torch.bool)
    while bool(left.any()):
        count = min(count, vocabulary)
        rows = (left & (expected <= count) if count < vocabulary else left).nonzero().squeeze(1)
        tokens = _most_probable(log_probabilities[rows], count)
        ranked = weights[rows].gather(1, tokens)
        enough = ~(ranked.sum(1) < top_p * total[rows]) | (count == vocabulary)  # NaN is of a row that is not live
        drawn[rows] = _pick_within(tokens, ranked, total[rows], chance[rows], top_p)  # again, where that was too early
        left[rows] = ~enough
        count *= 8
    return drawn


def _pick_within(
    tokens: Int[Tensor, "R C"],
    ranked: Float[Tensor, "R C"],
    total: Float[Tensor, " R"],
    chance: Float[Tensor, " R"],
    top_p: float,
) -> Int[Tensor, " R"]:
    """One of the tokens, of falling weights, that are needed for `top_p` of the total."""
    outside = ranked.cumsum(1) - ranked >= top_p * total.unsqueeze(1)  # those before it are enough
    return tokens.gather(1, _pick(ranked.masked_fill(outside, 0.0), chance).unsqueeze(1)).squeeze(1)


def _pick(weights: Float[Tensor, "*rows C"], chance: Float[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
    """The index at which the running sum exceeds `chance` of the whole, so never one of weight 0."""
    sums = weights.cumsum(-1)
    wanted = chance.unsqueeze(-1) * sums[..., -1:]
    return torch.searchsorted(sums, wanted, right=True).squeeze(-1).clamp_(max=sums.shape[-1] - 1)


def _most_probable(log_probabilities: Float[Tensor, "R V"], count: int) -> Int[Tensor, "R count"]:
    """From the most probable on, the lower token first among equals, of which `topk` promises no order."""
    if count == log_probabilities.shape[1]:
        return log_probabilities.sort(dim=1, descending=True, stable=True).indices
    best, tokens = log_probabilities.topk(count + 1, dim=1)
    tokens = tokens[:, :count].contiguous()
    equals = ~(best[:, :-1] > best[:, 1:]).all(1)
    if bool(equals.any()):
        tokens[equals] = log_probabilities[equals].sort(dim=1, descending=True, stable=True).indices[:, :count]
    return tokens


def _check(drawable: Float[Tensor, "B K V"], rows: _Rows, step: int) -> None:
    """ValueError if a live row has NaN, or nothing that can be drawn."""
    best = drawable.amax(2).masked_fill(~rows.live, 0.0)
    check_numbers(best, rows.sentences, step)
    if bool(best.isneginf().any()):
        raise impossible(int(rows.sentences[best.isneginf().any(1)][0]))


def _first_rows(stepper: Stepper, start: int, maximum_lengths: Int[Tensor, " B"], samples: int) -> _Rows:
    sentences, state = start_sentences(stepper, maximum_lengths)
    draws = torch.arange(samples, device=sentences.device).expand(sentences.shape[0], samples)
    if samples > 1 and sentences.shape[0] > 0:
        state = stepper.reorder(
            state, torch.arange(sentences.shape[0], device=sentences.device), torch.zeros_like(draws)
        )
    return _Rows(sentences, draws, torch.ones_like(draws, dtype=torch.bool), torch.full_like(draws, start), state)


def _next_rows(stepper: Stepper, rows: _Rows) -> _Rows:
    """Without the sentences that are done, and with no more rows than the sentence with most live draws needs."""
    keep = rows.live.any(1).nonzero().squeeze(1)
    if keep.shape[0] == 0:
        return rows._replace(sentences=keep)
    live = rows.live[keep]
    most = int(live.sum(1).max())
    if live.shape == rows.live.shape and most == live.shape[1]:
        return rows
    order = live.byte().sort(dim=1, descending=True, stable=True).indices[:, :most]
    return _Rows(
        rows.sentences[keep],
        rows.draws[keep].gather(1, order),
        live.gather(1, order),
        rows.tokens[keep].gather(1, order),
        stepper.reorder(rows.state, keep, order),
    )


def _spread(values: Tensor, at: tuple[Tensor, Tensor], shape: tuple[int, int]) -> Tensor:
    """Values of the rows still drawn, put at their places among all."""
    return values.new_zeros(*shape, *values.shape[2:]).index_put(at, values)


def _hypotheses(
    history: list[_Step],
    lengths: list[list[int]],
    finished: list[list[bool]],
    source_lengths: Int[Tensor, " B"] | None,
) -> list[list[Hypothesis]]:
    if not history:
        return [[EMPTY_HYPOTHESIS for _ in row] for row in lengths]
    tokens = torch.stack([step.tokens for step in history], dim=2).tolist()
    log_probabilities = torch.stack([step.log_probabilities for step in history], dim=2).tolist()
    looked = [step.attention for step in history if step.attention is not None]
    attention = torch.stack(looked, dim=2).float().cpu() if looked else None  # B × N × T × S
    widths = [None] * len(lengths) if source_lengths is None else source_lengths.tolist()
    result: list[list[Hypothesis]] = []
    for i, row in enumerate(lengths):
        result.append([])
        for j, length in enumerate(row):
            scored = tuple(log_probabilities[i][j][:length])
            words = tuple(tokens[i][j][: length - finished[i][j]])
            rows = None if attention is None or length == 0 else attention[i, j, :length, : widths[i]].clone()
            result[i].append(Hypothesis(words, sum(scored), sum(scored), scored, rows, finished[i][j]))
    return result
