"""A line of handwriting over what its frames say: probabilities of blank and symbol, and each letter at its frames.

For pages as SVG, for loggers as PNG. An image shares its axis with the frames; pen strokes have one of their own, so
that letters and the strokes they were read from take turns at two colours.
"""

import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from nmt.data.lines.strokes import Walk
from nmt.inference.inline import png_uri, visible
from nmt.inference.recognition import edges

PEN_HEIGHT: Final = 48.0  # of drawn strokes, in the units of a picture; an image has its own pixels
STRIP: Final = 6.0  # height of each of the two rows of probabilities
GAP: Final = 4.0
LETTERS: Final = 16.0  # height of the row of letters
FONT: Final = 12.0
COLOURS: Final = ("#0a58b0", "#c2410c")  # of letters, in turn
NOBODY: Final = "#999999"  # strokes of a line in which no letter was read
LEGEND: Final = "frame by frame: above, how probable a blank is (grey); below, the likeliest symbol (blue)"
ROWS: Final = ((90, 90, 90), (10, 88, 176))  # of certain blank, and of a certain symbol; paler is less


class Letter(NamedTuple):
    """A symbol in the frames from `start` to before `end`; `certain` is the highest probability they give it."""

    symbol: str
    start: int
    end: int
    certain: float


class AlignedLine(NamedTuple):
    """What the model saw and what it made of it."""

    seen: NDArray[np.uint8] | Walk  # (Y, X) or (Y, X, 3), paper is bright; or the pen's way in X points
    stride: int  # columns from one frame to the next
    blank: Float32[np.ndarray, " F"]  # p(blank)
    symbol: Float32[np.ndarray, " F"]  # p of the likeliest symbol beside it
    letters: tuple[Letter, ...]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of what was seen, in the units of the picture."""
        if isinstance(self.seen, Walk):
            (left, top), (right, bottom) = _extent(self.seen)
            return PEN_HEIGHT * (right - left) / (bottom - top), PEN_HEIGHT
        return float(self.seen.shape[1]), float(self.seen.shape[0])

    @property
    def frame(self) -> float:
        """Width of a frame in the picture."""
        columns = len(self.seen.places) if isinstance(self.seen, Walk) else self.seen.shape[1]
        return self.stride * self.size[0] / max(columns, 1)


def alignment_svg(line: AlignedLine) -> str:
    """Inline SVG, twice the size of its units; hovering a letter tells its frames and how certain it is."""
    width, height = line.size
    strip, whole = line.frame * len(line.blank), height + GAP + 2 * STRIP + LETTERS
    wide = max(width, strip)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.1f} {whole:.1f}" width="{2 * wide:.0f}"'
        f' height="{2 * whole:.0f}" font-size="{FONT:g}" font-family="sans-serif" style="background:#fff">'
    ]
    if isinstance(line.seen, Walk):
        for colour, points in _pen_pieces(line):
            way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(
                f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-linecap="round"/>'
            )
    else:
        parts.append(_image(Image.fromarray(line.seen), 0.0, width, height))
    parts.append(f"<g><title>{LEGEND}</title>{_image(_heat(line), height + GAP, strip, 2 * STRIP, sharp=True)}</g>")
    top = height + GAP + 2 * STRIP
    for number, letter in enumerate(line.letters):
        left, right = letter.start * line.frame, letter.end * line.frame
        told = f"{letter.symbol} in frames {letter.start} to {letter.end - 1}, at most {letter.certain:.2f}"
        parts.append(
            f'<g fill="{COLOURS[number % 2]}"><title>{escape(told)}</title>'
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="2"/>'
            f'<text x="{(left + right) / 2:.1f}" y="{top + FONT + 1:.1f}" text-anchor="middle">'
            f"{escape(visible(letter.symbol))}</text></g>"
        )
    return "".join([*parts, "</svg>"])


def alignment_png(line: AlignedLine, *, scale: int = 2) -> bytes:
    """The same as PNG, `scale` pixels for each of its units."""
    width, height = line.size
    strip, whole = line.frame * len(line.blank), height + GAP + 2 * STRIP + LETTERS
    canvas = Image.new("RGB", (max(1, round(scale * max(width, strip))), round(scale * whole)), "white")
    draw = ImageDraw.Draw(canvas)
    if isinstance(line.seen, Walk):
        for colour, points in _pen_pieces(line):
            draw.line([(scale * x, scale * y) for x, y in points], fill=colour, width=round(1.5 * scale))
    else:
        canvas.paste(Image.fromarray(line.seen).resize((round(scale * width), round(scale * height))))
    heat = (max(1, round(scale * strip)), round(2 * scale * STRIP))
    canvas.paste(_heat(line).resize(heat, Image.Resampling.NEAREST), (0, round(scale * (height + GAP))))
    top = scale * (height + GAP + 2 * STRIP)
    for number, letter in enumerate(line.letters):
        colour, (left, right) = COLOURS[number % 2], (scale * line.frame * f for f in (letter.start, letter.end))
        draw.rectangle((left, top, max(left, right - 1), top + 2 * scale - 1), fill=colour)
        place = ((left + right) / 2, top + scale * (FONT + 1))
        draw.text(place, visible(letter.symbol), fill=colour, font=_font(scale * FONT), anchor="ms")
    stream = io.BytesIO()
    canvas.save(stream, format="PNG")
    return stream.getvalue()


def _image(image: Image.Image, top: float, width: float, height: float, *, sharp: bool = False) -> str:
    """An image laid over the whole of a row, its pixels told apart where it is `sharp`."""
    kind = "pixelated" if sharp else "auto"
    return (
        f'<image href="{png_uri(image)}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f' preserveAspectRatio="none" style="image-rendering:{kind}"/>'
    )


def _heat(line: AlignedLine) -> Image.Image:
    """A pixel for each frame and row, white for a probability of 0."""
    rows = np.stack([line.blank, line.symbol])[:, :, None]
    inks = np.array(ROWS, dtype=np.float32)[:, None, :]
    return Image.fromarray(np.rint(255 + rows * (inks - 255)).astype(np.uint8))


def _extent(walk: Walk) -> tuple[tuple[float, float], tuple[float, float]]:
    """Corners of what holds all points, with a margin; a dash or a dot gets a height too."""
    (left, top), (right, bottom) = walk.places.min(axis=0).tolist(), walk.places.max(axis=0).tolist()
    missing = max(0.0, walk.height - (bottom - top)) / 2
    margin = walk.height / 10
    return (left - margin, top - missing - margin), (right + margin, bottom + missing + margin)


def _pen_pieces(line: AlignedLine) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """The pen's way on paper in the picture's units, cut where strokes end and where letters meet, with its colours."""
    walk = line.seen
    assert isinstance(walk, Walk)
    (left, top), (_, bottom) = _extent(walk)
    places = (walk.places - (left, top)) * (PEN_HEIGHT / (bottom - top))
    owners = _owners(line.letters, len(line.blank), columns=len(places), stride=line.stride)
    piece: list[tuple[float, float]] = []
    for column, (x, y) in enumerate(places.tolist()):
        begins = walk.starts[column] > 0 or not walk.on_paper[column]
        if piece and (begins or owners[column] != owners[column - 1]):
            yield owners[column - 1], piece if begins else [*piece, (x, y)]
            piece = []
        if walk.on_paper[column]:
            piece.append((x, y))
    if piece:
        yield owners[-1], piece


def _owners(letters: Sequence[Letter], frames: int, *, columns: int, stride: int) -> list[str]:
    """The colour of each column: that of the letter whose frames are nearest."""
    if not letters:
        return [NOBODY] * columns
    ends = [right for _, right in edges([(letter.start, letter.end) for letter in letters], frames)]
    nearest = np.searchsorted(ends[:-1], (np.arange(columns) + 0.5) / stride, side="right")
    return [COLOURS[number % 2] for number in nearest.tolist()]


@lru_cache(maxsize=2)
def _font(size: float) -> ImageFont.FreeTypeFont:
    """matplotlib's own, which has Latin, Greek, Cyrillic, Hebrew and Arabic."""
    from matplotlib.font_manager import findfont

    return ImageFont.truetype(findfont("DejaVu Sans"), size)
