"""Diverse beams: against a search that keeps every group apart, and against the plain beams that they must be."""

import itertools
import math
import random
from collections.abc import Sequence
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    END,
    VOCABULARY,
    WORDS,
    Altered,
    AtLeast,
    Penalised,
    Prefixed,
    Together,
    World,
    WorldScores,
    WorldState,
    WorldStepper,
    naive_diverse_beam,
)
from small_worlds import Problem, scored_tokens, search_worlds

from nmt.search import (
    ForcedPrefix,
    Hypothesis,
    LogLinear,
    MinimumLengths,
    RepetitionPenalty,
    SearchOptions,
    Stepper,
)
from nmt.search.choice import Chooser
from nmt.search.diverse import DiverseGroups

STRENGTHS = [0.0, 0.25, 1.0, 4.0, 1000.0]


class Holed(Altered):
    """Most words are impossible most of the time, so groups have fewer continuations than places; 2 is always there."""

    def alter(self, prefix: tuple[int, ...], logs: list[float]) -> list[float]:
        generator = random.Random(f"{self.seed} {prefix}")
        return [
            -math.inf if token in WORDS[1:] and generator.random() < 0.7 else value for token, value in enumerate(logs)
        ]


def problems(longest: int = 5) -> st.SearchStrategy[Problem]:
    worlds = st.builds(
        World,
        seed=st.integers(0, 2**40),
        positions=st.integers(1, 3),
        sharpness=st.sampled_from([0.3, 1.0, 3.0]),
        grid=st.sampled_from([None, 0.5]),
    )
    pairs = st.lists(st.tuples(worlds | st.builds(Holed, worlds), st.integers(1, longest)), min_size=1, max_size=4)
    return pairs.map(lambda drawn: Problem([world for world, _ in drawn], [limit for _, limit in drawn]))


class Shape(NamedTuple):
    """A beam and how it is divided."""

    beam_size: int
    groups: int


shapes = st.sampled_from([Shape(k, g) for k in range(1, 9) for g in range(1, k + 1) if k % g == 0])
strengths = st.sampled_from(STRENGTHS)
alphas = st.sampled_from([0.0, 0.6, 1.5])
betas = st.sampled_from([0.0, 0.2])


def search(
    problem: Problem,
    options: SearchOptions,
    chooser: Chooser | None,
    *,
    stepper: Stepper | None = None,
    garbage: float = 0.01,
) -> list[list[Hypothesis]]:
    return search_worlds(*problem, options, chooser=chooser, stepper=stepper, garbage=garbage)


