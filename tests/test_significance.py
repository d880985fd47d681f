"""Resampling: p-values and intervals are those of a bootstrap and a randomisation written down plainly, same draws."""

import os
import random
import statistics

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError, DataError
from nmt.metrics import significance
from nmt.metrics.bleu import corpus_scores
from nmt.metrics.significance import over_seeds, resampled_scores

SENTENCES = 40
SEED = 7


def spoilt(lines: list[str], share: float, seed: int) -> list[str]:
    """Lines with about this share of their words exchanged."""
    draw = random.Random(seed)
    return [" ".join(draw.choice(WORDS) if draw.random() < share else w for w in line.split()) for line in lines]


WORDS = "ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split()
REFERENCES = [" ".join(random.Random(n).choices(WORDS, k=9)) for n in range(SENTENCES)]
BAD, GOOD, SIMILAR = spoilt(REFERENCES, 0.5, 1), spoilt(REFERENCES, 0.1, 2), spoilt(REFERENCES, 0.5, 3)


def score(lines: list[str], draw: list[int], metric: str) -> float:
    """The score of the sentences drawn, by scoring them as a corpus."""
    chosen = [lines[i] for i in draw], [REFERENCES[i] for i in draw]
    return corpus_scores(*chosen, metrics=[metric]).metrics[metric].score


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
@pytest.mark.parametrize("system", [GOOD, SIMILAR])
def test_bootstrap_is_koehns(system: list[str], metric: str) -> None:
    drawn = numpy.random.default_rng(SEED).choice(SENTENCES, size=(40, SENTENCES), replace=True).tolist()
    ours, theirs = ([score(lines, draw, metric) for draw in drawn] for lines in (system, BAD))
    differences = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    observed = abs(score(system, list(range(SENTENCES)), metric) - score(BAD, list(range(SENTENCES)), metric))
    stray = sum(value - statistics.fmean(differences) > observed for value in differences)
    baseline, found = resampled_scores([BAD, system], REFERENCES, metrics=[metric], resamples=40, seed=SEED)
    assert found.metrics[metric].p_value == (stray + 1) / 41
    assert baseline.metrics[metric].p_value is None
    for one, values in ((found, ours), (baseline, theirs)):
        assert one.metrics[metric].mean == pytest.approx(statistics.fmean(values), abs=1e-3)
        middle = sorted(values)[1:-1]  # 40 // 40 is left out at each end
        assert one.metrics[metric].confidence == pytest.approx((middle[-1] - middle[0]) / 2, abs=1e-3)


@pytest.mark.parametrize("system", [GOOD, SIMILAR])
def test_randomisation_exchanges_sentences(system: list[str]) -> None:
    masks = numpy.random.default_rng(SEED).integers(2, size=(40, SENTENCES), dtype=bool).tolist()
    everything = list(range(SENTENCES))
    observed = abs(score(system, everything, "bleu") - score(BAD, everything, "bleu"))
    bigger = 0
    for mask in masks:
        one = [a if keep else b for a, b, keep in zip(BAD, system, mask, strict=True)]
        other = [b if keep else a for a, b, keep in zip(BAD, system, mask, strict=True)]
        bigger += abs(score(one, everything, "bleu") - score(other, everything, "bleu")) > observed
    options = {"test": "randomization", "resamples": 40, "seed": SEED, "metrics": ["bleu"]}
    found = resampled_scores([BAD, system], REFERENCES, confidence=False, **options)[1]
    assert found.metrics["bleu"].p_value == (bigger + 1) / 41
    assert found.metrics["bleu"].confidence is None


@pytest.mark.parametrize("test", significance.RESAMPLES)
def test_better_is_found_out_and_a_copy_is_no_different(test: significance.Test) -> None:
    metrics = ("bleu", "chrf", "ter")
    found = resampled_scores([BAD, GOOD, BAD], REFERENCES, metrics=metrics, test=test, resamples=200)
    assert [score.p_value for score in found[0].metrics.values()] == [None] * 3
    assert all(score.p_value is not None and score.p_value < 0.02 for score in found[1].metrics.values())
    assert [score.p_value for score in found[2].metrics.values()] == [1.0] * 3
    assert all(score.confidence is not None for system in found for score in system.metrics.values())
    plain = corpus_scores(GOOD, REFERENCES, metrics=metrics).metrics
    assert {name: score.score for name, score in found[1].metrics.items()} == {n: s.score for n, s in plain.items()}


def test_signatures_carry_the_numbers_and_the_environment_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    found = resampled_scores([BAD], REFERENCES, resamples=20, seed=99)[0].metrics["bleu"]
    assert "bs:20|seed:99" in found.signature
    assert found.p_value is None
    assert "SACREBLEU_SEED" not in os.environ
    monkeypatch.setenv("SACREBLEU_SEED", "5")
    both = resampled_scores([BAD, GOOD], REFERENCES, test="randomization", resamples=20)[1].metrics["bleu"]
    assert "bs:1000|ar:20|seed:12345" in both.signature
    assert os.environ["SACREBLEU_SEED"] == "5"


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="39 hypotheses"):
        resampled_scores([BAD, GOOD[:-1]], REFERENCES)
    monkeypatch.setattr(significance, "_MOST_BYTES", 2**30)
    with pytest.raises(ConfigError, match=r"9,000,000 resamples of 40 sentences need more than 1 GiB; at most 258,111"):
        resampled_scores([BAD, GOOD], REFERENCES, resamples=9_000_000)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=9))
def test_mean_and_deviation_over_seeds(scores: list[float]) -> None:
    spread = over_seeds(scores)
    assert spread.runs == len(scores)
    assert spread.mean == pytest.approx(numpy.mean(scores))
    assert spread.deviation == pytest.approx(numpy.std(scores, ddof=1), abs=1e-9)
