"""A sentence of the validation set as it is translated now, with its attention."""

import html
from collections.abc import Sequence
from typing import NamedTuple

from nmt.inference.heatmap import Matrix, heatmap_png, heatmap_svg
from nmt.training.watching.samples import Picture, terms


class SampleTranslation(NamedTuple):
    """A `Sample` of a translator."""

    source: str
    reference: str
    hypothesis: str
    score: float  # sentence chrF++, 0 to 100
    attention: Matrix | None = None  # (target pieces, source pieces), rows sum to 1
    source_pieces: Sequence[str] = ()
    target_pieces: Sequence[str] = ()

    def cells(self) -> dict[str, str | float]:
        return {**self._texts(), "chrf": self.score}

    def article(self) -> str:
        """Attention folds out below the sentence."""
        rows = {name: html.escape(text) for name, text in self._texts().items()}
        folded = ""
        if self.attention is not None and self.attention.size:
            svg = heatmap_svg(self.attention, self.source_pieces, self.target_pieces)
            folded = f"<details><summary>attention</summary>{svg}</details>"
        return f"<article>{terms(rows | {'chrF++': f'{self.score:.1f}'})}{folded}</article>"

    def legend(self) -> str:
        return (
            "The same sentences at every validation. chrF++: n-grams of characters and of words that hypothesis and"
            " reference share, of 100. Attention: a row a piece of the hypothesis, darker where it looked."
        )

    def picture(self) -> Picture | None:
        if self.attention is None or not self.attention.size:
            return None
        png = heatmap_png(self.attention, self.source_pieces, self.target_pieces)
        return Picture("attention", png, self.hypothesis)

    def _texts(self) -> dict[str, str]:
        return {"source": self.source, "reference": self.reference, "hypothesis": self.hypothesis}
