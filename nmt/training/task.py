"""What trains a translator: the loss of a batch, the step of the optimiser, and a validation that really translates.

The loss is the sum over target tokens; gradients are divided by the target tokens of the whole global batch, over all
ranks and all accumulated batches, so that how a batch is cut changes nothing.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from nmt.checkpoint import header
from nmt.config.schema import Config
from nmt.config.training import OptimizerConfig
from nmt.data.batch import TranslationBatch
from nmt.data.corpus import EncodedCorpus
from nmt.inference.translator import Translator
from nmt.models.losses import LossSums, cross_entropy_sums
from nmt.models.masks import padding_mask
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import Tokenizers
from nmt.training.checkpoints import MONITORS
from nmt.training.faults import FiniteWatch
from nmt.training.provenance import check_unchanged
from nmt.training.risk import with_risk
from nmt.training.running import Running, share_of_rank, shares_of_ranks, sum_over_ranks
from nmt.training.samples import Sample
from nmt.training.schedules import Plateau, learning_rate_factor
from nmt.training.scoring import translation_scores, validation_search
from nmt.training.teacher_forcing import Read, read_target, read_truth, truth_ratio

log = logging.getLogger(__name__)


class TranslationTask(lightning.LightningModule):
    """A TranslationModel in training. `model` is the part that ships; everything else stays here."""

    validation_samples: Sequence[Sample] = ()

    def __init__(
        self,
        config: Config,
        model: TranslationModel,
        tokenizers: Tokenizers,
        *,
        validation: EncodedCorpus | None,
        total_steps: int | None,
        about: Mapping[str, Any] | None = None,
        name_pairs: Callable[[Sequence[int]], str] = str,
    ) -> None:
        """`total_steps` of the optimiser, None where only time limits the run; `about` goes into checkpoints.

        `name_pairs` says where the training pairs of some ids stand, for the batches that training cannot use.
        """
        super().__init__()
        self.config = config
        self.model = model
        self.tokenizers = tokenizers
        self.validation = validation
        self.total_steps = total_steps
        self.about = dict(about or {})
        self.plateau = Plateau(config.train.schedule, higher_is_better=MONITORS[config.train.monitor][1] == "max")
        self.finite = FiniteWatch(name_pairs)
        self._running: Running | None = None
        self._window_tokens: Tensor | None = None  # of the batches accumulated for the next step
        self._validated: Running | None = None

    # --- the loss -----------------------------------------------------------------------------------------------

    def training_step(self, batch: TranslationBatch, index: int) -> Tensor:
        """The sum of the loss; `on_before_optimizer_step` makes it a mean over the global batch."""
        train = self.config.train
        read = partial(read_target, config=train.teacher_forcing, ratio=self.truth_ratio)
        sums = batch_loss(self.model, batch, label_smoothing=train.label_smoothing, read=read)
        sums, reward = with_risk(sums, self.model, batch, config=train.risk)
        tokens = batch.target_lengths.sum()
        self._window_tokens = tokens if self._window_tokens is None else self._window_tokens + tokens
        self.finite.add(batch.ids, sums.loss)
        self._running = Running.of(batch, sums, reward).if_finite().plus(self._running)
        return sums.loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients of a sum → gradients of the mean per token; then their norm, clipping, or no step at all."""
        train = self.config.train
        assert self._window_tokens is not None
        window = self._window_tokens.to(torch.float32), self.finite.window_loss()
        tokens, loss = sum_over_ranks(self._world_size, *window)
        self._window_tokens = None
        # Lightning has divided the sums by the number of accumulated batches, and DDP by the number of ranks
        factor = self._world_size * self.trainer.accumulate_grad_batches / tokens
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
        if reporting:
            self._report(norm)

    def on_train_end(self) -> None:
        self._look()

    def _look(self) -> None:
        for sentence in self.finite.look(world_size=self._world_size):
            log.warning("%s; the step is skipped", sentence)

    def _report(self, norm: Tensor) -> None:
        assert self._running is not None
        sums = self._running.over_ranks(self._world_size)
        self._running = None
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer)
        values: dict[str, Tensor | float] = {
            "train/loss": sums.loss / sums.tokens,
            "train/perplexity": torch.exp(sums.negative_log_likelihood / sums.tokens),
            "train/learning_rate": float(optimizer.param_groups[0]["lr"]),
            "train/gradient_norm": norm,
            "train/teacher_forcing": self.truth_ratio,
        }
        if self.config.train.risk.samples:
            values["train/gleu"] = 100.0 * sums.reward / sums.sentences
        self.log_dict(values)

    @property
    def truth_ratio(self) -> float:
        """Share of the decoder's inputs that are the truth now."""
        return truth_ratio(self.config.train.teacher_forcing, step=self.global_step, epoch=self.current_epoch)

    # --- the optimiser ------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimiser with the schedule's factor, asked anew before every step."""
        schedule = self.config.train.schedule

        def factor(step: int) -> float:
            return self.plateau.factor * learning_rate_factor(step, schedule, total_steps=self.total_steps)

        optimizer = build_optimizer(self.config.train.optimizer, list(self.model.parameters()))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}

    # --- validation ---------------------------------------------------------------------------------------------

    def validation_step(self, batch: TranslationBatch, index: int) -> None:
        """Sums of the plain cross-entropy, with full teacher forcing."""
        sums = batch_loss(self.model, batch)
        self._validated = Running.of(batch, sums).plus(self._validated)

    def on_validation_epoch_end(self) -> None:
        """Translate the validation set with the object that ships, each rank its share, and score it as a whole."""
        if self._validated is None or self.validation is None:
            return
        sums = self._validated.over_ranks(self._world_size)
        self._validated = None
        loss = sums.negative_log_likelihood / sums.tokens
        scores = {"validation/loss": loss, "validation/perplexity": loss.exp()} | self.translation_scores(
            self.validation, rank=self.global_rank, world_size=self._world_size
        )
        self.log_dict(scores, rank_zero_only=False)
        if not self.trainer.sanity_checking and self.config.train.schedule.kind == "plateau":
            self.plateau.observe(float(scores[MONITORS[self.config.train.monitor][0]]))

    def translation_scores(self, corpus: EncodedCorpus, *, rank: int, world_size: int) -> dict[str, float]:
        """BLEU and chrF++ of the corpus translated by `world_size` ranks, under the names they are logged by."""
        train = self.config.train
        search = validation_search(self.config.search, train.validation_beam_size)
        translator = Translator(self.model, self.tokenizers, search=search)
        scores, self.validation_samples = translation_scores(
            translator, corpus, count=train.validation_sentences, rank=rank, world_size=world_size
        )
        return scores

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size

    # --- checkpoints --------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What makes the file self-contained, beside what Lightning saves."""
        measured = {
            name: float(value)
            for name, value in self.trainer.callback_metrics.items()
            if name.startswith("validation/")
        }
        about = self.about | {"step": self.global_step, "scores": measured}
        checkpoint["nmt"] = header(self.config, self.tokenizers, about)
        checkpoint["plateau"] = self.plateau.state_dict()
        self._look()
        checkpoint["skipped_in_a_row"] = self.finite.in_a_row
        checkpoint["running"] = shares_of_ranks(self._running, self._world_size)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the file stops; CheckpointError where corpus or tokenizer are not those it was trained with."""
        check_unchanged(checkpoint["nmt"], corpora=self.about.get("corpora"), tokenizers=self.tokenizers)
        self.plateau.load_state_dict(checkpoint["plateau"])
        skipped = int(checkpoint.get("skipped_in_a_row", 0))
        self.finite.in_a_row = skipped if skipped <= self.config.train.skip_nonfinite else 0  # it ended, and goes on
        self._running = share_of_rank(checkpoint["running"], rank=self.global_rank, world_size=self._world_size)


def batch_loss(
    model: TranslationModel, batch: TranslationBatch, *, label_smoothing: float = 0.0, read: Read = read_truth
) -> LossSums:
    """Sums of the loss over the real target tokens of a batch, by default with the true target as input."""
    outputs = read(model, batch, model.encode(batch.source, batch.source_lengths))
    real = padding_mask(batch.target_lengths, batch.target_input.shape[1])
    if outputs.device.type == "cpu":
        outputs, targets, counted = outputs[real], batch.target_output[real], None
    else:  # choosing would wait for the GPU to say how many there are
        outputs, targets, counted = outputs.flatten(0, 1), batch.target_output.flatten(), real.flatten()
    return cross_entropy_sums(
        model.output.projection(outputs),
        model.output.weight,
        model.output.bias,
        targets=targets,
        real=counted,
        label_smoothing=label_smoothing,
    )


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
