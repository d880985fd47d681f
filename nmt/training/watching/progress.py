"""How fast a run is and how far: tokens per second, a bar on a terminal, plain lines everywhere else."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, ProgressBar, TQDMProgressBar

from nmt.training.steps import StepCallback

log = logging.getLogger(__name__)

# logged name → (what a line or the bar calls it, its format)
SHOWN = {
    "train/loss": ("loss", "{:.3f}"),
    "train/shortcut_loss": ("shortcut", "{:.3f}"),
    "train/lost_lines": ("lost", "{:.0f}"),
    "train/perplexity": ("ppl", "{:.2f}"),
    "train/gleu": ("GLEU", "{:.2f}"),
    "train/teacher_forcing": ("truth", "{:.2f}"),
    "train/learning_rate": ("lr", "{:.2e}"),
    "train/gradient_norm": ("grad", "{:.2f}"),
    "train/tokens_per_second": ("tok/s", "{:,.0f}"),
    "train/characters_per_second": ("char/s", "{:,.0f}"),
    "validation/loss": ("val loss", "{:.3f}"),
    "validation/perplexity": ("val ppl", "{:.2f}"),
    "validation/bleu": ("BLEU", "{:.2f}"),
    "validation/chrf": ("chrF", "{:.2f}"),
    "validation/cer": ("CER", "{:.2f}"),
    "validation/wer": ("WER", "{:.2f}"),
}

PLAIN = {"train/teacher_forcing": 1.0, "train/lost_lines": 0.0}  # not shown where they are so
UNITS = {"translation": "tokens", "recognition": "characters"}  # what targets are made of, by the configuration's task


class ThroughputMonitor(StepCallback):
    """Logs target tokens, or whatever the `unit` is, per second of training (validation excluded).

    `train/tokens_per_second` is of wall time; `train/tokens_per_cpu_second` counts the processor time of this process
    with all its threads, not of loader workers; it compares runs on a busy machine. `train/cpu_minutes` is the total,
    validation included, over all starts.
    """

    def __init__(self, every_steps: int, unit: str = "tokens") -> None:
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
    """One plain line every `every_steps` steps and one a validation, to the package's log."""

    def __init__(self, every_steps: int) -> None:
        self._every_steps = every_steps
        self._started = time.monotonic()

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        super().on_train_start(trainer, pl_module)
        self._started = time.monotonic()

    def after_step(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if trainer.global_step % self._every_steps == 0:
            log.info("%s", self._line(trainer, "train/"))

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if not trainer.sanity_checking:
            log.info("%s", self._line(trainer, "validation/"))

    def _line(self, trainer: "lightning.Trainer", prefix: str) -> str:
        limit = trainer.max_steps if trainer.max_steps > 0 else None
        total = getattr(trainer.lightning_module, "total_steps", None) or limit  # of the whole run, if it is known
        shown = shown_metrics({k: v for k, v in trainer.callback_metrics.items() if k.startswith(prefix)})
        words = "  ".join(f"{name} {value}" for name, value in shown.items())
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        of = f"/{total:,}" if total else ""
        return f"step {trainer.global_step:,}{of}  {words}  {minutes}:{seconds:02d}"


class TrainingBar(TQDMProgressBar):
    """tqdm's bar with the metrics of `SHOWN` under their short names; needs nothing logged with `prog_bar=True`."""

    def get_metrics(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule"
    ) -> dict[str, int | str | float | dict[str, float]]:
        return {**shown_metrics(trainer.callback_metrics)}


def progress_callbacks(every_steps: int, *, terminal: bool) -> list[Callback]:
    """The log's lines, and on a terminal a bar; give the Trainer `enable_progress_bar=terminal`."""
    bars: list[ProgressBar] = [TrainingBar(refresh_rate=max(1, min(10, every_steps)))] if terminal else []
    return [LogLines(every_steps), *bars]


def shown_metrics(metrics: Mapping[str, Any]) -> dict[str, str]:
    """{"train/loss": 3.21} → {"loss": "3.210"}, in the order of `SHOWN`, less what goes without saying."""
    shown = {key: float(metrics[key]) for key in SHOWN if key in metrics}
    for key, plain in PLAIN.items():
        if shown.get(key) == plain:
            del shown[key]
    return {SHOWN[key][0]: SHOWN[key][1].format(value) for key, value in shown.items()}


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
