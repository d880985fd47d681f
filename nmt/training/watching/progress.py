"""How fast a run is and how far: tokens per second, a bar on a terminal, plain lines everywhere else."""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm

from nmt.training.steps import StepCallback
from nmt.training.watching.measurement import Measurement, as_said
from nmt.training.watching.remaining import Clock, about, on_a_clock, steps_of

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
        self._clock = Clock()
        self._said_nothing = True

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        super().on_train_start(trainer, pl_module)
        self._clock.start(trainer)
        self._said_nothing = True

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if trainer.global_step % self._every_steps == 0:
            log.info("%s", self._line(trainer, "train/"))
        elif self._said_nothing:  # until the first report a slow machine looks as if it hung
            log.info("%s", self._written(trainer, self._promise(trainer)))
        self._said_nothing = False

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if not trainer.sanity_checking:
            log.info("%s", self._line(trainer, "validation/"))

    def _promise(self, trainer: "lightning.Trainer") -> str:
        """That it runs, and when the next report comes, if one does."""
        total = steps_of(trainer)
        report = (trainer.global_step // self._every_steps + 1) * self._every_steps
        never = total is not None and report > total
        return "training" if never else f"training; a report every {self._every_steps:,} steps"

    def _line(self, trainer: "lightning.Trainer", prefix: str) -> str:
        measured = {k: v for k, v in trainer.callback_metrics.items() if k.startswith(prefix)}
        shown = shown_metrics(measured, self._measurements)
        return self._written(trainer, "  ".join(f"{name} {value}" for name, value in shown.items()))

    def _written(self, trainer: "lightning.Trainer", words: str) -> str:
        """`words` between where the run is and how long this start has taken and will take."""
        total = steps_of(trainer)
        of = f"/{total:,}" if total else ""
        left = self._clock.left(trainer)
        more = "" if left is None else f", about {about(left)} left"
        return f"step {trainer.global_step:,}{of}  {words}  {on_a_clock(self._clock.elapsed)}{more}"


class TrainingBar(StepCallback):
    """One bar over all optimiser steps of the run, on standard error; what is measured stands in the lines above it."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        super().on_train_start(trainer, pl_module)
        self._clock.start(trainer)
        if trainer.is_global_zero:
            total = steps_of(trainer)
            share = "" if total is None else "{percentage:3.0f}%|{bar}| "
            of = "" if total is None else "/{total:,}"
            form = "{desc}" + share + "{n:,}" + of + " steps, {elapsed}{postfix}"
            self._bar = tqdm(
                total=total, initial=trainer.global_step, bar_format=form, dynamic_ncols=True, file=sys.stderr
            )

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if self._bar is not None:
            left = self._clock.left(trainer)
            self._bar.set_postfix_str("" if left is None else f"about {about(left)} left", refresh=False)
            self._bar.update(trainer.global_step - self._bar.n)

    def on_validation_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self._describe("validating")

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self._describe("")

    def on_train_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        self._close()

    def on_exception(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", exception: BaseException
    ) -> None:
        self._close()

    def _describe(self, doing: str) -> None:
        if self._bar is not None:
            self._bar.set_description(doing)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def progress_callbacks(every_steps: int, measurements: Sequence[Measurement], *, terminal: bool) -> list[Callback]:
    """The log's lines, and on a terminal a bar below them, which has moved before a line is said above it."""
    return [*([TrainingBar()] if terminal else []), LogLines(every_steps, measurements)]


def shown_metrics(metrics: Mapping[str, Any], measurements: Sequence[Measurement]) -> dict[str, str]:
    """{"train/loss": 3.21} → {"loss": "3.210"}, in the order of a line, less what goes without saying."""
    said = ((one.shown, float(metrics[one.name])) for one in as_said(measurements) if one.shown and one.name in metrics)
    return {shown.word: shown.form.format(value) for shown, value in said if value != shown.unless}


class AboveBars(logging.Handler):
    """Writes to standard error, above the bars that are drawn there."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def speak(*, terminal: bool) -> logging.Handler:
    """Show the package's log on standard error; on a terminal above the bar."""
    handler = AboveBars() if terminal else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("nmt")
    logger.addHandler(handler)
    logger.propagate = False  # libraries (wandb) give the root logger a handler, and every line came twice
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    return handler
