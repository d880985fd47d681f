"""Greedy search: the most probable token, again and again, for a batch of sentences at once.

At every step each sentence goes on with its most probable allowed token, the lowest id among equals. It ends with
`</s>` or is cut after `maximum_lengths` scored tokens, `</s>` included. Sentences that end leave the batch. There is no
choice between hypotheses, so no penalty applies: a hypothesis's score is its log-probability, summed in float32 as the
beam search sums it.
"""

from functools import reduce
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.hypothesis import EMPTY_HYPOTHESIS, Hypothesis
from nmt.search.selection import best_token, check_numbers, impossible
from nmt.search.start import check_tokens, start_sentences
from nmt.search.stepper import Stepper


class _Step(NamedTuple):
    """What was chosen at one step, spread over all B sentences; 0 for those that had ended."""

    tokens: Int[Tensor, " B"]
    log_probabilities: Float[Tensor, " B"]
    attention: Float[Tensor, "B S"] | None


@torch.no_grad()
def greedy_search(
    stepper: Stepper,
    *,
    start: int,
    end: int,
    maximum_lengths: Int[Tensor, " B"],
    min_length: int = 0,
    forbidden: tuple[int, ...] = (),
    source_lengths: Int[Tensor, " B"] | None = None,
    with_attention: bool = True,
) -> list[Hypothesis]:
    """One hypothesis for each sentence; the parameters are those of `beam_search` and its `SearchOptions`.

    Raises ValueError where the stepper answers NaN or leaves a sentence no token of positive probability.
    """
    check_tokens(stepper, (end, *forbidden))
    batch, device = maximum_lengths.shape[0], maximum_lengths.device
    history: list[_Step] = []
    lengths = torch.zeros(batch, dtype=torch.long, device=device)
    finished = torch.zeros(batch, dtype=torch.bool, device=device)
    sentences, state = start_sentences(stepper, maximum_lengths)
    limits = maximum_lengths[sentences]
    tokens = torch.full((sentences.shape[0], 1), start, device=device)
    while sentences.shape[0] > 0:
        step = len(history) + 1
        scored, state = stepper.step(tokens, state)
        banned = (*forbidden, end) if step <= min_length else forbidden
        chosen, values = best_token(scored.log_probabilities.squeeze(1), banned=banned)
        if not bool(values.isfinite().all()):
            _check(values, sentences, step)
        attention = scored.attention if with_attention else None
        looked = None if attention is None else _spread(attention[:, 0], sentences, batch)
        history.append(_Step(_spread(chosen, sentences, batch), _spread(values, sentences, batch), looked))
        tokens = chosen.unsqueeze(1)
        stays = (chosen != end) & (limits > step)
        if bool(stays.all()):
            continue
        lengths[sentences] = step
        finished[sentences] = chosen == end
        keep = stays.nonzero().squeeze(1)
        if keep.shape[0] > 0:
            state = stepper.reorder(state, keep, torch.zeros_like(keep).unsqueeze(1))
        sentences, limits, tokens = sentences[keep], limits[keep], tokens[keep]
    return _hypotheses(history, lengths.tolist(), finished.tolist(), source_lengths)


def _check(values: Float[Tensor, " b"], sentences: Int[Tensor, " b"], step: int) -> None:
    """ValueError for the best token of a sentence that is NaN or impossible."""
    check_numbers(values.unsqueeze(1), sentences, step)
    if bool(values.isneginf().any()):
        raise impossible(int(sentences[values.isneginf()][0]))


def _spread(values: Tensor, sentences: Int[Tensor, " b"], batch: int) -> Tensor:
    """Values of the sentences still searched, put at their places among all, with zeros at the others."""
    if sentences.shape[0] == batch:
        return values
    return values.new_zeros(batch, *values.shape[1:]).index_copy(0, sentences, values)


def _hypotheses(
    history: list[_Step], lengths: list[int], finished: list[bool], source_lengths: Int[Tensor, " B"] | None
) -> list[Hypothesis]:
    if not history:
        return [EMPTY_HYPOTHESIS for _ in lengths]
    tokens = torch.stack([step.tokens for step in history], dim=1).tolist()
    log_probabilities = torch.stack([step.log_probabilities for step in history], dim=1).tolist()
    totals = reduce(torch.add, [step.log_probabilities for step in history]).tolist()
    rows = [step.attention for step in history if step.attention is not None]
    attention = torch.stack(rows, dim=1).float().cpu() if rows else None  # B × T × S
    sources = [None] * len(lengths) if source_lengths is None else source_lengths.tolist()
    result = []
    for i, length in enumerate(lengths):
        scored = tuple(log_probabilities[i][:length])
        looked = None if attention is None or length == 0 else attention[i, :length, : sources[i]].clone()
        words = tuple(tokens[i][: length - finished[i]])
        result.append(Hypothesis(words, totals[i], sum(scored), scored, looked, finished[i]))
    return result
