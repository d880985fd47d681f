"""Every callback of a run, in the order in which they must be called."""

from pathlib import Path

from pytorch_lightning.callbacks import Callback

from nmt.config.training import TrainConfig
from nmt.training.averaging import ema_callback
from nmt.training.ending.faults import BatchOnHand, NonFiniteLimit
from nmt.training.ending.peers import Peers
from nmt.training.ending.stopping import FinalValidation, GracefulStop, TimeLimit, early_stopping
from nmt.training.keeping.checkpoints import Checkpoints, checkpoint_callbacks
from nmt.training.keeping.missed_validation import MissedValidation
from nmt.training.keeping.random_state import RandomState
from nmt.training.parts import Kind
from nmt.training.run import RunFolder
from nmt.training.watching.curves import LearningCurves
from nmt.training.watching.metrics_file import ContinueMetrics
from nmt.training.watching.progress import ThroughputMonitor, progress_callbacks
from nmt.training.watching.samples import ValidationSamples


def build_callbacks(run: RunFolder, kind: Kind, *, terminal: bool = False) -> list[Callback]:
    """The callbacks of `run.config.train`, for a run of a `kind` that shows its progress on a `terminal` or in lines.

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
        ThroughputMonitor(train.log_every_steps, kind.unit),
        *progress_callbacks(train.log_every_steps, kind.measurements, terminal=terminal),
        ValidationSamples(run.samples),
        LearningCurves(run.metrics, run.curves, kind.panels, kind.measurements),
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
    return [*saving, *stops, MissedValidation()]


def _present(callback: Callback | None) -> list[Callback]:
    return [] if callback is None else [callback]
