"""Beam search against all sentences of small worlds, and against a naive beam search of one sentence at a time."""

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import END, PAD, START, World, WorldStepper, exhaustive, naive_beam
from small_worlds import (
    MANY,
    Broken,
    Certain,
    Problem,
    alphas,
    assert_ranked_as,
    betas,
    problems,
    scored_tokens,
    search_worlds,
    walk,
)

from nmt.search import Hypothesis, SearchOptions, beam_search, greedy_search


@pytest.mark.parametrize("beta", [0.0, 0.4])
@pytest.mark.parametrize("alpha", [0.0, 0.8])
@settings(max_examples=100, deadline=None)  # for each penalty, of up to four worlds each
@given(problem=problems(), n_best=st.sampled_from([1, 3, 20, MANY]), min_length=st.integers(0, 3))
def test_a_beam_wide_enough_finds_what_counting_all_sentences_finds(
    alpha: float, beta: float, problem: Problem, n_best: int, min_length: int
) -> None:
    options = SearchOptions(
        beam_size=MANY, length_penalty=alpha, coverage_penalty=beta, n_best=n_best, min_length=min_length
    )
    for world, limit, found in zip(*problem, search_worlds(*problem, options), strict=True):
        expected = exhaustive(world, limit, alpha=alpha, beta=beta, min_length=min_length)
        if limit > 0:
            assert_ranked_as(found, expected, n_best)
        else:
            assert found == [Hypothesis((), 0.0, 0.0, (), None, False)]


@settings(max_examples=200, deadline=None)
@given(problem=problems(), beam_size=st.integers(1, 7), alpha=alphas, beta=betas, data=st.data())
def test_a_narrow_beam_is_the_naive_one_which_never_stops_early(
    problem: Problem, beam_size: int, alpha: float, beta: float, data: st.DataObject
) -> None:
    n_best = data.draw(st.integers(1, beam_size))
    min_length = data.draw(st.integers(0, 3))
    options = SearchOptions(
        beam_size=beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=n_best, min_length=min_length
    )
    for world, limit, found in zip(*problem, search_worlds(*problem, options), strict=True):
        expected = naive_beam(world, limit, beam_size=beam_size, alpha=alpha, beta=beta, min_length=min_length)
        if limit > 0:
            assert_ranked_as(found, expected, n_best)
        assert all(len(h.tokens) >= min_length for h in found if h.finished)


@settings(max_examples=100, deadline=None)
@given(problem=problems(grid=0.5), beam_size=st.integers(1, 6))
def test_ties_fall_as_promised(problem: Problem, beam_size: int) -> None:
    options = SearchOptions(beam_size=beam_size, length_penalty=0.0, n_best=beam_size)
    for world, limit, found in zip(*problem, search_worlds(*problem, options), strict=True):
        expected = naive_beam(world, limit, beam_size=beam_size, alpha=0.0, beta=0.0, min_length=0)
        got = [(h.tokens, h.finished, h.score) for h in found]
        if limit > 0:  # sums of halves are exact, so nothing is left to rounding
            assert got == [tuple(entry) for entry in expected[:beam_size]]


@settings(max_examples=100, deadline=None)
@given(problem=problems(), min_length=st.integers(0, 3), grid=st.sampled_from([None, 0.5]))
def test_a_beam_of_one_is_greedy(problem: Problem, min_length: int, grid: float | None) -> None:
    problem = Problem([replace(world, grid=grid, tables={}) for world in problem.worlds], problem.limits)
    options = SearchOptions(beam_size=1, length_penalty=0.0, min_length=min_length)
    greedy = greedy_search(
        WorldStepper(problem.worlds),
        start=START,
        end=END,
        maximum_lengths=torch.tensor(problem.limits),
        min_length=min_length,
        forbidden=(PAD,),
        source_lengths=torch.tensor([world.positions for world in problem.worlds]),
    )
    for (beam,), single in zip(search_worlds(*problem, options), greedy, strict=True):
        assert (beam.tokens, beam.finished) == (single.tokens, single.finished)
        assert beam.token_log_probabilities == single.token_log_probabilities
        assert (beam.log_probability, beam.score) == (single.log_probability, single.score)  # to the last bit
        assert (beam.attention is None) == (single.attention is None)
        assert beam.attention is None or torch.equal(beam.attention, single.attention)


@settings(max_examples=100, deadline=None)
@given(problem=problems(), beam_size=st.integers(1, 6), alpha=alphas, beta=betas)
def test_walking_a_hypothesis_gives_what_was_reported(
    problem: Problem, beam_size: int, alpha: float, beta: float
) -> None:
    options = SearchOptions(beam_size=beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=beam_size)
    for world, limit, found in zip(*problem, search_worlds(*problem, options), strict=True):
        for hypothesis in found if limit > 0 else []:
            scored = scored_tokens(hypothesis)
            logs, attention = walk(WorldStepper([world]), scored)
            assert list(hypothesis.token_log_probabilities) == logs
            assert hypothesis.log_probability == pytest.approx(sum(logs))
            assert hypothesis.score == pytest.approx(world.score(scored, alpha, beta), rel=1e-5, abs=1e-5)
            assert hypothesis.attention is not None
            assert torch.equal(hypothesis.attention, attention)
            assert hypothesis.finished or len(scored) == limit


