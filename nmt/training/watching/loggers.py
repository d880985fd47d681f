"""Where measurements go: always the run's metrics.csv, and W&B or TensorBoard where asked for."""

import io
import logging
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from nmt.config.run import LoggerKind
from nmt.errors import ConfigError
from nmt.training.keeping.checkpoints import MONITORS
from nmt.training.run import RunFolder, is_first_process
from nmt.training.watching.metrics_file import MetricsFile


def build_loggers(kind: LoggerKind, run: RunFolder, *, columns: Sequence[str]) -> list[Logger]:
    """metrics.csv always, with these `columns`, and `kind`; ConfigError naming the package that is not installed."""
    loggers: list[Logger] = [MetricsFile(run.metrics, columns)]
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