def assert_same(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    """To the last bit."""
    assert [h._replace(attention=None) for h in found] == [h._replace(attention=None) for h in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.attention is not None and other.attention is not None
        assert torch.equal(one.attention, other.attention)


def assert_what_the_oracle_says(
    world: World, limit: int, found: list[Hypothesis], options: SearchOptions, shape: Shape, strength: float
) -> None:
    """Every hypothesis that ended, once, best first; those that score alike to rounding may change places."""
    alpha, beta = options.length_penalty, options.coverage_penalty
    expected = naive_diverse_beam(
        world, limit, beam_size=shape.beam_size, groups=shape.groups, strength=strength,
        alpha=alpha, beta=beta, min_length=options.min_length,
    )  # fmt: skip
    scores = {(entry.tokens, entry.finished): entry.score for entry in expected}
    names = [(hypothesis.tokens, hypothesis.finished) for hypothesis in found]
    assert len(set(names)) == len(names) == min(options.n_best, len(expected))
    assert [scores[name] for name in names] == pytest.approx([h.score for h in found], rel=1e-5, abs=1e-5)
    assert [h.score for h in found] == pytest.approx([e.score for e in expected[: options.n_best]], rel=1e-5, abs=1e-5)
    assert all(first.score >= second.score for first, second in itertools.pairwise(found))


@settings(max_examples=200, deadline=None)
@given(
    problem=problems(), shape=shapes, strength=strengths, alpha=alphas, beta=betas,
    min_length=st.integers(0, 3), data=st.data(),
)  # fmt: skip
def test_groups_side_by_side_are_groups_one_by_one(
    problem: Problem, shape: Shape, strength: float, alpha: float, beta: float, min_length: int, data: st.DataObject
) -> None:
    options = SearchOptions(
        beam_size=shape.beam_size,
        length_penalty=alpha,
        coverage_penalty=beta,
        n_best=data.draw(st.integers(1, shape.beam_size)),
        min_length=min_length,
    )
    chooser = DiverseGroups(shape.groups, strength)
    for world, limit, found in zip(*problem, search(problem, options, chooser), strict=True):
        assert_what_the_oracle_says(world, limit, found, options, shape, strength)


@settings(max_examples=40, deadline=None)
@given(problem=problems(), beam_size=st.integers(1, 6), strength=strengths, alpha=alphas, beta=betas, data=st.data())
def test_one_group_is_the_plain_beam(
    problem: Problem, beam_size: int, strength: float, alpha: float, beta: float, data: st.DataObject
) -> None:
    n_best = data.draw(st.integers(1, beam_size))
    options = SearchOptions(beam_size=beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=n_best)
    plain = search(problem, options, None)
    for found, expected in zip(search(problem, options, DiverseGroups(1, strength)), plain, strict=True):
        assert_same(found, expected)


@settings(max_examples=40, deadline=None)
@given(problem=problems(), shape=shapes, alpha=alphas, beta=betas, data=st.data())
def test_without_a_penalty_all_groups_are_the_plain_beam_of_one(
    problem: Problem, shape: Shape, alpha: float, beta: float, data: st.DataObject
) -> None:
    share = shape.beam_size // shape.groups
    penalties = {"length_penalty": alpha, "coverage_penalty": beta}
    n_best = data.draw(st.integers(1, share))
    plain = search(problem, SearchOptions(beam_size=share, n_best=n_best, **penalties), None)
    wide = SearchOptions(beam_size=shape.beam_size, n_best=n_best, **penalties)
    for found, expected in zip(search(problem, wide, DiverseGroups(shape.groups, 0.0)), plain, strict=True):
        assert_same(found, expected)


@settings(max_examples=40, deadline=None)
@given(problem=problems(), shape=shapes, strength=strengths, alpha=alphas, beta=betas)
def test_nothing_that_the_plain_beam_of_one_group_finds_is_lost(
    problem: Problem, shape: Shape, strength: float, alpha: float, beta: float
) -> None:
    """What the first group finds is in the result, unless the result is full of better ones."""
    size, penalties = shape.beam_size, {"length_penalty": alpha, "coverage_penalty": beta}
    share = size // shape.groups
    wide = SearchOptions(beam_size=size, n_best=size, **penalties)
    narrow = SearchOptions(beam_size=share, n_best=share, **penalties)
    diverse = search(problem, wide, DiverseGroups(shape.groups, strength))
    for found, expected in zip(diverse, search(problem, narrow, None), strict=True):
        names = [(h.tokens, h.finished) for h in found]
        for hypothesis in expected:
            assert (hypothesis.tokens, hypothesis.finished) in names or (
                len(found) == size and found[-1].score >= hypothesis.score
            )


@settings(max_examples=40, deadline=None)
@given(problem=problems(), shape=shapes, strength=strengths, alpha=alphas, beta=betas)
def test_what_is_reported_is_the_stepper_s_own(
    problem: Problem, shape: Shape, strength: float, alpha: float, beta: float
) -> None:
    """Walking a hypothesis again: no penalty is left in it, and its attention is that of its own tokens."""
    options = SearchOptions(
        beam_size=shape.beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=shape.beam_size
    )
    for world, limit, found in zip(
        *problem, search(problem, options, DiverseGroups(shape.groups, strength)), strict=True
    ):
        for hypothesis in found:
            scored = scored_tokens(hypothesis)
            assert list(hypothesis.token_log_probabilities) == [
                world.at(scored[:place])[0][token] for place, token in enumerate(scored)
            ]
            assert hypothesis.log_probability == sum(hypothesis.token_log_probabilities)
            assert hypothesis.score == pytest.approx(world.score(scored, alpha, beta), rel=1e-5, abs=1e-5)
            assert hypothesis.attention is not None
            assert torch.equal(hypothesis.attention, torch.tensor(world.attention(scored)))
            assert hypothesis.finished or len(scored) == limit


@settings(max_examples=40, deadline=None)
@given(problem=problems(), shape=shapes, strength=strengths, alpha=alphas, beta=betas, data=st.data())
def test_batch_mates_and_their_order_change_nothing(
    problem: Problem, shape: Shape, strength: float, alpha: float, beta: float, data: st.DataObject
) -> None:
    options = SearchOptions(
        beam_size=shape.beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=shape.beam_size
    )
    order = data.draw(st.permutations(range(len(problem.worlds))))
    shuffled = Problem([problem.worlds[i] for i in order], [problem.limits[i] for i in order])
    chooser = DiverseGroups(shape.groups, strength)
    for i, found in zip(order, search(shuffled, options, chooser), strict=True):
        (alone,) = search(Problem([problem.worlds[i]], [problem.limits[i]]), options, chooser, garbage=0.0)
        assert_same(found, alone)


def altered(problem: Problem, *, prefix: tuple[int, ...], least: int, theta: float) -> tuple[Problem, Stepper]:
    """Each world with another one, with a prefix, a penalty and a minimum length: as an oracle and as a stepper."""
    others = [World(world.seed + 1, positions=world.positions) for world in problem.worlds]
    steppers = [WorldStepper(problem.worlds, garbage=0.01), WorldStepper(others, garbage=0.01)]
    stepper: Stepper = ForcedPrefix(LogLinear(steppers, [0.5, 0.5]), [prefix] * len(others))
    stepper = MinimumLengths(RepetitionPenalty(stepper, theta), torch.full((len(others),), least), end=END)
    worlds: list[World] = [
        AtLeast(Penalised(Prefixed(Together([one, other], [0.5, 0.5], linear=False), prefix), theta), least)
        for one, other in zip(problem.worlds, others, strict=True)
    ]
    return Problem(worlds, problem.limits), stepper


@settings(max_examples=40, deadline=None)
@given(
    problem=problems(), shape=shapes, strength=strengths, beta=betas, least=st.integers(0, 3),
    prefix=st.lists(st.sampled_from(WORDS), max_size=2).map(tuple), theta=st.sampled_from([1.0, 1.5]), data=st.data(),
)  # fmt: skip
def test_steppers_around_steppers_are_none_of_its_business(
    problem: Problem, shape: Shape, strength: float, beta: float, least: int, prefix: tuple[int, ...], theta: float,
    data: st.DataObject,
) -> None:  # fmt: skip
    problem = problem._replace(worlds=[World(w.seed, positions=w.positions) for w in problem.worlds])  # no near ties
    n_best = data.draw(st.integers(1, shape.beam_size))
    options = SearchOptions(beam_size=shape.beam_size, length_penalty=0.6, coverage_penalty=beta, n_best=n_best)
    problem, stepper = altered(problem, prefix=prefix, least=least, theta=theta)
    chooser = DiverseGroups(shape.groups, strength)
    for world, limit, found in zip(*problem, search(problem, options, chooser, stepper=stepper), strict=True):
        assert_what_the_oracle_says(world, limit, found, options, shape, strength)


SILENT = dict.fromkeys(range(VOCABULARY), -math.inf)


class Told(World):
    """What follows which words; everything else has log-probability -9."""

    def __init__(self, told: dict[tuple[int, ...], dict[int, float]]) -> None:
        super().__init__(seed=0, positions=1)
        self.told = told

    def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
        return [self.told.get(prefix, {}).get(token, -9.0) for token in range(VOCABULARY)], [1.0]


def said(world: World, limit: int, shape: Shape, strength: float, *, min_length: int = 0) -> set[tuple[int, ...]]:
    """The scored tokens of all that a search finds, ranked by log-probability."""
    options = SearchOptions(
        beam_size=shape.beam_size, n_best=shape.beam_size, length_penalty=0.0, min_length=min_length
    )
    (found,) = search(Problem([world], [limit]), options, DiverseGroups(shape.groups, strength))
    return {scored_tokens(hypothesis) for hypothesis in found}


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        (0.0, {(2,)}),
        (0.2, {(2,)}),  # to the third group 2 is worth -0.5 - 2 · 0.2, more than 3
        (0.4, {(2,), (3,)}),  # and here it is worth -1.3, less than 3
        (0.6, {(2,), (3,)}),  # the second group says 3; the third has both said once before it
        (2.0, {(2,), (3,), (4,)}),
    ],
)
def test_a_group_says_something_else_where_that_costs_less_than_the_penalty(
    strength: float, expected: set[tuple[int, ...]]
) -> None:
    world = Told({(): {2: -0.5, 3: -1.0, 4: -2.0, 5: -4.0}})
    assert said(world, 1, Shape(3, 3), strength) == expected


