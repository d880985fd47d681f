"""A line of handwriting as HTML: its image as PNG or its pen's way as SVG, and where each character was read."""

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from nmt.data.lines.line import Pixels, Points
from nmt.inference.inline import png_uri, visible
from nmt.inference.recognition import Box, Character

TALLEST = 128  # pixels: enough to read by, and a hundred lines stay a few megabytes


def drawing(line: Pixels | Points, characters: Sequence[Character] = (), *, name: str) -> str:
    """A `figure` with the line, and below it the characters where they were read, paler where the model was less sure.

    `characters` have boxes in the source's units, of which `line` may be a part.
    """
    if isinstance(line, Pixels):
        rows, columns = line.values.shape[:2]
        frame = Box(line.left, line.top, line.left + columns, line.top + rows)
        picture = f'<img src="{png_uri(_image(line))}" alt="image of {escape(name)}">'
    else:
        frame = _frame(line)
        picture = _pen(line, frame, name=name)
    width = min(1.0, TALLEST / (frame.bottom - frame.top)) * (frame.right - frame.left)
    if isinstance(line, Points):
        width = TALLEST * (frame.right - frame.left) / (frame.bottom - frame.top)
    marks = _marks(characters, frame, width) if characters else ""
    return f'<figure style="max-width:{max(width, 1):.0f}px">{picture}{marks}</figure>'


def _image(line: Pixels) -> Image.Image:
    """At most `TALLEST` pixels high."""
    image = Image.fromarray(line.values)
    if image.height > TALLEST:
        image = image.resize((max(1, round(image.width * TALLEST / image.height)), TALLEST))
    return image


def _frame(line: Points) -> Box:
    """What holds all points, with a margin of a tenth of the height; a dot or a flat line gets some height too."""
    points = np.concatenate([stroke[:, :2] for stroke in line.strokes])
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    height = max(bottom - top, (right - left) / 50, 1e-3)
    margin = height / 10
    middle = (top + bottom) / 2
    return Box(left - margin, middle - height / 2 - margin, right + margin, middle + height / 2 + margin)


def _pen(line: Points, frame: Box, *, name: str) -> str:
    width, height = frame.right - frame.left, frame.bottom - frame.top
    ways = "".join(
        f'<polyline points="{" ".join(f"{x - frame.left:.4g},{y - frame.top:.4g}" for x, y, *_ in stroke.tolist())}"/>'
        for stroke in line.strokes
    )
    return (
        f'<svg class="pen" viewBox="0 0 {width:.5g} {height:.5g}" role="img" aria-label="strokes of {escape(name)}"'
        f' stroke-width="{height / 40:.3g}">{ways}</svg>'
    )


def _marks(characters: Sequence[Character], frame: Box, width: float) -> str:
    """Ticks where characters meet and the characters between them, in the figure's own pixels."""
    scale = width / (frame.right - frame.left)
    parts = []
    for one in characters:
        left, right = ((edge - frame.left) * scale for edge in (one.box.left, one.box.right))
        shown = escape(visible(one.symbol))
        parts.append(
            f'<path d="M{left:.1f} 0v5M{right:.1f} 0v5"/>'
            f'<text x="{(left + right) / 2:.1f}" y="16" opacity="{0.3 + 0.7 * one.confidence:.2f}">{shown}'
            f"<title>{shown} {one.confidence:.2f}</title></text>"
        )
    return f'<svg class="marks" viewBox="0 0 {max(width, 1):.1f} 20" aria-hidden="true">{"".join(parts)}</svg>'
