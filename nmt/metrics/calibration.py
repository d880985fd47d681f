"""Does a confidence mean what it says? Of what is read with confidence 0.8, eight in ten should be right.

Right is yes or no, or a share: of a line's characters, say.

Expected calibration error (Naeini et al. 2015): Σ_b n_b / n · |share right in b − mean confidence in b| over bins b of
equal width. Brier score (Brier 1950): the mean of (confidence − right)²; always saying the share p of what is right
scores p (1 − p), of shares their variance, and a confidence that knows nothing more is no better than that.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nmt.errors import DataError


class Bin(NamedTuple):
    """What has a confidence in [low, high), of the last bin in [low, high]."""

    low: float
    high: float
    number: int
    confidence: float  # mean
    right: float  # share


class Calibration(NamedTuple):
    """`bins` leaves out the empty ones; `of` says what was counted: lines, or characters, or shares of lines."""

    of: str
    number: int
    bins: tuple[Bin, ...]
    error: float  # expected calibration error
    brier: float
    brier_of_share: float  # of saying the mean of what is right each time

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self._asdict(), "bins": [one._asdict() for one in self.bins]}

    @property
    def confidence(self) -> float:
        """The mean of all."""
        return sum(one.number * one.confidence for one in self.bins) / self.number

    @property
    def right(self) -> float:
        """The mean of what is right."""
        return sum(one.number * one.right for one in self.bins) / self.number

    @property
    def beats_a_guess(self) -> bool:
        """Whether the confidences say more than that mean each time, which knows nothing of the single case."""
        return self.brier < self.brier_of_share

    def as_text(self) -> str:
        """One sentence, without its full stop."""
        return (
            f"calibration of {self.number:,} {self.of}: off by {self.error:.3f} on average (expected calibration"
            f" error); the Brier score, a mean squared error, is {self.brier:.3f}, where 0 is best and always saying"
            f" {self.right:.2f}, the mean of what is right, gets {self.brier_of_share:.3f}"
        )


def calibration(
    confidences: Sequence[float], right: Sequence[float], *, of: str = "lines", bins: int = 10
) -> Calibration:
    """Compare each confidence, from 0 to 1, with whether what it was said of is right, or with how much of it is.

    Raises DataError where there is nothing, their numbers differ, or a confidence is no probability.
    """
    if len(confidences) != len(right) or not confidences:
        raise DataError(f"{len(confidences)} confidences of {of} but {len(right)} outcomes; give one for each")
    given, outcome = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=np.float64)
    odd = np.flatnonzero(~((given >= 0) & (given <= 1)))
    if len(odd):
        raise DataError(f"confidence {odd[0] + 1} of {of} is {given[odd[0]]:g}; a confidence lies between 0 and 1")
    places = np.minimum((given * bins).astype(int), bins - 1)
    found = []
    for place in np.unique(places).tolist():
        inside = places == place
        means = float(given[inside].mean()), float(outcome[inside].mean())
        found.append(Bin(place / bins, (place + 1) / bins, int(inside.sum()), *means))
    share = float(outcome.mean())
    return Calibration(
        of,
        len(right),
        tuple(found),
        error=sum(one.number * abs(one.right - one.confidence) for one in found) / len(right),
        brier=float(((given - outcome) ** 2).mean()),
        brier_of_share=float(((share - outcome) ** 2).mean()),
    )
