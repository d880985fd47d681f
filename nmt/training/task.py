"""What trains a translator: the loss of a batch, the step of the optimiser, and a validation that really translates.

The loss is the sum over target tokens; gradients are divided by the target tokens of the whole global batch, over all
ranks and all accumulated batches, so that how a batch is cut changes nothing.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from nmt.inference.translation import Translation
from nmt.inference.translator import Translator
from nmt.metrics.bleu import corpus_scores, sentence_scores
from nmt.models.losses import LossSums, cross_entropy_sums
from nmt.models.masks import padding_mask
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import Tokenizers
from nmt.training.checkpoints import MONITORS
from nmt.training.faults import FiniteWatch
from nmt.training.provenance import check_unchanged
from nmt.training.risk import with_risk
from nmt.training.samples import Sample
from nmt.training.schedules import Plateau, learning_rate_factor
from nmt.training.teacher_forcing import Read, read_target, read_truth, truth_ratio

log = logging.getLogger(__name__)

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
        sums = with_risk(sums, self.model, batch, config=train.risk)
        tokens = batch.target_lengths.sum()
        self._window_tokens = tokens if self._window_tokens is None else self._window_tokens + tokens
        self.finite.add(batch.ids, sums.loss)
        self._running = _add(self._running, *_if_finite(sums, tokens))
        return sums.loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients of a sum → gradients of the mean per token; then their norm, clipping, or no step at all."""
        train = self.config.train
        assert self._window_tokens is not None
        tokens, loss = self._sum_over_ranks(self._window_tokens.to(torch.float32), self.finite.window_loss())
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
        sums = self._over_ranks(self._running)
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
        return Running(*self._sum_over_ranks(*(part.to(torch.float64) for part in sums)))

    def _sum_over_ranks(self, *numbers: Tensor) -> Sequence[Tensor]:
        """Scalars of one type, each summed over ranks, in one exchange."""
        if self._world_size == 1:
            return numbers
        together = torch.stack(numbers)
        distributed.all_reduce(together)
        return together.unbind()

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
        checkpoint["running"] = self._running_of_ranks()

    def _running_of_ranks(self) -> list[list[Tensor]] | None:
        """What each rank has summed since the last report; None right after it."""
        if self._running is None:
            return None
        mine = [part.detach().cpu() for part in self._running]
        shares: list[Any] = [mine]
        if self._world_size > 1:
            shares = [None] * self._world_size
            distributed.all_gather_object(shares, mine)
        return shares

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the file stops; CheckpointError where corpus or tokenizer are not those it was trained with."""
        check_unchanged(checkpoint["nmt"], corpora=self.about.get("corpora"), tokenizers=self.tokenizers)
        self.plateau.load_state_dict(checkpoint["plateau"])
        skipped = int(checkpoint.get("skipped_in_a_row", 0))
        self.finite.in_a_row = skipped if skipped <= self.config.train.skip_nonfinite else 0  # it ended, and goes on
        shares = checkpoint["running"]  # one a rank; before, that of the first alone
        if shares is not None and isinstance(shares[0], Tensor):
            shares = [shares]
        if shares is not None and len(shares) == self._world_size:
            self._running = Running(*shares[self.global_rank])
        elif shares is not None:  # another number of ranks: the sums go on as a whole
            whole = [torch.stack(parts).sum(0) for parts in zip(*shares, strict=True)]
            self._running = Running(*(part * (self.global_rank == 0) for part in whole))


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


def _add(running: Running | None, sums: LossSums, tokens: Tensor) -> Running:
    loss, nll = sums.loss.detach(), sums.negative_log_likelihood.detach()
    if running is None:
        return Running(loss, nll, tokens)
    return Running(running.loss + loss, running.negative_log_likelihood + nll, running.tokens + tokens)


def _if_finite(sums: LossSums, tokens: Tensor) -> tuple[LossSums, Tensor]:
    """Nothing of a batch whose loss is not finite, which would be the mean of all that are reported with it."""
    finite = torch.isfinite(sums.loss)
    return LossSums(*(torch.where(finite, part, torch.zeros_like(part)) for part in sums)), tokens * finite


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
