"""What trains a translator: the loss of a batch, and a validation that really translates."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nmt.checkpoint import header
from nmt.config.schema import Config
from nmt.data.batch import TranslationBatch
from nmt.data.corpus import EncodedCorpus
from nmt.inference.translator import Translator
from nmt.models.losses import LossSums, cross_entropy_sums
from nmt.models.masks import padding_mask
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import Tokenizers
from nmt.training.keeping.provenance import check_unchanged
from nmt.training.sequence_task import SequenceTask
from nmt.training.translation.risk import with_risk
from nmt.training.translation.scoring import translation_scores, validation_search
from nmt.training.translation.teacher_forcing import Read, read_target, read_truth, truth_ratio


class TranslationTask(SequenceTask):
    """A TranslationModel in training."""

    model: TranslationModel

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
        """`name_pairs` says where the training pairs of some ids stand; the others as for every SequenceTask."""
        super().__init__(config.train, model, total_steps=total_steps, about=about, name_examples=name_pairs)
        self.config = config
        self.tokenizers = tokenizers
        self.validation = validation

    def training_step(self, batch: TranslationBatch, index: int) -> Tensor:
        """The sum of the loss over target tokens."""
        train = self.config.train
        read = partial(read_target, config=train.teacher_forcing, ratio=self.truth_ratio)
        losses = batch_loss(self.model, batch, label_smoothing=train.label_smoothing, read=read)
        losses, reward = with_risk(losses, self.model, batch, config=train.risk)
        sums = _sums(batch, losses)
        sums["reward"] = torch.zeros_like(losses.loss) if reward is None else reward
        return self.learn_from(sums, tokens=sums["tokens"], ids=batch.ids)

    def report(self, sums: dict[str, Tensor]) -> dict[str, Tensor | float]:
        values: dict[str, Tensor | float] = {
            "train/loss": sums["loss"] / sums["tokens"],
            "train/perplexity": torch.exp(sums["negative_log_likelihood"] / sums["tokens"]),
            "train/teacher_forcing": self.truth_ratio,
        }
        if self.config.train.risk.samples:
            values["train/gleu"] = 100.0 * sums["reward"] / sums["sentences"]
        return values

    @property
    def truth_ratio(self) -> float:
        """Share of the decoder's inputs that are the truth now."""
        return truth_ratio(self.config.train.teacher_forcing, step=self.global_step, epoch=self.current_epoch)

    def validation_step(self, batch: TranslationBatch, index: int) -> None:
        """Sums of the plain cross-entropy, with full teacher forcing."""
        if self.validation is not None:
            self.note_validation(_sums(batch, batch_loss(self.model, batch)), ids=batch.ids)

    def validation_scores(self, sums: dict[str, Tensor], *, rank: int, world_size: int) -> dict[str, Tensor | float]:
        """Translate the validation set with the object that ships, each rank its share, and score it as a whole."""
        assert self.validation is not None
        loss = sums["negative_log_likelihood"] / sums["tokens"]
        train = self.config.train
        search = validation_search(self.config.search, train.validation_beam_size)
        translator = Translator(self.model, self.tokenizers, search=search)
        scores, self.validation_samples = translation_scores(
            translator, self.validation, count=train.validation_sentences, rank=rank, world_size=world_size
        )
        return {"validation/loss": loss, "validation/perplexity": loss.exp()} | scores

    def header(self, about: Mapping[str, Any]) -> dict[str, Any]:
        return header(self.config, self.tokenizers, about)

    def check_header(self, header: Mapping[str, Any]) -> None:
        corpora, spelling = self.about.get("corpora"), tokenizer_differences(header["tokenizers"], self.tokenizers)
        check_unchanged(header, corpora=corpora, unit="pairs", spelling=spelling, what="corpus or the tokenizer")


def _sums(batch: TranslationBatch, losses: LossSums) -> dict[str, Tensor]:
    """What is reported, as sums over the real target tokens, and how many sentences they are of."""
    return {
        "loss": losses.loss,
        "negative_log_likelihood": losses.negative_log_likelihood.detach(),
        "tokens": batch.target_lengths.sum(),
        "sentences": torch.ones_like(batch.target_lengths).sum(),
    }


def tokenizer_differences(old: Mapping[str, bytes], new: Tokenizers) -> list[str]:
    """A sentence for each side, source and target, whose SentencePiece model is not the `old` one."""
    return [
        f"tokenizer: the {side} model is another one ({len(old[side]):,} bytes there, {len(one.model):,} now)"
        for side, one in zip(("source", "target"), new, strict=True)
        if old[side] != one.model
    ]


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
