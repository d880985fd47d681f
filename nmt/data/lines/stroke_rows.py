"""Pen strokes as JSON lines: one line of handwriting a row, `{"strokes": [[[x, y, time], …], …], "text": …}`.

x goes to the right, y down, time in milliseconds may be left out; a stroke is what the pen drew before it was lifted.
The transcript and the writer are found as in a table (`text`, `label`, …; `writer`, `drawer`, …).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.config.lines import LineSource
from nmt.data.lines.line import Line, Points, Recording
from nmt.data.lines.picture import Unreadable
from nmt.data.lines.tables import json_rows, text_column, transcript, writer_column
from nmt.errors import DataError

COLUMN = "strokes"
LARGEST = 1e15  # whatever the unit; of what is larger, squares would be infinite


@dataclass(frozen=True, eq=False)
class Strokes:
    """Points that are in memory already."""

    points: Points

    def read(self) -> Points:
        return self.points


def read_strokes(source: LineSource) -> Iterator[Line]:
    """The lines of a file; a row that cannot be used says why when it is read. DataError where columns are missing."""
    columns: tuple[str, str | None] | None = None
    for number, row in json_rows(source.path):
        place = f"{source.path}:{number}"
        if isinstance(row, str):
            yield Line(place, None, "", Unreadable(f"{place}: {row}"))
            continue
        columns = columns or (text_column(row, source, place=place), writer_column(row, source, place=place))
        text, problem = transcript(row.get(columns[0]))
        writer = row.get(columns[1]) if columns[1] else None
        recording = Unreadable(f"{place}: {problem}") if problem else _recording(row, place)
        yield Line(place, text, "" if writer is None else str(writer), recording)
    if columns is None:
        raise DataError(f'{source.path}: has no row; one is {{"strokes": [[[x, y, time], …], …], "text": …}}')


def read_unlabelled(path: str) -> Iterator[Line]:
    """The lines of a file for someone who only looks at the strokes; a row without them says so when it is read."""
    for number, row in json_rows(path):
        place = f"{path}:{number}"
        yield Line(place, None, "", Unreadable(f"{place}: {row}") if isinstance(row, str) else _recording(row, place))


def _recording(row: Mapping[str, Any], place: str) -> Recording:
    try:
        return Strokes(_points(row.get(COLUMN)))
    except DataError as error:
        return Unreadable(f"{place}: {error}")


def _points(value: Any) -> Points:
    if not isinstance(value, list) or not value:
        raise DataError(f"has no strokes; {COLUMN} is a list of strokes, each a list of points [x, y] or [x, y, time]")
    return Points(tuple(_stroke(stroke, number) for number, stroke in enumerate(value, start=1)))


def _stroke(value: Any, number: int) -> NDArray[np.float32]:
    try:
        points = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        points = np.zeros(0)
    if points.ndim != 2 or not len(points) or points.shape[1] not in (2, 3):
        raise DataError(f"stroke {number} is no list of points, each [x, y] or [x, y, time]")
    if not (np.abs(points) < LARGEST).all():  # NaN is not below it either
        raise DataError(f"stroke {number} has a coordinate that is no number, or beyond {LARGEST:g}")
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1]))).astype(np.float32)
