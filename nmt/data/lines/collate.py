"""Lines → RecognitionBatch, varied anew each epoch where augmentation says so."""

from dataclasses import dataclass

import numpy as np
import torch

from nmt.config.lines import AugmentationConfig, LinesConfig
from nmt.data.arrays import Int64
from nmt.data.batch import RecognitionBatch
from nmt.data.lines.corpus import LineCorpus
from nmt.data.loader import EvaluationLoader, TrainingLoader, evaluation_plan
from nmt.data.place import ALONE, Place
from nmt.data.sampler import BatchBudget, TokenBudgetSampler


@dataclass(frozen=True)
class LineBatches:
    """Lines of a corpus as padded inputs; how a line is varied follows (seed, epoch, position), not its batch."""

    corpus: LineCorpus
    augmentation: AugmentationConfig | None = None
    seed: int = 0

    def __call__(self, positions: Int64, epoch: int) -> RecognitionBatch:
        inputs = [self._input(int(position), epoch) for position in positions]
        targets = [torch.from_numpy(self.corpus.targets(int(position))) for position in positions]
        lengths = torch.tensor([one.shape[2] for one in inputs])
        padded = torch.zeros(len(inputs), *inputs[0].shape[:2], int(lengths.max()))
        for row, one in zip(padded, inputs, strict=True):
            row[:, :, : one.shape[2]] = one
        return RecognitionBatch(
            padded,
            lengths,
            torch.nn.utils.rnn.pad_sequence(targets, batch_first=True),
            torch.tensor([len(target) for target in targets]),
            torch.from_numpy(positions.astype(np.int64)),
        )

    def _input(self, position: int, epoch: int) -> torch.Tensor:
        if self.augmentation is None:
            return torch.from_numpy(self.corpus.input(position))
        generator = np.random.default_rng([self.seed, epoch, position])
        return torch.from_numpy(self.corpus.varied_input(position, self.augmentation, generator))


def line_training_loader(
    corpus: LineCorpus,
    data: LinesConfig,
    *,
    seed: int,
    ascending_epochs: int = 0,
    accumulate: int = 1,
    place: Place = ALONE,
) -> TrainingLoader[RecognitionBatch]:
    """Every line once an epoch, in shuffled batches of nearly equal widths.

    The budget is of lines as they are: a batch of varied ones may be wider by their stretch and shear, or speed.
    """
    plans = TokenBudgetSampler(
        corpus.lengths,
        corpus.lengths,
        _budget(data),
        seed=seed,
        world_size=place.ranks,
        accumulate=accumulate,
        ascending_epochs=ascending_epochs,
    )
    batches = LineBatches(corpus, data.augmentation if data.augmentation.enabled else None, seed)
    return TrainingLoader(plans, batches, place=place, workers=data.workers)


def line_evaluation_loader(
    corpus: LineCorpus, data: LinesConfig, place: Place = ALONE
) -> EvaluationLoader[RecognitionBatch]:
    """Every line once, over all ranks together, as it is."""
    plan = evaluation_plan(corpus.lengths, corpus.lengths, _budget(data), place)
    return EvaluationLoader(plan, LineBatches(corpus), pin_memory=place.on_gpu)


def _budget(data: LinesConfig) -> BatchBudget:
    return BatchBudget(data.batch_columns, data.batch_columns, data.batch_lines)
