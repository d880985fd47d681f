"""Pen strokes → one vector of features for every step of the pen, whatever the device's speed, units and resolution.

The way of the pen is walked in equal steps, as in Graves et al. 2009 ("A Novel Connectionist System for Unconstrained
Handwriting Recognition"), and so is its way through the air from stroke to stroke, in longer steps. Everything is
measured in heights of the line. Time is not looked at, so it may be missing or wrong.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

from nmt.data.lines.line import Points
from nmt.errors import DataError

STEP = 1 / 16  # of the line's height, on paper
AIR_STEP = 1 / 6  # of the line's height, in the air
LONGEST_AIR = 12  # points: a jump back to the other end of the line takes no longer than this
SHORTEST_STROKE = 3  # points: a dot is seen, and has time for its label
LONGEST = 200_000  # points of a line; a page of scribbles would fill the memory
CLIP = 4.0  # steps in the air that are longer count as this long

Places = Float64[np.ndarray, "_ 2"]


class Walk(NamedTuple):
    """Where each of the X points stands that features are made of."""

    places: Float64[np.ndarray, "X 2"]  # x, y in the units of the device
    on_paper: Float64[np.ndarray, " X"]  # 1 on paper, 0 in the air
    starts: Float64[np.ndarray, " X"]  # 1 at the first point of a stroke
    height: float  # of the line, in the units of the device
    middle: float  # y


def stroke_features(points: Points, *, step: float = STEP) -> Float32[np.ndarray, "7 1 X"]:
    """Features of X points; X is 0 where nothing was drawn.

    0, 1  the step from the point before, right and down, in units of `step`; at most 4 either way
    2     how far below the line's middle, in heights of the line
    3     1 where the pen is on paper, 0 in the air
    4     1 at the first point of a stroke
    5, 6  sine and cosine of the turn from the step to this point to the next step; both 0 where there is none

    Neither moving nor enlarging a line changes its features; a rotation, and the order of its points, do. DataError for
    coordinates that are not finite, or of something that is no line.
    """
    walk = walk_of(points, step=step)
    steps = np.diff(walk.places, axis=0, prepend=walk.places[:1]) / (step * walk.height)
    below = (walk.places[:, 1] - walk.middle) / walk.height
    features = [*np.clip(steps, -CLIP, CLIP).T, below, walk.on_paper, walk.starts, *_turns(steps)]
    return np.stack(features).astype(np.float32)[:, None]


def walk_of(points: Points, *, step: float = STEP) -> Walk:
    """The points that `stroke_features` describes, in order. DataError for coordinates that make no line."""
    strokes = [stroke[:, :2].astype(np.float64) for stroke in points.strokes if len(stroke)]
    height, middle = _checked_extent(strokes, step)
    places, on_paper, starts = [], [], []
    for before, stroke in zip([None, *strokes], strokes, strict=False):
        if before is not None:
            air = _air(before[-1], stroke[0], step * height * AIR_STEP / STEP)
            places.append(air)
            on_paper.append(np.zeros(len(air)))
            starts.append(np.zeros(len(air)))
        drawn = _resampled(stroke, max(SHORTEST_STROKE, 1 + round(_length(stroke) / (step * height))))
        places.append(drawn)
        on_paper.append(np.ones(len(drawn)))
        starts.append(np.eye(1, len(drawn))[0])
    if not strokes:
        return Walk(np.zeros((0, 2)), np.zeros(0), np.zeros(0), height, middle)
    return Walk(np.concatenate(places), np.concatenate(on_paper), np.concatenate(starts), height, middle)


def line_extent(strokes: Sequence[Places]) -> tuple[float, float]:
    """A line's height and the y of its middle, which one long loop or one stray dot does not change much.

    Nine tenths of the ink lie within this height; but it is at least a fifth of the strokes' common size, so that a
    dash alone has a height, and 1 for a dot alone.
    """
    if not strokes:
        return 1.0, 0.0
    total = sum(map(_length, strokes))
    ink = np.concatenate([_resampled(stroke, 1 + round(500 * _length(stroke) / (total or 1.0))) for stroke in strokes])
    low, high = np.quantile(ink[:, 1], [0.05, 0.95])
    common = float(np.median([np.ptp(stroke, axis=0).max() for stroke in strokes]))
    return float(max(high - low, common / 5)) or 1.0, float(low + high) / 2


def _checked_extent(strokes: Sequence[Places], step: float) -> tuple[float, float]:
    if not all(np.isfinite(stroke).all() for stroke in strokes):
        raise DataError("a coordinate of the pen is not a finite number")
    height, middle = line_extent(strokes)
    if (heights := sum(map(_length, strokes)) / height) > LONGEST * step:
        raise DataError(f"the pen's way is {heights:,.0f} times the line's height; is it one line?")
    return height, middle


def _length(stroke: Places) -> float:
    return float(np.hypot(*np.diff(stroke, axis=0).T).sum())


def _resampled(stroke: Places, count: int) -> Places:
    """`count` points at equal distances along a stroke, both ends among them."""
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    at = np.linspace(0.0, travelled[-1], count)
    return np.stack([np.interp(at, travelled, axis) for axis in stroke.T], axis=1)


def _air(end: NDArray[np.float64], start: NDArray[np.float64], step: float) -> Places:
    """Points between a stroke's end and the next one's start, without both; one at least."""
    count = min(max(1, round(float(np.hypot(*(start - end))) / step) - 1), LONGEST_AIR)
    return np.linspace(end, start, count + 2)[1:-1]


def _turns(steps: Places) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lengths = np.hypot(*steps.T)
    before = steps / np.where(lengths > 1e-9, lengths, np.inf)[:, None]
    after = np.concatenate([before, np.zeros((1, 2))])[1:]
    return before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], (before * after).sum(axis=1)
