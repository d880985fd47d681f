"""Learning curves: the run's metrics.csv as one picture."""

import csv
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from nmt.files import atomic_write
from nmt.training.ending.stopping import StoppedAtOnce
from nmt.training.watching.measurement import Measurement, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

log = logging.getLogger(__name__)

COLOURS = ("#4878a8", "#d1605e", "#6a9f58")  # of the lines of a panel
ROWS, COLUMNS = 2, 3  # of panels in the picture

Curve = list[tuple[float, float]]  # (step, value), by step


class LearningCurves(Callback):
    """Draws `picture` from `metrics` after each validation and at the end, for at most about 5 % of the time."""

    def __init__(
        self, metrics: Path, picture: Path, panels: Sequence[Panel], measurements: Sequence[Measurement]
    ) -> None:
        self._metrics, self._picture = metrics, picture
        self._panels, self._measurements = panels, measurements
        self._not_before = 0.0

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if trainer.is_global_zero and not trainer.sanity_checking and time.monotonic() >= self._not_before:
            self._draw()

    def on_train_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if trainer.is_global_zero:
            self._draw()

    def on_exception(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", exception: BaseException
    ) -> None:
        if trainer.is_global_zero:
            self._draw()

    def _draw(self) -> None:
        if not self._metrics.exists():  # nothing measured yet, or a folder that was moved
            return
        started = time.monotonic()
        try:
            draw_curves(self._metrics, self._picture, self._panels, self._measurements)
        except StoppedAtOnce:
            raise
        except Exception as error:  # a picture is not worth a run
            log.warning("%s: not drawn: %s", self._picture, error)
        self._not_before = time.monotonic() + 20.0 * (time.monotonic() - started)


def read_curves(metrics: Path) -> dict[str, Curve]:
    """metrics.csv → {metric: its points}; empty cells and numbers that are not finite are left out."""
    curves: dict[str, Curve] = {}
    if not metrics.exists():
        return curves
    with metrics.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            for name, cell in row.items():
                if name != "step" and cell and math.isfinite(float(cell)):
                    curves.setdefault(name, []).append((float(row["step"]), float(cell)))
    return {name: sorted(points) for name, points in curves.items()}


def draw_curves(metrics: Path, picture: Path, panels: Sequence[Panel], measurements: Sequence[Measurement]) -> None:
    """Read metrics.csv and write the PNG of the six panels, in two rows; those without a point say so."""
    import io

    from matplotlib.figure import Figure  # a bare Figure draws with Agg and needs no display

    curves = read_curves(metrics)
    figure = Figure(figsize=(13, 7), dpi=110, layout="constrained")
    for axes, panel in zip(figure.subplots(ROWS, COLUMNS).flat, panels, strict=True):
        _draw_panel(axes, panel, measured_lines(panel, measurements, curves))
    figure.suptitle(picture.resolve().parent.name, fontsize=13)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    atomic_write(picture, image.getvalue())


def measured_lines(
    panel: Panel, measurements: Sequence[Measurement], curves: Mapping[str, Curve]
) -> list[tuple[Curve, str]]:
    """The points and the label of each line of a panel that there is something to draw of, in the order of colours."""
    return [
        (curves[one.name], one.drawn.label)
        for one in measurements
        if one.drawn is not None
        and one.drawn.panel == panel
        and one.name in curves
        and (not one.drawn.only_changing or _changes(curves[one.name]))
    ]


def _changes(points: Curve) -> bool:
    return len({value for _, value in points}) > 1


def _draw_panel(axes: "Axes", panel: Panel, drawn: Sequence[tuple[Curve, str]]) -> None:
    axes.set_title(panel.title, fontsize=11)
    axes.set_xlabel("optimiser steps", fontsize=9)
    axes.set_ylabel(panel.unit, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if not drawn:
        axes.text(0.5, 0.5, "nothing measured yet", ha="center", va="center", transform=axes.transAxes, color="grey")
        return
    for (points, label), colour in zip(drawn, COLOURS, strict=False):
        steps, values = zip(*points, strict=True)
        marker = "o" if len(points) <= 40 else None
        axes.plot(steps, values, color=colour, label=label, linewidth=1.4, marker=marker, markersize=3)
    if panel.logarithmic and _all_positive(drawn):
        axes.set_yscale("log")
    if panel.from_zero:
        axes.set_ylim(bottom=0.0, top=None if any(value for points, _ in drawn for _, value in points) else 1.0)
    if len(drawn) > 1:
        axes.legend(fontsize=8, frameon=False)


def _all_positive(drawn: Sequence[tuple[Curve, str]]) -> bool:
    return all(value > 0 for points, _ in drawn for _, value in points)
