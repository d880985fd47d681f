"""Ensembles and shallow fusion against worlds whose probabilities were combined beforehand, token by token."""

import math
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import END, PAD, START, VOCABULARY, Together, World, WorldStepper, exhaustive
from small_worlds import MANY, alphas, assert_ranked_as, betas

from nmt.search import Hypothesis, SearchOptions, Stepper, beam_search
from nmt.search.combine import Linear, LogLinear
from nmt.search.stepper import Scored

BOTH = [Linear, LogLinear]


class Panel(NamedTuple):
    """What votes on each of B sentences: B worlds for every voter, as long as the sentences may be."""

    voters: list[list[World]]
    limits: list[int]

    def steppers(self) -> list[Stepper]:
        return [WorldStepper(worlds) for worlds in self.voters]

    def search(self, stepper: Stepper, options: SearchOptions) -> list[list[Hypothesis]]:
        return beam_search(
            stepper, start=START, end=END, maximum_lengths=torch.tensor(self.limits), options=options, forbidden=(PAD,)
        )


def panels(voters: st.SearchStrategy[int]) -> st.SearchStrategy[Panel]:
    def drawn(count: int, limits: list[int], seed: int, positions: int) -> Panel:
        worlds = [
            [World(seed=seed + 97 * voter + sentence, positions=positions) for sentence in range(len(limits))]
            for voter in range(count)
        ]
        return Panel(worlds, limits)

    limits = st.lists(st.integers(1, 4), min_size=1, max_size=3)
    return st.builds(drawn, voters, limits, st.integers(0, 2**40), st.integers(1, 3))


weights_of_three = st.lists(st.sampled_from([0.1, 0.5, 1.0, 3.0]), min_size=3, max_size=3)


@pytest.mark.parametrize("kind", ["linear", "log_linear", "renormalised", "fusion"])
@settings(max_examples=30, deadline=None)
@given(panel=panels(st.integers(1, 3)), weights=weights_of_three, alpha=alphas, beta=betas)
def test_a_beam_wide_enough_finds_what_counting_all_sentences_finds(
    kind: str, panel: Panel, weights: list[float], alpha: float, beta: float
) -> None:
    weights = weights[: len(panel.voters)]
    if kind != "fusion":
        weights = [weight / sum(weights) for weight in weights]
    steppers = panel.steppers()
    renormalised = kind == "renormalised"
    combined = (
        Linear(steppers, weights) if kind == "linear" else LogLinear(steppers, weights, renormalised=renormalised)
    )
    options = SearchOptions(beam_size=MANY, length_penalty=alpha, coverage_penalty=beta, n_best=5)
    for i, found in enumerate(panel.search(combined, options)):
        worlds = [voter[i] for voter in panel.voters]
        world = Together(worlds, weights, linear=kind == "linear", renormalised=renormalised)
        expected = exhaustive(world, panel.limits[i], alpha=alpha, beta=beta, min_length=0)
        assert_ranked_as(found, expected, 5)
        for hypothesis in found:
            scored = (*hypothesis.tokens, END) if hypothesis.finished else hypothesis.tokens
            assert hypothesis.log_probability == pytest.approx(world.log_probability(scored), abs=1e-4)
            assert hypothesis.attention is not None
            assert torch.allclose(hypothesis.attention, torch.tensor(world.attention(scored)), atol=1e-6)
            assert all(value <= 0.0 for value in hypothesis.token_log_probabilities)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("ensemble", BOTH)
@settings(max_examples=15, deadline=None)
@given(panel=panels(st.just(1)), beam_size=st.integers(1, 6), alpha=alphas)
def test_many_voices_that_agree_are_one(
    ensemble: type[Linear | LogLinear], count: int, panel: Panel, beam_size: int, alpha: float
) -> None:
    options = SearchOptions(beam_size=beam_size, length_penalty=alpha, n_best=beam_size)
    alone = panel.search(panel.steppers()[0], options)
    together = panel.search(ensemble(panel.steppers() * count), options)
    for one, other in zip(alone, together, strict=True):
        assert [h.tokens for h in one] == [h.tokens for h in other]
        assert [h.score for h in one] == pytest.approx([h.score for h in other], abs=1e-5)
        for first, second in zip(one, other, strict=True):
            assert first.attention is not None
            assert second.attention is not None
            assert torch.allclose(first.attention, second.attention, atol=1e-6)


