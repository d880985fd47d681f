"""Beam search against all sentences of small worlds, and against a naive beam search of one sentence at a time."""

import itertools
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import END, PAD, START, Entry, World, WorldScores, WorldState, WorldStepper, exhaustive, naive_beam

from nmt.search import Hypothesis, SearchOptions, Stepper, beam_search, greedy_search

MANY = 5 * 4**3  # candidates of the last of four steps


class Problem(NamedTuple):
    """Worlds to search at once, each with its own maximum length."""

    worlds: list[World]
    limits: list[int]


def problems(*, grid: float | None = None) -> st.SearchStrategy[Problem]:
    worlds = st.builds(
        World,
        seed=st.integers(0, 2**40),
        positions=st.integers(1, 4),
        sharpness=st.sampled_from([0.3, 1.0, 3.0]),
        grid=st.just(grid),
    )
    pairs = st.lists(st.tuples(worlds, st.integers(0, 4)), min_size=1, max_size=4)
    return pairs.map(lambda drawn: Problem([world for world, _ in drawn], [limit for _, limit in drawn]))


def search(problem: Problem, options: SearchOptions, *, garbage: float = 0.01) -> list[list[Hypothesis]]:
    stepper = WorldStepper(problem.worlds, garbage=garbage)
    return beam_search(
        stepper,
        start=START,
        end=END,
        maximum_lengths=torch.tensor(problem.limits),
        options=options,
        forbidden=(PAD,),
        source_lengths=torch.tensor([world.positions for world in problem.worlds]),
    )


def scored_tokens(hypothesis: Hypothesis) -> tuple[int, ...]:
    return (*hypothesis.tokens, END) if hypothesis.finished else hypothesis.tokens


def assert_ranked_as(found: list[Hypothesis], expected: list[Entry], n_best: int) -> None:
    """The first `n_best` expected, though those that score alike to rounding may change places."""
    scores = {(entry.tokens, entry.finished): entry.score for entry in expected}
    names = [(hypothesis.tokens, hypothesis.finished) for hypothesis in found]
    assert len(found) == min(n_best, len(expected))
    assert len(set(names)) == len(names)
    assert [scores[name] for name in names] == pytest.approx([h.score for h in found], rel=1e-5, abs=1e-5)
    assert [h.score for h in found] == pytest.approx([e.score for e in expected[:n_best]], rel=1e-5, abs=1e-5)
    assert all(first.score >= second.score for first, second in itertools.pairwise(found))


alphas = st.sampled_from([0.0, 0.6, 1.0, 3.0])
betas = st.sampled_from([0.0, 0.2, 2.0])


@pytest.mark.parametrize("beta", [0.0, 0.4])
@pytest.mark.parametrize("alpha", [0.0, 0.8])
@settings(max_examples=50, deadline=None)
@given(problem=problems(), n_best=st.sampled_from([1, 3, 20, MANY]), min_length=st.integers(0, 3))
def test_a_beam_wide_enough_finds_what_counting_all_sentences_finds(
    alpha: float, beta: float, problem: Problem, n_best: int, min_length: int
) -> None:
    options = SearchOptions(
        beam_size=MANY, length_penalty=alpha, coverage_penalty=beta, n_best=n_best, min_length=min_length
    )
    for world, limit, found in zip(*problem, search(problem, options), strict=True):
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
    for world, limit, found in zip(*problem, search(problem, options), strict=True):
        expected = naive_beam(world, limit, beam_size=beam_size, alpha=alpha, beta=beta, min_length=min_length)
        if limit > 0:
            assert_ranked_as(found, expected, n_best)
        assert all(len(h.tokens) >= min_length for h in found if h.finished)


