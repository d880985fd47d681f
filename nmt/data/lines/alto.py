"""ALTO, versions 2 to 4 (Library of Congress): `TextLine` with `Shape`, `BASELINE`, `String`, `SP` and `HYP`."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from nmt.data.lines.markup import child, descendants
from nmt.data.lines.text_line import Page, Point, TextLine, area, number, points
from nmt.errors import DataError

UNITS = ("pixel", "mm10", "inch1200")


def alto_pages(root: Element, path: str) -> Iterator[Page]:
    """Every page of a file. DataError for a unit that does not exist."""
    description = child(root, "Description")
    unit = _text_of(description, "MeasurementUnit") or "pixel"
    if unit not in UNITS:
        raise DataError(f"{path}: measures in {unit!r}; ALTO has {', '.join(UNITS)}")
    image = _text_of(description, "sourceImageInformation", "fileName")
    order = {reference.get("REF", ""): place for place, reference in enumerate(descendants(root, "ElementRef"))}
    for page in descendants(root, "Page"):
        width, height = number(page.get("WIDTH")) or 0.0, number(page.get("HEIGHT")) or 0.0
        lines = [_line(element) for element in _in_order(page, order)]
        yield Page(image, width, height, lines, unit == "pixel")


def _in_order(page: Element, order: dict[str, int]) -> list[Element]:
    """The text lines in the document's order; those that a `ReadingOrder` names, or whose block it does, come first."""
    places: list[tuple[int, Element]] = []
    in_blocks: set[Element] = set()
    for block in descendants(page, "TextBlock"):
        for line in descendants(block, "TextLine"):
            in_blocks.add(line)
            place = order.get(line.get("ID", ""), order.get(block.get("ID", ""), len(order)))
            places.append((place, line))
    places += [(len(order), line) for line in descendants(page, "TextLine") if line not in in_blocks]
    return [line for _, line in sorted(places, key=lambda place: place[0])]


def _line(element: Element) -> TextLine:
    shape = child(element, "Shape", "Polygon")
    polygon, problem = area(None if shape is None else shape.get("POINTS"))
    if not polygon and problem is None:
        polygon = _box(element)
    return TextLine(element.get("ID", ""), _text(element), polygon, _baseline(element), problem)


def _text(element: Element) -> str | None:
    """Words with the spaces between them; a file without any `SP` in a line means one between all words."""
    parts = [part for part in element if part.tag in ("String", "SP", "HYP")]
    if not any(part.tag == "String" for part in parts):
        return None
    space = "" if any(part.tag == "SP" for part in parts) else " "
    text = ""
    for part in parts:
        if part.tag == "String":
            text += (space if text else "") + part.get("CONTENT", "")
        else:
            text += " " if part.tag == "SP" else part.get("CONTENT", "-")
    return text


def _box(element: Element) -> tuple[Point, ...]:
    left, top, width, height = (number(element.get(name)) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    if left is None or top is None or not width or not height:
        return ()
    right, bottom = left + width, top + height
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _baseline(element: Element) -> tuple[Point, ...]:
    """Points; before version 4.1 one height alone, which tells nothing that the box does not."""
    try:
        return points(element.get("BASELINE", ""))
    except ValueError:
        return ()


def _text_of(element: Element | None, *names: str) -> str:
    found = None if element is None else child(element, *names)
    return ((found.text if found is not None else None) or "").strip()
