"""Images: reading any common kind, cutting a line out of a page by its polygon, scaling to the model's height.

What a model sees is ink, 1.0 where the pen was and 0.0 on bare paper, whatever the scanner made of it. The paper is an
image's median grey (more than half of a line is bare), the ink its darkest hundredth, and everything between is linear;
an image of light ink on dark paper (chalk, negatives) is recognised by the light reaching further from the median.
"""

import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from nmt.data.lines.line import Pixels
from nmt.errors import DataError

Colour = Literal["grey", "rgb"]
Polygon = Sequence[tuple[float, float]]

# What Pillow may decode: no EPS (which runs Ghostscript) and no icons.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".jp2")
ORIENTATION = 0x0112  # Exif tag; 5 to 8 lie on their sides
MAX_PIXELS = 89_478_485  # Pillow's own idea of a decompression bomb, a quarter of a GiB in RGB
MAX_COLUMNS = 32_000  # of a scaled line; a longer one is none, and would fill the memory
FAINT = 48.0  # levels of grey: paler ink than this stays pale, so that the grain of an empty line does not become ink
DARKEST, BRIGHTEST = 1.0, 99.0  # per cent of the pixels that are ink for certain


@dataclass(frozen=True)
class ImageFile:
    """A whole image file."""

    path: str

    def read(self) -> Pixels:
        return Pixels(read_image(self.path))


@dataclass(frozen=True)
class Cutout:
    """The part of a page's image inside a polygon; the baseline, where there is one, is for who writes pages."""

    path: str
    polygon: tuple[tuple[float, float], ...]
    baseline: tuple[tuple[float, float], ...] = ()

    def read(self) -> Pixels:
        return cut(_page(self.path), self.polygon, name=self.path)


@dataclass(frozen=True)
class Unreadable:
    """What a reader could not make a line of; it says so when the line is read, so that the line is counted."""

    reason: str

    def read(self) -> Pixels:
        raise DataError(self.reason)


def read_image(path: str) -> NDArray[np.uint8]:
    """An image file's pixels, upright, (Y, X) grey or (Y, X, 3). DataError names the file and what is wrong."""
    with _opened(_checked(path), path) as image:
        return pixels_of(image, name=path)


def decode_image(content: bytes, *, name: str) -> NDArray[np.uint8]:
    """The same of an image file's bytes; errors call it `name`."""
    with _opened(io.BytesIO(content), name) as image:
        return pixels_of(image, name=name)


def image_size(path: str) -> tuple[int, int]:
    """Width and height of an image file, upright, without decoding it. DataError as of `read_image`."""
    with _opened(_checked(path), path) as image:
        width, height = image.size
        return (height, width) if image.getexif().get(ORIENTATION, 1) >= 5 else (width, height)


