"""PAGE (PRImA, 2010 to 2019): `TextLine` with `Coords`, `Baseline` and `TextEquiv`, regions in a `ReadingOrder`."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from nmt.data.lines.markup import child, descendants
from nmt.data.lines.text_line import Page, TextLine, area, number, points


def page_xml_pages(root: Element, path: str) -> Iterator[Page]:
    """The page of a file; `path` is not needed."""
    for page in descendants(root, "Page"):
        width, height = number(page.get("imageWidth")) or 0.0, number(page.get("imageHeight")) or 0.0
        lines = [_line(element) for element in _in_order(page)]
        yield Page(page.get("imageFilename", ""), width, height, lines)


def _in_order(page: Element) -> list[Element]:
    """The lines region by region: regions as `ReadingOrder` has them, others after them as they stand in the file."""
    places = _region_places(page)
    ordered: list[tuple[int, Element]] = []
    for region in descendants(page, "TextRegion"):
        place = places.get(region.get("id", ""), len(places))
        ordered += [(place, line) for line in _lines_of(region)]
    return [line for _, line in sorted(ordered, key=lambda item: item[0])]


def _region_places(page: Element) -> dict[str, int]:
    """Regions by id → their places, groups within groups as they come."""
    order = child(page, "ReadingOrder")
    places: dict[str, int] = {}

    def visit(group: Element) -> None:
        for member in sorted(group, key=lambda element: number(element.get("index")) or 0.0):
            if reference := member.get("regionRef"):
                places.setdefault(reference, len(places))
            visit(member)

    if order is not None:
        visit(order)
    return places


def _lines_of(region: Element) -> list[Element]:
    """A region's own lines, by Transkribus's `custom` where all of them have it."""
    lines = region.findall("TextLine")
    found = [re.search(r"readingOrder\s*\{\s*index\s*:\s*(\d+)", line.get("custom", "")) for line in lines]
    indices = [int(match[1]) for match in found if match]
    if len(indices) < len(lines):
        return lines
    return [line for _, line in sorted(zip(indices, lines, strict=True), key=lambda item: item[0])]


def _line(element: Element) -> TextLine:
    polygon, problem = area(_points_text(child(element, "Coords")))
    try:
        baseline = points(_points_text(child(element, "Baseline")) or "")
    except ValueError:
        baseline = ()
    return TextLine(element.get("id", ""), _text(element), polygon, baseline, problem)


def _points_text(element: Element | None) -> str | None:
    """The attribute, or the `Point` elements of 2010, written as that attribute."""
    if element is None:
        return None
    listed = [f"{point.get('x')},{point.get('y')}" for point in element.findall("Point")]
    return element.get("points") or " ".join(listed) or None


def _text(element: Element) -> str | None:
    """The line's own transcript, of several the first by index; else its words', None where there is none."""
    if (text := _equivalent(element)) is not None:
        return text
    words = [text for word in element.findall("Word") if (text := _equivalent(word)) is not None]
    return " ".join(words) if words else None


def _equivalent(element: Element) -> str | None:
    found = sorted(element.findall("TextEquiv"), key=lambda equivalent: number(equivalent.get("index")) or 0.0)
    for equivalent in found:
        for name in ("Unicode", "PlainText"):
            if (text := child(equivalent, name)) is not None:
                return text.text or ""
    return None
