"""When a checkpoint is saved, and which are kept: the newest ones and the ones with the best validation score.

One callback instead of two of Lightning's `ModelCheckpoint`: a checkpoint that is both newest and best is written once,
a second start in the same folder continues its names, and a run's folder can be moved (all names are relative).
"""

import contextlib
import json
import math
import os
import re
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback, Checkpoint

from nmt.config.training import Metric, TrainConfig
from nmt.errors import TrainingError
from nmt.files import atomic_write, copy_whole, replace_link
from nmt.training.keeping.checkpoint_io import damage
from nmt.training.run import check_still_there

# configuration → (logged name, which way is better)
MONITORS: dict[Metric, tuple[str, str]] = {
    "bleu": ("validation/bleu", "max"),
    "chrf": ("validation/chrf", "max"),
    "cer": ("validation/cer", "min"),
    "wer": ("validation/wer", "min"),
    "loss": ("validation/loss", "min"),
}
_BEST = re.compile(rf"best-(\d{{8,}})-({'|'.join(MONITORS)})-(-?\d+(?:\.\d+)?(?:e[+-]\d+)?)\.ckpt")


class Kept(NamedTuple):
    """A checkpoint in the folder; `score` is None for one kept only because it is new."""

    file: str
    step: int
    score: float | None


def checkpoint_callbacks(train: TrainConfig, folder: Path) -> list[Callback]:
    """The callbacks that save; `average_checkpoints` raises how many of the best are kept."""
    return [
        Checkpoints(
            folder,
            monitor=train.monitor,
            keep_best=max(train.keep_best, train.average_checkpoints),
            keep_last=train.keep_last,
            every_steps=train.checkpoint_every_steps,
        )
    ]


