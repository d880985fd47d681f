"""The report is one page that holds all it shows, and a transcript in it is only ever text."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from tiny_recognizer import scribble

from nmt.cli.line_drawing import TALLEST, drawing
from nmt.cli.lines_findings import Findings, ReadLine, as_dict, as_table, told, told_bad
from nmt.cli.lines_report import page, worst_lines
from nmt.data.lines.line import Pixels, Points
from nmt.errors import DataError
from nmt.inference.recognition import Box, Character
from nmt.metrics.calibration import calibration
from nmt.metrics.confusions import confusions
from nmt.metrics.error_rate import character_errors, error_rates
from nmt.metrics.proofreading import proofreading

HOSTILE = "</p><script>alert('x')</script><img src=x onerror=\"y\"> & \x00\u202e\ud800 e\u0301"
VOID = {"meta", "img", "br"}


class Recorded:
    """A recording that is there, or is gone."""

    def __init__(self, found: Pixels | Points | None) -> None:
        self.found = found

    def read(self) -> Pixels | Points:
        if self.found is None:
            raise DataError("gone.png: no such file")
        return self.found


class Page(HTMLParser):
    """Tags with their attributes, the text outside of styles, and whether every tag is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += "" if "style" in self.open else data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def findings(lines: list[ReadLine]) -> Findings:
    references, hypotheses = [line.reference for line in lines], [line.hypothesis for line in lines]
    read = [line for line in lines if line.confidence is not None]
    sure = [line.confidence for line in read if line.confidence is not None]
    return Findings(
        {"checkpoint": HOSTILE},
        lines,
        error_rates(references, hypotheses, [line.writer for line in lines], resamples=50),
        confusions(references, hypotheses),
        [calibration(sure, [not character_errors(*line.pair).errors for line in read])] if read else [],
        proofreading([line.confidence for line in lines], [character_errors(*line.pair).errors for line in lines]),
    )


def lines() -> list[ReadLine]:
    grey = Pixels(scribble(90), left=10, top=5)
    colour = Pixels(np.full((300, 500, 3), 200, np.uint8))
    marks = (Character("n", Box(10, 5, 30, 29), 0.9), Character(" ", Box(30, 5, 70, 29), 0.2))
    pen = Points((np.array([[0, 0, 0], [9, 9, 1]], np.float32), np.array([[4, 4, 2]], np.float32)))
    return [
        ReadLine("one.png", "ann", "nest", "nast", 0.8, marks, Recorded(grey), line_confidence=0.3),
        ReadLine("two.png", "ann", "arena", "ae", 0.4, (), Recorded(colour)),
        ReadLine("three.png", "bob", "tea", "tea", 0.9, (), Recorded(grey)),
        ReadLine(
            HOSTILE, HOSTILE, HOSTILE, "e" + HOSTILE[::-1], 0.1, (Character("<", marks[0].box, 0.5),), Recorded(pen)
        ),
        ReadLine("gone.png", "bob", "sea", None, recording=Recorded(None), problem=f"gone.png: {HOSTILE}"),
        ReadLine("late.png", "bob", "seas", "s", 0.3, (), Recorded(None)),
    ]


def test_a_page_holds_all_it_shows_and_no_markup_of_others() -> None:
    text = page(findings(lines()), title=HOSTILE, worst=10)
    text.encode("utf-8")  # no half surrogate is left
    found = Page(text)
    assert not {"script", "iframe", "link", "object", "form"} & {tag for tag, _ in found.tags}
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    addresses = [value or "" for _, all_ in found.tags for name, value in all_.items() if name in ("src", "href")]
    assert addresses and all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not re.search(r"url\(|@import|https?:", text)
    (policy,) = [one["content"] for one in found.named("meta") if "http-equiv" in one]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert "alert('x')" in found.text and "\x00" not in found.text
    assert "<b>&lt;</b>" in text and "<b><</b>" not in text  # in the cells, too


def test_every_image_decodes_and_none_is_taller_than_it_need_be() -> None:
    images = Page(page(findings(lines()), title="t", worst=10)).named("img")
    assert len(images) == 2  # the strokes are drawn, the line that was read well is not shown
    sizes = []
    for image in images:
        decoded = Image.open(io.BytesIO(base64.b64decode((image["src"] or "").split(",")[1])))
        decoded.load()
        sizes.append(decoded.size)
    assert sorted(sizes) == [(90, 24), (round(500 * TALLEST / 300), TALLEST)]


