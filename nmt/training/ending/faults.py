"""Batches that training cannot use, named by their lines: a loss or gradient that is not finite, or too little memory.

A step that is not finite changes nothing: the fused optimisers of torch leave weights and moments alone where their
`found_inf` is 1, a number on the device that nobody waits for. (It is how loss scaling skips steps in float16; bf16 and
float32 need no scaling, so there is none here.) Gradients are the same on all ranks, so all skip the same steps.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint
from torch import Tensor, distributed

from nmt.errors import TrainingError
from nmt.training.keeping.checkpoints import Checkpoints

SHOWN = 8  # lines of a batch that are named


@runtime_checkable
class Lines(Protocol):
    """A corpus that knows where its pairs stand."""

    def origin(self, index: int) -> str: ...


def lines_of(corpus: Lines, ids: Sequence[int]) -> str:
    """`data/train.en:12, data/train.en:7 and 38 more` for the pairs of a batch."""
    named = ", ".join(corpus.origin(index) for index in ids[:SHOWN])
    return named + (f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")


class Seen(NamedTuple):
    """A batch of the step in the making: its pairs, and the sum of its loss."""

    ids: Tensor
    loss: Tensor


class FiniteWatch:
    """Which steps had a finite loss and gradient; only `look` waits for the device."""

    def __init__(self, name: Callable[[Sequence[int]], str] = str) -> None:
        """`name` says where the pairs of some ids stand."""
        self._name = name
        self._window: list[Seen] = []  # the batches accumulated for the next step
        self._unseen: list[tuple[int, list[Seen], Tensor]] = []  # (step, its batches, finite?) since the last look
        self.in_a_row = 0  # steps skipped up to the last one looked at
        self.said = ""  # about the last of them

    def add(self, ids: Tensor, loss: Tensor) -> None:
        """A batch of the step in the making."""
        self._window.append(Seen(ids, loss.detach()))

    def window_loss(self) -> Tensor:
        """The sum of the loss of the step in the making, not finite where one of its batches is not."""
        return torch.stack([seen.loss for seen in self._window]).sum()

    def close(self, step: int, finite: Tensor) -> None:
        """The step is made: was everything `finite`, on all ranks?"""
        self._unseen.append((step, self._window, finite))
        self._window = []

    def look(self, *, world_size: int = 1) -> list[str]:
        """One sentence for each step since the last look that was skipped; the same calls on every rank."""
        if not self._unseen:
            return []
        flags = torch.stack([finite for _, _, finite in self._unseen]).tolist()
        sentences = []
        for (step, window, _), finite in zip(self._unseen, flags, strict=True):
            self.in_a_row = 0 if finite else self.in_a_row + 1
            if not finite:
                self.said = f"step {step}: loss or gradient is not finite: {self._named(window, world_size)}"
                sentences.append(self.said)
        self._unseen = []
        return sentences

    def _named(self, window: list[Seen], world_size: int) -> str:
        """The batches, of all ranks, whose loss is not finite; all of them where only the gradient is not."""
        mine = [(self._name(seen.ids.tolist()), bool(torch.isfinite(seen.loss))) for seen in window]
        everyone: list[Any] = [mine]
        if world_size > 1:
            everyone = [None] * world_size
            distributed.all_gather_object(everyone, mine)
        batches = [batch for share in everyone for batch in share]
        broken = [lines for lines, finite in batches if not finite]
        if broken:
            return "the loss of the batch of " + "; of ".join(broken)
        return "the gradient, though not the loss, of the batch of " + "; of ".join(lines for lines, _ in batches)


class NonFiniteLimit(Checkpoint):
    """Ends a run that skips more than `limit` steps in a row, with the weights of before them saved.

    A checkpoint callback only so that Lightning calls it last; list it after `Checkpoints`. The task's `finite` counts.
    """

    def __init__(self, checkpoints: Checkpoints, *, limit: int, resume_command: str) -> None:
        self._checkpoints = checkpoints
        self._limit = limit
        self._resume_command = resume_command

    def on_train_batch_end(
        self,
        trainer: "lightning.Trainer",
        pl_module: "lightning.LightningModule",
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        watch = getattr(pl_module, "finite", None)
        if not isinstance(watch, FiniteWatch) or watch.in_a_row <= self._limit:
            return
        if self._checkpoints.saved_step != trainer.global_step:
            self._checkpoints.save(trainer)
        raise TrainingError(
            f"{watch.said}; {watch.in_a_row} steps in a row were so, and train.skip_nonfinite is {self._limit}. The"
            " weights and moments of before them are saved. Correct the lines named, or lower"
            " train.optimizer.learning_rate or train.clip_norm, in a new --run-dir; or go on after these batches with:"
            f" {self._resume_command}"
        )


class BatchOnHand(Callback):
    """Remembers the batch a step works on, so that `memory_explained` can name it."""

    def __init__(self) -> None:
        self.batch: Any = None

    def on_train_batch_start(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", batch: Any, batch_idx: int
    ) -> None:
        self.batch = batch

    def on_train_batch_end(
        self,
        trainer: "lightning.Trainer",
        pl_module: "lightning.LightningModule",
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.batch = None


@contextlib.contextmanager
def memory_explained(trainer: "lightning.Trainer", describe: Callable[[Any], str]) -> Iterator[None]:
    """Turn running out of memory into a TrainingError that says what `describe` does of a batch: its lines, its shape
    and the options to lower; of None, between two batches, the options alone."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        batch = next((one.batch for one in trainer.callbacks if isinstance(one, BatchOnHand)), None)  # type: ignore[attr-defined]  # untyped in Lightning
        raise TrainingError(_too_large(batch, describe, step=trainer.global_step + 1, error=error)) from error


@contextlib.contextmanager
def preparation_explained() -> Iterator[None]:
    """The same before there is a batch, while a corpus is read and a model built."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"out of memory before the first step ({_reason(error)}); lower the size of the model, or train on less"
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU (torch's own class, or cuBLAS), of a CPU (torch says so in words), or of Python."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    told = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(words in str(error) for words in told)


def _too_large(batch: Any, describe: Callable[[Any], str], *, step: int, error: BaseException) -> str:
    reason = _reason(error)
    if batch is None:
        return (
            f"step {step}: out of memory between two batches ({reason}); {describe(None)}, in a new --run-dir; the"
            " checkpoints are intact"
        )
    return f"step {step}: out of memory ({reason}) on {describe(batch)}, in a new --run-dir; the checkpoints are intact"


def _reason(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
