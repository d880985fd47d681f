"""Exponential moving average of the weights, θ̄ ← d θ̄ + (1 - d) θ with d = min(decay, (1 + n) / (10 + n)) at update n.

The rising d (as in TensorFlow's ExponentialMovingAverage) lets the average forget the random initial weights, which
otherwise weigh decay^n: 37 % after 1,000 steps at 0.999. Lightning validates with the average and saves it as the
checkpoint's `state_dict`, so inference gets it without knowing.
"""

from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class ExponentialAverage(WeightAveraging):
    """`WeightAveraging` whose averaged weights stay in place until the *task's* end of validation has run too.

    Lightning calls callbacks before the task, so its own swap at `on_validation_epoch_end` would let a task that
    translates there translate with the raw weights.
    """

    def __init__(self, decay: float) -> None:
        def update(averaged: Any, current: Any, updates: Tensor | int) -> None:
            step = int(updates)
            average: Any = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))
            average(averaged, current, updates)

        super().__init__(use_buffers=False, multi_avg_fn=update)
        self._swapped = False

    def on_validation_epoch_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        super().on_validation_epoch_start(trainer, pl_module)
        self._swapped = True

    def on_validation_epoch_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """Too early: see the class."""

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if self._swapped:
            super().on_validation_epoch_end(trainer, pl_module)
            self._swapped = False


def ema_callback(decay: float) -> ExponentialAverage | None:
    """The callback for `train.ema_decay`; None where it is 0."""
    return ExponentialAverage(decay) if decay > 0.0 else None