def best_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints kept for their score, best first."""
    best, _ = _read_index(folder)
    return [folder / kept.file for kept in best]


class Checkpoints(Checkpoint):
    """Saves after each validation, every `every_steps` steps where given, and at the end of the run.

    Lightning calls checkpoint callbacks after all others, so what they did in the same hook is saved too. A step that
    is validated is saved after that; where a signal has one saved before, see `missed_validation.py`.
    """

    def __init__(
        self, folder: Path, *, monitor: Metric, keep_best: int = 1, keep_last: int = 2, every_steps: int | None = None
    ) -> None:
        self.folder = folder
        self.monitor, self.mode = MONITORS[monitor]
        self._metric = monitor
        self._keep_best, self._keep_last, self._every_steps = keep_best, keep_last, every_steps
        self._best, self._last = _read_index(folder)
        self.saved_step = -1

    def on_train_start(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        """Forget what lies after the step this run goes on from: it was passed over because it is damaged."""
        first = trainer.strategy.broadcast(trainer.global_step)
        if not trainer.strategy.reduce_boolean_decision(first == trainer.global_step):
            raise TrainingError(
                f"{self.folder}: the first process goes on from step {first}, and another one, on a machine that does"
                " not see the same files, does not; --run-dir must lie on a file system that all machines share"
            )
        self._best, self._last = _read_index(self.folder)
        self.saved_step = trainer.global_step
        abandoned = [kept for kept in self._last if kept.step > trainer.global_step]
        self._last = [kept for kept in self._last if kept.step <= trainer.global_step]
        # one among the best may be the same damaged file by another name
        broken = [kept for kept in self._best if kept.step > trainer.global_step and damage(self.folder / kept.file)]
        self._best = [kept for kept in self._best if kept not in broken]
        if trainer.is_global_zero:
            for left in self.folder.glob(".*.tmp"):  # half written when a process was killed; nobody else writes here
                left.unlink(missing_ok=True)
            self._delete([*abandoned, *broken])
            self._best = self._rotate(self._best, self._keep_best)
            if broken:
                self._link_best()
            if abandoned or broken:
                self._write_index()

    def on_train_batch_end(
        self,
        trainer: "lightning.Trainer",
        pl_module: "lightning.LightningModule",
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.global_step == self.saved_step or validation_follows(trainer):
            return  # nothing learnt since, in the middle of an accumulation; or not all of the step is done
        if self._is_due(trainer) or self._epoch_ends_unvalidated(trainer):
            self.save(trainer)

    def on_validation_end(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule") -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        score = self._score(trainer)
        is_best = bool(trainer.strategy.broadcast(self._is_best(score)))
        saved_before = trainer.global_step == self.saved_step  # by a signal
        if self._every_steps is None or is_best or saved_before or self._is_due(trainer):
            self.save(trainer, score=score if is_best else None)

    def save(self, trainer: "lightning.Trainer", *, score: float | None = None) -> None:
        """Save the run as it stands, on all ranks; with a `score`, among the best too."""
        check_still_there(self.folder)
        step = trainer.global_step
        newest = Kept(f"last-{step:08d}.ckpt", step, None)
        trainer.save_checkpoint(self.folder / newest.file)
        self.saved_step = step
        if not trainer.is_global_zero:
            return
        replace_link(self.folder / "last.ckpt", self.folder / newest.file)
        self._last = self._rotate([newest, *(kept for kept in self._last if kept.step != step)], self._keep_last)
        if score is not None:
            self._keep_as_best(newest, score)
        self._write_index()

    def _keep_as_best(self, newest: Kept, score: float) -> None:
        best = Kept(f"best-{newest.step:08d}-{self._metric}-{score:.4g}.ckpt", newest.step, score)
        _link_or_copy(self.folder / newest.file, self.folder / best.file)
        others = [kept for kept in self._best if kept.file != best.file]
        self._delete([kept for kept in others if kept.step == best.step])
        others = [kept for kept in others if kept.step != best.step]
        ranked = sorted([best, *others], key=lambda kept: (self._badness(kept.score), -kept.step))
        self._best = ranked
        self._link_best()
        self._best = self._rotate(ranked, self._keep_best)

    def _link_best(self) -> None:
        """Let best.ckpt name the best one there is, or nothing."""
        if self._best:
            replace_link(self.folder / "best.ckpt", self.folder / self._best[0].file)
        else:
            (self.folder / "best.ckpt").unlink(missing_ok=True)

    def _rotate(self, ranked: list[Kept], count: int) -> list[Kept]:
        """Keep the first `count` of a list and delete the files of the rest."""
        self._delete(ranked[count:])
        return ranked[:count]

    def _delete(self, kept: list[Kept]) -> None:
        for one in kept:
            (self.folder / one.file).unlink(missing_ok=True)

    def _score(self, trainer: "lightning.Trainer") -> float | None:
        value = trainer.callback_metrics.get(self.monitor)
        return None if value is None or not math.isfinite(float(value)) else float(value)

    def _is_best(self, score: float | None) -> bool:
        if score is None:
            return False
        if len(self._best) < self._keep_best:
            return True
        return self._badness(score) < self._badness(self._best[-1].score)

    def _badness(self, score: float | None) -> float:
        assert score is not None  # only best checkpoints come here, and they have one
        return score if self.mode == "min" else -score

    def _write_index(self) -> None:
        best = [kept._asdict() for kept in self._best]
        last = [{"file": kept.file, "step": kept.step} for kept in self._last]
        index = {"monitor": self.monitor, "mode": self.mode, "best": best, "last": last}
        atomic_write(self.folder / "index.json", json.dumps(index, indent=2) + "\n")

    def _is_due(self, trainer: "lightning.Trainer") -> bool:
        """Whether this step is to be saved whatever its score is."""
        every_so_often = self._every_steps is not None and trainer.global_step % self._every_steps == 0
        return every_so_often or trainer.global_step == trainer.max_steps or trainer.should_stop

    @staticmethod
    def _epoch_ends_unvalidated(trainer: "lightning.Trainer") -> bool:
        """Without validation, the end of an epoch is the moment to save."""
        return trainer.is_last_batch and not trainer.enable_validation


def validation_follows(trainer: "lightning.Trainer") -> bool:
    """Whether Lightning will validate before the next batch; only it knows."""
    fetcher = trainer.fit_loop._data_fetcher
    return fetcher is not None and trainer.fit_loop.epoch_loop._should_check_val_fx(fetcher)


def _read_index(folder: Path) -> tuple[list[Kept], list[Kept]]:
    """(best, last) of a folder: the files of its index that exist, and those that a crash kept out of it.

    A missing or damaged index counts as empty; names tell step and score, the latter to four digits.
    """
    exact: dict[str, float] = {}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        exact = {item["file"]: float(item["score"]) for item in index["best"]}
    best: list[tuple[float, int, Kept]] = []
    last: list[Kept] = []
    for file in (path.name for path in folder.glob("*-*.ckpt")):
        if named := re.fullmatch(r"last-(\d{8,})\.ckpt", file):
            last.append(Kept(file, int(named[1]), None))
        elif named := _BEST.fullmatch(file):
            kept = Kept(file, int(named[1]), exact.get(file, float(named[3])))
            sign = 1.0 if MONITORS[cast(Metric, named[2])][1] == "min" else -1.0
            best.append((sign * (kept.score or 0.0), -kept.step, kept))
    return [kept for *_, kept in sorted(best)], sorted(last, key=lambda kept: -kept.step)


def _link_or_copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        copy_whole(source, target)
