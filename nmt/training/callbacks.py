"""Every callback of a run, in the order in which they must be called."""

from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from nmt.config.training import TrainConfig
from nmt.training.averaging import ema_callback
from nmt.training.ending.faults import BatchOnHand, NonFiniteLimit
from nmt.training.ending.peers import Peers
from nmt.training.ending.stopping import FinalValidation, GracefulStop, TimeLimit, early_stopping
from nmt.training.keeping.checkpoints import Checkpoints, checkpoint_callbacks
from nmt.training.keeping.random_state import RandomState
from nmt.training.run import RunFolder
from nmt.training.watching.curves import PANELS, LearningCurves
from nmt.training.watching.loggers import MetricsFile
from nmt.training.watching.progress import UNITS, ThroughputMonitor, progress_callbacks
from nmt.training.watching.samples import ValidationSamples


class ContinueMetrics(Callback):
    """A resumed run has every measurement up to the step it goes on from, and none beyond.

    Lightning saves a step before it logs it; a process killed between the two left the numbers in its checkpoint alone.
    """

    def __init__(self, every_steps: int) -> None:
        self._every_steps = every_steps
        self._saved: dict[str, float] = {}

    def on_save_checkpoint(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", checkpoint: dict[str, Any]
    ) -> None:
        logged = {name: float(value) for name, value in trainer.logged_metrics.items() if name.startswith("train/")}
        due = trainer.global_step % self._every_steps == 0
        checkpoint["measured"] = logged | {"epoch": trainer.current_epoch} if due and logged else {}

    def on_load_checkpoint(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", checkpoint: dict[str, Any]
    ) -> None:
        self._saved = checkpoint.get("measured", {})

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        for file in [logger for logger in trainer.loggers if isinstance(logger, MetricsFile)]:
            file.discard_after(trainer.global_step)
            if self._saved and trainer.is_global_zero and not file.has(trainer.global_step, "train/loss"):
                for logger in trainer.loggers:
                    logger.log_metrics(self._saved, step=trainer.global_step - 1)
        self._saved = {}


def build_callbacks(run: RunFolder, *, terminal: bool = False) -> list[Callback]:
    """The callbacks of `run.config.train`, for a run that shows its progress on a `terminal` or in lines.

    The other processes come first, to be heard of at once; averaging next, so that its weights are back in place before
    anything is saved; the random state before what saves; what says that the run ends before what measures its last
    step; speed before the line that shows it; saving last, where Lightning puts it anyhow.
    """
    train = run.config.train
    return [
        Peers(run.path),
        *_present(ema_callback(train.ema_decay)),
        RandomState(),
        BatchOnHand(),
        ContinueMetrics(train.log_every_steps),
        *_present(None if train.max_minutes is None else TimeLimit(train.max_minutes)),
        FinalValidation(),
        ThroughputMonitor(train.log_every_steps, UNITS[run.config.task]),
        *progress_callbacks(train.log_every_steps, terminal=terminal),
        ValidationSamples(run.samples),
        LearningCurves(run.metrics, run.curves, PANELS[run.config.task]),
        *_present(early_stopping(train)),
        *saving_callbacks(train, run.checkpoints, resume_command=run.resume_command),
    ]


def saving_callbacks(train: TrainConfig, folder: Path, *, resume_command: str) -> list[Callback]:
    """What saves, and what stops after saving."""
    saving = checkpoint_callbacks(train, folder)
    stops: list[Callback] = []
    for one in saving:
        if isinstance(one, Checkpoints):
            stops.append(NonFiniteLimit(one, limit=train.skip_nonfinite, resume_command=resume_command))
            stops.append(GracefulStop(one, resume_command=resume_command))
    return [*saving, *stops]


def _present(callback: Callback | None) -> list[Callback]:
    return [] if callback is None else [callback]
