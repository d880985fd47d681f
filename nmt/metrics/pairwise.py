"""Every candidate scored against every other, as sentences: what minimum Bayes risk reranking is made of.

sacreBLEU compares one hypothesis with its references at a time and would count the n-grams of n candidates n times.
Here its own counts are taken once a candidate, and all pairs come out of one product of matrices: with a column for the
first occurrence of an n-gram, another for its second and so on, in which a candidate has 1 or 0, two candidates share
as many n-grams as their rows have ones in common. The scores are those of `nmt.metrics.bleu.sentence_scores`.
"""

import functools
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

Utility = Literal["chrf", "bleu"]
_BETA: Final = CHRF.BETA  # recall counts for so many times as much as precision

Counts = NDArray[np.float64]  # hypothesis × reference
Grams = Sequence[Mapping[Hashable, int]]  # those of one candidate, one order after the other


def pairwise_scores(texts: Sequence[str], utility: Utility = "chrf") -> NDArray[np.float64]:
    """`[h, r]`: the score in per cent of text h as a translation of which text r is the reference.

    chrF++, or BLEU with effective order and exponential smoothing, tokenised with 13a.
    """
    counted, score = _UTILITIES[utility]
    grams = [counted(text) for text in texts]
    if not grams:
        return np.zeros((0, 0))
    totals = np.array([[sum(order.values()) for order in own] for own in grams], dtype=np.float64)
    shared = np.stack([_shared([own[order] for own in grams]) for order in range(totals.shape[1])])
    hypotheses = np.broadcast_to(totals.T[:, :, None], shared.shape)
    references = np.broadcast_to(totals.T[:, None, :], shared.shape)
    return score(hypotheses, references, shared)


def _shared(grams: Sequence[Mapping[Hashable, int]]) -> Counts:
    """How many n-grams of one order any two candidates have in common."""
    columns: dict[tuple[Hashable, int], int] = {}
    rows, places = list[int](), list[int]()
    for row, own in enumerate(grams):
        for gram, count in own.items():
            for occurrence in range(count):
                rows.append(row)
                places.append(columns.setdefault((gram, occurrence), len(columns)))
    present = np.zeros((len(grams), len(columns)), dtype=np.float32)  # sums of ones are exact up to 2^24
    present[rows, places] = 1.0
    shared: Counts = (present @ present.T).astype(np.float64)
    return shared


def _chrf(hypotheses: Counts, references: Counts, shared: Counts) -> Counts:
    """F_β of precision and recall, each the mean over the orders that both texts have (Popović 2015, 2017)."""
    both = (hypotheses > 0) & (references > 0)
    orders = np.maximum(both.sum(0), 1)
    precision = np.divide(shared, hypotheses, out=np.zeros_like(shared), where=both).sum(0) / orders
    recall = np.divide(shared, references, out=np.zeros_like(shared), where=both).sum(0) / orders
    weighted = _BETA**2 * precision + recall
    product = 100 * (1 + _BETA**2) * precision * recall
    scores: Counts = np.divide(product, weighted, out=np.zeros_like(product), where=weighted > 0)
    return scores


def _bleu(hypotheses: Counts, references: Counts, shared: Counts) -> Counts:
    """BP · exp of the mean log precision over the orders that the hypothesis has (Papineni et al. 2002).

    The k-th precision that is 0 becomes 1 / (2^k · n-grams); without any n-gram in common the score is 0.
    """
    has = np.logical_and.accumulate(hypotheses > 0)
    missed = has & (shared == 0)
    smoothed = np.where(missed, 0.5 ** missed.cumsum(0), shared)
    precision = np.divide(smoothed, hypotheses, out=np.ones_like(shared), where=has)
    mean = np.log(precision).sum(0) / np.maximum(has.sum(0), 1)
    lengths = np.divide(references[0], hypotheses[0], out=np.ones_like(mean), where=has[0])
    brevity = np.minimum(1.0 - lengths, 0.0)
    return np.where(shared.any(0), 100 * np.exp(brevity + mean), 0.0)


def _characters_and_words(text: str) -> Grams:
    """Characters of order 1 to 6, words of order 1 and 2."""
    scorer = _chrf_scorer()
    grams: Grams = scorer._extract_reference_info([scorer._preprocess_segment(text)])["ref_ngrams"][0]
    return grams


def _words(text: str) -> Grams:
    """Words of order 1 to 4."""
    scorer = _bleu_scorer()
    found = scorer._extract_reference_info([scorer._preprocess_segment(text)])["ref_ngrams"]
    orders: list[Counter[Hashable]] = [Counter() for _ in range(scorer.max_ngram_order)]
    for gram, count in found.items():
        orders[len(gram) - 1][gram] = count
    return orders


@functools.cache
def _chrf_scorer() -> CHRF:
    return CHRF(word_order=2)


@functools.cache
def _bleu_scorer() -> BLEU:
    return BLEU(force=True, effective_order=True)


_UTILITIES: Final[dict[Utility, tuple[Callable[[str], Grams], Callable[[Counts, Counts, Counts], Counts]]]] = {
    "chrf": (_characters_and_words, _chrf),
    "bleu": (_words, _bleu),
}
