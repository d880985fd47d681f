"""What a run is made of, whichever model it trains; run.py in translation/ and recognition/ assembles it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from nmt.data.loader import EvaluationLoader
from nmt.training.run import RunFolder
from nmt.training.sequence_task import SequenceTask


class Place(NamedTuple):
    """Of this process among those that train together."""

    rank: int
    ranks: int
    on_gpu: bool


@dataclass(frozen=True)
class Parts:
    """Data and model of a run, and what is left to its kind."""

    task: SequenceTask
    loader: Any
    validation: EvaluationLoader[Any] | None
    introduction: tuple[str, ...]  # what to say of data and model
    too_large: Callable[[Any], str]  # the batch (None: between two) that memory did not hold; what to lower
    evaluation: Callable[[], EvaluationLoader[Any]] | None  # the whole validation set, on one process
    evaluate_tests: Callable[[RunFolder, torch.device], None]

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.task.model.parameters())


def count_steps(*, max_steps: int | None, max_epochs: int | None, batches: int | None, accumulate: int) -> int | None:
    """Optimiser steps of the whole run, as far as they are known; `batches` of an epoch, None where it has no end."""
    limits = [] if max_steps is None else [max_steps]
    if max_epochs is not None and batches is not None:
        limits.append(max_epochs * -(-batches // accumulate))
    return min(limits, default=None)
