"""What trains any model of ours: a loss that is a sum, gradients over the whole global batch, steps that are skipped.

A batch's loss is the sum over its target tokens (for a recogniser: characters); gradients are divided by the tokens of
the whole global batch, over all ranks and all accumulated batches, so that how a batch is cut changes nothing.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from nmt.config.training import OptimizerConfig, TrainConfig
from nmt.data.loader import LENT
from nmt.errors import CheckpointError
from nmt.training.ending.faults import FiniteWatch
from nmt.training.keeping.checkpoints import MONITORS
from nmt.training.running import Sums, add, if_finite, over_ranks, share_of_rank, shares_of_ranks, sum_over_ranks
from nmt.training.schedules import Plateau, learning_rate_factor
from nmt.training.watching.samples import Sample

log = logging.getLogger(__name__)


class SequenceTask(lightning.LightningModule):
    """A model in training. `model` is the part that ships; everything else stays here."""

    validation_samples: Sequence[Sample] = ()  # of the last validation

    def __init__(
        self,
        train: TrainConfig,
        model: nn.Module,
        *,
        total_steps: int | None,
        about: Mapping[str, Any] | None = None,
        name_examples: Callable[[Sequence[int]], str] = str,
    ) -> None:
        """`total_steps` of the optimiser, None where only time limits the run; `about` goes into checkpoints.

        `name_examples` says where the training examples of some ids stand, for the batches that training cannot use.
        """
        super().__init__()
        self.train_config = train
        self.model = model
        self.total_steps = total_steps
        self.about = dict(about or {})
        self.plateau = Plateau(train.schedule, higher_is_better=MONITORS[train.monitor][1] == "max")
        self.finite = FiniteWatch(name_examples)
        self._running: Sums | None = None
        self._norm: Tensor | None = None  # of the last step's gradients
        self._window_tokens: Tensor | None = None  # of the batches accumulated for the next step
        self._validated: Sums | None = None

    # --- what a kind of task says ---------------------------------------------------------------------------------

    def report(self, sums: dict[str, Tensor]) -> dict[str, Tensor | float]:
        """What is logged, by name, of the sums over all ranks since the last report."""
        raise NotImplementedError

    def validation_scores(self, sums: dict[str, Tensor], *, rank: int, world_size: int) -> Mapping[str, Tensor | float]:
        """What a validation is worth, by name: from the sums of all ranks, and from what the model read or wrote."""
        raise NotImplementedError

    def header(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """What makes a checkpoint self-contained, beside the weights."""
        raise NotImplementedError

    def check_header(self, header: Mapping[str, Any]) -> None:
        """Raise CheckpointError where a checkpoint of this run was trained with something else."""
        raise NotImplementedError

    # --- the step -------------------------------------------------------------------------------------------------

    def learn_from(self, sums: Sums, *, tokens: Tensor, ids: Tensor) -> Tensor:
        """Note a batch's sums and give its loss back; `on_before_optimizer_step` makes it a mean per token."""
        self._window_tokens = tokens if self._window_tokens is None else self._window_tokens + tokens
        self.finite.add(ids, sums["loss"])
        self._running = add(self._running, if_finite({name: value.detach() for name, value in sums.items()}))
        return sums["loss"]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients of a sum → gradients of the mean per token; then their norm, clipping, or no step at all."""
        train = self.train_config
        assert self._window_tokens is not None
        window = self._window_tokens.to(torch.float32), self.finite.window_loss()
        tokens, loss = sum_over_ranks(self.world_size, *window)
        self._window_tokens = None
        # Lightning has divided the sums by the number of accumulated batches, and DDP by the number of ranks
        factor = self.world_size * self.trainer.accumulate_grad_batches / tokens.clamp_min(1.0)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True) * factor
        finite = torch.isfinite(norm) & torch.isfinite(loss)
        optimizer.found_inf = (~finite).to(torch.float32)  # type: ignore[attr-defined]  # 1: the step changes nothing
        clipped = (train.clip_norm / (norm + 1e-6)).clamp(max=1.0) if train.clip_norm else torch.ones_like(norm)
        torch._foreach_mul_(gradients, factor * clipped)
        self.finite.close(self.global_step + 1, finite)
        reporting = (self.global_step + 1) % train.log_every_steps == 0
        if reporting or norm.device.type == "cpu":  # on a GPU, asking would wait for it at every step
            self._look()
        self._norm = norm
        if reporting:
            self._report()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Lightning logs once more where the run ends: then it needs what is true there, not the last report."""
        if self.trainer.should_stop and self._running is not None:
            self._report()

    def on_train_end(self) -> None:
        self._look()

    def _look(self) -> None:
        for sentence in self.finite.look(world_size=self.world_size):
            log.warning("%s; the step is skipped", sentence)

    def _report(self) -> None:
        assert self._running is not None and self._norm is not None
        sums = over_ranks(self._running, self.world_size)
        self._running = None
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer)
        rate = float(optimizer.param_groups[0]["lr"])
        values: dict[str, Tensor | float] = {"train/learning_rate": rate, "train/gradient_norm": self._norm}
        self.log_dict(values | self.report(sums))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimiser with the schedule's factor, asked anew before every step."""
        schedule = self.train_config.schedule

        def factor(step: int) -> float:
            return self.plateau.factor * learning_rate_factor(step, schedule, total_steps=self.total_steps)

        optimizer = build_optimizer(self.train_config.optimizer, list(self.model.parameters()))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}

    # --- validation -----------------------------------------------------------------------------------------------

    def note_validation(self, sums: Sums, *, ids: Tensor) -> None:
        """Add a validation batch's sums; nothing of one that is only lent to this rank."""
        lent = (ids == LENT).all()
        counted = {name: torch.where(lent, torch.zeros_like(value), value) for name, value in sums.items()}
        self._validated = add(self._validated, counted)

    def on_validation_epoch_end(self) -> None:
        """Score the whole set, log it, and let the learning rate follow the score that decides."""
        if self._validated is None:
            return
        scores: dict[str, Tensor | float] = dict(
            self.finish_validation(rank=self.global_rank, world_size=self.world_size)
        )
        self.log_dict(scores, rank_zero_only=False)
        if not self.trainer.sanity_checking and self.train_config.schedule.kind == "plateau":
            self.plateau.observe(float(scores[MONITORS[self.train_config.monitor][0]]))

    def finish_validation(self, *, rank: int, world_size: int) -> Mapping[str, Tensor | float]:
        """The scores of all batches that were noted since the last time."""
        assert self._validated is not None
        sums = over_ranks(self._validated, world_size)
        self._validated = None
        return self.validation_scores(sums, rank=rank, world_size=world_size)

    @property
    def world_size(self) -> int:
        return self.trainer.world_size

    # --- checkpoints ----------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What makes the file self-contained, beside what Lightning saves."""
        measured = {
            name: float(value)
            for name, value in self.trainer.callback_metrics.items()
            if name.startswith("validation/")
        }
        checkpoint["nmt"] = self.header(self.about | {"step": self.global_step, "scores": measured})
        checkpoint["plateau"] = self.plateau.state_dict()
        self._look()
        checkpoint["skipped_in_a_row"] = self.finite.in_a_row
        checkpoint["running"] = shares_of_ranks(self._running, self.world_size)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the file stops; CheckpointError where this run learns from something else than the file did."""
        try:
            self.check_header(checkpoint["nmt"])
        except KeyError as error:
            raise CheckpointError(
                f"the checkpoint is of another kind of run, for it has no {error}; move it out of this run's folder, or"
                " choose another --run-dir"
            ) from None
        self.plateau.load_state_dict(checkpoint["plateau"])
        skipped = int(checkpoint.get("skipped_in_a_row", 0))
        # where it ended the run, the run goes on after it
        self.finite.in_a_row = skipped if skipped <= self.train_config.skip_nonfinite else 0
        self._running = share_of_rank(checkpoint["running"], rank=self.global_rank, world_size=self.world_size)


def build_optimizer(config: OptimizerConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser by name, in its fused form."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.kind == "sgd":
        descent = torch.optim.SGD(parameters, lr=rate, momentum=config.momentum, weight_decay=decay, fused=True)
        for parameter in parameters if config.momentum else ():  # torch leaves it unset where the first step is skipped
            descent.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return descent
    kind = torch.optim.AdamW if config.kind == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, betas=config.betas, eps=config.eps, weight_decay=decay, fused=True)
