"""Beam search over a batch of sentences, after Wu et al. 2016 (GNMT, arXiv 1609.08144, section 7).

Everything is a natural logarithm of a probability, or a score made of it, and bigger is better.

1.  The beam of a sentence holds up to K live hypotheses of equal length; at first a single empty one.
2.  At every step each live hypothesis is continued by every allowed token. These candidates are ranked by their
    log-probability alone; among equals, the continuation of the better hypothesis goes first, then the lower token.
3.  A candidate that ends in `</s>` finishes if it is among the first K. The first K candidates that do not end in
    `</s>` are the live hypotheses of the next step, so the beam does not narrow when hypotheses finish.
4.  |Y|, the length of a hypothesis, counts its scored tokens, `</s>` included. When the live hypotheses have
    `maximum_lengths` tokens, the step before having been the last, they are cut: they keep what they have, without
    `</s>`, and are marked as not finished.
5.  Finished and cut hypotheses alike are ranked by score = log P / lp + cp (see penalties.py); among equals, the one
    that ended at an earlier step goes first, then the better candidate of the step. The best `n_best` are the result.
6.  Coverage belongs to a hypothesis: the attention of its own tokens, `</s>` included. It is re-ordered with the beam,
    and padded source positions count for nothing.
7.  `</s>` is no candidate before `min_length` other tokens, and forbidden tokens never are. Nothing is renormalised:
    all probabilities are the stepper's own. A hypothesis of probability 0 does not exist.
8.  The search of a sentence stops when `n_best` hypotheses have ended and none that is live can still get ahead of the
    last of them. A live hypothesis of log-probability p ends with at most p, for log-probabilities are never positive;
    divided by at most lp(maximum length), for α ≥ 0; plus at most 0, for cp is never positive. So its score will be at
    most p / lp(maximum length), and stopping there never changes a result. The sentence then leaves the batch.

With K = 1 and α = β = 0 this is greedy search: once `</s>` is the best candidate, nothing can get ahead of it.

A constraint on what may follow (no repeated n-gram, a forced prefix) is a Stepper around a Stepper, with the tokens
so far in its state; so is a sum of several models. The search need not know. What must come somewhere (phrases), or in
several ways, is a matter of who survives: sentences 2 and 3 are the `Chooser` of `choice.py`, `constrained.py` and
`diverse.py` have others.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.choice import BestFirst, Choice, Chooser
from nmt.search.history import Path, Step, path_attention, place, read_paths
from nmt.search.hypothesis import EMPTY_HYPOTHESIS, Hypothesis
from nmt.search.penalties import coverage_penalty, length_penalty
from nmt.search.selection import check_numbers, impossible
from nmt.search.start import check_tokens, start_sentences
from nmt.search.stepper import Stepper


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How hypotheses are found and ranked; ValueError where a value makes no sense."""

    beam_size: int = 5
    length_penalty: float = 0.6  # α, ≥ 0; 0 ranks by log-probability
    coverage_penalty: float = 0.0  # β, ≥ 0; anything else needs a stepper that gives attention
    n_best: int = 1  # hypotheses returned for each sentence, at most beam_size
    min_length: int = 0  # tokens before `</s>`

    def __post_init__(self) -> None:
        if not 1 <= self.n_best <= self.beam_size:
            raise ValueError(f"n_best ({self.n_best}) must lie between 1 and beam_size ({self.beam_size})")
        if not (0.0 <= self.length_penalty < torch.inf and 0.0 <= self.coverage_penalty < torch.inf):
            raise ValueError(
                f"length_penalty {self.length_penalty} or coverage_penalty {self.coverage_penalty} is below 0"
            )
        if self.min_length < 0:
            raise ValueError(f"min_length {self.min_length} is below 0")


class _Beam(NamedTuple):
    """The live hypotheses of b of B sentences, k rows each."""

    sentences: Int[Tensor, " b"]  # which they are, ascending
    limits: Int[Tensor, " b"]  # their maximum lengths
    tokens: Int[Tensor, "b k"]  # the last of each hypothesis
    totals: Float[Tensor, "b k"]  # log-probabilities of the hypotheses, descending
    coverage: Float[Tensor, "b k S"] | None  # attention so far, summed over their tokens; None where β = 0
    state: Any  # the stepper's
    chooser: Any  # the chooser's state


