"""Anything that shows a line of handwriting → what a recogniser's front-end reads, and the way back to its pixels."""

import math
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
from nmt.inference.recognition import Box

LineLike = Recording | Line | Pixels | Points | Image.Image | NDArray[Any] | str | Path

LOWEST: Final = 4  # pixels; in less nobody has written


class PixelPlace(NamedTuple):
    """Where a line's columns stand in its image: each is `width / columns` pixels wide, the first begins at `left`."""

    left: float
    top: float
    width: float
    height: float
    columns: int

    def box(self, first: float, end: float) -> Box:
        """What the columns from `first` to before `end` cover, inside the line."""
        left, right = (self.left + self.width * min(column, self.columns) / self.columns for column in (first, end))
        return Box(left, self.top, right, self.top + self.height)


class PenPlace(NamedTuple):
    """Where the pen was at every column, in its own units, and whether it wrote there."""

    way: Float64[np.ndarray, "X 2"]
    on_paper: Bool[np.ndarray, " X"]

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


def _read(line: LineLike) -> Pixels | Points:
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
