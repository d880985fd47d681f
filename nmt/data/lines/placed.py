"""Lines that were read, placed on their page: what the writers of ALTO and PAGE are given, and have in common."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from nmt.data.lines.text_line import Point

_ID = re.compile(r"[^\W\d][\w.-]*")  # an NCName of XML, near enough: what is none gets another
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0, escaped or not


class PlacedCharacter(NamedTuple):
    """A character, the corners (left, top, right, bottom) of what it was read from, and how sure that is, 0 to 1."""

    symbol: str
    box: tuple[float, float, float, float]
    confidence: float


class PlacedLine(NamedTuple):
    """A line on its page in pixels; `characters` are those of its text, none where nothing was read.

    A polygon without a point, or with one that is no number, is left out. `confidence` is the share of its characters
    that should be right, 0 to 1; None for a line that could not be read.
    """

    id: str
    polygon: Sequence[Point]
    baseline: Sequence[Point]
    characters: Sequence[PlacedCharacter]
    confidence: float | None = None

    def within(self, width: int, height: int) -> "PlacedLine":
        """Moved onto its page as far as it stands beyond it: readers of ALTO and PAGE refuse what does."""

        def moved(points: Sequence[Point]) -> Sequence[Point]:
            if not are_places(points):
                return points
            return tuple((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in points)

        characters = []
        for one in self.characters:
            (left, top), (right, bottom) = moved((one.box[:2], one.box[2:]))
            characters.append(one._replace(box=(left, top, right, bottom)))
        return self._replace(polygon=moved(self.polygon), baseline=moved(self.baseline), characters=characters)


def line_ids(lines: Sequence[PlacedLine]) -> list[str]:
    """The lines' own ids; a new one for a line whose own is none, or is another's already."""
    taken = {line.id for line in lines}
    found: list[str] = []
    for number, line in enumerate(lines, start=1):
        good = _ID.fullmatch(line.id) and line.id not in found
        found.append(line.id if good else _untaken(f"line_{number}", taken))
    return found


def free_id(name: str, lines: Sequence[PlacedLine]) -> str:
    """An id that no line has."""
    return _untaken(name, {line.id for line in lines})


def _untaken(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def are_places(points: Sequence[Point]) -> bool:
    """Whether there are points, and all of them numbers."""
    return bool(points) and all(math.isfinite(number) for point in points for number in point)


def word_box(word: Sequence[PlacedCharacter]) -> tuple[float, float, float, float]:
    """What holds all its characters: left, top, right, bottom."""
    lefts, tops, rights, bottoms = zip(*(one.box for one in word), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def xml_text(text: str) -> str:
    """The same with U+FFFD for what XML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)
