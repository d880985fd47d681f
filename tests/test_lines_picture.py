"""Images of lines: every common kind comes out alike, damaged ones are named, polygons are cut where they are."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nmt.data.lines.line import Pixels
from nmt.data.lines.picture import (
    MAX_COLUMNS,
    Cutout,
    ImageFile,
    cut,
    decode_image,
    image_size,
    read_image,
    scaled,
    scaled_width,
)
from nmt.errors import DataError


def drawn(height: int = 20, width: int = 60) -> np.ndarray:
    """A dark bar on bright paper, grey."""
    values = np.full((height, width), 230, dtype=np.uint8)
    values[8:12, 10:50] = 30
    return values


def saved(folder: Path, image: Image.Image, name: str = "line.png", **options: object) -> str:
    image.save(folder / name, **options)
    return str(folder / name)


class TestReading:
    @pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK", "I;16", "I", "F", "1"])
    def test_every_kind_of_pixels_shows_the_same_ink(self, tmp_path: Path, mode: str) -> None:
        grey = Image.fromarray(drawn())
        if mode == "I;16":
            image = Image.fromarray(drawn().astype(np.uint16) * 17)  # 12 bits of 16
        elif mode == "1":
            image = grey.convert("1", dither=Image.Dither.NONE)
        else:
            image = grey.convert("RGB").convert(mode) if mode in ("RGBA", "CMYK", "P") else grey.convert(mode)
        path = saved(tmp_path, image, "line.tif" if mode in ("CMYK", "F", "I", "I;16") else "line.png")
        ink = scaled(ImageFile(path).read(), 20, "grey")
        np.testing.assert_array_equal(ink[0] > 0.5, drawn() < 100)

    def test_what_is_transparent_is_paper(self, tmp_path: Path) -> None:
        values = np.zeros((10, 10, 4), dtype=np.uint8)  # black, but transparent
        values[4:6, 2:8, 3] = 255
        read = read_image(saved(tmp_path, Image.fromarray(values)))
        assert read.shape == (10, 10, 3)
        assert read[0, 0].tolist() == [255, 255, 255] and read[5, 5].tolist() == [0, 0, 0]

    def test_a_palette_may_be_transparent(self, tmp_path: Path) -> None:
        image = Image.new("P", (4, 4), 1)
        image.putpalette([0, 0, 0, 10, 10, 10])
        image.putpixel((1, 1), 0)
        read = read_image(saved(tmp_path, image, transparency=1))
        assert read[0, 0].tolist() == [255, 255, 255] and read[1, 1].tolist() == [0, 0, 0]

    def test_it_stands_upright(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # lies on its side
        path = saved(tmp_path, Image.fromarray(drawn()), "line.jpg", exif=exif)
        assert read_image(path).shape == (60, 20)
        assert image_size(path) == (20, 60)

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (None, "no such file"),
            (b"", r"is empty \(0 bytes\)"),
            (b"Dear Sir or Madam,\n", "is no image that can be read"),
            (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "is no image"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image that can be read"),
        ],
        ids=["missing", "empty", "text", "broken", "postscript"],
    )
    def test_what_is_no_image_is_named(self, tmp_path: Path, content: bytes | None, complaint: str) -> None:
        path = tmp_path / "p03-012.png"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=rf"p03-012\.png: {complaint}"):
            read_image(str(path))

    @pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
    def test_a_truncated_file_is_named(self, tmp_path: Path, suffix: str) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (64, 256), dtype=np.uint8)
        path = Path(saved(tmp_path, Image.fromarray(noise), f"line.{suffix}"))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match=rf"line\.{suffix}: is "):
            read_image(str(path))

    def test_a_bomb_is_not_decoded(self, tmp_path: Path) -> None:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
        content = (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        )
        path = tmp_path / "bomb.png"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"bomb\.png: has too many pixels"):
            read_image(str(path))
        with pytest.raises(DataError, match=r"row 3: has too many pixels"):
            decode_image(content, name="row 3")

    def test_several_pages_are_not_one_line(self, tmp_path: Path) -> None:
        page = Image.fromarray(drawn())
        path = saved(tmp_path, page, "pages.tif", save_all=True, append_images=[page, page])
        with pytest.raises(DataError, match=r"pages\.tif: holds 3 images"):
            read_image(path)

    def test_nor_are_moving_pictures(self, tmp_path: Path) -> None:
        """Of an animated GIF the first picture was read, and nobody was told of the others."""
        frames = [Image.new("L", (40, 20), 255 - 50 * number) for number in range(3)]
        for name in ("moving.gif", "moving.png", "moving.webp"):
            frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
            with pytest.raises(DataError, match="holds 3 images"):
                read_image(str(tmp_path / name))

    def test_a_folder_is_no_image(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="is not a file"):
            read_image(str(tmp_path))


def inside(x: float, y: float, polygon: list[tuple[float, float]]) -> bool:
    """Even-odd rule."""
    crossings = 0
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        crossings += (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)
    return crossings % 2 == 1


class TestCutting:
    @pytest.mark.parametrize("degrees", [0, 12, 45, 80])
    def test_a_rotated_rectangle_is_what_lies_in_it(self, degrees: int) -> None:
        turn = np.exp(1j * np.radians(degrees))
        corners = [turn * corner + (40 + 30j) for corner in (-25 - 8j, 25 - 8j, 25 + 8j, -25 + 8j)]
        polygon = [(float(corner.real), float(corner.imag)) for corner in corners]
        page = np.random.default_rng(0).integers(0, 100, (64, 80), dtype=np.uint8)
        page[0, 0] = 255
        part = cut(page, polygon, name="page")
        paper = part.values[0, 0] if degrees else None
        for row, column in np.ndindex(*part.values.shape):
            x, y = column + part.left, row + part.top
            within = inside(x + 0.5, y + 0.5, polygon)
            assert part.values[row, column] == (page[y, x] if within else paper), (x, y)

    def test_outside_is_the_paper_of_the_line(self) -> None:
        page = np.zeros((20, 20, 3), dtype=np.uint8)
        page[4:12, 4:12] = (200, 180, 90)
        page[6, 5:8] = 10
        part = cut(page, [(4.0, 4.0), (11.0, 4.0), (4.0, 11.0)], name="page")
        assert (part.left, part.top) == (4, 4) and part.values.shape == (7, 7, 3)
        assert part.values[6, 6].tolist() == [200, 180, 90] and part.values[2, 2].tolist() == [10, 10, 10]
        assert page[9, 9].tolist() == [200, 180, 90]  # the page is left alone

    def test_what_lies_beyond_the_image_is_left_off(self) -> None:
        part = cut(drawn(), [(-10.0, 5.0), (16.0, 5.0), (16.0, 90.0), (-10.0, 90.0)], name="page")
        assert part.values.shape == (15, 16) and (part.left, part.top) == (0, 5)
        np.testing.assert_array_equal(part.values, drawn()[5:, :16])

    @pytest.mark.parametrize(
        ("polygon", "complaint"),
        [
            ([(0, 0), (5, 5)], "a polygon of 2 points"),
            ([], "a polygon of 0 points"),
            ([(0, 0), (float("nan"), 4), (5, 5)], "no place in an image: "),
            ([(0, 0), (float("inf"), 4), (5, 5)], "no place in an image"),
            ([(0, 0), (1e300, 4), (5, 5)], "no place in an image"),
            ([(100, 0), (120, 0), (110, 9)], r"\(100, 0\) to \(120, 9\) lies outside the image of 60 × 20 pixels"),
            ([(-9, -9), (-1, -9), (-5, -1)], "lies outside"),
        ],
    )
    def test_a_polygon_without_an_area_is_named(self, polygon: list[tuple[float, float]], complaint: str) -> None:
        with pytest.raises(DataError, match=rf"page\.xml#l1: .*{complaint}"):
            cut(drawn(), [(float(x), float(y)) for x, y in polygon], name="page.xml#l1")

    @given(st.lists(st.tuples(st.floats(-50, 100), st.floats(-50, 100)), min_size=3, max_size=8))
    def test_any_polygon_is_cut_or_refused(self, polygon: list[tuple[float, float]]) -> None:
        try:
            part = cut(drawn(), polygon, name="page")
        except DataError:
            return
        height, width = part.values.shape
        assert 0 <= part.left <= part.left + width <= 60 and 0 <= part.top <= part.top + height <= 20

    def test_the_page_may_be_a_file(self, tmp_path: Path) -> None:
        path = saved(tmp_path, Image.fromarray(drawn()))
        corners = ((2.0, 2.0), (30.0, 2.0), (30.0, 15.0), (2.0, 15.0))
        np.testing.assert_array_equal(Cutout(path, corners).read().values, drawn()[2:15, 2:30])


class TestScaling:
    def test_paper_is_0_and_ink_is_1(self) -> None:
        ink = scaled(Pixels(drawn()), 20, "grey")
        assert ink.shape == (1, 20, 60) and ink.dtype == np.float32
        assert set(np.unique(ink)) == {0.0, 1.0}
        np.testing.assert_array_equal(ink[0] == 1, drawn() == 30)

    @given(st.integers(120, 250), st.floats(0.7, 1.0))
    def test_neither_the_paper_nor_the_pen_changes_it(self, paper: int, darkness: float) -> None:
        values = drawn()
        values[8:12, 10:50] = round(paper - darkness * (paper - 5))
        values[values == 230] = paper
        expected = scaled(Pixels(drawn()), 10, "grey")
        np.testing.assert_allclose(scaled(Pixels(values), 10, "grey"), expected, atol=0.03)  # of rounding

    def test_chalk_is_ink_too(self) -> None:
        np.testing.assert_array_equal(scaled(Pixels(255 - drawn()), 20, "grey"), scaled(Pixels(drawn()), 20, "grey"))

    def test_the_grain_of_empty_paper_is_no_ink(self) -> None:
        paper = np.random.default_rng(0).normal(220, 3, (48, 300)).clip(0, 255).astype(np.uint8)
        ink = scaled(Pixels(paper), 48, "grey")
        assert ink.mean() < 0.05 and ink.max() < 0.5

    def test_colours_keep_apart(self) -> None:
        values = np.full((10, 30, 3), 240, dtype=np.uint8)
        values[4:6, 5:25] = (240, 20, 20)  # red ink is dark in green and blue
        ink = scaled(Pixels(values), 10, "rgb")
        assert ink.shape == (3, 10, 30)
        assert ink[0].max() == 0 and ink[1, 5, 10] == ink[2, 5, 10] == 1

    @given(st.integers(1, 40), st.integers(1, 200), st.integers(1, 64))
    def test_the_aspect_is_kept(self, height: int, width: int, wanted: int) -> None:
        pixels = Pixels(np.full((height, width), 255, dtype=np.uint8))
        ink = scaled(pixels, wanted, "grey")
        assert ink.shape == (1, wanted, scaled_width(pixels, wanted))
        assert abs(ink.shape[2] - width * wanted / height) <= 0.5 or ink.shape[2] == 1

    def test_a_thin_stroke_survives_shrinking(self) -> None:
        values = np.full((480, 2000), 250, dtype=np.uint8)
        values[:, 1003:1007] = 0  # four pixels of forty columns' worth of ten
        assert scaled(Pixels(values), 48, "grey")[0, :, 98:103].max(axis=1).min() > 0.5

    def test_no_line_is_endless(self) -> None:
        with pytest.raises(DataError, match=rf"100,000 × 2 pixels are 2,400,000 columns.*{MAX_COLUMNS:,}"):
            scaled(Pixels(np.zeros((2, 100_000), dtype=np.uint8)), 48, "grey")
