"""Phrases that must be said: against all sentences that hold them, and against a naive search of one sentence."""

import itertools
import math
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
    Entry,
    World,
    WorldScores,
    WorldState,
    WorldStepper,
    exhaustive,
    float32,
)
from small_worlds import search_worlds

from nmt.search import Hypothesis, SearchOptions, beam_search
from nmt.search.constrained import Constrained, missing_phrases

Phrases = list[tuple[int, ...]]


class Problem(NamedTuple):
    """Worlds to search at once, their maximum lengths, and what each must say."""

    worlds: list[World]
    limits: list[int]
    phrases: list[Phrases]


# Two words, so that phrases repeat themselves, overlap and share their beginnings.
wanted = st.lists(st.lists(st.sampled_from(WORDS[:2]), min_size=1, max_size=3).map(tuple), max_size=3)


def problems(longest: int = 4, grid: float | None = None) -> st.SearchStrategy[Problem]:
    worlds = st.builds(
        World,
        seed=st.integers(0, 2**40),
        positions=st.integers(1, 3),
        sharpness=st.sampled_from([0.3, 1.0, 3.0]),
        grid=st.just(grid),
    )
    return st.lists(st.tuples(worlds, st.integers(1, longest), wanted), min_size=1, max_size=4).map(
        lambda drawn: Problem(*(list(column) for column in zip(*drawn, strict=True)))
    )


def search(problem: Problem, options: SearchOptions, *, plain: bool = False) -> list[list[Hypothesis]]:
    chooser = None if plain else Constrained(problem.phrases)
    return search_worlds(problem.worlds, problem.limits, options, chooser=chooser)


def places(words: tuple[int, ...], phrase: tuple[int, ...]) -> int:
    return sum(words[at : at + len(phrase)] == phrase for at in range(len(words)))


def holds(words: tuple[int, ...], phrases: Phrases) -> bool:
    return all(places(words, phrase) >= phrases.count(phrase) for phrase in phrases)


def bank(words: tuple[int, ...], phrases: Phrases) -> int:
    """Tokens of phrases held, and the longest beginning of a missing one, but not all of it, that the words end in."""
    total, begun = 0, 0
    for phrase in dict.fromkeys(phrases):
        times = phrases.count(phrase)
        held = min(times, places(words, phrase))
        total += held * len(phrase)
        if held < times:
            begun = max(begun, *(n for n in range(len(phrase)) if n == 0 or words[-n:] == phrase[:n]), 0)
    return total + begun


def naive(world: World, limit: int, phrases: Phrases, *, beam_size: int, alpha: float, beta: float) -> list[Entry]:
    """The sentences above `constrained.py`, word for word, never stopping early; all that ended, best first."""
    rows = max(beam_size, min(sum(map(len, phrases)) + 1, 4 * beam_size))
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    ended: list[Entry] = []
    for step in range(limit):
        candidates = []
        for total, words in live:
            values = world.at(words)[0]
            ranked = sorted((END, *WORDS), key=lambda token: -values[token])
            following = {
                phrase[max(n for n in range(len(phrase)) if n == 0 or words[-n:] == phrase[:n])]
                for phrase in phrases
                if places(words, phrase) < phrases.count(phrase)
            }
            for token in {*ranked[: beam_size + 1], *following}:
                if token != END or holds(words, phrases):
                    candidates.append((float32(total + values[token]), (*words, token)))
        candidates.sort(key=lambda one: -one[0])
        met = [one for one in candidates if holds(tuple(t for t in one[1] if t != END), phrases)]
        ended += [
            Entry(scored[:-1], True, world.score(scored, alpha, beta))
            for _, scored in met[:beam_size]
            if scored[-1] == END
        ]
        banks: dict[int, list[tuple[float, tuple[int, ...]]]] = {}
        for one in candidates:
            if one[1][-1] != END:
                banks.setdefault(bank(one[1], phrases), []).append(one)
        in_turn = itertools.zip_longest(*(banks[number] for number in sorted(banks, reverse=True)))
        live = [one for turn in in_turn for one in turn if one is not None][:rows]
        live.sort(key=lambda one: -one[0])
        if step + 1 == limit:
            ended += [
                Entry(scored, False, world.score(scored, alpha, beta)) for _, scored in live if holds(scored, phrases)
            ]
    return sorted(ended, key=lambda entry: -entry.score)


