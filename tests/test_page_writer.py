"""What is written as PAGE comes back from the reader of PAGE as it was, and has the structure that the schema asks."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from written_pages import PAGE, TEXTS, WHOLE, line

from nmt.data.lines.page_writer import NAMESPACE
from nmt.data.lines.text_line import Page, TextLine


def check_structure(text: str) -> None:
    """What the schema of 2019 says of order, required attributes and their values, as far as it is used here."""
    root = PAGE.root(text)
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
        points = [tuple(map(int, point.split(","))) for point in place.attrib["points"].split()]
        assert all(x <= 100 and y <= 80 for x, y in points)  # the page's size
    names = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(names) == 1 + len(region[1:]) + len(list(root.iter("Word"))) == len(set(names))
    assert all(re.fullmatch(r"[^\W\d][\w.-]*", name) for name in names)


@given(TEXTS, TEXTS)
def test_texts_come_back_whatever_their_spaces(
    tmp_path_factory: pytest.TempPathFactory, first: str, second: str
) -> None:
    text = PAGE.document(line(first, "word_1"), line(second, "region"))
    check_structure(text)
    found = PAGE.read(tmp_path_factory.mktemp("page"), text).lines
    assert [(one.id, one.text) for one in found] == [("word_1", first), ("region", second)]


def test_places_come_back_in_whole_pixels(tmp_path: Path) -> None:
    baseline = ((-10.4, 38.0), (35.75, 39.25), (60.0, -3.0))
    page = PAGE.read(tmp_path, PAGE.document(line("ab cd", baseline=baseline), image="C & D/<page>.png"))
    whole = ((0.0, 38.0), (36.0, 39.0), (60.0, 0.0))
    assert page == Page("C & D/<page>.png", 100.0, 80.0, [TextLine("l1", "ab cd", WHOLE, whole)], True)


def test_a_line_whose_place_is_not_known_is_on_the_page_all_the_same(tmp_path: Path) -> None:
    odd, single = ((float("nan"), 1.0), (2.0, 2.0)), ((1.0, 1.0),)
    text = PAGE.document(line("a", baseline=single)._replace(polygon=single), line("b", "l2", baseline=odd))
    check_structure(text)
    assert [(one.text, one.baseline) for one in PAGE.read(tmp_path, text).lines] == [("a", ()), ("b", ())]


def test_words_have_their_places_and_the_product_of_their_characters_confidences() -> None:
    root = ElementTree.fromstring(PAGE.document(line("abc  defghijk")))
    words = root.findall(".//{*}Word")
    assert [word[1].get("conf") for word in words] == [
        "0.7200",
        "0.0009",
    ]  # 1 · 0.9 · 0.8, and 0.5 · 0.4 · 0.3 · 0.2 · 0.1 · 1 · 0.9 · 0.8
    assert [word[1][0].text for word in words] == ["abc", "defghijk"]
    assert words[1][0].get("points") == "35,20 75,20 75,40 35,40"
    assert [one.text for one in root.findall(".//{*}Created")] == ["2026-05-04T03:02:01+00:00"]


def test_a_line_says_how_sure_it_is_and_one_that_could_not_be_read_does_not() -> None:
    """Viewers colour lines by it, and found it at words alone."""
    root = ElementTree.fromstring(PAGE.document(line("ab cd")._replace(confidence=0.8125), line("")))
    texts = [one.find("{*}TextEquiv") for one in root.iter(f"{{{NAMESPACE}}}TextLine")]
    assert [None if one is None else one.get("conf") for one in texts] == ["0.8125", None]


def test_what_stands_beyond_the_page_is_moved_onto_it(tmp_path: Path) -> None:
    """A polygon that a program drew past the margin was written again, and other programs refuse it."""
    beyond = ((-5.0, 20.0), (130.0, 20.0), (130.0, 95.0), (10.0, 40.0))
    wide = line("a" * 20)._replace(polygon=beyond, baseline=((10.0, 90.0), (float("inf"), 38.0)))
    check_structure(PAGE.document(wide))
    (found,) = PAGE.read(tmp_path, PAGE.document(wide)).lines
    assert found.polygon == ((0.0, 20.0), (100.0, 20.0), (100.0, 80.0), (10.0, 40.0)) and found.baseline == ()
