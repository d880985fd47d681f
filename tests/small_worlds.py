"""Problems made of the oracles' small worlds, and how their answers are judged, for the tests of every search."""

import itertools
from typing import NamedTuple

import pytest
import torch
from hypothesis import strategies as st
from oracles import END, PAD, START, Entry, World, WorldScores, WorldState, WorldStepper

from nmt.search import Hypothesis, SearchOptions, Stepper, beam_search
from nmt.search.choice import Chooser

MANY = 5 * 4**3  # candidates of the last of four steps

alphas = st.sampled_from([0.0, 0.6, 1.0, 3.0])
betas = st.sampled_from([0.0, 0.2, 2.0])


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


def search_worlds(
    worlds: list[World],
    limits: list[int],
    options: SearchOptions,
    *,
    chooser: Chooser | None = None,
    stepper: Stepper | None = None,
    garbage: float = 0.01,
) -> list[list[Hypothesis]]:
    """The beams of all worlds at once; `stepper` stands for them where it is given."""
    return beam_search(
        stepper or WorldStepper(worlds, garbage=garbage),
        start=START,
        end=END,
        maximum_lengths=torch.tensor(limits),
        options=options,
        forbidden=(PAD,),
        source_lengths=torch.tensor([world.positions for world in worlds]),
        chooser=chooser,
    )


def scored_tokens(hypothesis: Hypothesis) -> tuple[int, ...]:
    return (*hypothesis.tokens, END) if hypothesis.finished else hypothesis.tokens


def walk(stepper: Stepper, scored: tuple[int, ...]) -> tuple[list[float], torch.Tensor]:
    state, token, logs, rows = stepper.start(), START, [], []
    for following in scored:
        said, state = stepper.step(torch.tensor([[token]]), state)
        assert said.attention is not None
        logs.append(said.log_probabilities[0, 0, following].item())
        rows.append(said.attention[0, 0])
        token = following
    return logs, torch.stack(rows)


def assert_ranked_as(found: list[Hypothesis], expected: list[Entry], n_best: int) -> None:
    """The first `n_best` expected, though those that score alike to rounding may change places."""
    scores = {(entry.tokens, entry.finished): entry.score for entry in expected}
    names = [(hypothesis.tokens, hypothesis.finished) for hypothesis in found]
    assert len(found) == min(n_best, len(expected))
    assert len(set(names)) == len(names)
    assert [scores[name] for name in names] == pytest.approx([h.score for h in found], rel=1e-5, abs=1e-5)
    assert [h.score for h in found] == pytest.approx([e.score for e in expected[:n_best]], rel=1e-5, abs=1e-5)
    assert all(first.score >= second.score for first, second in itertools.pairwise(found))


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
