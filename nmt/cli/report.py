"""How `evaluate` shows scores: a line a metric for one system, a table for several, and the same as JSON."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from nmt.metrics.bleu import Scores
    from nmt.metrics.significance import Spread

LIMIT: Final = 0.05  # a p-value below it gets a star
TESTS: Final = {"bootstrap": "paired bootstrap", "randomization": "paired approximate randomisation"}


class Comparison(NamedTuple):
    """How p-values were made."""

    test: str  # one of TESTS
    resamples: int
    seed: int


class Report(NamedTuple):
    """Everything that was measured; `spreads` where the systems are runs of one with different seeds."""

    names: Sequence[str]
    scores: Sequence["Scores"]
    comparison: Comparison | None = None
    spreads: Mapping[str, "Spread"] | None = None


def report_json(report: Report) -> dict[str, Any]:
    """One system's scores as they are; several as a list, each with its name."""
    if len(report.scores) == 1:
        return report.scores[0].as_dict()
    systems = [{"system": name, **scores.as_dict()} for name, scores in zip(report.names, report.scores, strict=True)]
    value: dict[str, Any] = {"sentences": report.scores[0].sentences, "systems": systems}
    for system in systems:
        del system["sentences"]
    if report.comparison is not None:
        value["significance"] = {**report.comparison._asdict(), "baseline": report.names[0]}
    if report.spreads is not None:
        value["seeds"] = {metric: spread._asdict() for metric, spread in report.spreads.items()}
    return value


def report_text(report: Report) -> str:
    """For a terminal: numbers in columns, every signature once, and what the signs mean."""
    first = report.scores[0]
    if len(report.scores) == 1:
        lines = [first.as_text(), *_legend(report)]
        return "\n".join([*lines, f"{first.sentences:,} sentence{'s' * (first.sentences != 1)}"])
    from nmt.metrics.bleu import NAMES

    names = ["", *report.names, *(["mean ± deviation"] if report.spreads is not None else [])]
    cells = [_column(report, metric) for metric in first.metrics]
    signatures = [f"{NAMES[metric]:<7}{score.signature}" for metric, score in first.metrics.items()]
    ending = [*_legend(report), f"{first.sentences:,} sentence{'s' * (first.sentences != 1)}"]
    return "\n".join([*_beside([_padded(names), *cells]), "", *signatures, *ending])


def _column(report: Report, metric: str) -> list[str]:
    """The cells of one metric, its name first: scores, ± and p each below the other."""
    from nmt.metrics.bleu import NAMES

    places = 4 if metric == "comet" else 2
    rows = [(NAMES[metric], "", "")]
    for scores in report.scores:
        score = scores.metrics[metric]
        interval = "" if score.confidence is None else f"± {score.confidence:.{places}f}"
        p_value = "" if score.p_value is None else f" p = {score.p_value:.4f}{' *' * (score.p_value < LIMIT)}"
        rows.append((f"{score.score:.{places}f}", interval, p_value))
    if report.spreads is not None:
        spread = report.spreads[metric]
        rows.append((f"{spread.mean:.{places}f}", f"± {spread.deviation:.{places}f}", ""))
    numbers, *others = zip(*rows, strict=True)
    filled = [_padded(numbers, right=True), *(_padded(cells) for cells in others if any(cells))]
    return _padded([" ".join(row) for row in zip(*filled, strict=True)])


def _padded(cells: Sequence[str], *, right: bool = False) -> list[str]:
    """All as wide as the widest."""
    width = max(map(len, cells))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


def _beside(columns: Sequence[Sequence[str]]) -> list[str]:
    return ["   ".join(row).rstrip() for row in zip(*columns, strict=True)]


def _legend(report: Report) -> list[str]:
    scores = [score for system in report.scores for score in system.metrics.values()]
    lines = []
    if any(score.confidence is not None for score in scores):
        lines.append("± after a system's score: half of its 95 % confidence interval, by bootstrap")
    if report.spreads is not None:
        lines.append(f"mean ± deviation: over {len(report.scores)} seeds, n - 1 in the denominator")
    if report.comparison is not None:
        test, resamples, seed = report.comparison
        lines.append(
            f"p: how likely chance alone makes such a difference from {report.names[0]} ({TESTS[test]}, {resamples:,}"
            f" resamples, seed {seed}); * below {LIMIT}"
        )
    return lines