@torch.no_grad()
def beam_search(
    stepper: Stepper,
    *,
    start: int,
    end: int,
    maximum_lengths: Int[Tensor, " B"],
    options: SearchOptions,
    forbidden: tuple[int, ...] = (),
    source_lengths: Int[Tensor, " B"] | None = None,
    with_attention: bool = True,
    chooser: Chooser | None = None,
) -> list[list[Hypothesis]]:
    """Up to `n_best` hypotheses for each of B sentences, best first and distinct; fewer only where no more end.

    The stepper's log-probabilities are float32 and never positive. `start` and `end` are the ids of `<s>` and `</s>`;
    `maximum_lengths` counts scored tokens, `</s>` included, and lives on the stepper's device. `forbidden` tokens, such
    as padding and `<s>`, are never chosen. `source_lengths` tells real source positions from padding; without it all
    count. Attention is kept for the result only `with_attention`. `chooser` replaces the rule of sentences 2 and 3.
    `stepper.reorder` is always given sentences in ascending order, so an unchanged number of them means all of them.

    Raises ValueError where the stepper answers NaN, leaves a sentence no hypothesis of positive probability, or gives
    no attention to a coverage penalty.
    """
    check_tokens(stepper, (end, *forbidden))
    if maximum_lengths.shape[0] == 0:
        return []
    chooser = chooser or BestFirst()
    ended = _Ended(maximum_lengths, source_lengths, options)
    history: list[Step] = []
    beam = _first_beam(stepper, chooser, start, maximum_lengths)
    while beam.sentences.shape[0] > 0:
        scored, state = stepper.step(beam.tokens, beam.state)
        length = len(history) + 1
        banned = (*forbidden, end) if length <= options.min_length else forbidden
        choice, chosen = chooser.choose(
            scored.log_probabilities, beam.totals, beam.chooser, end=end, beam_size=options.beam_size, banned=banned
        )
        if not bool((choice.candidates.log_probabilities[:, 0] > -torch.inf).all()):  # NaN would stand there, too
            check_numbers(choice.candidates.log_probabilities, beam.sentences, length)
            ended.quiet = False
        attention = scored.attention if with_attention else None
        history.append(Step(beam.sentences, choice.candidates, choice.survivors, attention))
        coverage = _covered(beam.coverage, scored.attention) if options.coverage_penalty > 0 else None
        beam = beam._replace(coverage=coverage, state=state, chooser=chosen)
        ended.admit(beam, choice, length)
        beam = _next_beam(stepper, chooser, beam, choice, keep=ended.staying(beam, choice, length))
    return _results(history, ended, chooser, end, maximum_lengths, source_lengths)


class _Ended:
    """The best ended hypotheses of each of B sentences so far, best first: sentences 3, 4, 5 and 8 above.

    Most steps of a small batch end nothing and cut nothing, and are let through unseen: `first_limit` is the first
    length at which a sentence may be cut; it is `quiet` until a hypothesis has ended, or a sentence has none left.
    """

    def __init__(
        self, maximum_lengths: Int[Tensor, " B"], source_lengths: Int[Tensor, " B"] | None, options: SearchOptions
    ) -> None:
        shape, device = (maximum_lengths.shape[0], options.n_best), maximum_lengths.device
        self.scores = torch.full(shape, -torch.inf, device=device)  # -inf where there are fewer than N
        self.places = torch.zeros(shape, dtype=torch.long, device=device)  # where each ends in the history
        self.quiet = True
        self.first_limit = int(maximum_lengths.clamp(min=1).min())
        lengths = torch.arange(1 + max(0, int(maximum_lengths.max())))
        # lp of every length that can occur, so that equal lengths are divided by the very same number
        self.penalties = length_penalty(lengths, options.length_penalty).to(device)
        self.coverage_penalty = options.coverage_penalty
        self.source_lengths = source_lengths

    def admit(self, beam: _Beam, choice: Choice, length: int) -> None:
        """Merge the candidates of a step that end at this length into the best so far; those keep ahead of equals."""
        ending = choice.finishing
        if length >= self.first_limit:
            ending = _with_cut(choice, last=beam.limits == length)
        if not bool(ending.any()):
            return
        scores = choice.candidates.log_probabilities / self.penalties[length]
        if beam.coverage is not None:
            by_row = coverage_penalty(beam.coverage, self.coverage_penalty, self._real_positions(beam))
            scores = scores + by_row.gather(1, choice.candidates.rows)
        scores = scores.masked_fill(~ending, -torch.inf)
        first = place(length - 1, 0)
        places = torch.arange(first, first + scores.shape[1], device=scores.device).expand(scores.shape)
        sentences, count = beam.sentences, self.scores.shape[1]
        scores, order = torch.cat([self.scores[sentences], scores], dim=1).sort(dim=1, descending=True, stable=True)
        places = torch.cat([self.places[sentences], places], dim=1).gather(1, order)
        self.scores[sentences], self.places[sentences] = scores[:, :count], places[:, :count]
        self.quiet = False

    def staying(self, beam: _Beam, choice: Choice, length: int) -> Int[Tensor, " b"] | None:
        """Which sentences of the beam are not cut and can still win something; None if that is all of them."""
        if length < self.first_limit and self.quiet:
            return None
        best = choice.candidates.log_probabilities.gather(1, choice.survivors[:, :1]).squeeze(1)
        beaten = best / self.penalties[beam.limits] <= self.scores[beam.sentences, -1]
        stays = ~beaten & (beam.limits > length)
        return None if bool(stays.all()) else stays.nonzero().squeeze(1)

    def _real_positions(self, beam: _Beam) -> Bool[Tensor, "b 1 S"] | None:
        if self.source_lengths is None or beam.coverage is None:
            return None
        positions = torch.arange(beam.coverage.shape[2], device=beam.coverage.device)
        return positions < self.source_lengths[beam.sentences].view(-1, 1, 1)


