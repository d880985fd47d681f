"""What an evaluation found of lines of handwriting: as text, as a table, as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from nmt.cli.lines import one_line
from nmt.data.lines.line import Recording
from nmt.inference.line_confidence import told_unfitted
from nmt.inference.recognition import Character
from nmt.metrics.calibration import Calibration
from nmt.metrics.confusions import Confusion
from nmt.metrics.error_rate import Rates, character_errors
from nmt.metrics.proofreading import Effort
from nmt.metrics.proofreading import told as told_effort

TOLD: Final = {  # which confidence it is, and of what, by what is right or wrong
    "lines": "line_confidence, {} lines",
    "shares of lines": "confidence, {} lines",
    "characters": "confidence, {} characters",
}
SHOWN: Final = 10  # bad lines named where people read; the table, the JSON and the report name all


class ReadLine(NamedTuple):
    """A line and what was read; None, without a confidence, where nothing could be. `problem` is why a line is bad."""

    name: str
    writer: str
    reference: str
    hypothesis: str | None
    confidence: float | None = None
    characters: tuple[Character, ...] = ()
    recording: Recording | None = None
    problem: str | None = None
    line_confidence: float | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """Truth and reading, to be compared; what was not read is as if nothing stood there."""
        return self.reference, self.hypothesis or ""


class Findings(NamedTuple):
    """All that was measured; `about` says what was measured, and how."""

    about: Mapping[str, str]
    lines: Sequence[ReadLine]
    rates: Rates
    confusions: Sequence[Confusion]
    calibration: Sequence[Calibration]  # of lines and of characters, as far as anything was read
    proofreading: Sequence[Effort] = ()  # nothing where every line is right
    fitted: bool = True  # whether confidences were made to come true on some lines


def told(found: Findings) -> str:
    """Rates, what confidences are good for and whether they come true, for people."""
    effort = [told_effort(found.proofreading)] if found.proofreading else []
    table = _calibration_table(found.calibration)
    advice = [told_unfitted(found.about["checkpoint"])] if table and not found.fitted else []
    return "\n".join([found.rates.as_text(), *effort, *table, *advice])


def _calibration_table(calibrations: Sequence[Calibration]) -> list[str]:
    """A row a kind of confidence, and what the columns mean; nothing where nothing was read."""
    if not calibrations:
        return []
    rows = [
        f"  {TOLD[one.of].format(f'{one.number:,}'):<32}{one.confidence:>9.3f}{one.right:>9.3f}{one.error:>9.3f}"
        f"{one.brier:>9.3f}{one.brier_of_share:>9.3f}  {'better' if one.beats_a_guess else 'no better'} than a guess"
        for one in calibrations
    ]
    head = f"{'do confidences come true?':<34}{'they say':>9}{'right':>9}{'off by':>9}{'Brier':>9}{'a guess':>9}"
    notes = (
        "  off by: how far from what comes true, on average. Brier: mean squared error. A guess: the Brier score of",
        "  always saying the share that is right of all, knowing nothing of the single case. 0 is best of these three.",
    )
    return [head, *rows, *notes]


def told_bad(found: Findings) -> list[str]:
    """The first bad lines, and how many there are; nothing where there is none."""
    bad = [line.problem for line in found.lines if line.problem is not None]
    if not bad:
        return []
    unread = sum(line.hypothesis is None for line in found.lines)
    more = f"; the first {SHOWN} are named above" if len(bad) > SHOWN else ""
    return [*bad[:SHOWN], f"bad lines: {len(bad):,} of {len(found.lines):,}, {unread:,} of them not read{more}"]


def as_table(found: Findings) -> str:
    """A row a line; a tab or line break inside a cell becomes a space."""
    rows = [("line", "writer", "errors", "characters", "confidence", "truth", "read", "problem", "line_confidence")]
    for line in found.lines:
        counts = character_errors(*line.pair, found.rates.measure)
        share, whole = ("" if one is None else f"{one:.4f}" for one in (line.confidence, line.line_confidence))
        numbers = (str(counts.errors), str(counts.reference), share)
        rows.append((line.name, line.writer, *numbers, *line.pair, line.problem or "", whole))
    return "".join("\t".join(" ".join(one_line(cell).split("\t")) for cell in row) + "\n" for row in rows)


def as_dict(found: Findings) -> dict[str, Any]:
    """All numbers for JSON, with every bad line and every kind of confusion."""
    bad = [
        {"line": line.name, "reason": line.problem, "read": line.hypothesis is not None}
        for line in found.lines
        if line.problem is not None
    ]
    confused = [
        {**one._asdict(), "kind": one.kind, "lines": [found.lines[index].name for index in one.lines]}
        for one in found.confusions
    ]
    return {
        "about": dict(found.about),
        **found.rates.as_dict(),
        "calibration": [one.as_dict() for one in found.calibration],
        "proofreading": [one._asdict() for one in found.proofreading],
        "bad": bad,
        "confusions": confused,
    }
