"""Searches under constraints, one and all, against all sentences of small worlds that were altered by other means."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    END,
    PAD,
    START,
    VOCABULARY,
    WORDS,
    AtLeast,
    Penalised,
    Prefixed,
    WithoutRepeats,
    World,
    WorldStepper,
    exhaustive,
    naive_beam,
    naive_greedy,
)
from small_worlds import MANY, Problem, alphas, assert_ranked_as, betas, problems, scored_tokens

from nmt.search import Hypothesis, SearchOptions, Stepper, beam_search, greedy_search
from nmt.search.combine import Linear, LogLinear
from nmt.search.minimum import MinimumLengths
from nmt.search.prefix import ForcedPrefix
from nmt.search.repetition import NoRepeatNgram, RepetitionPenalty
from nmt.search.sampling import SamplingOptions, sample_search
from nmt.search.stepper import Scored

SPECIALS = (PAD, END)
KINDS = ["ngram", "penalty", "prefix", "minimum", "all"]


class Rules(NamedTuple):
    """What constrains a problem's sentences."""

    ngram: int  # 0: repeat at will
    penalty: float
    prefixes: list[tuple[int, ...]]
    minimums: list[int]

    def wrap(self, stepper: Stepper) -> Stepper:
        """The stepper that is judged."""
        if any(self.prefixes):
            stepper = ForcedPrefix(stepper, self.prefixes)
        if self.penalty > 1.0:
            stepper = RepetitionPenalty(stepper, self.penalty)
        if self.ngram:
            stepper = NoRepeatNgram(stepper, self.ngram, specials=SPECIALS)
        return MinimumLengths(stepper, torch.tensor(self.minimums), end=END) if any(self.minimums) else stepper

    def alter(self, problem: Problem) -> list[World]:
        """The worlds that it should be like."""
        worlds = []
        for world, prefix, minimum in zip(problem.worlds, self.prefixes, self.minimums, strict=True):
            altered: World = Penalised(Prefixed(world, prefix), self.penalty)
            altered = WithoutRepeats(altered, self.ngram, SPECIALS) if self.ngram else altered
            worlds.append(AtLeast(altered, minimum))
        return worlds


class Case(NamedTuple):
    """Worlds and what constrains their sentences."""

    problem: Problem
    rules: Rules

    def common(self) -> dict[str, object]:
        """What every search is told."""
        return {
            "start": START,
            "end": END,
            "maximum_lengths": torch.tensor(self.problem.limits),
            "forbidden": (PAD,),
            "source_lengths": torch.tensor([world.positions for world in self.problem.worlds]),
        }

    def stepper(self) -> Stepper:
        return self.rules.wrap(WorldStepper(self.problem.worlds, garbage=0.01))

    def beam(self, options: SearchOptions) -> list[list[Hypothesis]]:
        return beam_search(self.stepper(), options=options, **self.common())

    def one(self, index: int) -> "Case":
        problem = Problem([self.problem.worlds[index]], [self.problem.limits[index]])
        rules = self.rules
        return Case(problem, rules._replace(prefixes=[rules.prefixes[index]], minimums=[rules.minimums[index]]))


def cases(kind: str) -> st.SearchStrategy[Case]:
    """Cases under one rule, or under all of them; prefixes may be longer than what they have room in."""
    words = st.lists(st.sampled_from(WORDS), max_size=5 if kind in ("prefix", "all") else 0).map(tuple)
    return problems().flatmap(
        lambda problem: st.builds(
            Rules,
            ngram=st.integers(1, 3) if kind in ("ngram", "all") else st.just(0),
            penalty=st.sampled_from([1.3, 4.0]) if kind in ("penalty", "all") else st.just(1.0),
            prefixes=st.lists(words, min_size=len(problem.worlds), max_size=len(problem.worlds)),
            minimums=st.lists(
                st.integers(0, 4 if kind in ("minimum", "all") else 0),
                min_size=len(problem.worlds),
                max_size=len(problem.worlds),
            ),
        ).map(lambda rules: Case(problem, rules))
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(
    data=st.data(), n_best=st.sampled_from([1, 3, 20]), alpha=alphas, beta=betas, min_length=st.sampled_from([0, 0, 2])
)
def test_a_beam_wide_enough_finds_what_counting_all_sentences_finds(
    kind: str, data: st.DataObject, n_best: int, alpha: float, beta: float, min_length: int
) -> None:
    case = data.draw(cases(kind))
    options = SearchOptions(
        beam_size=MANY, length_penalty=alpha, coverage_penalty=beta, n_best=n_best, min_length=min_length
    )
    worlds = case.rules.alter(case.problem)
    for world, limit, found in zip(worlds, case.problem.limits, case.beam(options), strict=True):
        if limit > 0:
            assert_ranked_as(found, exhaustive(world, limit, alpha=alpha, beta=beta, min_length=min_length), n_best)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), beam_size=st.integers(1, 6), alpha=alphas, beta=betas)
