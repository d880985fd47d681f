"""What a confidence is worth to a proof-reader: how many of the errors are in the lines that are least sure.

The risk-coverage curve of selective classification (El-Yaniv & Wiener 2010), told the other way round.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from nmt.errors import DataError

SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Effort(NamedTuple):
    """So many lines read again, and the share of all errors that are in them."""

    share: float  # of all lines
    lines: int
    found: float  # of the errors, in the least sure lines
    best: float  # in as many lines with the most errors, which nobody knows beforehand


def proofreading(
    confidences: Sequence[float | None], errors: Sequence[int], *, shares: Sequence[float] = SHARES
) -> tuple[Effort, ...]:
    """A row for each share of the lines, rounded up to a whole line; nothing where there is no error to find.

    Lines without a confidence, which were not read, come first; of equally sure ones, none is known to be the better,
    and each counts with their mean. Raises DataError where there are no lines, or the numbers differ.
    """
    if len(confidences) != len(errors) or not errors:
        raise DataError(f"{len(confidences)} confidences but {len(errors)} numbers of errors; give one for each line")
    total = sum(errors)
    if not total:
        return ()
    sure = [-1.0 if one is None else one for one in confidences]
    means = {value: [count for one, count in zip(sure, errors, strict=True) if one == value] for value in set(sure)}
    expected = [sum(means[value]) / len(means[value]) for value in sorted(sure)]
    most = sorted(errors, reverse=True)
    rows = []
    for share in shares:
        count = min(len(errors), math.ceil(share * len(errors) - 1e-9))
        rows.append(Effort(share, count, sum(expected[:count]) / total, sum(most[:count]) / total))
    return tuple(rows)


def told(efforts: Sequence[Effort], *, share: float = 0.2) -> str:
    """One line about one share of `proofreading`, with what so many whole lines are of all."""
    one = next(effort for effort in efforts if effort.share == share)
    part = one.lines / max(effort.lines for effort in efforts)
    return (
        f"proof-reading the {one.lines:,} least sure lines ({100 * part:.0f} %) finds {100 * one.found:.1f} % of all"
        f" errors (as many lines hold {100 * one.best:.1f} % at most)"
    )
