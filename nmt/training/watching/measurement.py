"""What runs measure: of each measurement its name, its column, its words and its curve, said once.

A kind of run lists its own in its `kind.py`; here is what every run has. What is logged under a name is the task's.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Shown(NamedTuple):
    """How lines and the bar say a measurement."""

    word: str
    form: str  # of its number, as str.format takes it
    unless: float | None = None  # where it is so, it goes without saying


class Panel(NamedTuple):
    """One set of axes: its title and what stands on its y axis."""

    title: str
    unit: str
    logarithmic: bool = False
    from_zero: bool = False


class Drawn(NamedTuple):
    """Which line of which panel a measurement is."""

    panel: Panel
    label: str
    only_changing: bool = False  # where it stays what it is, it only squeezes the others


class Measurement(NamedTuple):
    """`name` is what it is logged by, and its column of metrics.csv: "train/…" or "validation/…"."""

    name: str
    shown: Shown | None = None
    drawn: Drawn | None = None
    from_the_start: bool = True  # in metrics.csv; or else not before it is measured


LEARNING_RATE = Panel("Learning rate", "")
GRADIENT = Panel("Gradient norm", "before clipping", from_zero=True)

LEARNING = (
    Measurement("train/learning_rate", Shown("lr", "{:.2e}"), Drawn(LEARNING_RATE, "learning rate")),
    Measurement("train/gradient_norm", Shown("grad", "{:.2f}"), Drawn(GRADIENT, "gradient norm")),
)


def speed_panel(unit: str) -> Panel:
    """In "tokens" or whatever targets are made of."""
    return Panel("Speed", f"target {unit} per second", from_zero=True)


def speed(unit: str, word: str) -> tuple[Measurement, ...]:
    """What `ThroughputMonitor` logs."""
    panel = speed_panel(unit)
    return (
        Measurement(f"train/{unit}_per_second", Shown(word, "{:,.0f}"), Drawn(panel, "of wall time")),
        Measurement(f"train/{unit}_per_cpu_second", drawn=Drawn(panel, "of processor time")),
        Measurement("train/cpu_minutes"),
    )


def columns(measurements: Iterable[Measurement]) -> tuple[str, ...]:
    """The header of a new metrics.csv."""
    return ("step", "epoch", *(one.name for one in measurements if one.from_the_start))


def as_said(measurements: Iterable[Measurement]) -> list[Measurement]:
    """In the order of a line: training before validation."""
    return sorted(measurements, key=lambda one: one.name.startswith("validation/"))