def test_worst_lines_come_first_and_only_so_many() -> None:
    found = findings(lines())
    order = [found.lines[index].name for index in worst_lines(found.lines, found.rates, 99)]
    assert order == [HOSTILE, "gone.png", "late.png", "two.png", "one.png"]  # the shorter of equally wrong lines first
    text = Page(page(found, title="t", worst=4)).text
    assert "3 errors, CER 60.00 %" in text and "confidence 0.40" in text
    assert "confidence 0.80" not in text
    assert "Every line was read" in Page(page(findings(lines()[2:3]), title="t", worst=2)).text


def test_a_page_names_rates_confusions_writers_and_bad_lines() -> None:
    found = findings(lines())
    text = Page(page(found, title="t", worst=10)).text
    for said in (found.rates.signature, "resamples of 3 writers", "Calibration of 5 lines", "Bad lines", "Writers"):
        assert said in text
    assert "e → a" in text  # nest read as nast
    assert "late.png" in text and text.count("gone.png: no such file") == 1  # of late.png, which went since


def test_without_writers_bad_lines_or_confidences_their_sections_are_left_out() -> None:
    text = Page(page(findings([ReadLine("a", "", "sea", "sa")]), title="t", worst=1)).text
    assert not any(name in text for name in ("Writers", "Calibration", "Bad lines"))


def test_a_page_shows_what_a_proof_reader_gains() -> None:
    text = page(findings(lines()), title="t", worst=0)
    assert "Proof-reading the 2 least sure lines (33 %) finds" in text
    (best, found) = (way for tag, way in Page(text).tags if tag == "polyline")
    assert (best["class"], found["class"]) == ("best", "found")
    assert found["points"].split()[0] == "0,260" and found["points"].split()[-1] == "260.0,0.0"
    assert "Proof-reading" not in page(findings(lines()[2:3]), title="t", worst=0)  # nothing is wrong there


def test_marks_stand_where_the_characters_were_read() -> None:
    """Boxes are in the source image, the drawing begins at the line's left edge."""
    pixels = Pixels(np.full((2 * TALLEST, 400), 255, np.uint8), left=100, top=50)
    text = drawing(pixels, [Character("x", Box(140, 50, 180, 60), 1.0)], name="a")
    assert "M20.0 0v5M40.0 0v5" in text and 'x="30.0"' in text  # drawn at half the size
    assert ">&lt;<title>&lt; 0.50</title>" in drawing(pixels, [Character("<", Box(140, 50, 180, 60), 0.5)], name="a")


@pytest.mark.parametrize(
    "strokes", [[[[3, 3, 0]]], [[[0, 5, 0], [90, 5, 1]]], [[[5, 0, 0], [5, 90, 1]]]], ids=["dot", "flat", "upright"]
)
def test_pen_strokes_of_no_height_or_width_are_drawn(strokes: list[list[list[float]]]) -> None:
    points = Points(tuple(np.array(stroke, np.float32) for stroke in strokes))
    text = drawing(points, (), name="a")
    (svg,) = Page(text).named("svg")
    width, height = map(float, (svg["viewbox"] or "").split()[2:])
    assert width > 0 and height > 0 and "nan" not in text


def test_what_is_told_and_written() -> None:
    found = findings(lines())
    assert told(found).splitlines()[0].startswith("CER") and "line_confidence, 5 lines" in told(found)
    assert told_bad(found)[-1] == "bad lines: 1 of 6, 1 of them not read"
    assert told_bad(findings(lines()[:3])) == []
    rows = as_table(found).splitlines()
    assert len(rows) == 7 and {row.count("\t") for row in rows} == {8}
    assert rows[1] == "one.png\tann\t1\t4\t0.8000\tnest\tnast\t\t0.3000"
    numbers = as_dict(found)
    assert numbers["about"] == {"checkpoint": HOSTILE} and numbers["lines"] == 6
    assert numbers["bad"] == [{"line": "gone.png", "reason": f"gone.png: {HOSTILE}", "read": False}]
    assert sum(one["times"] for one in numbers["confusions"]) == numbers["cer"]["substitutions"] + (
        numbers["cer"]["deletions"] + numbers["cer"]["insertions"] - len("sea")
    )
