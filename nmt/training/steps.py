"""What is done once after each optimiser step, however many batches make one."""

from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback


class StepCallback(Callback):
    """Calls `after_step` when a step is finished; Lightning calls after every batch, also in the middle of a step."""

    _step = -1  # the last one that was finished

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self._step = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: "lightning.Trainer",
        pl_module: "lightning.LightningModule",
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.global_step != self._step:
            self._step = trainer.global_step
            self.after_step(trainer, pl_module)

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """Step number `trainer.global_step` is made."""
        raise NotImplementedError
