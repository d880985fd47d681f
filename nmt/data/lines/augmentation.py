"""Lines varied anew each time they are shown, images and pen strokes, without becoming unreadable.

An image's geometry is one sampling grid, an affine map plus a smooth random displacement of grid points (Wigington et
al. 2017, "Data Augmentation for Recognition of Handwritten Words and Lines"), so that pixels are interpolated once.
"""

import math
from typing import TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from torch import Tensor

from nmt.config.lines import ImageAugmentationConfig, StrokeAugmentationConfig
from nmt.data.lines.line import Points
from nmt.data.lines.strokes import STEP, Places, line_extent, stroke_features

Image = TypeVar("Image", bound=NDArray[np.float32] | Tensor)

DRIFT = 0.08  # of the height: how far rotation may raise or lower the ends of a line, however long it is
PEN_DRIFT = 0.3  # the same of pen strokes, which no picture's edge cuts off
THICKER, THINNER = 0.6, 0.35  # at most this share of a line is the dilated or eroded one: 2-px strokes must stay
FAINTEST_BLUR = 0.2  # px; less changes nothing one could see
JITTER_STEP = 0.25  # of the line's height: between pushes along a stroke, so that dense points stay a smooth line


def augment_image(
    image: Image, config: ImageAugmentationConfig, generator: np.random.Generator, *, minimum_columns: int = 1
) -> Image:
    """A line image, C Y X with ink 1 and paper 0, varied as `config` allows; the same height, another width.

    The result depends on the arguments and the generator's state alone. It has at least `minimum_columns` columns and
    at most X · (1 + stretch) + shear · Y, where X allows the former. The input is left as it was.
    """
    pixels = torch.as_tensor(image)
    paper = pixels[:, ::3, ::3].flatten(1).median(dim=1).values[:, None, None]
    ink = _moved(pixels - paper, config, generator, minimum_columns)
    ink = _thickened(ink, config.thickness, generator)
    ink = _blurred(ink, _up_to(config.blur, generator))
    ink = ink * (1 + _either_way(config.contrast, generator))
    ink = ink + (paper + _either_way(config.brightness, generator)).clamp(min=0.0)
    ink = _noisy(ink, _up_to(config.noise, generator), generator).clamp_(0.0, 1.0)
    return cast(Image, ink if isinstance(image, Tensor) else ink.numpy())


def augment_strokes(
    points: Points, config: StrokeAugmentationConfig, generator: np.random.Generator, *, minimum_columns: int = 1
) -> Float32[np.ndarray, "7 1 X"]:
    """Features of varied points, in longer or shorter steps; of the points as they are where X would be too few."""
    step = STEP / (1 + _either_way(config.speed, generator))
    features = stroke_features(augment_points(points, config, generator), step=step)
    return features if features.shape[2] >= minimum_columns else stroke_features(points)


def augment_points(points: Points, config: StrokeAugmentationConfig, generator: np.random.Generator) -> Points:
    """The same strokes and times, scaled, sheared, rotated about the line's middle, and pushed about a little.

    `speed` is none of the points' business: it is the length of the steps in which `augment_strokes` walks them.
    """
    strokes = [stroke[:, :2].astype(np.float64) for stroke in points.strokes]
    height, middle = line_extent([stroke for stroke in strokes if len(stroke)])
    along = np.concatenate([stroke[:, 0] for stroke in strokes] or [np.zeros(0)])
    left, right = (along.min(), along.max()) if len(along) else (0.0, 0.0)
    centre = np.array([(left + right) / 2, middle])
    wider, taller = 1 + _either_way(config.scale, generator), 1 + _either_way(config.scale, generator)
    shear, angle = _either_way(config.shear, generator), math.radians(_either_way(config.rotation, generator))
    steepest = math.atan2(2 * PEN_DRIFT * height, right - left)
    forward = _rotated(min(max(angle, -steepest), steepest)) @ np.array([[wider, shear], [0.0, taller]])
    moved = [
        (stroke - centre + config.jitter * height * _wobble(stroke / height, generator)) @ forward.T + centre
        for stroke in strokes
    ]
    together = zip(moved, points.strokes, strict=True)
    return Points(tuple(np.concatenate([new, old[:, 2:]], axis=1).astype(np.float32) for new, old in together))


def _wobble(stroke: Places, generator: np.random.Generator) -> Places:
    """A normal push at every JITTER_STEP of a stroke, interpolated at its points."""
    if not len(stroke):
        return stroke
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))]) / JITTER_STEP
    pushes = generator.standard_normal((2, 2 + math.floor(travelled[-1])))
    return np.stack([np.interp(travelled, np.arange(pushes.shape[1]), push) for push in pushes], axis=1)


