"""Greedy search against the path of best tokens; that it equals a beam of one is shown in test_beam.py."""

from functools import reduce
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import END, PAD, START, World, WorldState, WorldStepper, float32, naive_greedy

from nmt.search import greedy_search

worlds = st.builds(World, seed=st.integers(0, 2**40), positions=st.integers(1, 4))


@settings(max_examples=150, deadline=None)
@given(drawn=st.lists(st.tuples(worlds, st.integers(0, 9)), max_size=5), min_length=st.integers(0, 4))
def test_greedy_search_follows_the_best_token(drawn: list[tuple[World, int]], min_length: int) -> None:
    limits = torch.tensor([limit for _, limit in drawn], dtype=torch.long)
    stepper = WorldStepper([world for world, _ in drawn], garbage=9.0)
    found = greedy_search(
        stepper,
        start=START,
        end=END,
        maximum_lengths=limits,
        min_length=min_length,
        forbidden=(PAD,),
        source_lengths=torch.tensor([world.positions for world, _ in drawn], dtype=torch.long),
    )
    expected = [naive_greedy(world, limit, min_length=min_length) for world, limit in drawn]
    assert [(*h.tokens, END) if h.finished else h.tokens for h in found] == expected
    for (world, _), scored, hypothesis in zip(drawn, expected, found, strict=True):
        logs = [world.at(scored[:i])[0][token] for i, token in enumerate(scored)]
        assert list(hypothesis.token_log_probabilities) == logs
        assert hypothesis.log_probability == sum(logs)
        assert hypothesis.score == reduce(lambda total, value: float32(total + value), logs, 0.0)
        if scored:
            assert hypothesis.attention is not None
            assert torch.equal(hypothesis.attention, torch.tensor(world.attention(scored)))
        else:
            assert hypothesis.attention is None
    # a sentence is asked about for as long as it lasts and no longer
    longest = max(map(len, expected), default=0)
    assert stepper.batches == [sum(len(scored) > step for scored in expected) for step in range(longest)]


def test_attention_is_left_out_where_it_is_not_wanted() -> None:
    (found,) = greedy_search(
        WorldStepper([World(1)]), start=START, end=END, maximum_lengths=torch.tensor([3]), with_attention=False
    )
    assert found.attention is None


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_numbers_that_cannot_be_are_an_error_with_a_place(number: float) -> None:
    """After the first sentence has left the batch, so that places are not rows."""

    class Failing(WorldStepper):
        def step(self, tokens: torch.Tensor, state: WorldState) -> Any:
            said, after = super().step(tokens, state)
            if len(self.batches) == 2:
                said.log_probabilities[-1].fill_(number)
            return said, after

    stepper = Failing([World(1), World(2), World(3)])
    place = r"token 2 of sentences \[2\]" if number != number else "sentence 2 of the batch has probability 0"
    with pytest.raises(ValueError, match=place):
        greedy_search(
            stepper, start=START, end=END, maximum_lengths=torch.tensor([1, 4, 4]), min_length=3, forbidden=(PAD,)
        )
    assert stepper.batches == [3, 2]
