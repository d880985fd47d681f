"""What a recogniser read: a text, how sure it is of it, and where in the source image each character stands."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class Box(NamedTuple):
    """From `left` to before `right` and from `top` to before `bottom`, in pixels of the source image.

    Of pen strokes in the units of the pen. Fractions are kept: characters are often no whole pixel apart.
    """

    left: float
    top: float
    right: float
    bottom: float


class Character(NamedTuple):
    """A symbol where the frames say it stands; `confidence` is the highest probability a frame of it gives it."""

    symbol: str
    box: Box
    confidence: float


class Reading(NamedTuple):
    """One text that a line may say."""

    text: str
    log_likelihood: float  # log p(text | line) of the frames alone, over all paths
    score: float  # what texts are ranked by: with the language model's weight α and the bonus β, where there are such
    confidence: float  # of 0 … 1: the share of its characters that is right, as `nmt.inference.line_confidence` says
    line_confidence: float  # of 0 … 1: the chance that all of them are


class Recognition(NamedTuple):
    """What became of one line: texts, best first, and the characters of the best; `nbest` always has one at least."""

    nbest: tuple[Reading, ...]
    characters: tuple[Character, ...] = ()

    @property
    def text(self) -> str:
        """The best text; "" where nothing is written."""
        return self.nbest[0].text

    @property
    def confidence(self) -> float:
        """The share of the best text's characters that is right, as far as one can tell, from 0 to 1."""
        return self.nbest[0].confidence

    @property
    def line_confidence(self) -> float:
        """The chance that all of them are, from 0 to 1."""
        return self.nbest[0].line_confidence

    @property
    def log_likelihood(self) -> float:
        """log p(text | line) of the best text, exact."""
        return self.nbest[0].log_likelihood


NOTHING = Recognition((Reading("", 0.0, 0.0, 1.0, 1.0),))  # of a line in which nothing can be written


def told_silent(silent: int, lines: int, *, of: str = "") -> str | None:
    """What to say where every one of some lines came out empty, as they do of a model that has hardly been trained.

    `of` is which lines they are, where the reader has not named them.
    """
    if not lines or silent < lines:
        return None
    return (
        f"{silent:,} of {lines:,} lines{of and f' of {of}'} came out empty: a recogniser says nothing before it has"
        " learnt enough; train it longer, or check that these lines are not blank and look like those it was trained on"
    )


def edges(spans: Sequence[tuple[int, int]], frames: int) -> list[tuple[float, float]]:
    """Half-open stretches of `frames` for symbols whose own frames are `spans`, without a gap between neighbours.

    The blanks between two symbols are halved. Before the first symbol and behind the last a stretch reaches as far out
    as it does inwards, at most to the ends of the line; a symbol alone has all of it.

        edges([(2, 3), (7, 9)], 20) == [(0.0, 5.0), (5.0, 11.0)]
    """
    if not spans:
        return []
    if len(spans) == 1:
        return [(0.0, float(frames))]
    middles = [(left[1] + right[0]) / 2 for left, right in pairwise(spans)]
    begin = max(0.0, spans[0][0] - (middles[0] - spans[0][1]))
    end = min(float(frames), spans[-1][1] + (spans[-1][0] - middles[-1]))
    bounds = [begin, *middles, end]
    return list(pairwise(bounds))
