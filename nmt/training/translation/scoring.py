"""The scores of a validation: translated by the object that ships, each rank its share, and scored as a whole."""

import math
from collections.abc import Sequence

from torch import distributed

from nmt.config.search import SearchConfig
from nmt.data.corpus import EncodedCorpus
from nmt.inference.translation import Translation
from nmt.inference.translator import Translator
from nmt.metrics.bleu import corpus_scores, sentence_scores
from nmt.training.translation.samples import SampleTranslation

SAMPLES = 8  # sentences of the validation set whose translations are shown, with their attention


def translation_scores(
    translator: Translator, corpus: EncodedCorpus, *, count: int | None, rank: int, world_size: int
) -> tuple[dict[str, float], list[SampleTranslation]]:
    """BLEU and chrF++ of the first `count` sentences (None: of all), by the names they are logged by, and samples.

    The same calls on every rank; each gets the scores of the whole, and samples of its own share.
    """
    count = min(len(corpus), count or len(corpus))
    mine = [corpus.text(i) for i in range(rank, count, world_size)]
    shown = translator.translate([source for source, _ in mine[:SAMPLES]], attention=True)
    rest = translator.translate([source for source, _ in mine[SAMPLES:]])
    samples = [_sample(t, reference) for t, (_, reference) in zip(shown, mine[:SAMPLES], strict=True)]
    pairs = [(t.text, reference) for t, (_, reference) in zip([*shown, *rest], mine, strict=True)]
    gathered = _gather(pairs, world_size)
    scores = corpus_scores([hypothesis for hypothesis, _ in gathered], [reference for _, reference in gathered])
    return {"validation/bleu": scores.bleu, "validation/chrf": scores.chrf}, samples


def validation_search(search: SearchConfig, beam_size: int) -> SearchConfig:
    """The configured search with the beam of validations; 1 is plain greedy."""
    greedy = {"beam_size": 1, "length_penalty": 0.0, "coverage_penalty": 0.0}
    return search.model_copy(update=greedy if beam_size == 1 else {"beam_size": beam_size})


def _sample(translation: Translation, reference: str) -> SampleTranslation:
    best = translation.hypotheses[0] if translation.hypotheses else None
    attention = None if best is None or best.attention is None else best.attention.float().numpy()
    score = sentence_scores([translation.text], [reference])[0].chrf
    pieces = () if best is None else best.pieces
    return SampleTranslation(
        translation.source, reference, translation.text, score, attention, translation.source_pieces, pieces
    )


def _gather(mine: Sequence[tuple[str, str]], world_size: int) -> Sequence[tuple[str, str]]:
    """The pairs of all ranks, in the corpus's order: rank r has pairs r, r + W, r + 2 W, …"""
    if world_size == 1:
        return mine
    shares: list[list[tuple[str, str]]] = [[] for _ in range(world_size)]
    distributed.all_gather_object(shares, mine)
    longest = math.ceil(sum(map(len, shares)) / world_size)
    return [share[i] for i in range(longest) for share in shares if i < len(share)]
