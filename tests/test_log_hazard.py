"""Chances fitted to what happened: the greatest of their kind, found again where they were drawn from, never absurd."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmt.metrics.log_hazard import chance, fit_chances

AS_IT_CAME = (0.0, 1.0)  # of x = log(−log p)


def worth(
    weights: NDArray[np.float64],
    evidence: list[list[float]],
    shares: list[float],
    sizes: list[float],
    prior: list[float],
) -> float:
    """What a fit makes as great as can be, from the sentence that says it."""
    x = np.array(evidence)
    edge = 1 / (len(x) + 2)
    total = 0.0
    for row, share, size in zip(evidence, shares, sizes, strict=True):
        p, share = chance(weights.tolist(), row), edge + (1 - 2 * edge) * share
        total += size / np.mean(sizes) * (share * math.log(p) + (1 - share) * math.log(1 - p))
    way = weights - np.array(prior)
    middle = way[0] + way[1:] @ x.mean(axis=0)
    return float(total - 0.5 * (middle**2 + ((way[1:] * x.std(axis=0)) ** 2).sum()))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_near_a_fit_is_worth_more(seed: int) -> None:
    generator = np.random.default_rng(seed)
    evidence = generator.normal(0.5, 1.0, (12, 2)).tolist()
    shares, sizes = generator.random(12).tolist(), generator.uniform(1, 30, 12).tolist()
    prior = [0.0, 1.0, 0.0]
    found = np.array(fit_chances(evidence, shares, sizes, prior=prior))
    best = worth(found, evidence, shares, sizes, prior)
    for way in generator.normal(0.0, 1.0, (20, 3)):
        assert worth(found + 0.02 * way, evidence, shares, sizes, prior) < best


def test_weights_are_found_again() -> None:
    generator = np.random.default_rng(1)
    truth = (-0.5, 0.7, -0.3)
    evidence = generator.normal(0.0, 1.0, (20_000, 2)).tolist()
    came = [float(generator.random() < chance(truth, row)) for row in evidence]
    assert fit_chances(evidence, came, [1.0] * len(came), prior=(0.0, 1.0, 0.0)) == pytest.approx(truth, abs=0.05)


def test_chances_that_keep_their_word_are_left_as_they_came() -> None:
    """With log(−log p) as evidence; and far from the truth a thousand examples overrule them."""
    chances = [0.05, 0.2, 0.5, 0.8, 0.95]
    evidence = [[math.log(-math.log(p))] for p in chances]
    kept = fit_chances(evidence * 40, chances * 40, [1.0] * 200, prior=AS_IT_CAME)
    assert [chance(kept, row) for row in evidence] == pytest.approx(chances, abs=0.02)
    assert [chance(AS_IT_CAME, row) for row in evidence] == pytest.approx(chances)
    moved = fit_chances(evidence * 200, [0.5] * 1000, [1.0] * 1000, prior=AS_IT_CAME)
    assert [chance(moved, row) for row in evidence] == pytest.approx([0.5] * 5, abs=0.05)


@given(
    st.lists(
        st.tuples(st.floats(-14, 7), st.floats(0, 5), st.sampled_from([0.0, 0.3, 1.0]), st.integers(1, 200)),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_happened_chances_are_chances(rows: list[tuple[float, float, float, int]]) -> None:
    evidence = [[x, y] for x, y, _, _ in rows]
    weights = fit_chances(evidence, [r[2] for r in rows], [float(r[3]) for r in rows], prior=(0.0, 1.0, -1.0))
    assert all(map(math.isfinite, weights))
    assert all(0 <= chance(weights, row) <= 1 for row in evidence)


def test_a_share_of_a_large_example_weighs_more() -> None:
    evidence, shares = [[0.0], [0.0]], [1.0, 0.0]
    large, small = (
        chance(fit_chances(evidence * 50, shares * 50, sizes * 50, prior=AS_IT_CAME), [0.0])
        for sizes in ([9.0, 1.0], [1.0, 9.0])
    )
    assert large == pytest.approx(0.9, abs=0.03) and small == pytest.approx(0.1, abs=0.03)


def test_nothing_to_fit_is_an_error() -> None:
    for shares in ([], [1.0]):
        with pytest.raises(ValueError, match="0 examples"):
            fit_chances([], shares, [], prior=AS_IT_CAME)
