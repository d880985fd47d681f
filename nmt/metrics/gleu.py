"""GLEU of a sentence: how many n-grams of 1 to 4 tokens it shares with its reference.

    GLEU = min(precision, recall)       of all n-grams together, each counted as often as both sentences hold it

Wu et al. 2016, section 5.2. Unlike BLEU it is symmetric, lies between 0 and 1 for a single sentence without smoothing,
and is 0 only where not even a word is shared.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

ORDER = 4  # longest n-gram


def sentence_gleu(hypothesis: Sequence[Hashable], reference: Sequence[Hashable]) -> float:
    """GLEU of two sequences of words or ids, from 0 to 1; 0 where either is empty, 1 where both are."""
    if not hypothesis and not reference:
        return 1.0
    said, wanted = _ngrams(hypothesis), _ngrams(reference)
    more = max(said.total(), wanted.total())  # the lower of precision and recall has the larger denominator
    return (said & wanted).total() / more


def _ngrams(tokens: Sequence[Hashable]) -> Counter[tuple[Hashable, ...]]:
    """All n-grams of 1 to ORDER tokens, with how often they occur."""
    return Counter(
        tuple(tokens[begin : begin + n]) for n in range(1, ORDER + 1) for begin in range(len(tokens) - n + 1)
    )
