"""An attention matrix as a picture: rows are target pieces, columns source pieces, darker is more."""

import html
import io
import warnings
from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

Matrix = NDArray[numpy.floating]
CELL = 16  # pixels of a cell's side in the SVG
LETTER = 7.0  # pixels of an average letter in the SVG's labels


def heatmap_png(attention: Matrix, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> bytes:
    """PNG of `attention` (T, S) with the pieces on both axes."""
    from matplotlib.figure import Figure

    _check_shape(attention, source_pieces, target_pieces)
    rows, columns = attention.shape
    figure = Figure(figsize=(1.6 + 0.3 * columns, 1.6 + 0.3 * rows), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(attention, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(columns), [_plain(piece) for piece in source_pieces], rotation=90, fontsize=8)
    axes.set_yticks(range(rows), [_plain(piece) for piece in target_pieces], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xlabel("source", fontsize=9)
    axes.xaxis.set_label_position("top")
    axes.set_ylabel("target", fontsize=9)
    image = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a script the font lacks is drawn as boxes
        figure.savefig(image, format="png")
    return image.getvalue()


def heatmap_svg(attention: Matrix, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> str:
    """Inline SVG of `attention` (T, S), without cells below 2 %; hovering a cell names its pieces and its weight."""
    _check_shape(attention, source_pieces, target_pieces)
    rows, columns = attention.shape
    left = 8 + LETTER * max(len(piece) for piece in target_pieces)
    top = 8 + LETTER * max(len(piece) for piece in source_pieces)
    width, height = left + CELL * columns + 8, top + CELL * rows + 8
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-size="11">']
    for column, piece in enumerate(source_pieces):
        x = left + CELL * column + 12
        parts.append(f'<text transform="translate({x:.0f},{top - 4:.0f}) rotate(-90)">{html.escape(piece)}</text>')
    for row, piece in enumerate(target_pieces):
        y = top + CELL * row + 12
        parts.append(f'<text x="{left - 4:.0f}" y="{y:.0f}" text-anchor="end">{html.escape(piece)}</text>')
        parts += [
            _cell(left + CELL * column, top + CELL * row, float(attention[row, column]), f"{source} → {piece}")
            for column, source in enumerate(source_pieces)
            if attention[row, column] >= 0.02
        ]
    return "".join([*parts, "</svg>"])


def _cell(x: float, y: float, weight: float, pieces: str) -> str:
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{CELL}" height="{CELL}" fill="#08519c" fill-opacity="{weight:.2f}">'
        f"<title>{html.escape(pieces)}: {weight:.2f}</title></rect>"
    )


def _check_shape(attention: Matrix, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> None:
    expected = (len(target_pieces), len(source_pieces))
    if attention.shape != expected or 0 in expected:
        raise ValueError(f"attention of shape {attention.shape} for {expected} target and source pieces")


def _plain(piece: str) -> str:
    """matplotlib reads $...$ as a formula."""
    return piece.replace("$", r"\$")
