"""How fast a run is and how far: tokens per second, a bar on a terminal, plain lines everywhere else."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, ProgressBar, TQDMProgressBar

from nmt.training.steps import StepCallback
from nmt.training.watching.measurement import Measurement, as_said

log = logging.getLogger(__name__)


class ThroughputMonitor(StepCallback):
    """Logs target tokens, or whatever the `unit` of targets is, per second of training (validation excluded).

    `train/<unit>_per_second` is of wall time; `train/<unit>_per_cpu_second` counts the processor time of this process
    with all its threads, not of loader workers; it compares runs on a busy machine. `train/cpu_minutes` is the total,
    validation included, over all starts.
    """

    def __init__(self, every_steps: int, unit: str) -> None:
        self._every_steps = every_steps
        self._unit = unit
        self._tokens: torch.Tensor | int = 0  # on the batch's device: adding there does not wait for it
        self._wall = self._cpu = 0.0  # seconds since the last log, outside of validation
        self._mark = (0.0, 0.0)
        self._validated = False
        self._earlier_cpu = self._cpu_at_start = 0.0

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self._mark = (time.perf_counter(), time.process_time())
        self._cpu_at_start = time.process_time()
        super().on_train_start(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: "lightning.Trainer",
        pl_module: "lightning.LightningModule",
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """`batch` has `target_lengths` (B)."""
        self._tokens = self._tokens + batch.target_lengths.sum()
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """Lightning logs when it is due, and once more where the run ends: then it needs what is true there."""
        if trainer.global_step % self._every_steps == 0 or trainer.should_stop:
            self._log(trainer, pl_module)

    def on_validation_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self._count_time()
        self._validated = True

    def on_train_batch_start(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", batch: Any, batch_idx: int
    ) -> None:
        """Go on counting only here after a validation: saving, drawing and logging belong to it."""
        if self._validated:
            self._mark = (time.perf_counter(), time.process_time())
            self._validated = False

    def state_dict(self) -> dict[str, Any]:
        return {"cpu_seconds": self._cpu_seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._earlier_cpu = float(state_dict["cpu_seconds"])

    def _log(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self._count_time()
        mine = torch.as_tensor(self._tokens, dtype=torch.float32, device=pl_module.device)
        tokens = float(trainer.strategy.reduce(mine.clone(), reduce_op="sum"))
        pl_module.log(f"train/{self._unit}_per_second", tokens / max(self._wall, 1e-9))
        pl_module.log(f"train/{self._unit}_per_cpu_second", float(mine) / max(self._cpu, 1e-9))
        pl_module.log("train/cpu_minutes", self._cpu_seconds() / 60.0)
        self._tokens, self._wall, self._cpu = 0, 0.0, 0.0

    def _count_time(self) -> None:
        now = (time.perf_counter(), time.process_time())
        self._wall += now[0] - self._mark[0]
        self._cpu += now[1] - self._mark[1]
        self._mark = now

    def _cpu_seconds(self) -> float:
        return self._earlier_cpu + time.process_time() - self._cpu_at_start


class LogLines(StepCallback):
    """A plain line every `every_steps` steps and one a validation, to the package's log; before them, that it runs."""

    def __init__(self, every_steps: int, measurements: Sequence[Measurement]) -> None:
        self._every_steps = every_steps
        self._measurements = measurements
        self._started = time.monotonic()
        self._said_nothing = True

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        super().on_train_start(trainer, pl_module)
        self._started = time.monotonic()
        self._said_nothing = True

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if trainer.global_step % self._every_steps == 0:
            log.info("%s", self._line(trainer, "train/"))
        elif self._said_nothing:  # until the first report a slow machine looks as if it hung
            log.info("%s", self._written(trainer, f"training; a report every {self._every_steps:,} steps"))
        self._said_nothing = False

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if not trainer.sanity_checking:
            log.info("%s", self._line(trainer, "validation/"))

    def _line(self, trainer: "lightning.Trainer", prefix: str) -> str:
        measured = {k: v for k, v in trainer.callback_metrics.items() if k.startswith(prefix)}
        shown = shown_metrics(measured, self._measurements)
        return self._written(trainer, "  ".join(f"{name} {value}" for name, value in shown.items()))

    def _written(self, trainer: "lightning.Trainer", words: str) -> str:
        """`words` between where the run is and how long this start has taken."""
        limit = trainer.max_steps if trainer.max_steps > 0 else None
        total = getattr(trainer.lightning_module, "total_steps", None) or limit  # of the whole run, if it is known
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        of = f"/{total:,}" if total else ""
        return f"step {trainer.global_step:,}{of}  {words}  {minutes}:{seconds:02d}"


class TrainingBar(TQDMProgressBar):
    """tqdm's bar with the metrics that have a word, under it; needs nothing logged with `prog_bar=True`."""

    def __init__(self, measurements: Sequence[Measurement], refresh_rate: int) -> None:
        super().__init__(refresh_rate)
        self._measurements = measurements

    def get_metrics(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule"
    ) -> dict[str, int | str | float | dict[str, float]]:
        return {**shown_metrics(trainer.callback_metrics, self._measurements)}


def progress_callbacks(every_steps: int, measurements: Sequence[Measurement], *, terminal: bool) -> list[Callback]:
    """The log's lines, and on a terminal a bar; give the Trainer `enable_progress_bar=terminal`."""
    bars: list[ProgressBar] = [TrainingBar(measurements, max(1, min(10, every_steps)))] if terminal else []
    return [LogLines(every_steps, measurements), *bars]


def shown_metrics(metrics: Mapping[str, Any], measurements: Sequence[Measurement]) -> dict[str, str]:
    """{"train/loss": 3.21} → {"loss": "3.210"}, in the order of a line, less what goes without saying."""
    said = ((one.shown, float(metrics[one.name])) for one in as_said(measurements) if one.shown and one.name in metrics)
    return {shown.word: shown.form.format(value) for shown, value in said if value != shown.unless}


def speak(*, terminal: bool) -> logging.Handler:
    """Show the package's log on standard error; beside a bar without the lines that say the same."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    if terminal:
        handler.addFilter(lambda record: record.name != __name__)
    logger = logging.getLogger("nmt")
    logger.addHandler(handler)
    logger.propagate = False  # libraries (wandb) give the root logger a handler, and every line came twice
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    return handler
