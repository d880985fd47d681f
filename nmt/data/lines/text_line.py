"""What ALTO and PAGE have in common: a page with text lines, in whatever units the file has."""

import re
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]  # x to the right, y down


class TextLine(NamedTuple):
    """`text` is None without a transcript; `polygon` is the box where there is none, and empty without both."""

    id: str
    text: str | None
    polygon: tuple[Point, ...]
    baseline: tuple[Point, ...] = ()
    problem: str | None = None  # why there is no polygon, where one was meant


class Page(NamedTuple):
    """`image` as the file names it; `width` and `height` are 0 where they are not given."""

    image: str
    width: float
    height: float
    lines: Sequence[TextLine]
    pixels: bool = True  # whether coordinates are pixels of the image


def points(text: str) -> tuple[Point, ...]:
    """`10,20 30,40`, `10 20 30 40` and `10,20,30,40` → ((10, 20), (30, 40)). ValueError for anything else."""
    numbers = [float(number) for number in re.split(r"[\s,]+", text.strip()) if number]
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers are no points")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def area(text: str | None) -> tuple[tuple[Point, ...], str | None]:
    """A polygon and what is wrong with it."""
    if text is None:
        return (), None
    try:
        return points(text), None
    except ValueError as error:
        return (), f"its polygon cannot be read ({error})"


def number(text: str | None) -> float | None:
    """A number, None for none."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