def test_a_narrow_beam_is_the_naive_one_and_reports_what_it_found(
    kind: str, data: st.DataObject, beam_size: int, alpha: float, beta: float
) -> None:
    case = data.draw(cases(kind))
    options = SearchOptions(beam_size=beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=beam_size)
    worlds = case.rules.alter(case.problem)
    for i, found in enumerate(case.beam(options)):
        limit, prefix = case.problem.limits[i], case.rules.prefixes[i]
        if limit == 0:
            continue
        expected = naive_beam(worlds[i], limit, beam_size=beam_size, alpha=alpha, beta=beta, min_length=0)
        assert_ranked_as(found, expected, beam_size)
        alone = case.one(i)
        assert [h._replace(attention=None) for h in alone.beam(options)[0]] == [
            h._replace(attention=None) for h in found
        ]
        for hypothesis in found:
            scored = scored_tokens(hypothesis)
            assert scored[: len(prefix)] == prefix[: len(scored)]
            assert list(hypothesis.token_log_probabilities) == rescored(alone.stepper(), scored)
            own = [case.problem.worlds[i].at(scored[:j])[0][token] for j, token in enumerate(scored)]
            # what is demanded keeps the model's log-probability, whatever else is asked
            assert list(hypothesis.token_log_probabilities)[: len(prefix)] == own[: len(prefix)]
            if kind != "penalty" and kind != "all":
                assert list(hypothesis.token_log_probabilities) == own


def rescored(stepper: Stepper, scored: tuple[int, ...]) -> list[float]:
    state, token, logs = stepper.start(), START, []
    for following in scored:
        said, state = stepper.step(torch.tensor([[token]]), state)
        logs.append(said.log_probabilities[0, 0, following].item())
        token = following
    return logs


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_beam_of_one_is_greedy_is_sampling_from_one(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind))
    greedy = greedy_search(case.stepper(), **case.common())
    drawn = sample_search(case.stepper(), options=SamplingOptions(top_k=1), **case.common())
    beams = case.beam(SearchOptions(beam_size=1, length_penalty=0.0))
    worlds = case.rules.alter(case.problem)
    for world, limit, (beam,), one, (same,) in zip(worlds, case.problem.limits, beams, greedy, drawn, strict=True):
        for hypothesis in (beam, one, same):
            assert scored_tokens(hypothesis) == naive_greedy(world, limit)
            assert hypothesis.token_log_probabilities == one.token_log_probabilities


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    walk=st.lists(st.sampled_from(WORDS[:2]), min_size=3, max_size=9).map(tuple),
    size=st.integers(1, 3),
    penalty=st.sampled_from([1.0, 2.0]),
)
def test_long_walks_over_two_words(seed: int, walk: tuple[int, ...], size: int, penalty: float) -> None:
    """Sentences of four words hardly ever repeat two or three: here all do, and every token is compared."""
    world = World(seed)
    stepper = NoRepeatNgram(RepetitionPenalty(WorldStepper([world]), penalty), size, specials=SPECIALS)
    altered = WithoutRepeats(Penalised(world, penalty), size, SPECIALS)
    state = stepper.start()
    for place, token in enumerate((START, *walk)):
        said, state = stepper.step(torch.tensor([[token]]), state)
        assert said.log_probabilities[0, 0].tolist() == pytest.approx(altered.at(walk[:place])[0])


def test_no_row_is_left_without_a_way_on() -> None:
    """Four words and no word twice: behind the fourth, all may be said again, as `</s>` alone would be no way on."""
    world = World(seed=3, sharpness=0.1)
    stepper = NoRepeatNgram(WorldStepper([world]), 1, specials=SPECIALS)
    options = SearchOptions(beam_size=4, min_length=6)
    (found,) = beam_search(
        stepper, start=START, end=END, maximum_lengths=torch.tensor([7]), options=options, forbidden=(PAD,)
    )[0]
    assert sorted(found.tokens[:4]) == list(WORDS)
    assert len(found.tokens) >= 6


