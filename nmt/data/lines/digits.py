"""The embedded corpus of handwriting: lines composed of the 8 × 8 digits that scikit-learn ships; no network.

They are the test set of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998): 14 filled-in forms,
one after the other, each of the same 130 digits (a few are missing). Where a form begins follows from that order, so
the splits are whole forms, and a line is one form's: nobody's validation or test digits are seen in training (13 people
filled in 14 forms, so one of them may be on two). Their *texts* occur in every split, as those of numbers will.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmt.config.lines import LineSource
from nmt.data.lines.composed import covering, seed_of
from nmt.data.lines.line import Line, Pixels
from nmt.errors import DataError

FORMS: Final = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667, 1797)  # and the end
SPLITS: Final = {"train": range(0, 9), "validation": range(9, 11), "test": range(11, 14)}
ROUNDS: Final = {"train": 8, "validation": 2, "test": 2}  # how often a digit is shown, unless the lines are counted
HEIGHT: Final = 32  # of a composed line, in pixels
PAPER: Final = 255


@dataclass(frozen=True)
class DigitsLine:
    """Digits of scikit-learn's beside one another, by their indices; `seed` decides sizes, gaps and heights."""

    glyphs: tuple[int, ...]
    seed: int

    def read(self) -> Pixels:
        """Dark digits on bright paper, HEIGHT pixels high."""
        generator = np.random.default_rng(self.seed)
        height, baseline = generator.uniform(20.0, 26.0), generator.uniform(27.0, 29.0)
        placed: list[tuple[int, int, NDArray[np.uint8]]] = []
        left = generator.uniform(2.0, 8.0)
        for glyph in self.glyphs:
            size = height * generator.uniform(0.9, 1.1)
            drawn = _drawn(glyph, round(size), wider=generator.uniform(0.75, 0.95))
            bottom = min(max(round(baseline + generator.normal(0.0, 1.0)), drawn.shape[0]), HEIGHT)
            placed.append((round(left), bottom - drawn.shape[0], drawn))
            left += drawn.shape[1] + height * (generator.uniform(0.0, 0.35) + generator.exponential(0.08))
        line = np.zeros((HEIGHT, round(left + generator.uniform(0.0, 4.0))), dtype=np.uint8)
        for column, row, drawn in placed:
            under = line[row : row + drawn.shape[0], column : column + drawn.shape[1]]
            np.maximum(under, drawn, out=under)
        return Pixels(PAPER - line)


def read_digits(source: LineSource) -> Iterator[Line]:
    """Lines of 1 to `source.symbols` digits of the split that `source.path` names; the same every time."""
    if source.path not in SPLITS:
        raise DataError(f"digits:{source.path}: digits have the splits {', '.join(SPLITS)}; e.g. digits:train")
    forms = SPLITS[source.path]
    seed = seed_of("digits", source.path, source.symbols)
    glyphs = [range(FORMS[form], FORMS[form + 1]) for form in forms]
    composed = covering(
        glyphs, source.symbols, np.random.default_rng(seed), lines=source.lines, rounds=ROUNDS[source.path]
    )
    for number, (place, line) in enumerate(composed, start=1):
        name = f"digits:{source.path}:{number} ({' '.join(map(str, line))})"
        text = "".join(str(_digits()[1][glyph]) for glyph in line)
        yield Line(name, text, f"form {forms[place] + 1}", DigitsLine(line, seed + number))


@lru_cache(maxsize=1)
def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All glyphs, 8 × 8 with ink from 0 to 255, and the digits they mean."""
    from sklearn.datasets import load_digits  # slow to import

    bunch = load_digits()
    return (bunch.images * (255 / 16)).round().astype(np.uint8), bunch.target.astype(np.int64)


def _drawn(glyph: int, height: int, *, wider: float) -> NDArray[np.uint8]:
    """A glyph's columns that have ink, smoothly enlarged to `height` rows."""
    cells = _digits()[0][glyph]
    inked = np.flatnonzero(cells.any(axis=0))
    cells = cells[:, inked[0] : inked[-1] + 1]
    width = max(2, round(cells.shape[1] * height / 8 * wider))
    return np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC))