def pixels_of(image: Image.Image, *, name: str) -> NDArray[np.uint8]:
    """A Pillow image's pixels, upright, (Y, X) grey or (Y, X, 3), what is transparent as white.

    Raises DataError for more than `MAX_PIXELS`, several pages, or no pixel; Pillow's own errors pass.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{name}: {width:,} × {height:,} pixels; at most {MAX_PIXELS:,} in all are read")
    if not width * height:
        raise DataError(f"{name}: {width} × {height} pixels; there is nothing to see")
    if (pages := getattr(image, "n_frames", 1)) > 1:  # of a TIFF, or moving pictures
        raise DataError(f"{name}: holds {pages} images; a line or page is one, so save each in its own file")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel
        return _eight_bits(np.asarray(image, dtype=np.float64))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return np.array(image, dtype=np.uint8)


def cut(values: NDArray[np.uint8], polygon: Polygon, *, name: str) -> Pixels:
    """The smallest upright box around a polygon of (x, y), everything outside the polygon painted as paper.

    Paper is the median of what is inside. What of the polygon lies beyond the image is left off; DataError where all
    does, or where the points make no area.
    """
    if len(polygon) < 3:
        raise DataError(f"{name}: a polygon of {len(polygon)} points; an area has three or more")
    if not all(math.isfinite(number) and abs(number) < 1e7 for point in polygon for number in point):
        raise DataError(f"{name}: a polygon with a point that is no place in an image: {_odd_point(polygon)}")
    height, width = values.shape[:2]
    left, right = _clipped([x for x, _ in polygon], width)
    top, bottom = _clipped([y for _, y in polygon], height)
    if left >= right or top >= bottom:
        raise DataError(f"{name}: a polygon from {_box(polygon)} lies outside the image of {width} × {height} pixels")
    inside = _inside([(x - left, y - top) for x, y in polygon], bottom - top, right - left)
    if not inside.any():
        raise DataError(f"{name}: a polygon from {_box(polygon)} holds no pixel of the image")
    part = values[top:bottom, left:right].copy()
    part[~inside] = np.median(part[inside], axis=0).astype(np.uint8)
    return Pixels(part, left, top)


def scaled(pixels: Pixels, height: int, colour: Colour) -> Float32[np.ndarray, "C Y X"]:
    """A line as the model sees it: `height` pixels high, aspect kept, ink 1 and paper 0 (C is 1, or 3 with `rgb`)."""
    return as_floats(ink(pixels, height, colour))


def as_floats(values: UInt8[np.ndarray, "C Y X"]) -> Float32[np.ndarray, "C Y X"]:
    """0 … 255 → 0.0 … 1.0"""
    return values.astype(np.float32) / np.float32(255)


def ink(pixels: Pixels, height: int, colour: Colour) -> UInt8[np.ndarray, "C Y X"]:
    """The same in 256 levels, 255 the ink; every input passes through them, whether it was kept in memory or not.

    Raises DataError for what would have more than `MAX_COLUMNS` columns.
    """
    width = scaled_width(pixels, height)
    if width > MAX_COLUMNS:
        rows, columns = pixels.values.shape[:2]
        raise DataError(
            f"{columns:,} × {rows:,} pixels are {width:,} columns at a height of {height}; a line has at most "
            f"{MAX_COLUMNS:,}"
        )
    image = Image.fromarray(pixels.values).convert("L" if colour == "grey" else "RGB")
    if (width, height) != image.size:  # Pillow's filter widens as the image shrinks, so that thin strokes fade, not go
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    values = np.asarray(image, dtype=np.float32)
    values = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    dark, middle, bright = np.percentile(values.mean(axis=0), (DARKEST, 50.0, BRIGHTEST))
    negative = bright - middle > 2 * (middle - dark)
    contrast = max(FAINT, bright - middle if negative else middle - dark)
    paper = np.median(values, axis=(1, 2), keepdims=True)
    level = (values - paper if negative else paper - values) / contrast
    levels: NDArray[np.uint8] = np.rint(np.clip(level, 0.0, 1.0) * 255).astype(np.uint8)
    return levels


def scaled_width(pixels: Pixels, height: int) -> int:
    """Columns of a line that is scaled to `height`, at least 1."""
    rows, columns = pixels.values.shape[:2]
    return max(1, round(int(columns) * height / int(rows)))


def _checked(path: str) -> str:
    """The path of what is a file with something in it."""
    if not os.path.exists(path):
        raise DataError(f"{path}: no such file")
    if not os.path.isfile(path):
        raise DataError(f"{path}: is not a file")
    if os.path.getsize(path) == 0:
        raise DataError(f"{path}: is empty (0 bytes)")
    return path


@contextmanager
def _opened(source: str | io.BytesIO, name: str) -> Iterator[Image.Image]:
    """An image; whatever goes wrong inside becomes a DataError that names it."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            yield image
    except DataError:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise nearly anything, SyntaxError among it
        raise DataError(f"{name}: {_problem(error)}") from error


@lru_cache(maxsize=2)  # the lines of a page are read one after the other
def _page(path: str) -> NDArray[np.uint8]:
    values = read_image(path)
    values.setflags(write=False)
    return values


def _eight_bits(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values of any depth, spread from darkest to brightest: 12 of 16 bits, or 0.0 … 1.0, come out alike."""
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    return np.rint((values - low) / (high - low) * 255 if high > low else np.full_like(values, 255.0)).astype(np.uint8)


def _inside(polygon: Polygon, height: int, width: int) -> NDArray[np.bool_]:
    """Pixels whose middle is in the polygon: an odd number of its edges crosses their row to the left (even-odd rule).

    Pillow's own polygons are up to a pixel too large, which a line between two others shows.
    """
    crossings = np.zeros((height, width + 1), dtype=np.int32)
    middles = np.arange(height) + 0.5
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        rows = np.flatnonzero((y1 > middles) != (y2 > middles))
        if len(rows):
            across = x1 + (middles[rows] - y1) * ((x2 - x1) / (y2 - y1))
            np.add.at(crossings, (rows, np.clip(np.ceil(across - 0.5), 0, width).astype(np.intp)), 1)
    odd: NDArray[np.bool_] = crossings[:, :-1].cumsum(axis=1) % 2 == 1
    return odd


def _clipped(numbers: Sequence[float], end: int) -> tuple[int, int]:
    """First pixel and the one after the last that a polygon may touch along one axis of `end` pixels."""
    return max(0, math.floor(min(numbers))), min(end, math.ceil(max(numbers)))


def _box(polygon: Polygon) -> str:
    xs, ys = zip(*polygon, strict=True)
    return f"({min(xs):g}, {min(ys):g}) to ({max(xs):g}, {max(ys):g})"


def _odd_point(polygon: Polygon) -> str:
    return next(str(point) for point in polygon if not all(math.isfinite(n) and abs(n) < 1e7 for n in point))


def _problem(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "is no image that can be read (PNG, JPEG, TIFF, BMP, GIF, WebP, PPM, JPEG 2000)"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"has too many pixels; at most {MAX_PIXELS:,} are read"
    if isinstance(error, PermissionError):
        return f"cannot be read: {error.strerror}"
    detail = " ".join(str(error).split())[:200]
    return f"is a damaged image ({detail or type(error).__name__})"