def test_a_way_on_that_the_wrapper_was_not_told_is_none_is_the_search_s_error() -> None:
    stepper = NoRepeatNgram(WorldStepper([World(seed=3)]), 1)  # `</s>` is left, and the search may not use it yet
    with pytest.raises(ValueError, match="sentence 0 of the batch has probability 0"):
        greedy_search(stepper, start=START, end=END, maximum_lengths=torch.tensor([7]), min_length=6, forbidden=(PAD,))


def test_the_start_is_no_part_of_what_was_said() -> None:
    """Where `<s>` and `</s>` share an id, it may still end a hypothesis, and with its full probability."""

    class Shared(WorldStepper):
        def step(self, tokens: torch.Tensor, state: object) -> object:
            tokens = tokens if state.prefixes[0][0] is not None else torch.full_like(tokens, START)
            return super().step(tokens, state)

    world = World(seed=11)
    for wrapped in (NoRepeatNgram(Shared([world]), 1), RepetitionPenalty(Shared([world]), 9.0)):
        said, state = wrapped.step(torch.tensor([[END]]), wrapped.start())
        assert torch.equal(said.log_probabilities[0, 0], torch.tensor(world.at(())[0]))
        said, _ = wrapped.step(torch.tensor([[2]]), state)
        assert said.log_probabilities[0, 0, END] == world.at((2,))[0][END]


def test_a_token_penalised_many_times_is_penalised_once() -> None:
    stepper = RepetitionPenalty(WorldStepper([World(seed=1)]), 2.0)
    logs = rescored(stepper, (2, 2, 2, 2))
    own = [World(seed=1).at((2,) * i)[0][2] for i in range(4)]
    assert logs == pytest.approx([own[0], 2 * own[1], 2 * own[2], 2 * own[3]])


class Table:
    """Answers one row of one sentence with a view of its own numbers, as a table of bigrams may."""

    vocabulary_size = VOCABULARY

    def __init__(self, world: World) -> None:
        self.values = torch.tensor([world.at((token,))[0] for token in range(START + 1)])

    def start(self) -> None:
        pass

    def step(self, tokens: torch.Tensor, state: None) -> tuple[Scored, None]:
        return Scored(self.values[int(tokens)].view(1, 1, -1), None), None

    def reorder(self, state: None, sentences: torch.Tensor, rows: torch.Tensor) -> None:
        pass


WRAPPERS: list[Callable[[Stepper], Stepper]] = [
    lambda table: LogLinear([table, table]),
    lambda table: LogLinear([table, table], renormalised=True),
    lambda table: Linear([table, table]),
    lambda table: ForcedPrefix(table, [(2, 2)]),
    lambda table: RepetitionPenalty(table, 2.0),
    lambda table: NoRepeatNgram(table, 1, specials=SPECIALS),
    lambda table: MinimumLengths(table, torch.tensor([3]), end=END),
]


@pytest.mark.parametrize("wrap", WRAPPERS, ids=range(len(WRAPPERS)))
def test_what_a_stepper_says_is_its_own(wrap: Callable[[Stepper], Stepper]) -> None:
    """Nothing on the way writes into it: a table of bigrams must be the same after a search."""
    table = Table(World(seed=4))
    before = table.values.clone()
    limits = torch.tensor([5])
    common = {"start": START, "end": END, "maximum_lengths": limits, "forbidden": (PAD,)}
    greedy_search(wrap(table), min_length=2, **common)
    beam_search(wrap(table), options=SearchOptions(beam_size=1, min_length=2), **common)
    sample_search(wrap(table), options=SamplingOptions(min_length=2, top_k=2), **common)
    assert torch.equal(table.values, before)


@pytest.mark.parametrize("size", [0, -1])
def test_ngrams_of_nothing(size: int) -> None:
    with pytest.raises(ValueError, match="n-grams"):
        NoRepeatNgram(WorldStepper([World(1)]), size)


@pytest.mark.parametrize("penalty", [0.9, -1.0, float("nan"), float("inf")])
def test_penalties_below_one_would_raise_probabilities(penalty: float) -> None:
    with pytest.raises(ValueError, match="below 1|infinite"):
        RepetitionPenalty(WorldStepper([World(1)]), penalty)


@pytest.mark.parametrize("token", [-1, 6])
def test_a_prefix_outside_of_the_vocabulary(token: int) -> None:
    with pytest.raises(ValueError, match=f"sentence 1 holds token {token}"):
        ForcedPrefix(WorldStepper([World(1), World(2)]), [(2,), (2, token)])
