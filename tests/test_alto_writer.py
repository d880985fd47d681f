"""What is written as ALTO comes back from the reader of ALTO as it was, and has the structure that the schema asks."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nmt.data.lines.alto import alto_pages
from nmt.data.lines.alto_writer import NAMESPACE, alto_document
from nmt.data.lines.markup import read_markup
from nmt.data.lines.pages import read_page
from nmt.data.lines.picture import Cutout
from nmt.data.lines.placed import PlacedCharacter, PlacedLine
from nmt.data.lines.text_line import Page, TextLine

BOX = ((10.0, 20.0), (60.0, 20.0), (60.0, 40.5), (10.0, 40.25))


def line(text: str, name: str = "l1", *, baseline: tuple[tuple[float, float], ...] = ()) -> PlacedLine:
    """A line whose characters stand side by side, five pixels each."""
    placed = [
        PlacedCharacter(one, (10.0 + 5 * i, 20.0, 15.0 + 5 * i, 40.0), 1 - i % 10 / 10) for i, one in enumerate(text)
    ]
    return PlacedLine(name, BOX, baseline, placed)


def document(*lines: PlacedLine, image: str = "page.png") -> str:
    return alto_document(lines, image=image, width=100, height=80, software=("reader", "1.0"))


def read(folder: Path, text: str) -> Page:
    path = folder / "page.xml"
    path.write_text(text, encoding="utf-8")
    (page,) = alto_pages(read_markup(str(path)), str(path))
    return page


def check_structure(text: str) -> None:
    """What the schema of ALTO 4.4 says of order, required attributes and their values, as far as it is used here."""
    root = ElementTree.fromstring(text)
    assert all(element.tag.startswith(f"{{{NAMESPACE}}}") for element in root.iter())
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    assert [one.tag for one in root] == ["Description", "Layout"]
    assert [one.tag for one in root[0]] == ["MeasurementUnit", "sourceImageInformation", "Processing"]
    assert root[0][0].text == "pixel"
    (page,) = root[1]
    assert {"ID", "PHYSICAL_IMG_NR"} <= set(page.attrib) and [one.tag for one in page] == ["PrintSpace"]
    (block,) = page[0]
    assert block.tag == "TextBlock"
    names = [element.attrib["ID"] for element in root.iter() if "ID" in element.attrib]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[^\W\d][\w.-]*", name) for name in names)
    for one in block:
        tags = "".join({"Shape": "h", "String": "w", "SP": "s"}[part.tag] for part in one)
        assert re.fullmatch(r"h(ws)*w", tags), tags  # an SP stands behind a String
        assert one[0][0].tag == "Polygon" and one[0][0].get("POINTS")
    for word in root.iter("String"):
        content = word.attrib["CONTENT"]
        assert ("WC" in word.attrib) == bool(content) and 0 <= float(word.get("WC", "0")) <= 1
        certain = word.get("CC", "").split()
        assert len(certain) == len(content) and all(0 <= int(one) <= 9 for one in certain)
    for place in root.iter():
        assert all(float(value) >= 0 for name, value in place.items() if name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=12) | st.text(" ab", max_size=8)


@given(st.lists(TEXTS, max_size=4))
def test_texts_come_back_whatever_their_spaces(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    text = document(*(line(one, f"l{number}") for number, one in enumerate(texts)))
    check_structure(text)
    found = read(tmp_path_factory.mktemp("alto"), text).lines
    assert [(one.id, one.text) for one in found] == [(f"l{number}", one) for number, one in enumerate(texts)]


def test_places_come_back(tmp_path: Path) -> None:
    baseline = ((10.0, 38.0), (35.25, 39.0), (60.0, 38.0))
    page = read(tmp_path, document(line("ab cd", baseline=baseline), image="C & D/<page>.png"))
    assert page == Page("C & D/<page>.png", 100.0, 80.0, [TextLine("l1", "ab cd", BOX, baseline)], True)


def test_a_line_whose_place_is_not_known_is_on_the_page_all_the_same(tmp_path: Path) -> None:
    """Of a page whose file said HPOS="nan", that was written again, which no schema allows."""
    odd = (float("nan"), 1.0)
    lines = [line("a")._replace(polygon=()), line("b", "l2", baseline=(odd,))._replace(polygon=(*BOX, odd))]
    text = document(*lines)
    assert "nan" not in text
    found = read(tmp_path, text).lines
    assert [(one.text, one.polygon, one.baseline) for one in found] == [("a", (), ()), ("b", (), ())]


def test_confidences_of_words_and_characters() -> None:
    """Of a word the product; of a character 0 for sure and 9 for unsure, as ALTO has it."""
    root = ElementTree.fromstring(document(line("abc defghijk")))
    words = list(root.iter(f"{{{NAMESPACE}}}String"))
    assert [word.get("WC") for word in words] == ["0.7200", "0.0006"]  # 1 · 0.9 · 0.8
    assert [word.get("CC") for word in words] == ["0 1 2", "4 4 5 6 7 8 0 1"]
    place = [words[1].get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    assert place == ["30", "20", "40", "20"]


def test_ids_that_are_none_or_double_get_others() -> None:
    text = document(*(line("a", name) for name in ("page", "x", "x", "", "3 d", "line_4")))
    check_structure(text)
    found = re.findall(r'<TextLine ID="([^"]*)"', text)
    assert found == ["page", "x", "line_3", "line_4_", "line_5", "line_4"]


def test_what_xml_cannot_hold_is_replaced(tmp_path: Path) -> None:
    found = read(tmp_path, document(line("a\x00\x0b\ufffe\tb")))
    assert found.lines[0].text == "a\ufffd\ufffd\ufffd\tb"


def test_the_lines_of_a_written_page_are_cut_as_those_of_the_page_it_was_read_from(tmp_path: Path) -> None:
    Image.fromarray(np.full((80, 100), 200, dtype=np.uint8)).save(tmp_path / "page.png")
    path = tmp_path / "again.xml"
    path.write_text(document(line("ab", baseline=((0.0, 1.0), (2.0, 1.0)))), encoding="utf-8")
    (again,) = read_page(str(path))
    assert again.recording == Cutout(str(tmp_path / "page.png"), BOX, ((0.0, 1.0), (2.0, 1.0)))
