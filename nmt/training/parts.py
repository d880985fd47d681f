"""What a kind of run is, and what one run of it is made of; kinds.py finds it in translation/ or recognition/."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from nmt.config.training import TrainConfig
from nmt.data.loader import EvaluationLoader
from nmt.data.place import Place
from nmt.training.run import RunFolder
from nmt.training.schedules import check_schedule
from nmt.training.sequence_task import SequenceTask
from nmt.training.watching.measurement import GRADIENT, LEARNING_RATE, Measurement, Panel, speed_panel


@dataclass(frozen=True)
class Parts:
    """Data and model of a run, and what is left to its kind."""

    task: SequenceTask
    loader: Any  # of training batches: Lightning takes its position from it, and gives it back
    evaluation: Callable[..., EvaluationLoader[Any]] | None  # of the validation set, all of it or a process's share
    introduction: tuple[str, ...]  # what to say of data and model
    too_large: Callable[[Any], str]  # the batch (None: between two) that memory did not hold; what to lower
    evaluate_tests: Callable[[RunFolder, torch.device], None]

    def validation(self, place: Place) -> EvaluationLoader[Any] | None:
        """This process's share of the validation set; None where there is none."""
        return None if self.evaluation is None else self.evaluation(place)

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.task.model.parameters())


@runtime_checkable
class Assemble(Protocol):
    """Prepares data and model of a run. Every process of it does the same."""

    def __call__(self, config: Any, place: Place, *, newest: Path | None) -> Parts:
        """`newest` is the checkpoint that the run goes on from, None where it begins."""


@dataclass(frozen=True)
class Kind:
    """What training asks of a kind of run; the schema of its configuration says the rest (`config/run.py`)."""

    unit: str  # what its targets are made of, in the plural
    measurements: Sequence[Measurement]  # in the order of the columns of metrics.csv
    own_panels: Sequence[Panel]  # where they are drawn: three of the six there are
    may_change: Collection[str]  # options and sections, beside those of every run (`run.MAY_CHANGE`)
    assemble: Assemble

    @property
    def panels(self) -> Sequence[Panel]:
        """All six, those of every run last."""
        return (*self.own_panels, LEARNING_RATE, GRADIENT, speed_panel(self.unit))


def count_steps(train: TrainConfig, *, batches: int | None) -> int | None:
    """Optimiser steps of the whole run, as far as they are known; `batches` of an epoch, None where it has no end.

    Raises ConfigError where the schedule needs to know.
    """
    limits = [] if train.max_steps is None else [train.max_steps]
    if train.max_epochs is not None and batches is not None:
        limits.append(train.max_epochs * -(-batches // train.accumulate))
    total = min(limits, default=None)
    check_schedule(train.schedule, total_steps=total)
    return total


def seldom_validated(train: TrainConfig, total_steps: int | None) -> str | None:
    """A hint where a whole run has fewer steps than two validations; None where it has more, or is only a trial."""
    every = train.validate_every_steps
    if every is None or total_steps is None or not 8 <= total_steps < 2 * every:
        return None
    when = "only at the end" if total_steps <= every else f"only at step {every:,} and at the end"
    quarter = total_steps // 4
    power = 10 ** (len(str(quarter)) - 1)
    better = max(round_one for round_one in (power, 2 * power, 5 * power) if round_one <= quarter)
    return (
        f"{total_steps:,} steps in all, validated every {every:,}, so {when}:"
        f" --train.validate_every_steps {better} shows more"
    )
