"""A page that was read, as ALTO 4 (Library of Congress): words with their places and how sure they are.

A line is its words with `SP` between them, so that even two spaces in a row, or one at an end, come back from
`nmt.data.lines.alto` as they were: between them stands a `String` of nothing, because the schema wants one before each
`SP`, and one at least in every line.
"""

import math
import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from nmt.data.lines.text_line import Point

NAMESPACE: Final = "http://www.loc.gov/standards/alto/ns-v4#"
VERSION: Final = "4.4"

_ID = re.compile(r"[^\W\d][\w.-]*")  # an NCName of XML, near enough: what is none gets another
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0, escaped or not


class PlacedCharacter(NamedTuple):
    """A character, the corners (left, top, right, bottom) of what it was read from, and how sure that is, 0 to 1."""

    symbol: str
    box: tuple[float, float, float, float]
    confidence: float


class PlacedLine(NamedTuple):
    """A line on its page in pixels; `characters` are those of its text, none where nothing was read.

    A polygon without a point, or with one that is no number, is left out.
    """

    id: str
    polygon: Sequence[Point]
    baseline: Sequence[Point]
    characters: Sequence[PlacedCharacter]


def alto_document(
    lines: Sequence[PlacedLine], *, image: str, width: int, height: int, software: tuple[str, str]
) -> str:
    """The file of one page; `image` is its image's path as the file's readers will look for it.

    `software` is a name and a version. WC is the product of a word's character confidences; CC has one number for each
    character, from 0 (sure) to 9 (unsure). What XML cannot hold becomes U+FFFD; a line's id stays if it can be one.
    """
    root = Element("alto", {"xmlns": NAMESPACE, "SCHEMAVERSION": VERSION})
    description = SubElement(root, "Description")
    SubElement(description, "MeasurementUnit").text = "pixel"
    SubElement(SubElement(description, "sourceImageInformation"), "fileName").text = _clean(image)
    step = SubElement(description, "Processing", {"ID": _free("recognition", lines)})
    SubElement(step, "processingCategory").text = "contentGeneration"
    program = SubElement(step, "processingSoftware")
    for name, value in zip(("softwareName", "softwareVersion"), software, strict=True):
        SubElement(program, name).text = value
    size = {"HPOS": "0", "VPOS": "0", "WIDTH": str(width), "HEIGHT": str(height)}
    about = {"ID": _free("page", lines), "PHYSICAL_IMG_NR": "1", "WIDTH": size["WIDTH"], "HEIGHT": size["HEIGHT"]}
    space = SubElement(SubElement(SubElement(root, "Layout"), "Page", about), "PrintSpace", size)
    block = SubElement(space, "TextBlock", {"ID": _free("block", lines), **size})
    for name, line in zip(_ids(lines), lines, strict=True):
        _add_line(block, name, line)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add_line(block: Element, name: str, line: PlacedLine) -> None:
    element = SubElement(block, "TextLine", {"ID": name})
    if _are_places(line.polygon):
        xs, ys = zip(*line.polygon, strict=True)
        element.attrib.update(_place(min(xs), min(ys), max(xs), max(ys)))
        SubElement(SubElement(element, "Shape"), "Polygon", {"POINTS": _points(line.polygon)})
    if _are_places(line.baseline):
        element.set("BASELINE", _points(line.baseline))
    word: list[PlacedCharacter] = []
    for one in line.characters:
        if one.symbol == " ":
            _add_word(element, word)
            SubElement(element, "SP", _place(*one.box))
            word = []
        else:
            word.append(one)
    _add_word(element, word)


def _add_word(line: Element, word: Sequence[PlacedCharacter]) -> None:
    about = {"CONTENT": _clean("".join(one.symbol for one in word))}
    if word:
        lefts, tops, rights, bottoms = zip(*(one.box for one in word), strict=True)
        about |= _place(min(lefts), min(tops), max(rights), max(bottoms))
        about["WC"] = f"{math.prod(one.confidence for one in word):.4f}"
        about["CC"] = " ".join(str(round(9 * (1 - one.confidence))) for one in word)
    SubElement(line, "String", about)


def _ids(lines: Sequence[PlacedLine]) -> list[str]:
    """The lines' own ids; a new one for a line whose own is none, or is another's already."""
    taken = {line.id for line in lines}
    found: list[str] = []
    for number, line in enumerate(lines, start=1):
        good = _ID.fullmatch(line.id) and line.id not in found
        found.append(line.id if good else _untaken(f"line_{number}", taken))
    return found


def _free(name: str, lines: Sequence[PlacedLine]) -> str:
    """An id that no line has."""
    return _untaken(name, {line.id for line in lines})


def _untaken(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _are_places(points: Sequence[Point]) -> bool:
    return bool(points) and all(math.isfinite(number) for point in points for number in point)


def _place(left: float, top: float, right: float, bottom: float) -> dict[str, str]:
    numbers = {"HPOS": left, "VPOS": top, "WIDTH": right - left, "HEIGHT": bottom - top}
    return {name: _number(value) for name, value in numbers.items()}


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    """To a hundredth of a pixel, without zeros at its end."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
