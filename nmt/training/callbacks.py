"""Every callback of a run, in the order in which they must be called."""

from pathlib import Path

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from nmt.config.training import TrainConfig
from nmt.training.averaging import ema_callback
from nmt.training.checkpoints import Checkpoints, checkpoint_callbacks
from nmt.training.curves import LearningCurves
from nmt.training.loggers import MetricsFile
from nmt.training.progress import ThroughputMonitor, progress_callbacks
from nmt.training.random_state import RandomState
from nmt.training.run import RunFolder
from nmt.training.samples import SampleTranslations
from nmt.training.stopping import FinalValidation, GracefulStop, TimeLimit, early_stopping


class ContinueMetrics(Callback):
    """A resumed run forgets the measurements beyond the step it goes on from."""

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        for logger in trainer.loggers:
            if isinstance(logger, MetricsFile):
                logger.discard_after(trainer.global_step)


def build_callbacks(run: RunFolder, *, terminal: bool = False) -> list[Callback]:
    """The callbacks of `run.config.train`, for a run that shows its progress on a `terminal` or in lines.

    Averaging comes first, so that its weights are back in place before anything is saved; the random state before
    what saves; speed before the line that shows it; saving and stopping last, where Lightning puts them anyhow.
    """
    train = run.config.train
    return [
        *_present(ema_callback(train.ema_decay)),
        RandomState(),
        ContinueMetrics(),
        ThroughputMonitor(train.log_every_steps),
        *progress_callbacks(train.log_every_steps, terminal=terminal),
        SampleTranslations(run.samples),
        LearningCurves(run.metrics, run.curves),
        *_present(early_stopping(train)),
        *_present(None if train.max_minutes is None else TimeLimit(train.max_minutes)),
        FinalValidation(),
        *saving_callbacks(train, run.checkpoints, resume_command=run.resume_command),
    ]


def saving_callbacks(train: TrainConfig, folder: Path, *, resume_command: str) -> list[Callback]:
    """What saves, and what stops after saving."""
    saving = checkpoint_callbacks(train, folder)
    stops = [GracefulStop(one, resume_command=resume_command) for one in saving if isinstance(one, Checkpoints)]
    return [*saving, *stops]


def _present(callback: Callback | None) -> list[Callback]:
    return [] if callback is None else [callback]