def test_every_hypothesis_of_an_earlier_group_counts() -> None:
    """The first group says 2 twice, so the second group rather says 3, which 2 is before when it is counted once."""
    world = Told({
        (): {2: -1.0, 3: -1.1, 4: -1.2, 5: -1.3},
        (2,): {2: -0.1},
        (3,): {2: -0.1},
        (4,): {2: -0.1, 3: -1.6},
        (5,): {2: -0.1, 3: -1.6},
    })  # fmt: skip
    assert said(world, 2, Shape(4, 2), 1.0) == {(2, 2), (3, 2), (4, 3), (5, 3)}


def test_a_penalty_is_kept_as_long_as_its_hypothesis() -> None:
    """The second group is penalised for having begun with 2 as well: 3 3 is before 2 3, which is more probable."""
    world = Told({
        (): {2: -0.1, 3: -2.0, 4: -1.8},
        (2,): {2: -0.1, 3: -2.4},
        (3,): {3: -0.6},
        (4,): {5: -0.1},
    })  # fmt: skip
    assert said(world, 2, Shape(4, 2), 1.0) == {(2, 2), (4, 5), (3, 3)}


def test_endings_are_not_penalised() -> None:
    """Both groups end at once; were the second penalised for it, it would go on."""
    world = Told({(): {2: -0.5, 3: -1.0}, (2,): {END: -0.1, 4: -3.0}, (3,): {END: -0.1, 5: -3.0}})
    assert said(world, 2, Shape(2, 2), 5.0, min_length=1) == {(2, END), (3, END)}


