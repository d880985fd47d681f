"""Randomness that survives: a resumed run draws the numbers the uninterrupted one would have drawn.

Lightning saves no generator's state. This callback saves all of them, of every rank, as tensors and plain lists, so
that the checkpoint still loads with `weights_only=True`. It also hides validation from the generators: how often a run
is validated changes nothing about what it learns.
"""

import logging
import random
from typing import Any

import numpy
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback

log = logging.getLogger(__name__)
KEY = "nmt_random_states"  # in the checkpoint: one state a rank


def capture() -> dict[str, Any]:
    """State of the generators of Python, NumPy, torch and of every CUDA device, as tensors, lists and numbers."""
    version, words, gauss = random.getstate()
    legacy: Any = numpy.random.get_state(legacy=True)  # a tuple, which NumPy's types do not say
    _, keys, position, has_gauss, cached = legacy
    return {
        "python": [version, list(words), gauss],
        "numpy": [torch.from_numpy(keys.astype("int64")), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore(state: dict[str, Any]) -> None:
    """Put every generator back to what `capture` saw."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    keys, position, has_gauss, cached = state["numpy"]
    numpy.random.set_state(("MT19937", keys.cpu().numpy().astype("uint32"), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    for device, device_state in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(device_state.cpu(), device)


class RandomState(Callback):
    """Saves and restores the generators of every rank, and undoes what a validation drew from them.

    What counts is the state after a training batch: between two of them loaders draw seeds, and validation draws noise,
    and neither happens at the same places in a resumed run.
    """

    def __init__(self) -> None:
        self._after_batch: dict[str, Any] | None = None
        self._to_restore: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", checkpoint: dict[str, Any]
    ) -> None:
        """Gather from all ranks: only rank 0 writes, and its own state alone would repeat its noise everywhere."""
        mine = self._after_batch or capture()
        states: list[Any] = [mine]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, mine)
        checkpoint[KEY] = states

    def on_load_checkpoint(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", checkpoint: dict[str, Any]
    ) -> None:
        states = checkpoint.get(KEY, [])
        if len(states) == trainer.world_size:
            self._after_batch = self._to_restore = states[trainer.global_rank]
        else:
            log.warning(
                "the checkpoint was made by %d processes and this run has %d: random numbers start anew from the seed",
                len(states),
                trainer.world_size,
            )

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """Give every rank noise of its own: Lightning seeds them all alike, and then they drop the same units."""
        if trainer.global_rank > 0:
            torch.manual_seed(torch.initial_seed() + 1_000_003 * trainer.global_rank)

    def on_validation_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """Before the first batch of a resumed run there may be a validation, to be made as after the last one."""
        if self._to_restore is not None:
            restore(self._to_restore)

    def on_train_batch_start(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", batch: Any, batch_idx: int
    ) -> None:
        if self._to_restore is not None:
            restore(self._to_restore)
            self._to_restore = None

    def on_train_batch_end(
        self,
        trainer: "lightning.Trainer",
        pl_module: "lightning.LightningModule",
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._after_batch = capture()

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self._to_restore = self._after_batch
