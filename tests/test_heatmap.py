"""Attention as pictures: what colours mean stands below the cells, in the same colours, and fits."""

import io
import re
from xml.etree import ElementTree

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from nmt.inference.heatmap import BAR, heatmap_png, heatmap_svg

SIZES = [(1, 1), (2, 3), (9, 2), (30, 40)]


def attention(rows: int, columns: int, weight: float = 1.0) -> tuple[NDArray[numpy.float64], list[str], list[str]]:
    """One weight everywhere, with pieces for both sides."""
    return numpy.full((rows, columns), weight), ["s"] * columns, ["t"] * rows


def pixels(rows: int, columns: int, weight: float) -> NDArray[numpy.int64]:
    image = Image.open(io.BytesIO(heatmap_png(*attention(rows, columns, weight)))).convert("RGB")
    return numpy.asarray(image).astype(numpy.int64)


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_the_svg_says_what_its_colours_mean_within_its_borders(rows: int, columns: int) -> None:
    picture = ElementTree.fromstring(heatmap_svg(*attention(rows, columns)))
    texts = [text.text for text in picture.findall(".//{*}text")]
    assert texts[-2:] == ["weight 0", "1"]
    boxes = [
        [float(one.get(name, "0")) for name in ("x", "y", "width", "height")] for one in picture.findall(".//{*}rect")
    ]
    cells, steps, frame = boxes[: rows * columns], boxes[rows * columns : -1], boxes[-1]
    width, height = (float(picture.get(name, "0")) for name in ("width", "height"))
    assert all(x >= 0 and x + across <= width and y >= 0 and y + down <= height for x, y, across, down in boxes)
    assert max(y + down for _, y, _, down in cells) < frame[1]
    assert [steps[0][0], steps[-1][0] + steps[-1][2]] == [frame[0], frame[0] + BAR[0]]
    shades = [float(one.get("fill-opacity", "9")) for one in picture.findall(".//{*}rect")][rows * columns : -1]
    assert shades == sorted(shades) and shades[0] < 0.05 and shades[-1] > 0.95
    ends = [float(text.get("x", "0")) for text in picture.findall(".//{*}text")][-2:]
    assert ends[0] - 8 * 7 >= 0 and ends[1] + 7 <= width  # the words too: seven pixels an average letter


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_the_png_has_a_bar_from_no_weight_to_the_whole(rows: int, columns: int) -> None:
    """Of two pictures with nothing and with everything in their cells, the bar alone is the same, in those colours."""
    nothing, everything = pixels(rows, columns, 0.0), pixels(rows, columns, 1.0)
    assert nothing.shape == everything.shape
    cells = numpy.argwhere((nothing != everything).any(2))
    below = cells[:, 0].max() + 4  # less the frame
    light, dark = (picture[tuple(cells[len(cells) // 2])] for picture in (nothing, everything))
    strip = nothing[below:]
    assert (strip == everything[below:]).all()
    columns_of = [
        numpy.argwhere((abs(strip - colour).sum(2) <= 12).sum(0) >= BAR[1] - 4)[:, 0] for colour in (light, dark)
    ]
    assert columns_of[0].min() < columns_of[1].min() and columns_of[1].max() - columns_of[0].min() > BAR[0] - 10


def test_pictures_with_other_weights_have_the_same_scale() -> None:
    quarter, half = (heatmap_svg(*attention(2, 2, weight)) for weight in (0.25, 0.5))
    assert re.sub("0[.]25", "0.50", quarter[: quarter.index("<rect")]) == half[: half.index("<rect")]
    for picture, opacity in ((quarter, 0.25), (half, 0.5)):
        cells = ElementTree.fromstring(picture).findall(".//{*}rect")[:4]
        assert [float(cell.get("fill-opacity", "9")) for cell in cells] == [opacity] * 4
    assert (pixels(3, 3, 0.25) != pixels(3, 3, 0.5)).any()