def test_a_language_model_turns_the_scale() -> None:
    """Fusion is the log-linear sum with weight 1 for the model; the language model has no source, so no attention."""
    world, language = World(seed=1, positions=2), World(seed=2)
    fused = LogLinear([WorldStepper([world]), WorldStepper([language], gives_attention=False)], [1.0, 0.3])
    said, _ = fused.step(torch.tensor([[START]]), fused.start())
    expected = [a + 0.3 * b for a, b in zip(world.at(())[0], language.at(())[0], strict=True)]
    assert said.log_probabilities[0, 0].tolist() == pytest.approx(expected)
    assert said.attention is not None
    assert said.attention[0, 0].tolist() == world.at(())[1]


class Says:
    """A stepper that always says the same."""

    vocabulary_size = VOCABULARY

    def __init__(self, probabilities: list[float], looked: list[float] | None = None) -> None:
        self.said = torch.tensor([[probabilities]]).log()
        self.looked = None if looked is None else torch.tensor([[looked]])

    def start(self) -> None:
        return None

    def step(self, tokens: torch.Tensor, state: None) -> tuple[Scored, None]:
        return Scored(self.said, self.looked), None

    def reorder(self, state: None, sentences: torch.Tensor, rows: torch.Tensor) -> None:
        return None


def first_step(stepper: Stepper) -> Scored:
    return stepper.step(torch.tensor([[START]]), stepper.start())[0]


def test_what_one_holds_impossible_a_mixture_does_not() -> None:
    sure, open_minded = Says([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]), Says([0.5, 0.25, 0.25, 0.0, 0.0, 0.0])
    assert first_step(Linear([sure, open_minded])).log_probabilities.exp()[0, 0].tolist() == pytest.approx(
        [0.25, 0.625, 0.125, 0.0, 0.0, 0.0]
    )
    strict = first_step(LogLinear([sure, open_minded], renormalised=True)).log_probabilities
    assert strict[0, 0].tolist() == [-math.inf, 0.0] + [-math.inf] * 4
    nothing = first_step(LogLinear([sure, Says([1.0] + [0.0] * 5)], renormalised=True)).log_probabilities
    assert nothing[0, 0].tolist() == [-math.inf] * 6  # and no NaN


def test_nothing_is_more_than_certain() -> None:
    """Logarithms of weights do not sum to 1 exactly; the stopping rule relies on log-probabilities ≤ 0."""
    sure = Says([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    for count in range(1, 12):
        for combined in (Linear([sure] * count), LogLinear([sure] * count, renormalised=True)):
            assert first_step(combined).log_probabilities.max() <= 0.0


def test_attention_is_the_mean_of_those_that_give_one() -> None:
    flat = [1 / 6] * 6
    blind, left, right = Says(flat), Says(flat, [1.0, 0.0]), Says(flat, [0.0, 1.0])
    looked = first_step(LogLinear([blind, left, right], [0.5, 1.0, 3.0])).attention
    assert looked is not None
    assert looked.tolist() == [[[0.25, 0.75]]]
    assert first_step(Linear([blind, blind])).attention is None
    with pytest.raises(ValueError, match=r"\[2, 3\] source positions"):
        first_step(Linear([left, Says(flat, [1.0, 0.0, 0.0])]))


@pytest.mark.parametrize("ensemble", BOTH)
def test_steppers_that_cannot_be_combined(ensemble: type[Linear | LogLinear]) -> None:
    class Wide(WorldStepper):
        vocabulary_size = 9

    two: list[Stepper] = [WorldStepper([World(1)]), WorldStepper([World(2)])]
    with pytest.raises(ValueError, match="6 and 9 tokens"):
        ensemble([WorldStepper([World(1)]), Wide([World(1)])])
    with pytest.raises(ValueError, match="no stepper"):
        ensemble([])
    for weights in ([1.0], [1.0, 0.0], [1.5, -0.5], [1.0, math.nan], [1.0, math.inf]):
        with pytest.raises(ValueError, match="weights above 0"):
            ensemble(two, weights)


def test_a_mixture_has_weights_that_sum_to_one() -> None:
    with pytest.raises(ValueError, match="sum to 1.5, not 1"):
        Linear([WorldStepper([World(1)]), WorldStepper([World(2)])], [1.0, 0.5])
