"""Confidences are probabilities of what they say they are."""

import math

import pytest
import torch
from oracles import random_frames, said_by_paths

from nmt.search.confidence import per_symbol, shares
from nmt.search.prefix_beam import CTCHypothesis, prefix_beam


def test_shares_of_all_texts_are_their_probabilities() -> None:
    world = random_frames(1, 5, 3)
    found = prefix_beam(torch.tensor(world, dtype=torch.float64), beam_size=999, top_symbols=0, nbest=999)
    said = said_by_paths(world)
    assert shares(found) == pytest.approx([math.exp(said[one.ids].log_likelihood) for one in found])


def test_shares_of_few_texts_are_their_probabilities_among_these() -> None:
    found = [CTCHypothesis((1,), -3.0, -903.0), CTCHypothesis((2,), -2.0, -903.0 - math.log(3))]
    assert shares(found) == pytest.approx([0.75, 0.25])
    assert shares(found[:1]) == [1.0]
    assert shares([]) == []


def test_impossible_texts_have_equal_shares() -> None:
    assert shares([CTCHypothesis((), -math.inf, -math.inf)] * 2) == [0.5, 0.5]


def test_the_likelihood_per_symbol_is_a_geometric_mean() -> None:
    assert per_symbol(3 * math.log(0.5), 3) == pytest.approx(0.5)
    assert per_symbol(math.log(0.5), 0) == pytest.approx(0.5)
    assert per_symbol(-math.inf, 4) == 0.0
    assert per_symbol(1e-9, 1) == 1.0
