"""A step that was saved before its validation, and never validated, is validated when the run goes on from it."""

from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint

from nmt.training.keeping.checkpoints import validation_follows

KEY = "validation_due"  # in the checkpoint


class MissedValidation(Checkpoint):
    """Makes up for it before the first step; Lightning takes it for done.

    A signal saves at once, since a validation may take longer than the sender waits. What ends the process within that
    validation left a run without a row of its curve, and perhaps without its best checkpoint.

    A checkpoint callback only so that Lightning calls it last; list it after all that has something to do when a run
    starts: what a validation calls must be ready for it.
    """

    def __init__(self) -> None:
        self._due = False
        self._epoch_progress: dict[str, Any] = {}  # Lightning's, as it was saved

    def on_save_checkpoint(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[KEY] = trainer.training and validation_follows(trainer)

    def on_load_checkpoint(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", checkpoint: dict[str, Any]
    ) -> None:
        self._due = checkpoint.get(KEY, False)
        self._epoch_progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """What Lightning does between two steps, with its counters as they were there.

        Behind the last batch of an epoch it has by now counted the epoch.
        """
        if not self._due or not trainer.enable_validation:
            return
        self._due = False
        epochs = trainer.fit_loop.epoch_progress
        counted = epochs.state_dict()
        epochs.load_state_dict(self._epoch_progress)
        trainer.validating = True
        trainer.fit_loop.epoch_loop.val_loop.restarting = False
        trainer.fit_loop.epoch_loop.val_loop.run()
        trainer.training = True
        epochs.load_state_dict(counted)
