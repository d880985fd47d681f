"""An attention matrix as a picture: rows are target pieces, columns source pieces, darker is more.

Colours mean the same in all pictures, from a weight of 0 to one of 1; a bar below says so.
"""

import html
import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Matrix = NDArray[numpy.floating]
CELL: Final = 16  # pixels of a cell's side in the SVG
LETTER: Final = 7.0  # pixels of an average letter in the SVG's labels
INCHES: Final = 0.3  # a cell's side in the PNG
BAR: Final = (80, 10)  # the bar of colours, across and down: pixels of the SVG, hundredths of an inch in the PNG
STRIP: Final = 0.3  # inches below the PNG's cells, where it stands
GREY: Final = "#555"  # of what is said of the bar
MOST_LABELS: Final = 120  # of a longer sentence the PNG has smaller cells, and numbers instead of pieces
# Latin, Greek, Cyrillic, Hebrew and Arabic are in matplotlib's own DejaVu Sans; the others are used where installed.
FONTS: Final = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei", "Noto Sans Devanagari")
_NOT_XML: Final = re.compile("[^\t\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def heatmap_png(attention: Matrix, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> bytes:
    """PNG of `attention` (T, S) with the pieces on both axes, or their numbers where they are more than 120."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    _check_shape(attention, source_pieces, target_pieces)
    rows, columns = attention.shape
    width, height = (INCHES * min(count, MOST_LABELS) for count in (columns, rows))
    with rc_context({"font.family": _families(), "text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a script no font has is drawn as boxes
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")  # nor all can be joined
        figure = Figure(figsize=(1.6 + width, 1.6 + height + STRIP), dpi=100)
        below = STRIP / figure.get_figheight()
        figure.set_layout_engine("constrained", rect=(0.0, below, 1.0, 1.0 - below))
        axes = figure.subplots()
        axes.imshow(attention, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
        _draw_bar(figure)
        if columns <= MOST_LABELS:
            axes.set_xticks(range(columns), list(map(_printable, source_pieces)), rotation=90, fontsize=8)
        if rows <= MOST_LABELS:
            axes.set_yticks(range(rows), list(map(_printable, target_pieces)), fontsize=8)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.set_xlabel("source", fontsize=9)
        axes.xaxis.set_label_position("top")
        axes.set_ylabel("target", fontsize=9)
        image = io.BytesIO()
        figure.savefig(image, format="png")
    return image.getvalue()


def heatmap_svg(attention: Matrix, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> str:
    """Inline SVG of `attention` (T, S), without cells below 2 %; hovering a cell names its pieces and its weight."""
    _check_shape(attention, source_pieces, target_pieces)
    rows, columns = attention.shape
    left = 8 + LETTER * max(map(_width, target_pieces))
    top = 8 + LETTER * max(map(_width, source_pieces))
    below = top + CELL * rows
    width, height = max(left + CELL * columns, 8 + LETTER * 8 + BAR[0] + 16) + 8, below + 14 + BAR[1] + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-size="11"'
        ' font-family="sans-serif" style="background:#fff">'
    ]
    for column, piece in enumerate(source_pieces):
        x = left + CELL * column + 12
        parts.append(f'<text transform="translate({x:.0f},{top - 4:.0f}) rotate(-90)">{_escaped(piece)}</text>')
    for row, piece in enumerate(target_pieces):
        y = top + CELL * row + 12
        parts.append(f'<text x="{left - 4:.0f}" y="{y:.0f}" text-anchor="end">{_escaped(piece)}</text>')
        parts += [
            _cell(left + CELL * column, top + CELL * row, float(attention[row, column]), f"{source} → {piece}")
            for column, source in enumerate(source_pieces)
            if attention[row, column] >= 0.02
        ]
    return "".join([*parts, *_bar(width - 24 - BAR[0], below + 14), "</svg>"])


def _draw_bar(figure: "Figure") -> None:
    """The bar of colours, in the strip below, on the right."""
    width, height = figure.get_size_inches()
    across, down = (size / 100 for size in BAR)
    bar = figure.add_axes((1 - (across + 0.2) / width, 0.08 / height, across / width, down / height))
    bar.imshow(numpy.linspace(0.0, 1.0, 256)[None], cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    bar.set(xticks=[], yticks=[])
    bar.spines[:].set(color=GREY, linewidth=0.5)
    for text, place, side in (("weight 0", -0.08, "right"), ("1", 1.08, "left")):
        bar.text(place, 0.45, text, transform=bar.transAxes, ha=side, va="center", fontsize=8, color=GREY)


def _bar(x: float, y: float) -> Iterator[str]:
    """The bar of colours as SVG: steps and no gradient, whose name would be another's in a page of many pictures."""
    steps = 20
    for step in range(steps):
        place, opacity = x + BAR[0] / steps * step, (step + 0.5) / steps
        yield (
            f'<rect x="{place:.0f}" y="{y:.0f}" width="{BAR[0] / steps:.0f}" height="{BAR[1]}" fill="#08519c"'
            f' fill-opacity="{opacity:.3f}"/>'
        )
    yield (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BAR[0]}" height="{BAR[1]}" fill="none" stroke="{GREY}"'
        ' stroke-width="0.5"/>'
    )
    yield f'<text x="{x - 4:.0f}" y="{y + 9:.0f}" text-anchor="end" fill="{GREY}">weight 0</text>'
    yield f'<text x="{x + BAR[0] + 4:.0f}" y="{y + 9:.0f}" fill="{GREY}">1</text>'


def _cell(x: float, y: float, weight: float, pieces: str) -> str:
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{CELL}" height="{CELL}" fill="#08519c" fill-opacity="{weight:.2f}">'
        f"<title>{_escaped(pieces)}: {weight:.2f}</title></rect>"
    )


def _check_shape(attention: Matrix, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> None:
    expected = (len(target_pieces), len(source_pieces))
    if attention.shape != expected or 0 in expected:
        raise ValueError(f"attention of shape {attention.shape} for {expected} target and source pieces")


def _families() -> list[str]:
    """matplotlib's own font, and behind it those for other scripts that this machine has."""
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return ["DejaVu Sans", *(font for font in FONTS if font in installed)]


def _width(piece: str) -> float:
    """In average letters; Chinese, Japanese and Korean ones are wider."""
    return sum(1.7 if unicodedata.east_asian_width(character) in "WF" else 1.0 for character in piece)


def _printable(piece: str) -> str:
    return _NOT_XML.sub("\ufffd", piece)


def _escaped(piece: str) -> str:
    """XML has no place for control characters, not even escaped."""
    return html.escape(_printable(piece))
