"""Pen strokes of UCI's pendigits (Alpaydin & Alimoglu 1998), composed into strings of digits.

A row is one digit: eight points (x, y going up) at equal distances along the pen's way, and its class. Rows 1 to 7,494
were written by 30 people and the rest by 14 others; rows do not tell by whom and are in no order, so the rows held out
for validation are other digits of the training's writers, and only the test shows other people.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmt.config.lines import LineSource
from nmt.data.lines.composed import covering, seed_of
from nmt.data.lines.line import Line, Points
from nmt.data.text_files import read_lines
from nmt.errors import DataError

COORDINATES: Final = 16
EARLIER: Final = 7494  # rows by the first 30 writers
SPLITS: Final = {"train": (0, 6500), "validation": (6500, EARLIER), "test": (EARLIER, None)}
ROUNDS: Final = {"train": 4, "validation": 1, "test": 1}  # how often a digit is shown, unless the lines are counted
SIZE: Final = 100.0  # of a digit, in the units of the file


@dataclass(frozen=True)
class PendigitsLine:
    """Digits beside one another, each its 16 coordinates; `seed` decides gaps, sizes and heights."""

    digits: tuple[tuple[float, ...], ...]
    seed: int

    def read(self) -> Points:
        """One stroke a digit, y going down; nothing is known about time."""
        generator = np.random.default_rng(self.seed)
        strokes, left = [], 0.0
        for coordinates in self.digits:
            digit = np.array(coordinates).reshape(-1, 2) * [1.0, -1.0] * generator.uniform(0.85, 1.15)
            digit += [left - digit[:, 0].min(), generator.normal(0.0, 0.06 * SIZE)]
            left = digit[:, 0].max() + SIZE * (0.1 + generator.exponential(0.2))
            strokes.append(np.concatenate([digit, np.zeros((len(digit), 1))], axis=1).astype(np.float32))
        return Points(tuple(strokes))


def read_pendigits(source: LineSource) -> Iterator[Line]:
    """Strings of 1 to `source.symbols` digits of the rows that `source.split` names; the same every time.

    DataError for a file that is not pendigits, naming the line.
    """
    if source.split not in SPLITS:
        raise DataError(f"{source.path}: pendigits have the splits {', '.join(SPLITS)}, not {source.split!r}")
    coordinates, classes = _read(source.path)
    start, stop = SPLITS[source.split]
    rows = range(start, len(classes) if stop is None else min(stop, len(classes)))
    if not rows:
        raise DataError(
            f"{source.path}: has {len(classes):,} digits; the split {source.split!r} begins with row {start + 1:,}"
        )
    seed = seed_of("pendigits", source.split, source.symbols)
    composed = covering(
        [rows], source.symbols, np.random.default_rng(seed), lines=source.lines, rounds=ROUNDS[source.split]
    )
    for number, (_, line) in enumerate(composed, start=1):
        name = f"{source.path}:{source.split}:{number} (rows {' '.join(str(row + 1) for row in line)})"
        digits = tuple(tuple(map(float, coordinates[row])) for row in line)
        yield Line(name, "".join(str(classes[row]) for row in line), "", PendigitsLine(digits, seed + number))


def _read(path: str) -> tuple[NDArray[np.float32], list[int]]:
    """Coordinates, rows × 16, and classes. A first row without numbers is a header."""
    coordinates: list[list[float]] = []
    classes: list[int] = []
    for number, cells in enumerate(csv.reader(read_lines(path)), start=1):
        if not cells or (number == 1 and not any(_is_number(cell) for cell in cells)):
            continue
        place = f"{path}:{number}"
        if len(cells) != COORDINATES + 1:
            raise DataError(f"{place}: has {len(cells)} values; pendigits have 16 coordinates and a class")
        try:
            *values, digit = map(float, cells)
        except ValueError as error:
            raise DataError(f"{place}: {error}; pendigits have 16 coordinates and a class") from error
        if digit not in range(10) or not np.isfinite(values).all():
            raise DataError(f"{place}: class {cells[-1].strip()!r} or a coordinate is no digit's; classes are 0 to 9")
        coordinates.append(values)
        classes.append(int(digit))
    return np.array(coordinates, dtype=np.float32).reshape(-1, COORDINATES), classes


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
