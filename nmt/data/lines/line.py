"""One line of handwriting before anything is done to it: who it is, what it says, and where it is read from."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Pixels(NamedTuple):
    """A line's own image and its place in the image it was cut from."""

    values: NDArray[np.uint8]  # (Y, X) grey or (Y, X, 3); paper is bright
    left: int = 0  # of this image's corner in the source image, in pixels
    top: int = 0


class Points(NamedTuple):
    """A line's pen: x to the right, y down, in the units of the device, time in milliseconds; strokes in order."""

    strokes: tuple[NDArray[np.float32], ...]  # each (points, 3): x, y, time


@runtime_checkable
class Recording(Protocol):
    """Where a line is read from; picklable, so that worker processes can read. Raises DataError naming the place."""

    def read(self) -> Pixels | Points: ...


@dataclass(frozen=True)
class Line:
    """`text` is None for lines to recognise; `writer` is "" where unknown. `name` says where it stands, for errors."""

    name: str
    text: str | None
    writer: str
    recording: Recording


class BadLine(NamedTuple):
    """A line that cannot be used, and why; in evaluation it counts as not read at all."""

    name: str
    reason: str
    text: str | None
    writer: str
