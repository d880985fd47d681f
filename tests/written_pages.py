"""Lines to write as ALTO or PAGE, and what reads a written page again: for the tests of both writers."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, fromstring

from hypothesis import strategies as st

from nmt.data.lines.alto import alto_pages
from nmt.data.lines.alto_writer import NAMESPACE as ALTO_NAMESPACE
from nmt.data.lines.alto_writer import alto_document
from nmt.data.lines.markup import read_markup
from nmt.data.lines.page_writer import NAMESPACE as PAGE_NAMESPACE
from nmt.data.lines.page_writer import page_document
from nmt.data.lines.page_xml import page_xml_pages
from nmt.data.lines.placed import PlacedCharacter, PlacedLine
from nmt.data.lines.text_line import Page

BOX = ((10.0, 20.0), (60.0, 20.0), (60.0, 40.5), (10.0, 40.25))
WHOLE = ((10.0, 20.0), (60.0, 20.0), (60.0, 40.0), (10.0, 40.0))  # `BOX` in whole pixels
WIDTH, HEIGHT = 100, 80
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=12) | st.text(" ab", max_size=8)


class Format(NamedTuple):
    """A way of writing a page; `pages` reads it."""

    name: str
    write: Callable[..., str]
    pages: Callable[[Element, str], Iterable[Page]]
    namespace: str
    box: tuple[tuple[float, float], ...]  # what becomes of `BOX`

    def document(self, *lines: PlacedLine, image: str = "page.png") -> str:
        """The page of some lines."""
        dated = {"now": NOW} if self.name == "page" else {}  # ALTO has no time
        return self.write(lines, image=image, width=WIDTH, height=HEIGHT, software=("reader", "1.0"), **dated)

    def read(self, folder: Path, text: str) -> Page:
        """The one page of a document."""
        path = folder / "page.xml"
        path.write_text(text, encoding="utf-8")
        (page,) = self.pages(read_markup(str(path)), str(path))
        return page

    def root(self, text: str) -> Element:
        """The document's, whose tags all have the namespace, without it."""
        root = fromstring(text)
        assert all(element.tag.startswith(f"{{{self.namespace}}}") for element in root.iter())
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root


ALTO = Format("alto", alto_document, alto_pages, ALTO_NAMESPACE, BOX)
PAGE = Format("page", page_document, page_xml_pages, PAGE_NAMESPACE, WHOLE)


def line(text: str, name: str = "l1", *, baseline: tuple[tuple[float, float], ...] = ()) -> PlacedLine:
    """A line whose characters stand side by side, five pixels each."""
    placed = [
        PlacedCharacter(one, (10.0 + 5 * i, 20.0, 15.0 + 5 * i, 40.0), 1 - i % 10 / 10) for i, one in enumerate(text)
    ]
    return PlacedLine(name, BOX, baseline, placed)
