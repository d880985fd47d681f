"""What a caller wants of translations beyond the search: terms of a glossary, things copied, a vote of candidates."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.inference.copying import Kind, carry_through, left_out
from nmt.inference.glossary import Glossary
from nmt.inference.translation import TranslatedHypothesis, Translation
from nmt.metrics.pairwise import Utility

SAMPLED_CANDIDATES = 16  # draws that vote when nothing else is said


@dataclass(frozen=True)
class Guidance:
    """Nothing, unless something is said."""

    glossary: Glossary | None = None
    copy: tuple[Kind, ...] = ()  # kinds of things that come through as they are in the source
    mbr: Utility | None = None  # candidates are ordered by expected utility: minimum Bayes risk
    candidates: int | None = None  # of minimum Bayes risk; by default the whole beam, or `SAMPLED_CANDIDATES` draws

    def terms(self, source: str) -> tuple[str, ...]:
        """What the translation of a source must hold."""
        return self.glossary.required(source) if self.glossary is not None else ()

    def count(self, n_best: int, *, beam_size: int, sampling: bool) -> int:
        """How many candidates the search must find."""
        if self.mbr is None:
            return n_best
        return max(n_best, self.candidates or (SAMPLED_CANDIDATES if sampling else beam_size))

    def applied(self, part: Translation, n_best: int, *, sampling: bool) -> Translation:
        """The `n_best` candidates that stay of a part of a line, in their new order, with what had to be copied."""
        hypotheses = part.hypotheses
        if self.copy:
            hypotheses = tuple(self._copied(part, hypothesis) for hypothesis in hypotheses)
        if self.mbr is not None and len(hypotheses) > 1:
            order = self._voted(hypotheses, sampling=sampling)
            hypotheses = tuple(hypotheses[index] for index in order)
        return part._replace(hypotheses=hypotheses[:n_best])

    def _copied(self, part: Translation, hypothesis: TranslatedHypothesis) -> TranslatedHypothesis:
        text = carry_through(
            part.source,
            hypothesis.text,
            source_pieces=part.source_pieces,
            output_pieces=hypothesis.pieces,
            attention=hypothesis.attentions[0],
            kinds=self.copy,
        )
        lost = tuple(term for term in self.terms(part.source) if term in hypothesis.text and term not in text)
        missing = left_out(part.source, text, source_pieces=part.source_pieces, kinds=self.copy)
        return hypothesis._replace(
            text=text, missing_terms=(*hypothesis.missing_terms, *lost), missing_copies=tuple(missing)
        )

    def _voted(self, hypotheses: Sequence[TranslatedHypothesis], *, sampling: bool) -> tuple[int, ...]:
        """Draws count alike, as the probable ones are drawn more often; those of a beam by their probability."""
        from nmt.inference.reranking import posterior, rerank  # sacreBLEU, which few translations need

        assert self.mbr is not None
        weights = None if sampling else posterior([hypothesis.log_probability for hypothesis in hypotheses])
        return rerank([hypothesis.text for hypothesis in hypotheses], weights, utility=self.mbr).order


UNGUIDED = Guidance()
