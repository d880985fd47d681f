"""The fewest edits that turn one sequence into another (Levenshtein 1966), counted by kind and placed.

Several shortest edits can differ in kind: `ab` read as `bc` is two substitutions, or a deletion and an insertion around
a `b` that was read well. Here the one with the fewest substitutions counts, which is the one with the most items read
well; that settles how many of each kind there are, and exchanging the two sequences exchanges deletions and insertions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ErrorCounts(NamedTuple):
    """Edits of one text or of many; `reference` is the number of items of the reference. They add with `+`."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors / reference. An empty reference has rate 0 if nothing was read, infinity if anything was."""
        if self.reference:
            return self.errors / self.reference
        return float("inf") if self.errors else 0.0

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":  # type: ignore[override]  # counts, no longer tuple
        return ErrorCounts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Edit(NamedTuple):
    """One place of an alignment: equal, substituted, deleted (no hypothesis) or inserted (no reference)."""

    reference: str | None
    hypothesis: str | None

    @property
    def is_error(self) -> bool:
        return self.reference != self.hypothesis


def count_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> ErrorCounts:
    """Edits by kind, in O(n · m) time and, for each row at once, numpy's speed."""
    start, end = _shared_ends(reference, hypothesis)
    left, right = reference[start : len(reference) - end], hypothesis[start : len(hypothesis) - end]
    if left and right:
        unit = len(left) + len(right) + 1
        gains = _gains(left, right, unit)
        row = np.zeros(len(right) + 1, dtype=np.int64)
        for gain in gains:
            row = _next_row(row, gain)
        errors, substitutions = divmod(int(row[-1]) + unit * (len(left) + len(right)), unit)
    else:
        errors, substitutions = len(left) + len(right), 0
    # errors = S + D + I and D - I = n - m settle the other two
    deletions = (errors - substitutions + len(left) - len(right)) // 2
    return ErrorCounts(substitutions, deletions, errors - substitutions - deletions, len(reference))


def align_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Edit]:
    """The edits that `count_edits` counts, with the items left as they are in between.

    Of equally short edits, those are taken that pair the items nearest to the end.
    """
    start, end = _shared_ends(reference, hypothesis)
    left, right = reference[start : len(reference) - end], hypothesis[start : len(hypothesis) - end]
    gains = _gains(left, right, len(left) + len(right) + 1)
    rows = np.zeros((len(left) + 1, len(right) + 1), dtype=np.int64)
    for number, gain in enumerate(gains):
        rows[number + 1] = _next_row(rows[number], gain)
    edits = [Edit(item, item) for item in reversed(reference[len(reference) - end :])]
    row, column = len(left), len(right)
    while row or column:
        if row and column and rows[row, column] == rows[row - 1, column - 1] + gains[row - 1, column - 1]:
            row, column = row - 1, column - 1
            edits.append(Edit(left[row], right[column]))
        elif row and rows[row, column] == rows[row - 1, column]:
            row -= 1
            edits.append(Edit(left[row], None))
        else:
            column -= 1
            edits.append(Edit(None, right[column]))
    edits += [Edit(item, item) for item in reversed(reference[:start])]
    return edits[::-1]


def _shared_ends(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int]:
    """How many items at the beginning, and then at the end, are equal: some shortest edit leaves them alone."""
    most = min(len(reference), len(hypothesis))
    start = next((n for n in range(most) if reference[n] != hypothesis[n]), most)
    most -= start
    end = next((n for n in range(most) if reference[-1 - n] != hypothesis[-1 - n]), most)
    return start, end


def _gains(reference: Sequence[str], hypothesis: Sequence[str], unit: int) -> NDArray[np.int64]:
    """What pairing two items saves over deleting the one and inserting the other, `(n, m)`, as a negative cost.

    A deletion or an insertion costs `unit` and a substitution one more, so that costs compare by errors, then by
    substitutions. Shifting cell (i, j) of the usual table by -(i + j) · unit makes deletion and insertion cost nothing.
    """
    numbers: dict[str, int] = {}
    left, right = ([numbers.setdefault(item, len(numbers)) for item in items] for items in (reference, hypothesis))
    equal = np.asarray(left, dtype=np.int64)[:, None] == np.asarray(right, dtype=np.int64)[None, :]
    gains: NDArray[np.int64] = np.where(equal, -2 * unit, 1 - unit)
    return gains


def _next_row(row: NDArray[np.int64], gain: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row i + 1 of the shifted table: paired or deleted each by itself, inserted by a running minimum."""
    following = row.copy()
    np.minimum(row[:-1] + gain, row[1:], out=following[1:])
    return np.minimum.accumulate(following, out=following)
