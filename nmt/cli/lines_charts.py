"""What a report of lines says of confidences: do they come true, and what are they worth to a proof-reader?"""

from collections.abc import Sequence
from typing import Final

from nmt.cli.lines_style import percent
from nmt.metrics.calibration import Calibration
from nmt.metrics.proofreading import Effort, told

SIDE: Final = 260  # of a diagram, in its own units
MEANINGS: Final = {  # by what was counted
    "lines": "Of the lines read with a line confidence of 0.8, eight in ten should be wholly right.",
    "shares of lines": "Of the lines read with a confidence of 0.8, eight in ten characters should be right.",
    "characters": "Of the characters read with a confidence of 0.8, eight in ten should be right.",
}


def proofreading_section(efforts: Sequence[Effort]) -> str:
    """The curve and its numbers; nothing where no line is wrong."""
    if not efforts:
        return ""
    rows = "".join(
        f'<tr><td class="number">{percent(one.share)}</td><td class="number">{one.lines:,}</td>'
        f'<td class="number">{percent(one.found)}</td><td class="number">{percent(one.best)}</td></tr>'
        for one in efforts
    )
    ways = "".join(
        f'<polyline class="{name}" points="0,{SIDE} '
        + " ".join(f"{SIDE * one.share:.1f},{SIDE * (1 - getattr(one, name)):.1f}" for one in efforts)
        + '"/>'
        for name in ("best", "found")
    )
    diagram = _square(
        f'<path class="diagonal" d="M0 {SIDE}L{SIDE} 0"/>{ways}',
        called="errors found by share of lines read again",
        across="share of lines, least sure first",
        up="share of errors",
    )
    said = told(efforts)
    return (
        f"<h2>Proof-reading</h2><p>{said[0].upper() + said[1:]}. Lines are taken by their confidence; the broken"
        " line is chance, the thin one knows all errors beforehand.</p>"
        f'<div class="beside">{diagram}<table><tr><th>of the lines</th><th>lines</th><th>errors found</th>'
        f"<th>at most</th></tr>{rows}</table></div>"
    )


def calibration_section(found: Calibration) -> str:
    """The reliability diagram and its bins."""
    rows = "".join(
        f'<tr><td>{one.low:.1f} – {one.high:.1f}</td><td class="number">{one.number:,}</td>'
        f'<td class="number">{one.confidence:.3f}</td><td class="number">{one.right:.3f}</td></tr>'
        for one in found.bins
    )
    dots = "".join(
        f'<circle cx="{SIDE * one.confidence:.1f}" cy="{SIDE * (1 - one.right):.1f}"'
        f' r="{3 + 17 * (one.number / found.number) ** 0.5:.1f}"><title>{one.number} {found.of}</title></circle>'
        for one in found.bins
    )
    diagram = _square(
        f'<path class="diagonal" d="M0 {SIDE}L{SIDE} 0"/>{dots}',
        called="reliability diagram",
        across="mean confidence",
        up="share right",
    )
    said = found.as_text()
    return (
        f"<h2>Calibration of {found.of}</h2><p>{MEANINGS[found.of]} On the diagonal confidences come true; a dot's"
        f" area is its share of all. {said[0].upper() + said[1:]}.</p>"
        f'<div class="beside">{diagram}<table><tr><th>confidence</th><th>{found.of}</th><th>mean</th>'
        f"<th>share right</th></tr>{rows}</table></div>"
    )


def _square(drawn: str, *, called: str, across: str, up: str) -> str:
    """A diagram of two shares from 0 to 1, with a grid."""
    ticks = "".join(
        f'<path class="grid" d="M{SIDE * t / 4} 0V{SIDE}M0 {SIDE * t / 4}H{SIDE}"/>'
        f'<text x="{SIDE * t / 4}" y="{SIDE + 16}" text-anchor="middle">{t / 4:g}</text>'
        f'<text x="-6" y="{SIDE - SIDE * t / 4 + 4}" text-anchor="end">{t / 4:g}</text>'
        for t in range(5)
    )
    return (
        f'<svg class="plot" viewBox="-52 -22 {SIDE + 76} {SIDE + 62}" role="img" aria-label="{called}">{ticks}{drawn}'
        f'<text x="{SIDE / 2}" y="{SIDE + 36}" text-anchor="middle">{across}</text>'
        f'<text transform="translate(-36 {SIDE / 2}) rotate(-90)" text-anchor="middle">{up}</text></svg>'
    )
