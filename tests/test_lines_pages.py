"""ALTO and PAGE pages as lines cut by their polygons, in reading order; hostile XML is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmt.config.lines import LineSource
from nmt.data.lines.line import Line, Pixels
from nmt.data.lines.sources import read_lines
from nmt.errors import DataError

SHARED = Path(os.environ.get("NMT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
WIDTH, HEIGHT = 120, 90


def page_image(path: Path) -> np.ndarray:
    """Random grey, saved at `path`."""
    values = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return values


def alto(lines: str, *, version: int = 4, unit: str = "pixel", size: tuple[float, float] = (WIDTH, HEIGHT)) -> str:
    space = f'xmlns="http://www.loc.gov/standards/alto/ns-v{version}#"' if version else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
    <alto {space}><Description><MeasurementUnit>{unit}</MeasurementUnit>
      <sourceImageInformation><fileName>C:\\scans\\page.png</fileName></sourceImageInformation></Description>
      <Layout><Page WIDTH="{size[0]}" HEIGHT="{size[1]}"><PrintSpace>
        <TextBlock ID="b1">{lines}</TextBlock></PrintSpace></Page></Layout></alto>"""


def page_xml(body: str, *, version: str = "2019-07-15", name: str = "page.png") -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
    <PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/{version}">
      <Page imageFilename="{name}" imageWidth="{WIDTH}" imageHeight="{HEIGHT}">{body}</Page></PcGts>"""


def read(folder: Path, xml: str | bytes, name: str = "page.xml", **options: str) -> list[Line]:
    (folder / name).write_bytes(xml if isinstance(xml, bytes) else xml.encode())
    return list(read_lines(LineSource(path=str(folder / name), **options)))


def pixels(line: Line) -> Pixels:
    found = line.recording.read()
    assert isinstance(found, Pixels)
    return found


def problem(line: Line) -> str:
    with pytest.raises(DataError) as caught:
        line.recording.read()
    return str(caught.value)


BOX = 'HPOS="10" VPOS="20" WIDTH="30" HEIGHT="8"'


class TestAlto:
    @pytest.mark.parametrize("version", [0, 2, 3, 4])
    def test_a_line_is_cut_by_its_polygon(self, tmp_path: Path, version: int) -> None:
        values = page_image(tmp_path / "page.png")
        shape = '<Shape><Polygon POINTS="10,20 40,20 40,30 10,30"/></Shape>'
        xml = alto(f'<TextLine ID="l1" {BOX}>{shape}<String CONTENT="one"/></TextLine>', version=version)
        [line] = read(tmp_path, xml)
        assert (line.name, line.text) == (f"{tmp_path}/page.xml#l1", "one")
        assert (pixels(line).left, pixels(line).top) == (10, 20)
        np.testing.assert_array_equal(pixels(line).values, values[20:30, 10:40])

    def test_a_box_will_do(self, tmp_path: Path) -> None:
        values = page_image(tmp_path / "page.png")
        [line] = read(tmp_path, alto(f'<TextLine {BOX} BASELINE="26"><String CONTENT="one"/></TextLine>'))
        assert line.name.endswith("page.xml#line 1")
        np.testing.assert_array_equal(pixels(line).values, values[20:28, 10:40])

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ('<String CONTENT="Jour"/><SP/><String CONTENT="et"/><SP/><String CONTENT="nuit"/>', "Jour et nuit"),
            ('<String CONTENT="Jour"/><String CONTENT="et"/>', "Jour et"),
            ('<String CONTENT="un"/><SP/><String CONTENT="jour"/><String CONTENT="."/>', "un jour."),
            ('<String CONTENT="Nou" SUBS_TYPE="HypPart1"/><HYP CONTENT="¬"/>', "Nou¬"),
            ('<String CONTENT="Nou"/><HYP/>', "Nou-"),
            ('<String CONTENT="&lt;&#233;&gt;"/>', "<é>"),
            ('<String CONTENT=""/>', ""),
            ("", None),
        ],
    )
    def test_words_become_a_text(self, tmp_path: Path, content: str, text: str | None) -> None:
        [line] = read(tmp_path, alto(f"<TextLine {BOX}>{content}</TextLine>"))
        assert line.text == text

    @pytest.mark.parametrize(("unit", "per_pixel"), [("mm10", 0.847), ("inch1200", 4.0)])
    def test_other_units_are_scaled(self, tmp_path: Path, unit: str, per_pixel: float) -> None:
        values = page_image(tmp_path / "page.png")
        numbers = [f'{name}="{value * per_pixel}"' for name, value in zip(("HPOS", "VPOS"), (10, 20), strict=True)]
        numbers += [f'WIDTH="{30 * per_pixel}"', f'HEIGHT="{8 * per_pixel}"']
        xml = alto(f"<TextLine {' '.join(numbers)}/>", unit=unit, size=(WIDTH * per_pixel, HEIGHT * per_pixel))
        [line] = read(tmp_path, xml)
        assert (pixels(line).left, pixels(line).top) in [(10, 20), (9, 20), (10, 19), (9, 19)]  # rounding
        assert abs(pixels(line).values.shape[1] - 30) <= 1
        assert values[24, 25] in pixels(line).values

    def test_an_unknown_unit_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"page\.xml: measures in 'furlong'; ALTO has pixel, mm10, inch1200"):
            read(tmp_path, alto("", unit="furlong"))

    def test_a_baseline_is_cut_as_high_as_lines_stand_apart(self, tmp_path: Path) -> None:
        page_image(tmp_path / "page.png")
        lines = [f'<TextLine ID="l{y}" BASELINE="10 {y} 50 {y}"/>' for y in (30, 50, 70)]
        cut = pixels(read(tmp_path, alto("".join(lines)))[1])
        assert (cut.left, cut.top) == (10, 35) and cut.values.shape == (21, 40)
        [alone] = read(tmp_path, alto(lines[0]))
        assert "page.xml#l30: has neither polygon nor box, and no baseline beside others" in problem(alone)

    def test_a_reading_order_is_kept(self, tmp_path: Path) -> None:
        order = '<ReadingOrder><OrderedGroup><ElementRef REF="c"/><ElementRef REF="a"/></OrderedGroup></ReadingOrder>'
        xml = alto("".join(f'<TextLine ID="{name}" {BOX}/>' for name in "abc"))
        lines = read(tmp_path, xml.replace("<Layout>", f"{order}<Layout>"))
        assert [line.name[-1] for line in lines] == ["c", "a", "b"]

    def test_the_shared_page_has_23_lines(self) -> None:
        folder = SHARED / "handwriting" / "copiste" / "alto_sample"
        if not folder.is_dir():
            pytest.skip(f"no {folder}")
        lines = list(read_lines(LineSource(path=str(folder))))
        assert len(lines) == 23 and lines[4].text == "de la sélection du Laos."
        shapes = [pixels(line).values.shape for line in lines]
        assert all(80 <= height <= 150 and 300 <= width <= 2100 for height, width, _ in shapes)


class TestPage:
    COORDS = '<Coords points="10,20 40,20 40,30 10,30"/>'

    @pytest.mark.parametrize("version", ["2010-03-19", "2013-07-15", "2019-07-15"])
    def test_a_line_is_cut_by_its_polygon(self, tmp_path: Path, version: str) -> None:
        values = page_image(tmp_path / "page.png")
        corners = "".join(f'<Point x="{x}" y="{y}"/>' for x, y in [(10, 20), (40, 20), (40, 30), (10, 30)])
        coords = f"<Coords>{corners}</Coords>" if version.startswith("2010") else self.COORDS
        text = "<TextEquiv><Unicode>one</Unicode></TextEquiv>"
        body = f'<TextRegion id="r"><TextLine id="l1">{coords}{text}</TextLine></TextRegion>'
        [line] = read(tmp_path, page_xml(body, version=version))
        assert (line.name, line.text) == (f"{tmp_path}/page.xml#l1", "one")
        np.testing.assert_array_equal(pixels(line).values, values[20:30, 10:40])

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            (
                "<TextEquiv index='1'><Unicode>b</Unicode></TextEquiv>"
                "<TextEquiv index='0'><Unicode>a</Unicode></TextEquiv>",
                "a",
            ),
            ("<TextEquiv><Unicode/></TextEquiv>", ""),
            ("<TextEquiv><PlainText>p</PlainText></TextEquiv>", "p"),
            ("", None),
            (
                "<Word id='1'><TextEquiv><Unicode>two</Unicode></TextEquiv></Word>"
                "<Word id='2'><TextEquiv><Unicode>words</Unicode></TextEquiv></Word>",
                "two words",
            ),
        ],
        ids=["index", "empty", "plain", "none", "words"],
    )
    def test_a_transcript_is_found(self, tmp_path: Path, content: str, text: str | None) -> None:
        [line] = read(tmp_path, page_xml(f"<TextRegion id='r'><TextLine id='l'>{content}</TextLine></TextRegion>"))
        assert line.text == text

    def test_a_reading_order_is_kept(self, tmp_path: Path) -> None:
        order = """<ReadingOrder><OrderedGroup id="g"><RegionRefIndexed index="1" regionRef="r1"/>
            <RegionRefIndexed index="0" regionRef="r2"/></OrderedGroup></ReadingOrder>"""
        custom = 'custom="readingOrder {{index:{};}} structure {{type:x;}}"'
        regions = "".join(
            f'<TextRegion id="r{region}"><TextLine id="{region}a" {custom.format(1)}/>'
            f'<TextLine id="{region}b" {custom.format(0)}/></TextRegion>'
            for region in (0, 1, 2)
        )
        lines = read(tmp_path, page_xml(order + regions))
        assert [line.name[-2:] for line in lines] == ["2b", "2a", "1b", "1a", "0b", "0a"]

    def test_the_image_may_stand_in_the_folder_above(self, tmp_path: Path) -> None:
        page_image(tmp_path / "page.png")
        (tmp_path / "page").mkdir()
        body = f'<TextRegion id="r"><TextLine id="l">{self.COORDS}</TextLine></TextRegion>'
        [line] = read(tmp_path / "page", page_xml(body))
        assert pixels(line).values.shape == (10, 30)
        [line] = read(tmp_path / "page", page_xml(body, name="../elsewhere/other.png"), "unnamed.xml")
        assert "unnamed.xml: '../elsewhere/other.png' is not there, nor beside it" in problem(line)

    @pytest.mark.parametrize(
        ("coords", "complaint"),
        [
            ('<Coords points="10,20 40,20"/>', "a polygon of 2 points"),
            ('<Coords points="10,20 40,20 nan,30"/>', "no place in an image"),
            ('<Coords points="10,20 40,20 40"/>', "its polygon cannot be read (5 numbers are no points)"),
            ('<Coords points="10,20 40,x 40,30"/>', "its polygon cannot be read"),
            ('<Coords points="210,20 240,20 240,30"/>', "lies outside the image of 120 × 90 pixels"),
            ("", "has neither polygon nor box"),
        ],
    )
    def test_a_line_that_cannot_be_cut_says_why(self, tmp_path: Path, coords: str, complaint: str) -> None:
        page_image(tmp_path / "page.png")
        text = "<TextEquiv><Unicode>kept</Unicode></TextEquiv>"
        [line] = read(tmp_path, page_xml(f"<TextRegion id='r'><TextLine id='l'>{coords}{text}</TextLine></TextRegion>"))
        assert line.text == "kept" and complaint in problem(line)

    def test_another_page_s_image_is_noticed(self, tmp_path: Path) -> None:
        Image.new("L", (WIDTH * 2, HEIGHT * 2)).save(tmp_path / "page.png")
        [line] = read(tmp_path, page_xml(f'<TextRegion id="r"><TextLine id="l">{self.COORDS}</TextLine></TextRegion>'))
        assert "the page is 120 × 90 pixels, its image 240 × 180" in problem(line)


class TestFiles:
    BOMB = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><alto>&b;</alto>'
    OUTSIDE = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><alto/>'

    @pytest.mark.parametrize("xml", [BOMB, OUTSIDE], ids=["bomb", "external"])
    def test_a_document_type_is_refused(self, tmp_path: Path, xml: str) -> None:
        with pytest.raises(DataError, match=r"page\.xml: has a DOCTYPE"):
            read(tmp_path, xml)

    @pytest.mark.parametrize(
        ("xml", "complaint"),
        [
            ("", "is no XML"),
            ("<alto>", "is no XML"),
            ("<alto>&undefined;</alto>", "is no XML"),
            (b"<?xml version='1.0' encoding='UTF-8'?><alto>\xff</alto>", "is no XML"),
            ("<?xml version='1.0' encoding='no-such'?><alto/>", "is no XML"),
            ("<html/>", "is neither ALTO nor PAGE; its root is <html>"),
        ],
    )
    def test_what_is_no_page_is_named(self, tmp_path: Path, xml: str | bytes, complaint: str) -> None:
        with pytest.raises(DataError, match=rf"page\.xml: {complaint}"):
            read(tmp_path, xml)

    def test_a_kind_that_is_said_must_be_so(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"is PAGE, not ALTO; set kind: page"):
            read(tmp_path, page_xml(""), kind="alto")

    def test_a_folder_names_its_damaged_files_and_goes_on(self, tmp_path: Path) -> None:
        page_image(tmp_path / "page.png")
        (tmp_path / "a.xml").write_text("<alto>")
        (tmp_path / "mets.xml").write_text("<mets/>")
        (tmp_path / "page.xml").write_text(alto(f'<TextLine ID="l" {BOX}/>'))
        damaged, line = read_lines(LineSource(path=str(tmp_path)))
        assert damaged.text is None and "a.xml: is no XML" in problem(damaged)
        assert pixels(line).values.shape == (8, 30)
