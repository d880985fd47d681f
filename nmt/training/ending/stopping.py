"""When a run ends before its last step: a signal, the time limit, or no better score for too long."""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping

from nmt.config.training import TrainConfig
from nmt.errors import TrainingError
from nmt.training.ending import slurm
from nmt.training.keeping.checkpoints import MONITORS, Checkpoints
from nmt.training.steps import StepCallback

log = logging.getLogger(__name__)


class Interrupted(TrainingError):
    """A signal ended the run after its checkpoint was saved; 75 tells a scheduler to try again (EX_TEMPFAIL)."""

    exit_code = 75
    label = "interrupted"


class StoppedAtOnce(Interrupted):
    """A second Ctrl-C ended this process in the middle of a step: alone, where it was not sent to the others too."""


class GracefulStop(StepCallback, Checkpoint):
    """SIGINT or SIGTERM: finish the optimiser step, save, and leave with `Interrupted`; a second signal does not wait.

    SIGUSR1 in a SLURM job, sent before its time is up, does the same and has the job queued again. (A job that SLURM
    preempts gets SIGTERM, and is queued again by SLURM itself where it is configured so.)

    A checkpoint callback only so that Lightning calls it last; list it after `Checkpoints`. Ranks agree between two
    steps instead of in the signal handler, where Lightning's own talk among them deadlocks.
    """

    def __init__(self, checkpoints: Checkpoints, *, resume_command: str) -> None:
        self._checkpoints = checkpoints
        self._resume_command = resume_command
        self._received: int | None = None
        self._stopping = False
        self._previous: dict[int, Any] = {}
        self.saved: str | None = None  # what to say of the run once it has made steps

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """Take the signals over, after Lightning has installed its handlers."""
        super().on_train_start(trainer, pl_module)
        self._received, self._stopping = None, False
        self.saved = "in the midst of the run; start it again, and it goes on from its last checkpoint"
        if threading.current_thread() is threading.main_thread():
            in_a_job = (slurm.REQUEUE_SIGNAL,) if slurm.job_id() is not None else ()
            for number in (signal.SIGINT, signal.SIGTERM, *in_a_job):
                self._previous[number] = signal.signal(number, self._receive)

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """Only now: gradients of a half accumulated step would be lost.

        The last step alone is saved after its validation: of a run that has made it, Lightning starts nothing again.
        """
        if not trainer.strategy.reduce_boolean_decision(self._received is not None, all=False):
            return
        ends_validated = trainer.global_step == trainer.max_steps and trainer.enable_validation
        if self._checkpoints.saved_step != trainer.global_step and not ends_validated:
            self._checkpoints.save(trainer)
        asked = trainer.strategy.reduce_boolean_decision(self._received == slurm.REQUEUE_SIGNAL, all=False)
        if asked and trainer.is_global_zero:
            slurm.requeue()
        self._stopping = True

    def on_train_batch_start(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", batch: Any, batch_idx: int
    ) -> None:
        """Leave only now, so that the step is logged, and validated if it is its turn."""
        if not self._stopping:
            return
        name = signal.Signals(self._received).name if self._received else "a signal to another process"
        raise Interrupted(
            f"stopped by {name} after step {trainer.global_step}; {self._checkpoints.folder / 'last.ckpt'} is saved;"
            f" resume with: {self._resume_command}"
        )

    def on_train_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self.saved = "after the last step; the weights are saved, start it again for the scores"
        self._give_back()

    def on_exception(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", exception: BaseException
    ) -> None:
        self._give_back()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        log.info("%s: stopping after this step; once more to stop at once", signal.Signals(number).name)
        signal.signal(number, self._stop_at_once if number == signal.SIGINT else signal.SIG_DFL)

    def _stop_at_once(self, number: int, frame: FrameType | None) -> None:
        raise StoppedAtOnce(f"stopped at once; resume from the last checkpoint with: {self._resume_command}")

    def _give_back(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


@contextlib.contextmanager
def interrupts_told(trainer: "lightning.Trainer") -> Iterator[None]:
    """Around a run to its very end: Ctrl-C where `GracefulStop` does not wait for it says what of the run is saved.

    Before the first step it stays a bare KeyboardInterrupt; Lightning leaves without a word.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as leaving:
        if isinstance(leaving, SystemExit) and not isinstance(leaving.__context__, KeyboardInterrupt):
            raise
        callbacks = trainer.callbacks  # type: ignore[attr-defined]  # untyped in Lightning
        saved = next((one.saved for one in callbacks if isinstance(one, GracefulStop)), None)
        raise KeyboardInterrupt(*([] if saved is None else [saved])) from leaving


class TimeLimit(StepCallback):
    """Ends the run, with a last validation, after `minutes` of training; validations and earlier starts count."""

    def __init__(self, minutes: float) -> None:
        self._limit = 60.0 * minutes
        self._earlier = 0.0  # seconds of the starts before this one
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds trained so far, over all starts."""
        return self._earlier + (0.0 if self._started is None else time.monotonic() - self._started)

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return max(0.0, self._limit - self.seconds)

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """A run that has had its time is over: a further start trains no step."""
        super().on_train_start(trainer, pl_module)
        self._started = time.monotonic()
        if trainer.strategy.reduce_boolean_decision(self.seconds >= self._limit, all=False):
            log.info("the time limit of %g minutes was reached before", self._limit / 60.0)
            trainer.should_stop = True

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if trainer.strategy.reduce_boolean_decision(self.seconds >= self._limit, all=False):
            log.info("time limit of %g minutes reached after step %d", self._limit / 60.0, trainer.global_step)
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._earlier = float(state_dict["seconds"])


class FinalValidation(StepCallback):
    """Stops at the last step of the run as if asked to, because that is when Lightning validates and saves unasked.

    A schedule that ends near zero makes the last steps the best ones; with `validate_every_steps` they would otherwise
    be neither validated nor saved, unless it divides the length of the run.
    """

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """A run that has made its last step makes no other; to Lightning, its last epoch may be unfinished."""
        super().on_train_start(trainer, pl_module)
        total = getattr(pl_module, "total_steps", None)
        if total is not None and trainer.global_step >= total:
            trainer.should_stop = True

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if trainer.global_step == getattr(pl_module, "total_steps", None):
            trainer.should_stop = True


class Patience(EarlyStopping):
    """Lightning's early stopping, which a further start neither outlives nor holds to an earlier patience."""

    @property
    def state_key(self) -> str:
        """That of Lightning's own, which earlier checkpoints have."""
        return super().state_key.replace(type(self).__name__, EarlyStopping.__name__, 1)

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if self.wait_count >= self.patience:
            log.info("%s had not been better for %d validations: the run is over", self.monitor, self.wait_count)
            trainer.should_stop = True

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """All but the patience, which the configuration may have changed."""
        super().load_state_dict(state_dict | {"patience": self.patience})


def early_stopping(train: TrainConfig) -> EarlyStopping | None:
    """Lightning's early stopping on `train.monitor` after `train.patience` validations; None where patience is 0."""
    if train.patience == 0:
        return None
    name, mode = MONITORS[train.monitor]
    return Patience(name, mode=mode, patience=train.patience, check_on_train_epoch_end=False)