def assert_ranked_as(found: list[Hypothesis], expected: list[Entry], n_best: int) -> None:
    scores = {(entry.tokens, entry.finished): entry.score for entry in expected}
    names = [(hypothesis.tokens, hypothesis.finished) for hypothesis in found]
    assert len(set(names)) == len(names) == min(n_best, len(expected))
    assert [scores[name] for name in names] == pytest.approx([h.score for h in found], rel=1e-5, abs=1e-5)
    assert [h.score for h in found] == pytest.approx([e.score for e in expected[:n_best]], rel=1e-5, abs=1e-5)


alphas = st.sampled_from([0.0, 0.6, 1.5])
betas = st.sampled_from([0.0, 0.2])


@settings(max_examples=25, deadline=None)
@given(problem=problems(), n_best=st.sampled_from([1, 5, 400]), alpha=alphas, beta=betas)
def test_a_beam_wide_enough_finds_the_best_of_all_sentences_that_hold_the_phrases(
    problem: Problem, n_best: int, alpha: float, beta: float
) -> None:
    options = SearchOptions(beam_size=400, length_penalty=alpha, coverage_penalty=beta, n_best=n_best)
    for world, limit, phrases, found in zip(*problem, search(problem, options), strict=True):
        every = exhaustive(world, limit, alpha=alpha, beta=beta, min_length=0)
        assert_ranked_as(found, [entry for entry in every if holds(entry.tokens, phrases)], n_best)


@settings(max_examples=100, deadline=None)
@given(problem=problems(longest=8), beam_size=st.integers(1, 5), alpha=alphas, beta=betas, data=st.data())
def test_a_narrow_beam_is_the_naive_one_which_never_stops_early(
    problem: Problem, beam_size: int, alpha: float, beta: float, data: st.DataObject
) -> None:
    n_best = data.draw(st.integers(1, beam_size))
    options = SearchOptions(beam_size=beam_size, length_penalty=alpha, coverage_penalty=beta, n_best=n_best)
    for world, limit, phrases, found in zip(*problem, search(problem, options), strict=True):
        assert_ranked_as(found, naive(world, limit, phrases, beam_size=beam_size, alpha=alpha, beta=beta), n_best)
        size = sum(map(len, phrases))
        assert found or limit < size or size > 4 * beam_size - 1  # whoever has room finds a way


@settings(max_examples=60, deadline=None)
@given(problem=problems(longest=6, grid=0.5), beam_size=st.integers(1, 5), alpha=alphas, data=st.data())
def test_who_asks_for_nothing_gets_what_the_plain_search_gives(
    problem: Problem, beam_size: int, alpha: float, data: st.DataObject
) -> None:
    free = [data.draw(st.booleans()) for _ in problem.worlds]
    problem = problem._replace(
        phrases=[[] if is_free else own for is_free, own in zip(free, problem.phrases, strict=True)]
    )
    options = SearchOptions(beam_size=beam_size, length_penalty=alpha, n_best=beam_size)
    plain = search(problem, options, plain=True)
    for is_free, found, expected in zip(free, search(problem, options), plain, strict=True):
        if is_free:
            assert [h._replace(attention=None) for h in found] == [h._replace(attention=None) for h in expected]
            for one, other in zip(found, expected, strict=True):
                assert one.attention is not None and other.attention is not None
                assert torch.equal(one.attention, other.attention)


def sure(*words: int) -> World:
    """A world that says these words, then `</s>`, and hates everything else equally."""

    class Sure(World):
        def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
            following = words[len(prefix)] if prefix == words[: len(prefix)] and len(prefix) < len(words) else END
            return [-0.01 if token == following else -6.0 for token in range(VOCABULARY)], [1.0]

    return Sure(seed=0, positions=1)


@pytest.mark.parametrize(
    ("phrases", "expected"),
    [
        ([(2, 3), (3, 2)], {(2, 3, 2), (3, 2, 3)}),  # different phrases may overlap
        ([(2, 2), (2, 2)], {(2, 2, 2)}),  # and so may the places of one that is asked for twice
        ([(2,), (2,)], {(2, 2)}),
        ([(2, 3), (2, 4)], {(2, 3, 2, 4), (2, 4, 2, 3)}),  # a common beginning is not shared
        ([(2, 3), (2, 3, 4)], {(2, 3, 4)}),  # one within the other
        ([(2, 3, 2, 4)], {(2, 3, 2, 4)}),
    ],
)
def test_what_is_asked_of_a_silent_world(phrases: Phrases, expected: set[tuple[int, ...]]) -> None:
    (found,) = search(Problem([sure()], [9], [phrases]), SearchOptions(beam_size=4, length_penalty=0.0))
    assert found[0].tokens in expected and found[0].finished


