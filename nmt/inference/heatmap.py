"""An attention matrix as a picture: rows are target pieces, columns source pieces, darker is more."""

import html
import io
import re
import unicodedata
import warnings
from collections.abc import Sequence
from typing import Final

import numpy
from numpy.typing import NDArray

Matrix = NDArray[numpy.floating]
CELL: Final = 16  # pixels of a cell's side in the SVG
LETTER: Final = 7.0  # pixels of an average letter in the SVG's labels
INCHES: Final = 0.3  # a cell's side in the PNG
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
        figure = Figure(figsize=(1.6 + width, 1.6 + height), dpi=100, layout="constrained")
        axes = figure.subplots()
        axes.imshow(attention, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
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
    width, height = left + CELL * columns + 8, top + CELL * rows + 8
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
    return "".join([*parts, "</svg>"])


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
