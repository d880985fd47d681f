"""A page that was read, as ALTO 4 (Library of Congress): words with their places and how sure they are.

A line is its words with `SP` between them, so that even two spaces in a row, or one at an end, come back from
`nmt.data.lines.alto` as they were: between them stands a `String` of nothing, because the schema wants one before each
`SP`, and one at least in every line.
"""

import math
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from nmt.data.lines.placed import PlacedCharacter, PlacedLine, are_places, free_id, line_ids, word_box, xml_text
from nmt.data.lines.text_line import Point

NAMESPACE: Final = "http://www.loc.gov/standards/alto/ns-v4#"
VERSION: Final = "4.4"


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
    SubElement(SubElement(description, "sourceImageInformation"), "fileName").text = xml_text(image)
    step = SubElement(description, "Processing", {"ID": free_id("recognition", lines)})
    SubElement(step, "processingCategory").text = "contentGeneration"
    program = SubElement(step, "processingSoftware")
    for name, value in zip(("softwareName", "softwareVersion"), software, strict=True):
        SubElement(program, name).text = value
    size = {"HPOS": "0", "VPOS": "0", "WIDTH": str(width), "HEIGHT": str(height)}
    about = {"ID": free_id("page", lines), "PHYSICAL_IMG_NR": "1", "WIDTH": size["WIDTH"], "HEIGHT": size["HEIGHT"]}
    space = SubElement(SubElement(SubElement(root, "Layout"), "Page", about), "PrintSpace", size)
    block = SubElement(space, "TextBlock", {"ID": free_id("block", lines), **size})
    for name, line in zip(line_ids(lines), lines, strict=True):
        _add_line(block, name, line.within(width, height))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add_line(block: Element, name: str, line: PlacedLine) -> None:
    element = SubElement(block, "TextLine", {"ID": name})
    if are_places(line.polygon):
        xs, ys = zip(*line.polygon, strict=True)
        element.attrib.update(_place(min(xs), min(ys), max(xs), max(ys)))
        SubElement(SubElement(element, "Shape"), "Polygon", {"POINTS": _points(line.polygon)})
    if are_places(line.baseline):
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
    about = {"CONTENT": xml_text("".join(one.symbol for one in word))}
    if word:
        about |= _place(*word_box(word))
        about["WC"] = f"{math.prod(one.confidence for one in word):.4f}"
        about["CC"] = " ".join(str(round(9 * (1 - one.confidence))) for one in word)
    SubElement(line, "String", about)


def _place(left: float, top: float, right: float, bottom: float) -> dict[str, str]:
    numbers = {"HPOS": left, "VPOS": top, "WIDTH": right - left, "HEIGHT": bottom - top}
    return {name: _number(value) for name, value in numbers.items()}


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    """To a hundredth of a pixel, without zeros at its end."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