@settings(max_examples=100, deadline=None)
@given(problem=problems(), beam_size=st.integers(1, 6), alpha=alphas, beta=betas, data=st.data())
def test_batch_mates_and_their_order_change_nothing(
    problem: Problem, beam_size: int, alpha: float, beta: float, data: st.DataObject
) -> None:
    options = SearchOptions(beam_size=beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=beam_size)
    order = data.draw(st.permutations(range(len(problem.worlds))))
    shuffled = Problem([problem.worlds[i] for i in order], [problem.limits[i] for i in order])
    together = search_worlds(*shuffled, options)
    for i, found in zip(order, together, strict=True):
        (alone,) = search_worlds([problem.worlds[i]], [problem.limits[i]], options, garbage=0.0)
        assert [h._replace(attention=None) for h in found] == [h._replace(attention=None) for h in alone]
        for one, other in zip(found, alone, strict=True):
            assert (one.attention is None) == (other.attention is None)
            assert one.attention is None or torch.equal(one.attention, other.attention)


def test_sentences_leave_when_nothing_can_win_and_the_search_ends() -> None:
    worlds: list[World] = [Certain((2,)), Certain((3, 4, 5, 2, 3)), Certain((4, 5, 2))]
    stepper = WorldStepper(worlds)
    found = beam_search(
        stepper,
        start=START,
        end=END,
        maximum_lengths=torch.tensor([50, 50, 50]),
        options=SearchOptions(beam_size=3),
        forbidden=(PAD,),
    )
    assert [hypotheses[0].tokens for hypotheses in found] == [(2,), (3, 4, 5, 2, 3), (4, 5, 2)]
    assert stepper.batches == [3, 3, 2, 2, 1, 1]  # each leaves with its </s>


def test_the_end_must_be_among_the_first_k() -> None:
    class Reluctant(World):
        def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
            return [-9.0, -1.1, -1.0, -1.05, -9.0, -9.0], [1.0]  # </s> is third, behind two words

    problem = Problem([Reluctant(seed=0, positions=1)], [3])
    narrow = search_worlds(*problem, SearchOptions(beam_size=2, n_best=2, length_penalty=0.0))[0]
    wide = search_worlds(*problem, SearchOptions(beam_size=3, n_best=1, length_penalty=0.0))[0]
    assert [h.finished for h in narrow] == [False, False]
    assert wide[0].tokens == ()


def test_a_cut_hypothesis_is_normalised_like_any_other() -> None:
    options = SearchOptions(beam_size=4, length_penalty=1.0, min_length=9)
    (found,) = search_worlds([World(seed=5, sharpness=0.1)], [4], options)[0]
    assert (found.finished, len(found.tokens)) == (False, 4)
    assert found.score == pytest.approx(found.log_probability / ((5 + 4) / 6))


def test_without_a_maximum_above_zero_nothing_is_asked() -> None:
    stepper = WorldStepper([World(1), World(2)])
    found = beam_search(stepper, start=START, end=END, maximum_lengths=torch.tensor([0, -3]), options=SearchOptions())
    assert [[h.tokens for h in hypotheses] for hypotheses in found] == [[()], [()]]
    assert stepper.batches == []
    empty = torch.zeros(0, dtype=torch.long)
    assert beam_search(WorldStepper([]), start=START, end=END, maximum_lengths=empty, options=SearchOptions()) == []


def test_attention_is_left_out_where_it_is_not_wanted_or_not_given() -> None:
    for gives, wants in itertools.product([True, False], repeat=2):
        stepper = WorldStepper([World(1)], gives_attention=gives)
        (found,) = beam_search(
            stepper,
            start=START,
            end=END,
            maximum_lengths=torch.tensor([3]),
            options=SearchOptions(),
            with_attention=wants,
        )
        assert (found[0].attention is not None) == (gives and wants)


def test_a_coverage_penalty_needs_attention() -> None:
    stepper = WorldStepper([World(1)], gives_attention=False)
    with pytest.raises(ValueError, match="needs attention"):
        beam_search(
            stepper,
            start=START,
            end=END,
            maximum_lengths=torch.tensor([3]),
            options=SearchOptions(coverage_penalty=0.2),
        )


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_numbers_that_cannot_be_are_an_error_with_a_place(number: float) -> None:
    limits = torch.tensor([9, 9])
    place = r"token 2 of sentences \[1\]" if number != number else "sentence 1 of the batch has probability 0"
    with pytest.raises(ValueError, match=place):
        beam_search(Broken(number), start=START, end=END, maximum_lengths=limits, options=SearchOptions(beam_size=1))
    with pytest.raises(ValueError, match=place):
        greedy_search(Broken(number), start=START, end=END, maximum_lengths=limits)


def test_a_sentence_without_any_hypothesis_left_is_given_up_at_once() -> None:
    """Not carried to its maximum length, as where nothing has ended yet nobody looks who may leave."""

    class DeadEnd(World):
        def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
            return ([-1.0] * 6 if len(prefix) < 2 else [-torch.inf] * 6), [1.0]

    stepper = WorldStepper([DeadEnd(seed=0, positions=1)])
    with pytest.raises(ValueError, match="sentence 0 of the batch has probability 0"):
        beam_search(
            stepper,
            start=START,
            end=END,
            maximum_lengths=torch.tensor([100]),
            options=SearchOptions(beam_size=1, min_length=99),
        )
    assert stepper.batches == [1, 1, 1]


@pytest.mark.parametrize(
    "wrong",
    [{"beam_size": 0}, {"n_best": 6}, {"n_best": 0}, {"length_penalty": -0.1}, {"length_penalty": float("nan")},
     {"coverage_penalty": -1.0}, {"min_length": -1}],
)  # fmt: skip
def test_options_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        SearchOptions(**wrong)


@pytest.mark.parametrize(("end", "forbidden"), [(99, ()), (END, (-1,))])
def test_tokens_outside_of_the_vocabulary(end: int, forbidden: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="vocabulary of 6"):
        beam_search(
            WorldStepper([World(1)]),
            start=START,
            end=end,
            maximum_lengths=torch.tensor([3]),
            options=SearchOptions(),
            forbidden=forbidden,
        )
