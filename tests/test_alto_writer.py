"""What is written as ALTO comes back from the reader of ALTO as it was, and has the structure that the schema asks."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_pages import ALTO, BOX, TEXTS, line

from nmt.data.lines.alto_writer import NAMESPACE
from nmt.data.lines.text_line import Page, TextLine


def check_structure(text: str) -> None:
    """What the schema of ALTO 4.4 says of order, required attributes and their values, as far as it is used here."""
    root = ALTO.root(text)
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


@given(st.lists(TEXTS, max_size=4))
def test_texts_come_back_whatever_their_spaces(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    text = ALTO.document(*(line(one, f"l{number}") for number, one in enumerate(texts)))
    check_structure(text)
    found = ALTO.read(tmp_path_factory.mktemp("alto"), text).lines
    assert [(one.id, one.text) for one in found] == [(f"l{number}", one) for number, one in enumerate(texts)]


def test_places_come_back(tmp_path: Path) -> None:
    baseline = ((10.0, 38.0), (35.25, 39.0), (60.0, 38.0))
    page = ALTO.read(tmp_path, ALTO.document(line("ab cd", baseline=baseline), image="C & D/<page>.png"))
    assert page == Page("C & D/<page>.png", 100.0, 80.0, [TextLine("l1", "ab cd", BOX, baseline)], True)


def test_a_line_whose_place_is_not_known_is_on_the_page_all_the_same(tmp_path: Path) -> None:
    """Of a page whose file said HPOS="nan", that was written again, which no schema allows."""
    odd = (float("nan"), 1.0)
    lines = [line("a")._replace(polygon=()), line("b", "l2", baseline=(odd,))._replace(polygon=(*BOX, odd))]
    text = ALTO.document(*lines)
    assert "nan" not in text
    found = ALTO.read(tmp_path, text).lines
    assert [(one.text, one.polygon, one.baseline) for one in found] == [("a", (), ()), ("b", (), ())]


def test_confidences_of_words_and_characters() -> None:
    """Of a word the product; of a character 0 for sure and 9 for unsure, as ALTO has it."""
    root = ElementTree.fromstring(ALTO.document(line("abc defghijk")))
    words = list(root.iter(f"{{{NAMESPACE}}}String"))
    assert [word.get("WC") for word in words] == ["0.7200", "0.0006"]  # 1 · 0.9 · 0.8
    assert [word.get("CC") for word in words] == ["0 1 2", "4 4 5 6 7 8 0 1"]
    place = [words[1].get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    assert place == ["30", "20", "40", "20"]


def test_what_stands_beyond_the_page_is_moved_onto_it(tmp_path: Path) -> None:
    beyond = ((-5.0, 20.0), (130.0, 20.5), (130.0, 95.0), (10.0, 40.0))
    text = ALTO.document(line("a" * 20)._replace(polygon=beyond, baseline=((-1.5, 38.0), (101.0, 81.0))))
    check_structure(text)
    (found,) = ALTO.read(tmp_path, text).lines
    assert found.polygon == ((0.0, 20.0), (100.0, 20.5), (100.0, 80.0), (10.0, 40.0))
    assert found.baseline == ((0.0, 38.0), (100.0, 80.0))
    (word,) = ElementTree.fromstring(text).iter(f"{{{NAMESPACE}}}String")
    assert float(word.attrib["HPOS"]) + float(word.attrib["WIDTH"]) == 100


def test_ids_that_are_none_or_double_get_others() -> None:
    text = ALTO.document(*(line("a", name) for name in ("page", "x", "x", "", "3 d", "line_4")))
    check_structure(text)
    found = re.findall(r'<TextLine ID="([^"]*)"', text)
    assert found == ["page", "x", "line_3", "line_4_", "line_5", "line_4"]
