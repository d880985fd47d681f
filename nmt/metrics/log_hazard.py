"""Chances out of evidence: p = exp(−exp(w₀ + w · x)), fitted so that what has happened was as probable as can be.

The complementary log-log link of generalised linear models (McCullagh & Nelder 1989, section 4.3). Its natural evidence
is −log p itself: with x = log(−log p), w₀ = 0 and w = 1 the chance is p as it came, which is where a fit begins, and
from where few examples do not take it far.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLATTEST, STEEPEST = -20.0, 6.5  # of w₀ + w · x: p is 1, or 0, as far as a float tells there
STEEPEST_FITTED = 3.3  # where p is 10⁻¹²: one example that was never to be shall not outweigh all others
STEPS = 100


def chance(weights: Sequence[float], evidence: Sequence[float]) -> float:
    """p of one piece of evidence x; `weights` are w₀ and w."""
    slope = weights[0] + sum(weight * value for weight, value in zip(weights[1:], evidence, strict=True))
    return math.exp(-math.exp(min(max(slope, FLATTEST), STEEPEST)))


def fit_chances(
    evidence: Sequence[Sequence[float]],
    shares: Sequence[float],
    sizes: Sequence[float],
    *,
    prior: Sequence[float],
    ridge: float = 1.0,
) -> tuple[float, ...]:
    """w₀ and w for which Σ size · (share · log p + (1 − share) · log (1 − p)) is greatest, sizes made 1 on average.

    `shares`, from 0 to 1, are how much of each example, which holds `size` things, came true. Taken off is half of
    `ridge` times the squared way from `prior`, in deviations of the evidence, so that few examples, or such as all came
    true, still give something. ValueError where there is no example.
    """
    if not len(evidence) == len(shares) == len(sizes) >= 1:
        raise ValueError(f"{len(evidence)} examples, {len(shares)} shares and {len(sizes)} sizes; give as many of each")
    given = np.asarray(evidence, dtype=np.float64)
    middle, deviation = given.mean(axis=0), given.std(axis=0)
    deviation[deviation < 1e-9] = 1.0
    design = np.column_stack([np.ones(len(given)), (given - middle) / deviation])
    start = np.asarray(prior, dtype=np.float64)
    begin = np.concatenate([[start[0] + start[1:] @ middle], start[1:] * deviation])
    size = np.asarray(sizes, dtype=np.float64)
    edge = 1 / (len(given) + 2)  # Platt 1999, section 2.2: nothing is as certain as so many examples all alike say
    share = edge + (1 - 2 * edge) * np.asarray(shares, dtype=np.float64)
    found = _climb(design, share, size / size.mean(), begin, ridge)
    slopes = found[1:] / deviation
    return (float(found[0] - slopes @ middle), *map(float, slopes))


def _climb(design: Array, share: Array, size: Array, begin: Array, ridge: float) -> Array:
    """Fisher scoring, each step halved until it leads upwards."""
    penalty = np.full(len(begin), ridge)

    def height(weights: Array) -> float:
        p = _chances(design, weights)[1]
        gained = size * (share * np.log(p) + (1 - share) * np.log1p(-p))
        return float(gained.sum() - 0.5 * (penalty * (weights - begin) ** 2).sum())

    weights = begin
    for _ in range(STEPS):
        hazard, p = _chances(design, weights)
        slope = -p * hazard  # of p along w₀ + w · x
        pull = design.T @ (size * (share - p) * slope / (p * (1 - p))) - penalty * (weights - begin)
        curve = (design * (size * slope**2 / (p * (1 - p)))[:, None]).T @ design + np.diag(penalty)
        step, now = np.linalg.solve(curve, pull), height(weights)
        while height(weights + step) < now and np.abs(step).max() > 1e-9:
            step = step / 2
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def _chances(design: Array, weights: Array) -> tuple[Array, Array]:
    """−log p and p, which is neither 0 nor 1."""
    hazard = np.exp(np.clip(design @ weights, FLATTEST, STEEPEST_FITTED))
    return hazard, np.exp(-hazard)
