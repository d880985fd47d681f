"""Confidences: plain ones are the frames' own, fitted ones come true, whatever the search that they were fitted to."""

import math

import numpy as np
import pytest

from nmt.config.recognition import ConfidenceConfig, CTCSearchConfig
from nmt.inference.line_confidence import PLAIN, Evidence, Outcome, confidence, fit_confidence, still_holds
from nmt.inference.recognizer import with_search

FITTED = ConfidenceConfig(share=(-1.0, 0.8, -0.5, 0.7, 0.2), line=(-2.0, 0.4, 0.4, 0.4, 0.8))


@pytest.mark.parametrize("probability", [1.0, 0.999, 0.3, 1e-9, 1e-200])
@pytest.mark.parametrize("length", [0, 1, 40])
def test_plain_confidences_are_those_of_the_frames(probability: float, length: int) -> None:
    """Of a line p(text | line), of its characters the geometric mean; language model and rivals say nothing."""
    found = confidence(Evidence(math.log(probability), length, -50.0, -3.0))
    assert found.line == pytest.approx(probability, abs=2e-6)
    assert found.share == pytest.approx(probability ** (1 / max(1, length)), abs=2e-6)


def test_a_text_that_no_path_says_has_none() -> None:
    for calibration in (PLAIN, FITTED):
        assert confidence(Evidence(-math.inf, 3, -math.inf, -math.inf), calibration) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("surer", "less"),
    [
        (Evidence(-2.0, 20), Evidence(-4.0, 20)),
        (Evidence(-2.0, 20, -20.0), Evidence(-2.0, 20, -60.0)),
        (Evidence(-2.0, 20, -20.0, -0.1), Evidence(-2.0, 20, -20.0, -2.0)),
    ],
    ids=["frames", "language", "rivals"],
)
def test_what_makes_a_reading_surer(surer: Evidence, less: Evidence) -> None:
    for high, low in zip(confidence(surer, FITTED), confidence(less, FITTED), strict=True):
        assert 0 < low < high < 1


def test_readings_that_no_path_says_are_not_fitted_to() -> None:
    """Their evidence is infinite, and weights of NaN were what came of it."""
    evidence = [Evidence(-float(n), 9, -20.0 - n, -0.1 * n) for n in range(1, 9)]
    outcomes = [Outcome(n // 3, 9) for n in range(1, 9)]
    never = Evidence(-math.inf, 4, -math.inf, -math.inf)
    assert fit_confidence([never, *evidence], [Outcome(4, 4), *outcomes]) == fit_confidence(evidence, outcomes)
    assert fit_confidence([never], [Outcome(4, 4)]) == fit_confidence([], []) == PLAIN
    odd = evidence[0]._replace(language=-math.inf, rivals=-math.inf)  # a text that the language model rules out
    fitted = fit_confidence([odd, *evidence], [Outcome(9, 9), *outcomes])
    assert all(map(math.isfinite, (*fitted.share, *fitted.line, *confidence(odd, fitted))))


def test_fitted_confidences_come_true_where_plain_ones_do_not() -> None:
    """Lines that are right far more often than their frames say, as with a language model that mends them."""
    generator = np.random.default_rng(3)
    evidence, outcomes = [], []
    for _ in range(3000):
        length, wrong = int(generator.integers(5, 60)), float(generator.beta(1, 8))
        errors = int(generator.binomial(length, wrong / 4))
        evidence.append(Evidence(length * math.log(1 - wrong), length))
        outcomes.append(Outcome(errors, length))
    fitted = fit_confidence(evidence[::2], outcomes[::2])
    for kind, truth in (("share", lambda one: one.share), ("line", lambda one: float(one.errors == 0))):
        plain, sure = (
            np.array([getattr(confidence(one, weights), kind) for one in evidence[1::2]]) for weights in (PLAIN, fitted)
        )
        came = np.array([truth(one) for one in outcomes[1::2]])
        assert abs(sure.mean() - came.mean()) < 0.02 < abs(plain.mean() - came.mean())
        assert ((sure - came) ** 2).mean() < ((plain - came) ** 2).mean()


def test_one_line_gives_confidences_too() -> None:
    for errors in (0, 4):
        fitted = fit_confidence([Evidence(-1.0, 4)], [Outcome(errors, 4)])
        assert all(0 < one < 1 for one in confidence(Evidence(-1.0, 4), fitted))


def test_a_share_is_never_below_nothing() -> None:
    assert [Outcome(errors, size).share for errors, size in ((0, 0), (1, 4), (9, 4))] == [1.0, 0.75, 0.0]


def test_what_was_fitted_goes_for_searches_that_read_alike() -> None:
    search = CTCSearchConfig(beam_size=16, language_weight=0.5, confidence=FITTED)
    for kept in ({}, {"beam_size": 8}, {"nbest": 3}, {"top_symbols": 5}, {"language_weight": 0.5}):
        assert with_search(search, kept).confidence == FITTED
    for other in ({"beam_size": 1}, {"language_weight": 0.6}, {"insertion_bonus": 1.0}, {"lexicon": "x"}):
        assert with_search(search, other).confidence == PLAIN
        assert not still_holds(search, CTCSearchConfig(**{**search.model_dump(), **other}))
