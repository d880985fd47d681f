"""What trains a translator: the loss of a batch, the step of the optimiser, and a validation that really translates.

The loss is the sum over target tokens; gradients are divided by the target tokens of the whole global batch, over all
ranks and all accumulated batches, so that how a batch is cut changes nothing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytorch_lightning as lightning
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, distributed
from torch.optim.lr_scheduler import LambdaLR

from nmt.checkpoint import header
from nmt.config.schema import Config
from nmt.config.search import SearchConfig
from nmt.config.training import OptimizerConfig
from nmt.data.batch import TranslationBatch
from nmt.data.corpus import EncodedCorpus
from nmt.errors import CheckpointError, TrainingError
from nmt.inference.translator import Translation, Translator
from nmt.metrics.bleu import corpus_scores, sentence_scores
from nmt.models.losses import LossSums, cross_entropy_sums
from nmt.models.masks import padding_mask
from nmt.models.rollout import mix_inputs
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import Tokenizers
from nmt.training.checkpoints import MONITORS
from nmt.training.samples import Sample
from nmt.training.schedules import Plateau, learning_rate_factor

SAMPLES = 8  # sentences of the validation set whose translations are shown, with their attention


class Running(NamedTuple):
    """Sums since they were last reported."""

    loss: Tensor
    negative_log_likelihood: Tensor
    tokens: Tensor


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
    ) -> None:
        """`total_steps` of the optimiser, None where only time limits the run; `about` goes into checkpoints."""
        super().__init__()
        self.config = config
        self.model = model
        self.tokenizers = tokenizers
        self.validation = validation
        self.total_steps = total_steps
        self.about = dict(about or {})
        self.plateau = Plateau(config.train.schedule, higher_is_better=MONITORS[config.train.monitor][1] == "max")
        self._running: Running | None = None
        self._window_tokens: Tensor | None = None  # of the batches accumulated for the next step
        self._validated: Running | None = None

    # --- the loss -----------------------------------------------------------------------------------------------

    def training_step(self, batch: TranslationBatch, index: int) -> Tensor:
        """The sum of the loss; `on_before_optimizer_step` makes it a mean over the global batch."""
        train = self.config.train
        sums = batch_loss(
            self.model, batch, teacher_forcing=train.teacher_forcing, label_smoothing=train.label_smoothing
        )
        tokens = batch.target_lengths.sum()
        self._window_tokens = tokens if self._window_tokens is None else self._window_tokens + tokens
        self._running = _add(self._running, sums, tokens)
        return sums.loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients of a sum → gradients of the mean per token; then their norm, and clipping."""
        train = self.config.train
        assert self._window_tokens is not None
        tokens = self._window_tokens.to(torch.float32)
        self._window_tokens = None
        if self._world_size > 1:
            tokens = tokens.clone()
            distributed.all_reduce(tokens)
        # Lightning has divided the sums by the number of accumulated batches, and DDP by the number of ranks
        factor = self._world_size * self.trainer.accumulate_grad_batches / tokens
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True) * factor
        reporting = (self.global_step + 1) % train.log_every_steps == 0
        if reporting or norm.device.type == "cpu":  # on a GPU, asking would wait for it at every step
            self._check_finite(norm)
        clipped = (train.clip_norm / (norm + 1e-6)).clamp(max=1.0) if train.clip_norm else torch.ones_like(norm)
        torch._foreach_mul_(gradients, factor * clipped)
        if reporting:
            self._report(norm)

    def _check_finite(self, norm: Tensor) -> None:
        if not torch.isfinite(norm):
            raise TrainingError(
                f"step {self.global_step + 1}: the gradient is not finite ({norm.item()}); the checkpoints before it"
                " are intact; start again from them with a smaller train.optimizer.learning_rate or train.clip_norm"
            )

    def _report(self, norm: Tensor) -> None:
        assert self._running is not None
        sums = self._over_ranks(self._running)
        self._running = None
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer)
        values: dict[str, Tensor | float] = {
            "train/loss": sums.loss / sums.tokens,
            "train/perplexity": torch.exp(sums.negative_log_likelihood / sums.tokens),
            "train/learning_rate": float(optimizer.param_groups[0]["lr"]),
            "train/gradient_norm": norm,
            "train/teacher_forcing": self.config.train.teacher_forcing,
        }
        self.log_dict(values)

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
        self._validated = _add(self._validated, sums, batch.target_lengths.sum())

    def on_validation_epoch_end(self) -> None:
        """Translate the validation set with the object that ships, each rank its share, and score it as a whole."""
        if self._validated is None or self.validation is None:
            return
        sums = self._over_ranks(self._validated)
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
        count = min(len(corpus), train.validation_sentences or len(corpus))
        mine = [corpus.text(i) for i in range(rank, count, world_size)]
        translator = Translator(self.model, self.tokenizers, search=self._validation_search())
        shown = translator.translate([source for source, _ in mine[:SAMPLES]], attention=True)
        rest = translator.translate([source for source, _ in mine[SAMPLES:]])
        self.validation_samples = [
            _sample(t, reference) for t, (_, reference) in zip(shown, mine[:SAMPLES], strict=True)
        ]
        pairs = [(t.text, reference) for t, (_, reference) in zip([*shown, *rest], mine, strict=True)]
        gathered = _gather(pairs, world_size)
        scores = corpus_scores([hypothesis for hypothesis, _ in gathered], [reference for _, reference in gathered])
        return {"validation/bleu": scores.bleu, "validation/chrf": scores.chrf}

    def _validation_search(self) -> SearchConfig:
        beam = self.config.train.validation_beam_size
        greedy = {"beam_size": 1, "length_penalty": 0.0, "coverage_penalty": 0.0}
        return self.config.search.model_copy(update=greedy if beam == 1 else {"beam_size": beam})

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size

    def _over_ranks(self, sums: Running) -> Running:
        if self._world_size == 1:
            return sums
        together = torch.stack([part.to(torch.float64) for part in sums])
        distributed.all_reduce(together)
        return Running(*together.unbind())

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
        checkpoint["running"] = None if self._running is None else [part.detach().cpu() for part in self._running]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the file stops; CheckpointError where the tokenizer is not the one it was trained with."""
        models = checkpoint["nmt"]["tokenizers"]
        if (models["source"], models["target"]) != (self.tokenizers.source.model, self.tokenizers.target.model):
            raise CheckpointError(
                "the tokenizer differs from the one this run was trained with, so the corpus or its preparation has"
                " changed; give the old corpus back, or start a new --run-dir"
            )
        self.plateau.load_state_dict(checkpoint["plateau"])
        self._running = None if checkpoint["running"] is None else Running(*checkpoint["running"])


def batch_loss(
    model: TranslationModel, batch: TranslationBatch, *, teacher_forcing: float = 1.0, label_smoothing: float = 0.0
) -> LossSums:
    """Sums of the loss over the real target tokens of a batch."""
    memory = model.encode(batch.source, batch.source_lengths)
    inputs = mix_inputs(model, batch.target_input, memory, teacher_forcing=teacher_forcing)
    outputs = model.decode(inputs, memory).outputs
    real = padding_mask(batch.target_lengths, batch.target_input.shape[1])
    return cross_entropy_sums(
        model.output.projection(outputs[real]),
        model.output.weight,
        model.output.bias,
        targets=batch.target_output[real],
        label_smoothing=label_smoothing,
    )


def build_optimizer(config: OptimizerConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser by name, in its fused form."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.kind == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=config.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if config.kind == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, betas=config.betas, eps=config.eps, weight_decay=decay, fused=True)


def _add(running: Running | None, sums: LossSums, tokens: Tensor) -> Running:
    loss, nll = sums.loss.detach(), sums.negative_log_likelihood.detach()
    if running is None:
        return Running(loss, nll, tokens)
    return Running(running.loss + loss, running.negative_log_likelihood + nll, running.tokens + tokens)


def _sample(translation: Translation, reference: str) -> Sample:
    best = translation.hypotheses[0] if translation.hypotheses else None
    attention = None if best is None or best.attention is None else best.attention.float().numpy()
    score = sentence_scores([translation.text], [reference])[0].chrf
    pieces = () if best is None else best.pieces
    return Sample(translation.source, reference, translation.text, score, attention, translation.source_pieces, pieces)


def _gather(mine: list[tuple[str, str]], world_size: int) -> list[tuple[str, str]]:
    """The pairs of all ranks, in the corpus's order: rank r has pairs r, r + W, r + 2 W, …"""
    if world_size == 1:
        return mine
    shares: list[list[tuple[str, str]]] = [[] for _ in range(world_size)]
    distributed.all_gather_object(shares, mine)
    longest = math.ceil(sum(map(len, shares)) / world_size)
    return [share[i] for i in range(longest) for share in shares if i < len(share)]
