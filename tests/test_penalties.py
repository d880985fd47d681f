"""The penalties against equation 14 of Wu et al. 2016, computed by hand."""

import math

import pytest
import torch

from nmt.search.penalties import coverage_penalty, length_penalty


def test_length_penalty_is_that_of_the_paper() -> None:
    assert length_penalty(torch.tensor([1, 7]), 1.0).tolist() == [1.0, 2.0]
    assert length_penalty(torch.tensor([4]), 0.6).tolist() == pytest.approx([1.5**0.6])


def test_without_alpha_nothing_is_divided() -> None:
    assert length_penalty(torch.arange(100), 0.0).tolist() == [1.0] * 100


def test_length_penalty_never_falls_with_length() -> None:
    penalties = length_penalty(torch.arange(5000), 0.2)
    assert bool((penalties.diff() > 0).all())  # the stopping rule of the beam search rests on it


def test_coverage_penalty_counts_what_was_missed() -> None:
    coverage = torch.tensor([[0.5, 1.0, 0.25], [1.0, 1.0, 1.0], [1.7, 1.2, 0.1]])
    expected = [0.2 * math.log(0.125), 0.0, 0.2 * math.log(0.1)]
    assert coverage_penalty(coverage, 0.2).tolist() == pytest.approx(expected)


def test_a_position_never_looked_at_costs_much_but_not_everything() -> None:
    penalty = coverage_penalty(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), 1.0)
    assert bool(penalty.isfinite().all())
    assert penalty[1] < penalty[0] < -50.0


def test_padding_costs_nothing() -> None:
    coverage = torch.tensor([[[0.5, 0.0], [0.25, 9.0]]])  # one sentence, two rows
    mask = torch.tensor([[[True, False]]])
    assert coverage_penalty(coverage, 1.0, mask).tolist() == [pytest.approx([math.log(0.5), math.log(0.25)])]
