"""Minimum Bayes risk as its equation says, with sacreBLEU's sentence scores and an explicit sum."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.inference.reranking import posterior, rerank
from nmt.metrics.pairwise import Utility

SCORERS = {"chrf": CHRF(word_order=2), "bleu": BLEU(effective_order=True, force=True)}
LINES = st.lists(st.sampled_from(["a", "the", "cat", "dog", "sat", "mat."]), max_size=5).map(" ".join)


@pytest.mark.parametrize("utility", ["chrf", "bleu"])
@settings(max_examples=30, deadline=None)
@given(candidates=st.lists(st.tuples(LINES, st.floats(0.01, 5.0)), min_size=1, max_size=6), uniform=st.booleans())
def test_expected_utility_against_all_candidates(
    utility: Utility, candidates: list[tuple[str, float]], uniform: bool
) -> None:
    texts = [text for text, _ in candidates]
    weights = [1.0 if uniform else weight for _, weight in candidates]
    expected = [
        sum(weight * SCORERS[utility].sentence_score(h, [r]).score for r, weight in zip(texts, weights, strict=True))
        / sum(weights)
        for h in texts
    ]
    found = rerank(texts, None if uniform else weights, utility=utility)
    assert found.utilities == pytest.approx(expected, abs=1e-8)
    assert sorted(found.order) == list(range(len(texts)))
    ranked = [found.utilities[place] for place in found.order]
    assert ranked == sorted(ranked, reverse=True)


def test_what_most_agree_on_wins_and_weights_can_turn_it() -> None:
    texts = ["a dog sat", "the cat sat", "the dog lay", "the cat sat"]
    assert rerank(texts).order[:2] == (1, 3)  # the earlier of equals
    assert rerank(texts, [9.0, 1.0, 1.0, 1.0]).order[0] == 0


def test_a_lonely_candidate_and_none() -> None:
    assert rerank(["x"]).order == (0,)
    assert rerank([]) == ((), ())


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [-1.0, 2.0], [math.nan, 1.0], [math.inf, 1.0]])
def test_weights_that_are_none(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="2 candidates need as many weights"):
        rerank(["a", "b"], weights)


def test_the_posterior_of_a_beam_does_not_underflow() -> None:
    assert posterior([-1000.0, -1000.0 + math.log(3.0)]) == pytest.approx([0.25, 0.75])
    assert posterior([]) == []