def test_a_phrase_waits_for_its_place() -> None:
    spoken = (2, 3, 4, 5, 4, 3, 2)
    problem = Problem([sure(*spoken)], [20], [[(5, 4), (3, 2)]])
    (found,) = search(problem, SearchOptions(beam_size=5))
    assert found[0].tokens == spoken


def test_a_phrase_that_was_said_does_not_stand_in_the_way_of_another() -> None:
    problem = Problem([sure()], [4], [[(5,), (5, 5, 5)]])  # their next tokens are the same
    (found,) = search(problem, SearchOptions(beam_size=1, length_penalty=0.0))
    assert found[0].tokens == (5, 5, 5)


def test_a_false_start_of_a_phrase_is_part_of_its_true_one() -> None:
    problem = Problem([sure(2, 2, 2, 3)], [9], [[(2, 2, 3)]])
    (found,) = search(problem, SearchOptions(beam_size=1, length_penalty=0.0))
    assert found[0].tokens == (2, 2, 2, 3)


@pytest.mark.parametrize(("size", "rows"), [(1, 3), (2, 3), (6, 7), (11, 12), (30, 12)])
def test_a_row_for_every_bank_up_to_four_times_the_beam(size: int, rows: int) -> None:
    seen = []

    class Watched(WorldStepper):
        def step(self, tokens: torch.Tensor, state: WorldState) -> tuple[WorldScores, WorldState]:
            seen.append(tokens.shape[1])
            return super().step(tokens, state)

    beam_search(
        Watched([World(5, sharpness=0.3)]), start=START, end=END, maximum_lengths=torch.tensor([5]),
        options=SearchOptions(beam_size=3), forbidden=(PAD,), chooser=Constrained([[(5,) * size]]),
    )  # fmt: skip
    assert max(seen) == rows


def test_sentences_that_are_done_leave_the_batch() -> None:
    stepper = WorldStepper([sure(2), sure(2, 3, 4, 5, 2, 3), sure(3, 2)])
    beam_search(
        stepper,
        start=START,
        end=END,
        maximum_lengths=torch.tensor([30, 30, 30]),
        options=SearchOptions(beam_size=3, length_penalty=0.0),
        forbidden=(PAD,),
        chooser=Constrained([[(2,)], [(5, 2)], []]),
    )
    assert stepper.batches[0] == 3 and stepper.batches[-1] == 1
    assert len(stepper.batches) < 12


def test_what_cannot_be_said_leaves_a_sentence_without_result_and_the_others_theirs() -> None:
    problem = Problem([World(1), World(2), World(3)], [3, 3, 3], [[(2, 3, 4, 5)], [(2, 3)], [(PAD,)]])
    found = search(problem, SearchOptions(beam_size=2))
    assert [bool(hypotheses) for hypotheses in found] == [False, True, False]
    nothing = beam_search(
        WorldStepper([World(1)]), start=START, end=END, maximum_lengths=torch.tensor([0]), options=SearchOptions(),
        chooser=Constrained([[(2,)]]),
    )  # fmt: skip
    assert nothing == [[]]


@given(
    words=st.lists(st.sampled_from(WORDS[:2]), max_size=8).map(tuple),
    phrases=st.lists(st.lists(st.sampled_from(WORDS[:2]), min_size=1, max_size=3).map(tuple), max_size=4),
)
def test_missing_phrases_are_told_as_often_as_they_are_missing(words: tuple[int, ...], phrases: Phrases) -> None:
    absent = missing_phrases(words, phrases)
    assert (absent == ()) == holds(words, phrases)
    for phrase in phrases:
        assert absent.count(phrase) == max(0, phrases.count(phrase) - places(words, phrase))


def test_an_empty_phrase_is_none() -> None:
    with pytest.raises(ValueError, match="sentence 1 is to hold an empty phrase"):
        Constrained([[(2,)], [()]])


def test_probabilities_are_the_stepper_s_own() -> None:
    world = World(7, sharpness=3.0)
    (found,) = search(Problem([world], [5], [[(2, 3, 4)]]), SearchOptions(beam_size=2, n_best=2))
    for hypothesis in found:
        scored = (*hypothesis.tokens, END) if hypothesis.finished else hypothesis.tokens
        assert hypothesis.log_probability == pytest.approx(world.log_probability(scored), rel=1e-5)
        assert math.isclose(sum(hypothesis.token_log_probabilities), hypothesis.log_probability, rel_tol=1e-6)
