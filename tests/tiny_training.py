"""A training that takes a second: one embedding with dropout on seven batches, and a loader that can resume."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nmt.config.schema import Config
from nmt.data.batch import TranslationBatch
from nmt.training.callbacks import build_callbacks
from nmt.training.keeping.checkpoint_io import AtomicCheckpointIO, newest_usable_checkpoint
from nmt.training.run import RunFolder
from nmt.training.translation.kind import TRANSLATION
from nmt.training.translation.samples import SampleTranslation
from nmt.training.watching.loggers import build_loggers, close_loggers, quiet_lightning
from nmt.training.watching.measurement import columns

BATCHES = 7
VOCABULARY = 11


def batch_of(index: int) -> TranslationBatch:
    generator = torch.Generator().manual_seed(index)
    tokens = torch.randint(4, VOCABULARY, (3, 5), generator=generator)
    lengths = torch.full((3,), 5)
    return TranslationBatch(tokens, lengths, tokens, tokens.flip(1), lengths, torch.arange(3) + 3 * index)


class Loader:
    """Seven batches in the same order each epoch; its position is saved."""

    def __init__(self) -> None:
        self.position = 0

    def __len__(self) -> int:
        return BATCHES

    def __iter__(self) -> Iterator[TranslationBatch]:
        self.position %= BATCHES
        for index in range(self.position, BATCHES):
            self.position = index + 1
            yield batch_of(index)

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position = state["position"]


class Task(lightning.LightningModule):
    """Learns to say a sentence backwards, badly, with noise from three generators; `pause` slows each step down."""

    def __init__(self, pause: float = 0.0, rate: float = 0.05, total_steps: int | None = None) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.output = nn.Linear(8, VOCABULARY)
        self.dropout = nn.Dropout(0.3)
        self.pause = pause
        self.rate = rate
        self.total_steps = total_steps
        self.validation_samples: list[SampleTranslation] = []
        self.weights_at_epoch_end: Tensor | None = None

    def loss(self, batch: TranslationBatch) -> Tensor:
        logits = self.output(self.dropout(self.embedding(batch.target_input)))
        return nn.functional.cross_entropy(logits.flatten(0, 1), batch.target_output.flatten())

    def training_step(self, batch: TranslationBatch, batch_idx: int) -> Tensor:
        if self.pause:
            import time

            time.sleep(self.pause)
        loss = self.loss(batch) * (1 + 0.01 * numpy.random.rand())
        self.log("train/loss", loss)
        self.log("train/perplexity", loss.exp())
        self.log("train/learning_rate", 0.05)
        return loss

    def validation_step(self, batch: TranslationBatch, batch_idx: int) -> None:
        torch.rand(3)  # validation that draws numbers must not change training
        loss = self.loss(batch)
        self.log("validation/loss", loss, batch_size=3)
        self.log("validation/bleu", 100 * torch.exp(-loss), batch_size=3)

    def on_validation_epoch_end(self) -> None:
        self.weights_at_epoch_end = self.output.weight.detach().clone()
        attention = numpy.array([[0.9, 0.1], [0.2, 0.8]])
        self.validation_samples = [
            SampleTranslation(
                "ein <Haus>", "a\thouse", "a house", 71.25, attention, ("▁ein", "▁<Haus>"), ("▁a", "$house$")
            )
        ]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.rate)


def tiny_config(**train: Any) -> Config:
    given = {"max_steps": 20, "log_every_steps": 1, "validate_every_steps": 5, **train}
    return Config.model_validate({"train": given})


def fit(
    folder: Path,
    config: Config,
    *,
    validate: bool = True,
    pause: float = 0.0,
    rate: float = 0.05,
    total_steps: int | None = None,
    **trainer: Any,
) -> Task:
    """Train in the folder as fit.py does, going on from its newest checkpoint."""
    quiet_lightning()
    torch.manual_seed(1)
    numpy.random.seed(1)
    task = Task(pause=pause, rate=rate, total_steps=total_steps)
    train = config.train
    with RunFolder(folder, config, command=["nmt"]) as run:
        loggers = build_loggers(config.logger, run, columns=columns(TRANSLATION.measurements))
        options: dict[str, Any] = {"check_val_every_n_epoch": None, "val_check_interval": train.validate_every_steps}
        engine = lightning.Trainer(
            accelerator="cpu",
            max_steps=train.max_steps or -1,
            max_epochs=train.max_epochs or -1,
            accumulate_grad_batches=train.accumulate,
            log_every_n_steps=train.log_every_steps,
            callbacks=build_callbacks(run, TRANSLATION),
            logger=loggers,
            plugins=[AtomicCheckpointIO()],
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **((options if train.validate_every_steps else {}) | trainer),
        )
        validation = DataLoader([batch_of(100), batch_of(101)], batch_size=None) if validate else None
        newest = newest_usable_checkpoint(run.checkpoints)
        engine.fit(task, Loader(), validation, ckpt_path=newest)
        close_loggers(loggers, run)
    return task


if __name__ == "__main__":  # python tiny_training.py RUN_DIR MAX_STEPS PAUSE PROCESSES: to be killed
    torch.set_num_threads(1)
    from nmt.errors import NMTError

    try:
        parallel: dict[str, Any] = {"devices": 2, "strategy": "ddp"} if sys.argv[4] == "2" else {}
        fit(Path(sys.argv[1]), tiny_config(max_steps=int(sys.argv[2])), pause=float(sys.argv[3]), **parallel)
    except NMTError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from error
