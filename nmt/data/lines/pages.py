"""Pages in ALTO (versions 2 to 4) and PAGE (2010 to 2019): their text lines, cut out of the page's image by polygon.

A line is cut by its polygon, else its box, else by a band around its baseline as high as the page's lines stand apart.
Coordinates are pixels of the image; tenths of millimetres and 1200ths of inches (ALTO) are scaled by the page's size.
A line that cannot be cut is yielded all the same, and says why when it is read, so that it is counted.
"""

import itertools
import logging
import os
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from nmt.config.lines import LineSource
from nmt.data.lines.alto import alto_pages
from nmt.data.lines.line import Line, Recording
from nmt.data.lines.markup import read_markup
from nmt.data.lines.page_xml import page_xml_pages
from nmt.data.lines.picture import SUFFIXES, Cutout, Unreadable, image_size
from nmt.data.lines.text_line import Page, Point, TextLine
from nmt.errors import DataError

ABOVE, BELOW = 0.75, 0.3  # of the distance between baselines: what of a line without a polygon is cut out

_READERS = {"alto": ("alto", alto_pages), "PcGts": ("page", page_xml_pages)}
_log = logging.getLogger(__name__)


def read_pages(source: LineSource) -> Iterator[Line]:
    """The lines of a file, or of every ALTO and PAGE file in a folder and the folders in it.

    In a folder, a file that cannot be read is a bad line of its own, and XML of other kinds is passed over with a
    warning. Raises DataError for a single file that cannot be read, and for a folder without any page.
    """
    if not os.path.isdir(source.path):
        yield from read_page(source.path, kind=source.kind)
        return
    found = False
    for path in sorted(str(path) for path in Path(source.path).rglob("*.xml")):
        try:
            root = read_markup(path)
        except DataError as error:
            yield Line(path, None, "", Unreadable(str(error)))
            continue
        if root.tag not in _READERS:  # the METS file of an export, for one
            _log.warning("%s: is passed over, being neither ALTO nor PAGE but <%s>", path, root.tag)
            continue
        found = True
        yield from _lines(path, root, source.kind)
    if not found:
        raise DataError(f"{source.path}: no ALTO or PAGE file (.xml) in this folder or below")


def read_page(path: str, *, kind: str = "auto") -> Iterator[Line]:
    """The lines of one file in reading order. DataError for what is neither ALTO nor PAGE."""
    yield from _lines(path, read_markup(path), kind)


def _lines(path: str, root: Element, kind: str) -> Iterator[Line]:
    name, pages = _READERS.get(root.tag, (None, None))
    if name is None or pages is None:
        raise DataError(f"{path}: is neither ALTO nor PAGE; its root is <{root.tag}>, not <alto> or <PcGts>")
    if kind in ("alto", "page") and kind != name:
        raise DataError(f"{path}: is {name.upper()}, not {kind.upper()}; set kind: {name}, or leave it out")
    for page in pages(root, path):
        cutter = _Cutter.of(page, path)
        for number, line in enumerate(page.lines, start=1):
            place = f"{path}#{line.id or f'line {number}'}"
            yield Line(place, line.text, "", cutter.recording(line, place))


class _Cutter(NamedTuple):
    """How the lines of one page are cut."""

    image: str
    problem: str | None  # for which none can be
    scale: tuple[float, float]  # pixels per unit, across and down
    spacing: float | None  # between baselines, in units

    @classmethod
    def of(cls, page: Page, path: str) -> "_Cutter":
        spacing = _spacing([line.baseline for line in page.lines if line.baseline])
        image = _image_of(page, path)
        if image is None:
            said = repr(page.image) if page.image else "an image of the same name"
            return cls("", f"{path}: {said} is not there, nor beside it", (1.0, 1.0), spacing)
        try:
            width, height = image_size(image)
        except DataError as error:
            return cls(image, str(error), (1.0, 1.0), spacing)
        if not page.width or not page.height:
            problem = (
                None if page.pixels else f"{path}: needs the page's WIDTH and HEIGHT to turn its units into pixels"
            )
            return cls(image, problem, (1.0, 1.0), spacing)
        if page.pixels and max(abs(page.width - width), abs(page.height - height)) > 1:
            said = f"{page.width:g} × {page.height:g} pixels, its image {width} × {height}"
            return cls(image, f"{path}: the page is {said}; is it the right one ({image})?", (1.0, 1.0), spacing)
        scale = (1.0, 1.0) if page.pixels else (width / page.width, height / page.height)
        return cls(image, None, scale, spacing)

    def recording(self, line: TextLine, place: str) -> Recording:
        if self.problem is not None:
            return Unreadable(self.problem)
        polygon = line.polygon or _band(line.baseline, self.spacing)
        if not polygon:
            return Unreadable(
                f"{place}: {line.problem or 'has neither polygon nor box, and no baseline beside others'}"
            )
        across, down = self.scale
        return Cutout(self.image, *(tuple((x * across, y * down) for x, y in way) for way in (polygon, line.baseline)))


def _image_of(page: Page, path: str) -> str | None:
    """Where a page's image is: as its file says, beside it or in the folder above, else of the same name as the XML."""
    folder, name = Path(path).parent, re.split(r"[/\\]", page.image)[-1]
    places = [folder / page.image, folder / name, folder.parent / name] if name else []
    places += [folder / f"{Path(path).stem}{suffix}" for suffix in SUFFIXES]
    return next((str(place) for place in places if os.path.isfile(place)), None)


def _spacing(baselines: Sequence[Sequence[Point]]) -> float | None:
    """The median distance from a baseline down to the next, None for fewer than two."""
    heights = sorted(statistics.fmean(y for _, y in baseline) for baseline in baselines)
    gaps = [below - above for above, below in itertools.pairwise(heights) if below > above]
    return statistics.median(gaps) if gaps else None


def _band(baseline: Sequence[Point], spacing: float | None) -> tuple[Point, ...]:
    if spacing is None or len(baseline) < 2:
        return ()
    upper = [(x, y - ABOVE * spacing) for x, y in baseline]
    lower = [(x, y + BELOW * spacing) for x, y in reversed(baseline)]
    return (*upper, *lower)
