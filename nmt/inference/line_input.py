"""Anything that shows a line of handwriting → what a recogniser's front-end reads, and the way back to its pixels."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64
from numpy.typing import NDArray
from PIL import Image

from nmt.config.recognition import FrontendConfig
from nmt.data.lines.line import Line, Pixels, Points, Recording
from nmt.data.lines.picture import ImageFile, pixels_of, scaled, scaled_width
from nmt.data.lines.strokes import stroke_features, walk_of
from nmt.errors import DataError
from nmt.inference.recognition import Box, edges

LineLike = Recording | Line | Pixels | Points | Image.Image | NDArray[Any] | str | Path

Span = tuple[int, int]  # a symbol's own frames: the first, and the one behind the last

LOWEST: Final = 4  # pixels; in less nobody has written
TALL: Final = 300  # pixels; a single letter in a line's image may be higher than wide, but is not so high


class PixelPlace(NamedTuple):
    """Where a line's columns stand in its image: each is `width / columns` pixels wide, the first begins at `left`."""

    left: float
    top: float
    width: float
    height: float
    columns: int

    def stretches(self, spans: Sequence[Span], frames: int, *, stride: int) -> list[tuple[float, float]]:
        """The columns of symbols whose own frames, each of `stride` columns, are `spans`: as `edges` says."""
        return [(left * stride, right * stride) for left, right in edges(spans, frames)]

    def box(self, first: float, end: float) -> Box:
        """What the columns from `first` to before `end` cover, inside the line."""
        left, right = (self.left + self.width * min(column, self.columns) / self.columns for column in (first, end))
        return Box(left, self.top, right, self.top + self.height)


class PenPlace(NamedTuple):
    """Where the pen was at every column, in its own units, and whether it wrote there."""

    way: Float64[np.ndarray, "X 2"]
    on_paper: Bool[np.ndarray, " X"]

    def stretches(self, spans: Sequence[Span], frames: int, *, stride: int) -> list[tuple[float, float]]:
        """The columns of symbols whose own frames are `spans`; all that was drawn belongs to one of them.

        Of pen strokes a network often says a symbol at its very end, so that half the way to the next would be too far.
        Two symbols are parted where, from the first frame of one to that of the other, the pen went farthest to the
        right through the air; halfway between their frames where it did not.
        """
        lifts = self._lifts()
        cuts = [0.0]
        for (first, end), (following, _) in pairwise(spans):
            between = [lift for lift in lifts if first * stride <= lift[1] < following * stride]
            cuts.append(max(between)[1] if between else (end + following) / 2 * stride)
        return list(pairwise([*cuts, float(frames * stride)])) if spans else []

    def _lifts(self) -> list[tuple[float, float]]:
        """Of every way through the air that leads to the right: how far, and its middle column."""
        turns = np.flatnonzero(np.diff(self.on_paper)) + 1
        ways = [(begin, end) for begin, end in pairwise(turns.tolist()) if not self.on_paper[begin]]
        lifts = [(float(self.way[end, 0] - self.way[begin - 1, 0]), (begin + end) / 2) for begin, end in ways]
        return [lift for lift in lifts if lift[0] > 0]

    def box(self, first: float, end: float) -> Box:
        """The smallest box around what was written in the columns from `first` to before `end`."""
        stretch = slice(math.floor(first), max(math.floor(first) + 1, math.ceil(end)))
        way, on_paper = self.way[stretch], self.on_paper[stretch]
        written = way[on_paper] if on_paper.any() else way
        return Box(*map(float, written.min(axis=0)), *map(float, written.max(axis=0)))


class LineInput(NamedTuple):
    """One line, ready for the model; `features` is None where there is nothing to read."""

    features: Float32[np.ndarray, "C Y X"] | None
    place: PixelPlace | PenPlace

    @property
    def columns(self) -> int:
        return 0 if self.features is None else self.features.shape[2]

    @property
    def looks_like_a_page(self) -> bool:
        """Whether an image is large and higher than wide, as no line is."""
        return isinstance(self.place, PixelPlace) and self.place.height > max(self.place.width, TALL)


def line_input(line: LineLike, frontend: FrontendConfig) -> LineInput:
    """Read a line and scale it. Raises DataError, naming the line, where it cannot be read or is not of this kind."""
    source = _read(line)
    wanted = "pen strokes" if frontend.kind == "strokes" else "images"
    if isinstance(source, Points) != (frontend.kind == "strokes"):
        given = "pen strokes" if isinstance(source, Points) else "an image"
        raise DataError(f"{name_of(line)}: {given}, but this recogniser reads {wanted}")
    return _of_points(source) if isinstance(source, Points) else _of_pixels(source, frontend, name_of(line))


def name_of(line: LineLike) -> str:
    """What an error calls a line."""
    if isinstance(line, Line):
        return line.name
    if isinstance(line, (str, Path)):
        return str(line)
    return str(getattr(line, "path", "") or getattr(line, "filename", "") or "a line")


def _read(line: object) -> Pixels | Points:
    """DataError too for what is no `LineLike`: Python lets anything through."""
    if isinstance(line, (Pixels, Points)):
        return line
    if isinstance(line, Line):
        return line.recording.read()
    if isinstance(line, (str, Path)):
        return ImageFile(str(line)).read()
    if isinstance(line, Image.Image):
        return Pixels(pixels_of(line, name=name_of(line)))
    if isinstance(line, np.ndarray):
        return Pixels(_checked(line))
    if not isinstance(line, Recording):
        kind = type(line).__name__
        raise DataError(f"a {kind} is no line; give a path, an image of Pillow, an array of bytes, Points or Pixels")
    return line.read()


def _checked(values: NDArray[Any]) -> NDArray[np.uint8]:
    fits = values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 3)
    if values.dtype != np.uint8 or not fits:
        shape = " × ".join(map(str, values.shape))
        raise DataError(
            f"an array of {shape} {values.dtype}; give uint8 of height × width, or of height × width × 3 (RGB)"
        )
    return values


def _of_pixels(pixels: Pixels, frontend: FrontendConfig, name: str) -> LineInput:
    height, width = pixels.values.shape[:2]
    if height < LOWEST or not width:
        return LineInput(None, PixelPlace(pixels.left, pixels.top, width, height, max(1, width)))
    columns = scaled_width(pixels, frontend.height)
    place = PixelPlace(pixels.left, pixels.top, width, height, columns)
    if pixels.values.min() == pixels.values.max():
        return LineInput(None, place)
    try:
        return LineInput(scaled(pixels, frontend.height, frontend.colour), place)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def _of_points(points: Points) -> LineInput:
    features = stroke_features(points)
    walk = walk_of(points)
    return LineInput(features if features.shape[2] else None, PenPlace(walk.places, walk.on_paper > 0))
