"""GLEU against the definition counted by hand, and its properties."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.metrics.gleu import sentence_gleu

SENTENCES = st.lists(st.integers(0, 3), max_size=9)


def counted(hypothesis: Sequence[object], reference: Sequence[object]) -> float:
    """The lower of precision and recall, each n-gram of the one crossed out where the other has it."""
    said, wanted = (
        [tuple(s[i:j]) for i in range(len(s)) for j in range(i + 1, len(s) + 1) if j - i <= 4]
        for s in (list(hypothesis), list(reference))
    )
    if not said or not wanted:
        return float(said == wanted)
    left, shared = list(wanted), 0
    for ngram in said:
        if ngram in left:
            left.remove(ngram)
            shared += 1
    return min(shared / len(said), shared / len(wanted))


@given(SENTENCES, SENTENCES)
def test_it_is_the_lower_of_precision_and_recall(hypothesis: list[int], reference: list[int]) -> None:
    score = sentence_gleu(hypothesis, reference)
    assert score == pytest.approx(counted(hypothesis, reference))
    assert score == sentence_gleu(reference, hypothesis)
    assert 0.0 <= score <= 1.0
    assert sentence_gleu(reference, reference) == 1.0


def test_examples_of_the_definition() -> None:
    reference = "the cat is on the mat".split()
    assert sentence_gleu(reference, reference) == 1.0
    assert sentence_gleu("the the the the the the the".split(), reference) == pytest.approx(2 / 22)
    assert sentence_gleu("the cat".split(), reference) == pytest.approx(3 / 18)
    assert sentence_gleu("a dog".split(), reference) == 0.0
    assert sentence_gleu([], reference) == 0.0
