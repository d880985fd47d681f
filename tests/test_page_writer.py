"""What is written as PAGE comes back from the reader of PAGE as it was, and has the structure that the schema asks."""

import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from PIL import Image
from test_alto_writer import BOX, TEXTS, line

from nmt.data.lines.markup import read_markup
from nmt.data.lines.page_writer import NAMESPACE, page_document
from nmt.data.lines.page_xml import page_xml_pages
from nmt.data.lines.pages import read_page
from nmt.data.lines.picture import Cutout
from nmt.data.lines.placed import PlacedLine
from nmt.data.lines.text_line import Page, TextLine

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
WHOLE = ((10.0, 20.0), (60.0, 20.0), (60.0, 40.0), (10.0, 40.0))  # `BOX` in whole pixels


def document(*lines: PlacedLine, image: str = "page.png") -> str:
    return page_document(lines, image=image, width=100, height=80, software=("reader", "1.0"), now=NOW)


def read(folder: Path, text: str) -> Page:
    path = folder / "page.xml"
    path.write_text(text, encoding="utf-8")
    (page,) = page_xml_pages(read_markup(str(path)), str(path))
    return page


def check_structure(text: str) -> None:
    """What the schema of 2019 says of order, required attributes and their values, as far as it is used here."""
    root = ElementTree.fromstring(text)
    assert all(element.tag.startswith(f"{{{NAMESPACE}}}") for element in root.iter())
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    assert [one.tag for one in root] == ["Metadata", "Page"]
    assert [one.tag for one in root[0]] == ["Creator", "Created", "LastChange"]
    assert {"imageFilename", "imageWidth", "imageHeight"} == set(root[1].attrib)
    (region,) = root[1]
    assert [one.tag for one in region] == ["Coords", *["TextLine"] * (len(region) - 1)]
    for one in region[1:]:
        tags = " ".join(part.tag for part in one)
        assert re.fullmatch("Coords( Baseline)?( Word)* TextEquiv", tags), tags
    for word in root.iter("Word"):
        assert [part.tag for part in word] == ["Coords", "TextEquiv"]
        assert 0 <= float(word[1].get("conf", "-1")) <= 1
    for place in [*root.iter("Coords"), *root.iter("Baseline")]:
        assert re.fullmatch("([0-9]+,[0-9]+ )+[0-9]+,[0-9]+", place.get("points", ""))
    names = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(names) == 1 + len(region[1:]) + len(list(root.iter("Word"))) == len(set(names))
    assert all(re.fullmatch(r"[^\W\d][\w.-]*", name) for name in names)


@given(TEXTS, TEXTS)
def test_texts_come_back_whatever_their_spaces(
    tmp_path_factory: pytest.TempPathFactory, first: str, second: str
) -> None:
    text = document(line(first, "word_1"), line(second, "region"))
    check_structure(text)
    found = read(tmp_path_factory.mktemp("page"), text).lines
    assert [(one.id, one.text) for one in found] == [("word_1", first), ("region", second)]


def test_places_come_back_in_whole_pixels(tmp_path: Path) -> None:
    baseline = ((-10.4, 38.0), (35.25, 39.0), (60.0, -3.0))
    page = read(tmp_path, document(line("ab cd", baseline=baseline), image="C & D/<page>.png"))
    whole = ((0.0, 38.0), (35.0, 39.0), (60.0, 0.0))
    assert page == Page("C & D/<page>.png", 100.0, 80.0, [TextLine("l1", "ab cd", WHOLE, whole)], True)


def test_a_line_whose_place_is_not_known_is_on_the_page_all_the_same(tmp_path: Path) -> None:
    odd, single = ((float("nan"), 1.0), (2.0, 2.0)), ((1.0, 1.0),)
    text = document(line("a", baseline=single)._replace(polygon=single), line("b", "l2", baseline=odd))
    check_structure(text)
    assert [(one.text, one.baseline) for one in read(tmp_path, text).lines] == [("a", ()), ("b", ())]


def test_words_have_their_places_and_the_product_of_their_characters_confidences() -> None:
    root = ElementTree.fromstring(document(line("abc  defghijk")))
    words = root.findall(".//{*}Word")
    assert [word[1].get("conf") for word in words] == [
        "0.7200",
        "0.0009",
    ]  # 1 · 0.9 · 0.8, and 0.5 · 0.4 · 0.3 · 0.2 · 0.1 · 1 · 0.9 · 0.8
    assert [word[1][0].text for word in words] == ["abc", "defghijk"]
    assert words[1][0].get("points") == "35,20 75,20 75,40 35,40"
    assert [one.text for one in root.findall(".//{*}Created")] == ["2026-05-04T03:02:01+00:00"]


def test_what_xml_cannot_hold_is_replaced(tmp_path: Path) -> None:
    assert read(tmp_path, document(line("a\x00\x0b\ufffeb"))).lines[0].text == "a\ufffd\ufffd\ufffdb"


def test_the_lines_of_a_written_page_are_cut_as_those_of_the_page_it_was_read_from(tmp_path: Path) -> None:
    Image.fromarray(np.full((80, 100), 200, dtype=np.uint8)).save(tmp_path / "page.png")
    path = tmp_path / "again.xml"
    path.write_text(document(line("ab", baseline=((0.0, 1.0), (2.0, 1.0)))), encoding="utf-8")
    (again,) = read_page(str(path))
    assert BOX != WHOLE and again.recording == Cutout(str(tmp_path / "page.png"), WHOLE, ((0.0, 1.0), (2.0, 1.0)))
