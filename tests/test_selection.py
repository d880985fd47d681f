"""Block-wise selection against a stable sort of all candidates, and the best token against the best candidate."""

from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.search import selection
from nmt.search.selection import best_candidates, best_token


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 3),
    rows=st.integers(1, 4),
    vocabulary=st.sampled_from([2, 3, 63, 64, 65, 128, 200, 1000]),
    count=st.integers(1, 12),
    levels=st.sampled_from([1, 2, 5, 1000]),  # few levels: many ties
    banned=st.sets(st.integers(0, 199), max_size=4),
)
def test_block_wise_selection_is_a_stable_sort(
    seed: int, batch: int, rows: int, vocabulary: int, count: int, levels: int, banned: set[int]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = -torch.randint(levels, (batch, rows, vocabulary), generator=generator) / 8
    totals = -torch.randint(levels, (batch, rows), generator=generator) / 8
    if seed % 3 == 0:
        totals[:, -1] = -torch.inf  # a dead row
    inside = tuple(token for token in banned if token < vocabulary)
    if seed % 2 == 0:
        values[..., list(inside)] = 1.0  # what is banned would be best
    original = values.clone()
    count = min(count, rows * vocabulary)

    best = best_candidates(values, totals, count, banned=inside)

    assert torch.equal(values, original)  # the stepper's own tensor is left as it is
    allowed = values.index_fill(2, torch.tensor(inside, dtype=torch.long), -torch.inf)
    sums, order = (allowed + totals.unsqueeze(2)).flatten(1).sort(dim=1, descending=True, stable=True)
    assert torch.equal(best.log_probabilities, sums[:, :count])
    possible = ~sums[:, :count].isneginf()
    assert torch.equal((best.rows * vocabulary + best.tokens)[possible], order[:, :count][possible])
    chosen = allowed.flatten(1).gather(1, best.rows * vocabulary + best.tokens)
    assert torch.equal(best.token_log_probabilities[possible], chosen[possible])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nan_of_either_sign_cannot_hide(sign: float) -> None:
    values = torch.zeros(1, 2, 300)
    values[0, 1, 170] = torch.tensor(float("nan")) * sign
    assert bool(best_candidates(values, torch.zeros(1, 2), 3).log_probabilities[0, 0].isnan())
    values = torch.copysign(values, torch.tensor(sign))
    assert bool(best_candidates(values, torch.zeros(1, 2), 3).log_probabilities[0, 0].isnan())


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 4),
    vocabulary=st.sampled_from([1, 2, 63, 64, 65, 128, 200, 1000]),
    levels=st.sampled_from([1, 2, 5, 1000]),
    banned=st.sets(st.integers(0, 199), max_size=4),
    odd=st.sampled_from([0.0, float("nan"), -float("nan"), -float("inf")]),
    few=st.sampled_from([0, 200, 32_000]),  # numbers that are looked at as they are, without blocks
)
def test_the_best_token_is_the_best_of_candidates(
    seed: int, batch: int, vocabulary: int, levels: int, banned: set[int], odd: float, few: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = -torch.randint(levels, (batch, vocabulary), generator=generator) / 8
    values[-1, seed % vocabulary] = odd  # in one row only, and perhaps banned
    inside = tuple(token for token in banned if token < vocabulary)
    original = values.clone()

    with mock.patch.object(selection, "_FEW", few):
        tokens, best = best_token(values, banned=inside)

    assert torch.equal(values.view(torch.int32), original.view(torch.int32))  # the stepper's own tensor is left alone
    expected = best_candidates(values.unsqueeze(1), values.new_zeros(batch, 1), 1, banned=inside)
    assert torch.equal(best.isnan(), expected.log_probabilities[:, 0].isnan())
    assert torch.equal(best.nan_to_num(nan=1.0), expected.log_probabilities[:, 0].nan_to_num(nan=1.0))
    possible = ~best.isneginf()
    assert torch.equal(tokens[possible], expected.tokens[:, 0][possible])
    assert set(inside).isdisjoint(tokens[possible].tolist())


def test_a_search_in_inference_mode_leaves_the_next_one_free() -> None:
    """What is kept between steps is no tensor of that mode, which could not be used where gradients are."""
    with torch.inference_mode():
        best_candidates(torch.randn(1, 2, 77), torch.zeros(1, 2), 3, banned=(4,))
    values = torch.randn(1, 2, 77, requires_grad=True)
    best_candidates(values, torch.zeros(1, 2), 3, banned=(4,)).log_probabilities.sum().backward()
    assert values.grad is not None and values.grad.sum() == 3.0


def test_zeros_of_either_sign_are_equal() -> None:
    """As bits they are not; and equal sums are ordered by token."""
    values = torch.tensor([[[-1.0, -0.0, 0.0, -0.0]]])
    for total in (0.0, -0.0):
        assert best_candidates(values, torch.tensor([[total]]), 3).tokens.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_banned_takes_no_block_s_place(count: int) -> None:
    """The best tokens of three blocks are banned, and those of the others are wanted."""
    values = torch.linspace(-9.0, -8.0, 64 * 6).view(1, 1, -1).clone()
    values[..., [5, 70, 150]] = -0.1
    values[..., [200, 300, 380]] = torch.tensor([-2.0, -3.0, -1.0])
    assert best_candidates(values, torch.zeros(1, 1), count, banned=(5, 70, 150)).tokens.tolist() == [
        [380, 200, 300][:count]
    ]