@settings(max_examples=100, deadline=None)
@given(problem=problems(grid=0.5), beam_size=st.integers(1, 6))
def test_ties_fall_as_promised(problem: Problem, beam_size: int) -> None:
    options = SearchOptions(beam_size=beam_size, length_penalty=0.0, n_best=beam_size)
    for world, limit, found in zip(*problem, search(problem, options), strict=True):
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
    for (beam,), single in zip(search(problem, options), greedy, strict=True):
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
    for world, limit, found in zip(*problem, search(problem, options), strict=True):
        for hypothesis in found if limit > 0 else []:
            scored = scored_tokens(hypothesis)
            logs, attention = walk(WorldStepper([world]), scored)
            assert list(hypothesis.token_log_probabilities) == logs
            assert hypothesis.log_probability == pytest.approx(sum(logs))
            assert hypothesis.score == pytest.approx(world.score(scored, alpha, beta), rel=1e-5, abs=1e-5)
            assert hypothesis.attention is not None
            assert torch.equal(hypothesis.attention, attention)
            assert hypothesis.finished or len(scored) == limit


def walk(stepper: Stepper, scored: tuple[int, ...]) -> tuple[list[float], torch.Tensor]:
    state, token, logs, rows = stepper.start(), START, [], []
    for following in scored:
        said, state = stepper.step(torch.tensor([[token]]), state)
        assert said.attention is not None
        logs.append(said.log_probabilities[0, 0, following].item())
        rows.append(said.attention[0, 0])
        token = following
    return logs, torch.stack(rows)


@settings(max_examples=100, deadline=None)
@given(problem=problems(), beam_size=st.integers(1, 6), alpha=alphas, beta=betas, data=st.data())
def test_batch_mates_and_their_order_change_nothing(
    problem: Problem, beam_size: int, alpha: float, beta: float, data: st.DataObject
) -> None:
    options = SearchOptions(beam_size=beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=beam_size)
    order = data.draw(st.permutations(range(len(problem.worlds))))
    shuffled = Problem([problem.worlds[i] for i in order], [problem.limits[i] for i in order])
    together = search(shuffled, options)
    for i, found in zip(order, together, strict=True):
        (alone,) = search(Problem([problem.worlds[i]], [problem.limits[i]]), options, garbage=0.0)
        assert [h._replace(attention=None) for h in found] == [h._replace(attention=None) for h in alone]
        for one, other in zip(found, alone, strict=True):
            assert (one.attention is None) == (other.attention is None)
            assert one.attention is None or torch.equal(one.attention, other.attention)


class Certain(World):
    """A world that says one sentence with great certainty."""

    def __init__(self, sentence: tuple[int, ...]) -> None:
        super().__init__(seed=0, positions=2)
        self.sentence = (*sentence, END)

    def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
        logs = [-12.0] * 6
        if len(prefix) < len(self.sentence):
            logs[self.sentence[len(prefix)]] = -0.001
        return logs, [0.5, 0.5]


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
    narrow = search(problem, SearchOptions(beam_size=2, n_best=2, length_penalty=0.0))[0]
    wide = search(problem, SearchOptions(beam_size=3, n_best=1, length_penalty=0.0))[0]
    assert [h.finished for h in narrow] == [False, False]
    assert wide[0].tokens == ()


def test_a_cut_hypothesis_is_normalised_like_any_other() -> None:
    (found,) = search(
        Problem([World(seed=5, sharpness=0.1)], [4]), SearchOptions(beam_size=4, length_penalty=1.0, min_length=9)
    )[0]
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


class Broken(WorldStepper):
    """Says the same number for everything that the second sentence asks at its second step."""

    def __init__(self, number: float) -> None:
        super().__init__([Certain((2, 3)), Certain((2, 3, 4))])
        self.number = number

    def step(self, tokens: torch.Tensor, state: WorldState) -> tuple[WorldScores, WorldState]:
        said, after = super().step(tokens, state)
        if len(self.batches) == 2:
            said.log_probabilities[1] = self.number
        return said, after


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_numbers_that_cannot_be_are_an_error_with_a_place(number: float) -> None:
    limits = torch.tensor([9, 9])
    place = r"token 2 of sentences \[1\]" if number != number else "sentence 1 of the batch has probability 0"
    with pytest.raises(ValueError, match=place):
        beam_search(Broken(number), start=START, end=END, maximum_lengths=limits, options=SearchOptions(beam_size=1))
    with pytest.raises(ValueError, match=place):
        greedy_search(Broken(number), start=START, end=END, maximum_lengths=limits)


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
