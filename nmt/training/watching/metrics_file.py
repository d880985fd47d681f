"""metrics.csv: every measurement of a run in one table, which a resumed run goes on with."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from nmt.errors import TrainingError
from nmt.files import append_whole, atomic_write
from nmt.training.run import check_still_there, is_first_process


class MetricsFile(Logger):
    """One CSV for a run, appended to across starts; `step` counts finished optimiser steps.

    Lightning's own CSV logger begins a new folder or a new file at each start. Every row reaches the disk at once.
    """

    def __init__(self, path: Path, columns: Sequence[str] = ("step", "epoch")) -> None:
        """`columns` are the first of a new file, so that its header rarely changes; whatever else is logged follows
        them. A file that is there keeps its own; TrainingError where it holds something else."""
        super().__init__()
        self.path = path
        self._columns: list[str] = list(columns)
        if path.exists() and is_first_process():
            with path.open(encoding="utf-8", errors="replace", newline="") as stream:
                self._columns = next(csv.reader(stream), self._columns)
            if "step" not in self._columns:
                raise TrainingError(
                    f"{path}: no table of measurements, for it has no column 'step'; move it away, and a new one begins"
                )

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The configuration has its own file."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Append a row; `step` counts from 0 as Lightning's does, so the row says `step` + 1.

        StorageError, and no half of a row, where the disk is full: a run without its measurements is not one to go on.
        """
        check_still_there(self.path.parent)
        row = {name: _number(float(value)) for name, value in metrics.items()}
        row["step"] = str(0 if step is None else step + 1)
        new = [name for name in row if name not in self._columns]
        if new or not self.path.exists():
            self._columns += new
            self._write(self._rows())
        text = io.StringIO(newline="")
        self._writer(text).writerow(row)
        append_whole(self.path, text.getvalue())

    @rank_zero_only
    def discard_after(self, step: int) -> None:
        """Drop the rows beyond `step`, where a resumed run goes on, and one that a crash left half written."""
        if self.path.exists():
            self._write([row for row in self._rows() if int(row["step"]) <= step])

    def has(self, step: int, name: str) -> bool:
        """Whether a row of that step has a value for `name`."""
        return any(row["step"] == str(step) and row.get(name) for row in self._rows())

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", errors="replace", newline="") as stream:
            return [row for row in csv.DictReader(stream) if None not in row.values() and row["step"].isdigit()]

    def _write(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = self._writer(text)
        writer.writeheader()
        writer.writerows(rows)
        atomic_write(self.path, text.getvalue())

    def _writer(self, stream: Any) -> "csv.DictWriter[str]":
        return csv.DictWriter(stream, self._columns, restval="", lineterminator="\n")


class ContinueMetrics(Callback):
    """A resumed run has every measurement up to the step it goes on from, and none beyond.

    Lightning saves a step before it logs it; a process killed between the two left the numbers in its checkpoint alone.
    """

    def __init__(self, every_steps: int) -> None:
        self._every_steps = every_steps
        self._saved: dict[str, float] = {}  # what was measured at
        self._saved_step = -1  # that this start goes on from

    def on_save_checkpoint(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", checkpoint: dict[str, Any]
    ) -> None:
        if trainer.global_step == self._saved_step:  # and is saved once more, validated now
            checkpoint["measured"] = self._saved
            return
        logged = {name: float(value) for name, value in trainer.logged_metrics.items() if name.startswith("train/")}
        due = trainer.global_step % self._every_steps == 0
        checkpoint["measured"] = logged | {"epoch": trainer.current_epoch} if due and logged else {}

    def on_load_checkpoint(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", checkpoint: dict[str, Any]
    ) -> None:
        self._saved = checkpoint.get("measured", {})
        self._saved_step = checkpoint["global_step"]

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        for file in [logger for logger in trainer.loggers if isinstance(logger, MetricsFile)]:
            file.discard_after(trainer.global_step)
            if self._saved and trainer.is_global_zero and not file.has(trainer.global_step, "train/loss"):
                for logger in trainer.loggers:
                    logger.log_metrics(self._saved, step=trainer.global_step - 1)


def _number(value: float) -> str:
    """Seven digits are what float32 holds."""
    return f"{value:.7g}"