def _first_beam(stepper: Stepper, chooser: Chooser, start: int, maximum_lengths: Int[Tensor, " B"]) -> _Beam:
    sentences, state = start_sentences(stepper, maximum_lengths)
    tokens = torch.full((sentences.shape[0], 1), start, device=maximum_lengths.device)
    totals = torch.zeros(tokens.shape, device=tokens.device)
    return _Beam(sentences, maximum_lengths[sentences], tokens, totals, None, state, chooser.start(sentences))


def _with_cut(choice: Choice, *, last: Bool[Tensor, " b"]) -> Bool[Tensor, "b C"]:
    """Which candidates end at this step: by `</s>`, or cut where it is the sentence's last step."""
    survivors = choice.survivors
    cut = torch.zeros_like(choice.finishing).scatter_(1, survivors, last.unsqueeze(1).expand_as(survivors))
    return choice.finishing | (cut if choice.complete is None else cut & choice.complete)


def _covered(coverage: Float[Tensor, "b K S"] | None, attention: Float[Tensor, "b K S"] | None) -> Tensor:
    if attention is None:
        raise ValueError("a coverage penalty needs attention, which this stepper does not give; set it to 0")
    return attention.float() if coverage is None else coverage + attention


def _next_beam(
    stepper: Stepper, chooser: Chooser, beam: _Beam, choice: Choice, *, keep: Int[Tensor, " b"] | None
) -> _Beam:
    """The survivors of the sentences at `keep`, or of all, with all that belongs to each re-ordered alike."""
    sentences, limits, survivors = beam.sentences, beam.limits, choice.survivors
    found = [choice.candidates.rows, choice.candidates.tokens, choice.candidates.log_probabilities]
    if keep is None:
        keep = torch.arange(sentences.shape[0], device=sentences.device)
    else:
        sentences, limits, survivors, *found = (values[keep] for values in (sentences, limits, survivors, *found))
    rows, tokens, totals = (values.gather(1, survivors) for values in found)
    coverage = None if beam.coverage is None else beam.coverage[keep.unsqueeze(1), rows]
    unchanged = keep.shape == beam.sentences.shape and rows.shape[1] == beam.tokens.shape[1] == 1
    state = beam.state
    if keep.shape[0] > 0 and not unchanged:
        state = stepper.reorder(state, keep, rows)
    return _Beam(sentences, limits, tokens, totals, coverage, state, chooser.reorder(beam.chooser, keep, survivors))


def _results(
    history: list[Step],
    ended: _Ended,
    chooser: Chooser,
    end: int,
    maximum_lengths: Int[Tensor, " B"],
    source_lengths: Int[Tensor, " B"] | None,
) -> list[list[Hypothesis]]:
    """What ended, read off the history. Raises ValueError for a sentence that has nothing and should have."""
    paths = read_paths(history, ended.scores.tolist(), ended.places.tolist())
    found = _hypotheses(paths, path_attention(history, paths, source_lengths), end, sentences=maximum_lengths.shape[0])
    for sentence, limit in enumerate(maximum_lengths.tolist()):
        if not found[sentence] and not chooser.may_fail(sentence):
            if limit > 0:
                raise impossible(sentence)
            found[sentence].append(EMPTY_HYPOTHESIS)
    return found


def _hypotheses(
    paths: list[Path], attention: list[Tensor | None], end: int, *, sentences: int
) -> list[list[Hypothesis]]:
    result: list[list[Hypothesis]] = [[] for _ in range(sentences)]
    for path, looked in zip(paths, attention, strict=True):
        finished = path.tokens[-1] == end
        words = tuple(path.tokens[:-1] if finished else path.tokens)
        scored = tuple(path.log_probabilities)
        result[path.sentence].append(Hypothesis(words, path.score, sum(scored), scored, looked, finished))
    return result
