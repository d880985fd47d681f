"""A page that was read, as PAGE 2019 (PRImA): lines with their words, places and how sure they are.

Coordinates are whole pixels of the page, as its schema wants them; so a polygon may move by half a pixel.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from nmt.data.lines.placed import PlacedCharacter, PlacedLine, are_places, free_id, line_ids, word_box, xml_text
from nmt.data.lines.text_line import Point

NAMESPACE: Final = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
NOWHERE: Final = ((0.0, 0.0), (0.0, 0.0))  # of a line whose place is not known: every line must have one


def page_document(
    lines: Sequence[PlacedLine], *, image: str, width: int, height: int, software: tuple[str, str], now: datetime
) -> str:
    """The file of one page, in one region; `image` and `software` as `alto_document` has them, `now` with its zone.

    `conf` of a word is the product of its characters' confidences, the chance that all are right; of a line, which is
    seldom wholly right, its own confidence, as everywhere else. What XML cannot hold becomes U+FFFD; a line's id stays
    if it can be one.
    """
    root = Element("PcGts", {"xmlns": NAMESPACE})
    about = SubElement(root, "Metadata")
    time = now.isoformat(timespec="seconds")
    for name, value in (("Creator", " ".join(software)), ("Created", time), ("LastChange", time)):
        SubElement(about, name).text = value
    size = {"imageWidth": str(width), "imageHeight": str(height)}
    page = SubElement(root, "Page", {"imageFilename": xml_text(image), **size})
    region = SubElement(page, "TextRegion", {"id": free_id("region", lines)})
    _add_coordinates(region, _corners(0.0, 0.0, float(width), float(height)))
    names = line_ids(lines)
    word_names = (name for number in itertools.count(1) if (name := f"word_{number}") not in names)
    for name, line in zip(names, lines, strict=True):
        _add_line(region, name, line.within(width, height), word_names)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add_line(region: Element, name: str, line: PlacedLine, word_names: Iterator[str]) -> None:
    element = SubElement(region, "TextLine", {"id": name})
    _add_coordinates(element, line.polygon if _is_drawn(line.polygon) else NOWHERE)
    if _is_drawn(line.baseline):
        SubElement(element, "Baseline", {"points": _points(line.baseline)})
    for is_space, group in itertools.groupby(line.characters, key=lambda one: one.symbol.isspace()):
        if not is_space:
            _add_word(element, next(word_names), list(group))
    _add_text(element, "".join(one.symbol for one in line.characters), line.confidence)


def _add_word(line: Element, name: str, word: Sequence[PlacedCharacter]) -> None:
    element = SubElement(line, "Word", {"id": name})
    _add_coordinates(element, _corners(*word_box(word)))
    _add_text(element, "".join(one.symbol for one in word), math.prod(one.confidence for one in word))


def _add_text(element: Element, text: str, confidence: float | None) -> None:
    equivalent = SubElement(element, "TextEquiv", {} if confidence is None else {"conf": f"{confidence:.4f}"})
    SubElement(equivalent, "Unicode").text = xml_text(text)


def _add_coordinates(element: Element, polygon: Sequence[Point]) -> None:
    SubElement(element, "Coords", {"points": _points(polygon)})


def _is_drawn(points: Sequence[Point]) -> bool:
    """Whether the schema has a place for them, which it has not for a single one."""
    return len(points) > 1 and are_places(points)


def _corners(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{round(x)},{round(y)}" for x, y in points)
