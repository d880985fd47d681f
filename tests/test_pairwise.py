"""All pairs at once against sacreBLEU's own sentence scores, one pair at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.metrics.bleu import sentence_scores
from nmt.metrics.pairwise import Utility, pairwise_scores

SCORERS = {"chrf": CHRF(word_order=2), "bleu": BLEU(effective_order=True, force=True)}
LINES = st.one_of(
    st.lists(st.sampled_from(["a", "a b", "the", "cat", "Cat,", "1,000.5", "(hi)", "日本語", "…"]), max_size=9).map(
        " ".join
    ),
    st.text(max_size=20),
)


@pytest.mark.parametrize("utility", ["chrf", "bleu"])
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(LINES, min_size=1, max_size=5))
def test_every_pair_has_the_score_that_sacrebleu_gives_it(utility: Utility, texts: list[str]) -> None:
    expected = [[SCORERS[utility].sentence_score(h, [r]).score for r in texts] for h in texts]
    assert pairwise_scores(texts, utility) == pytest.approx(np.array(expected), abs=1e-9)


def test_the_scores_are_those_of_evaluation() -> None:
    texts = ["the cat sat on the mat", "a cat sat on a mat"]
    (score,) = sentence_scores(texts[:1], texts[1:])
    assert pairwise_scores(texts, "bleu")[0, 1] == pytest.approx(score.bleu)
    assert pairwise_scores(texts, "chrf")[0, 1] == pytest.approx(score.chrf)


def test_no_texts_have_no_scores() -> None:
    assert pairwise_scores([]).shape == (0, 0)
