"""Where measurements go: always the run's metrics.csv, and W&B or TensorBoard where asked for."""

import csv
import io
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from nmt.config.schema import LoggerKind
from nmt.errors import ConfigError
from nmt.files import append_whole, atomic_write
from nmt.training.keeping.checkpoints import MONITORS
from nmt.training.run import RunFolder, is_first_process

# First columns of metrics.csv, so that the header rarely changes; whatever else is logged follows them.
COLUMNS = {
    "translation": (
        *("step", "epoch", "train/loss", "train/perplexity", "train/learning_rate", "train/gradient_norm"),
        *("train/teacher_forcing", "train/tokens_per_second", "train/tokens_per_cpu_second", "train/cpu_minutes"),
        *("validation/loss", "validation/perplexity", "validation/bleu", "validation/chrf"),
    ),
    "recognition": (
        *("step", "epoch", "train/loss", "train/shortcut_loss", "train/lost_lines", "train/learning_rate"),
        *("train/gradient_norm", "train/characters_per_second", "train/characters_per_cpu_second"),
        *("train/cpu_minutes", "validation/loss", "validation/cer", "validation/wer"),
    ),
}


class MetricsFile(Logger):
    """One CSV for a run, appended to across starts; `step` counts finished optimiser steps.

    Lightning's own CSV logger begins a new folder or a new file at each start. Every row reaches the disk at once.
    """

    def __init__(self, path: Path, columns: Sequence[str] = COLUMNS["translation"]) -> None:
        """`columns` of a new file; one that is there keeps its own."""
        super().__init__()
        self.path = path
        self._columns: list[str] = list(columns)
        if path.exists() and is_first_process():
            with path.open(encoding="utf-8", errors="replace", newline="") as stream:
                self._columns = next(csv.reader(stream), self._columns)

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


def build_loggers(kind: LoggerKind, run: RunFolder) -> list[Logger]:
    """metrics.csv always, and `kind`; ConfigError naming the package where that is not installed."""
    loggers: list[Logger] = [MetricsFile(run.metrics, COLUMNS[run.config.task])]
    config = run.config.model_dump(mode="json")
    try:
        if kind == "wandb":
            loggers.append(_wandb_logger(run, config))
        elif kind == "tensorboard":
            loggers.append(TensorBoardLogger(save_dir=str(run.path), name="", version="tensorboard"))
    except ImportError as error:  # ModuleNotFoundError of theirs, ImportError of a broken installation
        raise ConfigError(f"logger '{kind}' is not installed: pip install {kind}; or choose --logger csv") from error
    return loggers


def close_loggers(loggers: list[Logger], run: RunFolder) -> None:
    """After the last measurement: W&B stores the best checkpoint and ends its run."""
    from nmt.training.watching.weights_and_biases import finish_wandb, wandb_run

    experiment = wandb_run(loggers) if is_first_process() else None
    if experiment is None:
        return
    best = (run.checkpoints / "best.ckpt").resolve()  # a link: to the best one, or to the average of several
    metadata = {"file": best.name, "monitor": MONITORS[run.config.train.monitor][0]}
    finish_wandb(experiment, best=best, metadata=metadata)


def tensorboard_writer(loggers: Iterable[Logger]) -> Any | None:
    """TensorBoard's writer among the loggers, None where there is none."""
    return next((logger.experiment for logger in loggers if isinstance(logger, TensorBoardLogger)), None)


def log_pictures(writer: Any, pictures: Sequence[tuple[str, bytes, str]], *, step: int) -> None:
    """Log (name, PNG, caption) to TensorBoard, the caption as a text of the same name."""
    for number, (name, png, caption) in enumerate(pictures, start=1):
        image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
        writer.add_image(f"{name}/{number}", image, step, dataformats="HWC")
        writer.add_text(f"{name}/{number}", caption, step)


def quiet_lightning() -> None:
    """Only warnings from Lightning, and none of its advertisements or advice that does not apply here."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        r".*does not have many workers.*",  # our loader collates in the training process on purpose
        r".*is smaller than the logging interval.*",
        r".*srun. command is available.*",
        r".*Consider setting `persistent_workers=True`.*",
        r".*isinstance\(treespec, LeafSpec\).*",
        r".*litlogger.*",
        r".*have no `val_dataloader`.*",  # validation is optional
        r".*sync_dist=True.*",  # scores are of all ranks' lines together before they are logged
        r"Grad strides do not match bucket view strides",  # of convolutions in a CPU's favourite order
    ):
        warnings.filterwarnings("ignore", message=message)


def _wandb_logger(run: RunFolder, config: dict[str, Any]) -> WandbLogger:
    if not is_first_process():  # Lightning's logger is a dummy on the other ranks and starts nothing
        return WandbLogger(save_dir=str(run.path), offline=True)
    from nmt.training.watching.weights_and_biases import start_wandb

    return start_wandb(run.path, name=run.config.name, config=config)


def _number(value: float) -> str:
    """Seven digits are what float32 holds."""
    return f"{value:.7g}"