def test_what_is_impossible_counts_for_nothing() -> None:
    """The first group, of 2, 3 and 4, can only go on with 2 2; that leaves 3 free to the second group's 5."""
    world = Told({
        (): {2: -0.5, 3: -1.0, 4: -1.5, 5: -2.0},
        (2,): SILENT | {2: -0.5},
        (3,): SILENT,
        (4,): SILENT,
        (5,): SILENT | {2: -0.1, 3: -0.2, 4: -0.3, 5: -0.4},
    })  # fmt: skip
    assert said(world, 2, Shape(6, 2), 5.0) == {(2, 2), (5, 3), (5, 4), (5, 5)}
    world.told[2,] |= {END: -0.1}  # nor do endings count that stand in the empty places
    world.told[5,] |= {2: -0.15, END: -0.1}
    assert said(world, 2, Shape(6, 2), 5.0) == {(2, END), (2, 2), (5, END), (5, 3), (5, 4), (5, 5)}


def test_where_nothing_but_the_end_is_possible_nothing_lives_on() -> None:
    world = Told({(): {2: -0.5, 3: -1.0, 4: -2.0}} | {(word,): SILENT | {END: -0.1} for word in WORDS})
    assert said(world, 9, Shape(3, 3), 1.0, min_length=1) == {(2, END), (3, END)}


class Watched(WorldStepper):
    """Remembers how many rows each step has."""

    def __init__(self, worlds: list[World]) -> None:
        super().__init__(worlds)
        self.rows: list[int] = []

    def step(self, tokens: torch.Tensor, state: WorldState) -> tuple[WorldScores, WorldState]:
        self.rows.append(tokens.shape[1])
        return super().step(tokens, state)


def test_what_two_groups_hold_is_scored_once() -> None:
    problem = Problem([World(5, sharpness=0.3)], [5])
    for strength, rows in ((0.0, [1, 2, 2, 2, 2]), (1000.0, [1, 4, 6, 6, 6])):
        stepper = Watched(problem.worlds)
        search(problem, SearchOptions(beam_size=6, n_best=6, min_length=9), DiverseGroups(3, strength), stepper=stepper)
        assert stepper.rows == rows


def test_sentences_leave_when_nothing_can_win() -> None:
    class Certain(World):
        def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
            following = (2, 3, 4)[len(prefix)] if len(prefix) < self.seed else END
            return [-0.001 if token == following else -12.0 for token in range(VOCABULARY)], [1.0]

    stepper = WorldStepper([Certain(seed=1, positions=1), Certain(seed=3, positions=1)])
    problem = Problem(stepper.worlds, [50, 50])
    found = search(problem, SearchOptions(beam_size=4), DiverseGroups(2, 0.5), stepper=stepper)
    assert [h.tokens for (h,) in found] == [(2,), (2, 3, 4)]
    assert stepper.batches == [2, 2, 1, 1]


def test_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="cannot have 0 groups"):
        DiverseGroups(0, 0.5)
    for strength in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="diversity strength"):
            DiverseGroups(2, strength)
    with pytest.raises(ValueError, match="a beam of 5 cannot be divided into 2 equal groups"):
        search(Problem([World(1)], [3]), SearchOptions(beam_size=5), DiverseGroups(2, 0.5))