def _either_way(limit: float, generator: np.random.Generator) -> float:
    return float(generator.uniform(-limit, limit))


def _up_to(limit: float, generator: np.random.Generator) -> float:
    return float(generator.uniform(0.0, limit))


def _moved(
    ink: Float[Tensor, "C Y X"], config: ImageAugmentationConfig, generator: np.random.Generator, minimum_columns: int
) -> Float[Tensor, "C Y X2"]:
    """Rotated, sheared, scaled, stretched, shifted and bent; what was outside of the image is 0."""
    height, columns = ink.shape[1:]
    wider, taller = 1 + _either_way(config.stretch, generator), 1 + _either_way(config.scale, generator)
    shear, shift = _either_way(config.shear, generator), _either_way(config.shift, generator) * height
    angle = math.radians(_either_way(config.rotation, generator))
    stretched = max(round(columns * wider), min(minimum_columns, columns), 1)
    width = max(stretched + round(abs(shear) * height), minimum_columns)  # sheared letters do not leave at the ends
    steepest = math.atan(2 * DRIFT * height / width)
    # Of (x, y), in pixels from the image's middle.
    forward = _rotated(min(max(angle, -steepest), steepest)) @ np.array([[stretched / columns, shear], [0.0, taller]])
    if config.elastic == 0.0 and shift == 0.0 and width == columns and np.array_equal(forward, np.eye(2)):
        return ink
    # Where each new pixel is found in the old image: along X + down Y, whose edges grid_sample calls -1 and 1.
    units = np.array([[2 / columns], [2 / height]])
    back = units * np.linalg.inv(forward)
    along, down = back[:, :1] * _middles(width), back[:, 1:] * (_middles(height) - shift)
    grid = torch.from_numpy((along[:, None, :] + down[:, :, None]).astype(np.float32))
    if config.elastic > 0.0:
        grid += _pushes(height, width, config, generator) * torch.from_numpy(units.astype(np.float32))[:, :, None]
    return F.grid_sample(ink[None], grid.permute(1, 2, 0)[None], padding_mode="zeros", align_corners=False)[0]


def _rotated(angle: float) -> NDArray[np.float64]:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _middles(length: int) -> NDArray[np.float64]:
    """Where the middles of a row's pixels are, counted from the middle of the row."""
    return np.arange(length, dtype=np.float64) + (0.5 - length / 2)


def _pushes(
    height: int, width: int, config: ImageAugmentationConfig, generator: np.random.Generator
) -> Float[Tensor, "2 Y X"]:
    """A normal displacement (x, y) of every grid point in pixels, interpolated between them."""
    points = (2 + height // config.elastic_grid, 2 + width // config.elastic_grid)
    pushes = config.elastic * generator.standard_normal((1, 2, *points), dtype=np.float32)
    return F.interpolate(torch.from_numpy(pushes), size=(height, width), mode="bilinear", align_corners=True)[0]


def _thickened(ink: Float[Tensor, "C Y X"], chance: float, generator: np.random.Generator) -> Float[Tensor, "C Y X"]:
    """Blended with its maximum (thicker) or minimum (thinner) over 3 × 3 pixels, by chance."""
    drawn, blend = generator.uniform(size=2)
    if drawn >= chance:
        return ink
    if drawn < chance / 2:
        return torch.lerp(ink, F.max_pool2d(ink, kernel_size=3, stride=1, padding=1), float(blend) * THICKER)
    return torch.lerp(ink, -F.max_pool2d(-ink, kernel_size=3, stride=1, padding=1), float(blend) * THINNER)


def _blurred(ink: Float[Tensor, "C Y X"], deviation: float) -> Float[Tensor, "C Y X"]:
    """Convolved with a Gaussian along either axis; beyond the edges there is paper."""
    if deviation < FAINTEST_BLUR:
        return ink
    radius = math.ceil(2.5 * deviation)
    weights = [math.exp(-0.5 * (distance / deviation) ** 2) for distance in range(-radius, radius + 1)]
    for axis in (1, 2):
        edges = [radius, radius, 0, 0] if axis == 2 else [0, 0, radius, radius]
        padded, size = F.pad(ink, edges), ink.shape[axis]
        ink = sum(
            (padded.narrow(axis, start, size) * (weight / sum(weights)) for start, weight in enumerate(weights)),
            start=torch.zeros(()),
        )
    return ink


def _noisy(ink: Float[Tensor, "C Y X"], deviation: float, generator: np.random.Generator) -> Float[Tensor, "C Y X"]:
    if deviation == 0.0:
        return ink
    return ink + deviation * torch.from_numpy(generator.standard_normal(tuple(ink.shape), dtype=np.float32))
