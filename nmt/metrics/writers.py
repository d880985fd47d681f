"""How far a rate over all lines could be off: bootstrap over writers (Efron 1979; clusters as in Field & Welsh 2007).

Lines of one hand are alike, so drawing single lines anew would make the interval too narrow. Whole writers are drawn,
with replacement, as many as there are; each draw gives one rate, and the interval holds the middle 95 % of them.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.errors import DataError

RESAMPLES: Final = 1000
SEED: Final = 12345  # sacreBLEU's own
_MOST_CELLS: Final = 4_000_000  # of a table of draws held at once


class Interval(NamedTuple):
    """A percentile interval, and what was drawn anew to get it."""

    low: float
    high: float
    over: Literal["writers", "lines"]
    units: int  # how many writers, or lines
    resamples: int
    seed: int
    confidence: float = 0.95

    @property
    def described(self) -> str:
        """`95 % interval, 1,000 resamples of 19 writers`."""
        return f"{100 * self.confidence:g} % interval, {self.resamples:,} resamples of {self.units:,} {self.over}"


def rate_interval(
    errors: Sequence[float],
    reference: Sequence[float],
    writers: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    confidence: float = 0.95,
) -> Interval | None:
    """The interval of Σ errors / Σ reference, both given line by line.

    A line of unknown writer ("") is a writer by itself. Where fewer than two writers are known, lines are drawn, and
    the interval says so. None where there is nothing to draw from: fewer than two lines, or no reference at all.
    Raises DataError where the sequences differ in length.
    """
    if len(errors) != len(reference) or (writers is not None and len(writers) != len(errors)):
        raise DataError(
            f"{len(errors)} error counts, {len(reference)} references and"
            f" {'no' if writers is None else len(writers)} writers; give one of each for every line"
        )
    table = np.stack([np.asarray(errors, dtype=np.float64), np.asarray(reference, dtype=np.float64)], axis=1)
    if len(table) < 2 or table[:, 1].sum() == 0:
        return None
    known = {writer for writer in writers or () if writer}
    over: Literal["writers", "lines"] = "writers" if len(known) > 1 else "lines"
    if writers is not None and over == "writers":
        table = _by_writer(table, writers)
    rates = _drawn_rates(table, resamples=resamples, seed=seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(rates, [tail, 1 - tail])
    return Interval(float(low), float(high), over, len(table), resamples, seed, confidence)


def _by_writer(table: NDArray[np.float64], writers: Sequence[str]) -> NDArray[np.float64]:
    """Sums of each writer, writers in the order of their first line; a line of unknown writer stays alone."""
    places: dict[str | int, int] = {}
    rows = [places.setdefault(writer or line, len(places)) for line, writer in enumerate(writers)]
    sums = np.zeros((len(places), table.shape[1]))
    np.add.at(sums, rows, table)
    return sums


def _drawn_rates(table: NDArray[np.float64], *, resamples: int, seed: int) -> NDArray[np.float64]:
    """The rate of each draw of as many rows as there are; draws without any reference are left out."""
    units = len(table)
    generator = np.random.default_rng(seed)
    step = max(1, _MOST_CELLS // units)
    sums = [
        generator.multinomial(units, np.full(units, 1 / units), size=min(step, resamples - done)) @ table
        for done in range(0, resamples, step)
    ]
    drawn = np.concatenate(sums)
    drawn = drawn[drawn[:, 1] > 0]
    rates: NDArray[np.float64] = drawn[:, 0] / drawn[:, 1]
    return rates
