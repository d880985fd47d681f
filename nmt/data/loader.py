"""Batches in the order of the plan: on any rank, in worker processes or not, and from where a checkpoint left off.

Nothing here touches torch's global random numbers: a `DataLoader` draws a seed from them whenever it is iterated,
unless it has its own generator, and a restored run would go another way.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from nmt.config.data import DataConfig
from nmt.data.arrays import Int32, Int64
from nmt.data.batch import TranslationBatch
from nmt.data.collate import SubwordSampling, collate
from nmt.data.corpus import Corpus, EncodedCorpus
from nmt.data.place import ALONE, Place
from nmt.data.prepare import Corpora
from nmt.data.sampler import BatchBudget, Plan, TokenBudgetSampler, cut_batches, halve_until
from nmt.data.stream import Gather, StreamingLoader
from nmt.data.streamed_corpus import StreamedCorpus
from nmt.data.workers import ending_with_this_process
from nmt.errors import CheckpointError

_log = logging.getLogger(__name__)

Batch = TypeVar("Batch", bound=tuple[torch.Tensor, ...])  # a NamedTuple of tensors
LENT = -1  # the last batch of a held-out corpus, on a rank that has none of its own: it must count for nothing
MakeBatch = Callable[[Int64, int], Batch]  # (positions in a corpus, epoch); picklable, for worker processes


@dataclass(frozen=True)
class TranslationBatches:
    """Pairs of a corpus as padded tokens, cut into other pieces each epoch where `sampling` says so."""

    corpus: Corpus
    sampling: SubwordSampling | None = None

    def __call__(self, positions: Int64, epoch: int) -> TranslationBatch:
        sampling = self.sampling and self.sampling._replace(epoch=epoch)
        return collate(self.corpus, positions, sampling=sampling)


def training_loader(
    corpora: Corpora,
    data: DataConfig,
    *,
    seed: int,
    sampling: float = 0.0,
    accumulate: int = 1,
    place: Place = ALONE,
    gather: Gather | None = None,
) -> "TrainingLoader[TranslationBatch] | StreamingLoader":
    """What training iterates over; `sampling` is `tokenizer.sampling`, `accumulate` divides the batches of an epoch.

    A stored corpus gives a `TrainingLoader`, whose length is the number of batches of every epoch on this rank; a
    streamed one gives a `StreamingLoader`, which has no length and no end, and with several ranks wants `gather`.
    """
    if isinstance(corpora.train, StreamedCorpus):
        return StreamingLoader(corpora.train, data, seed=seed, sampling=sampling, place=place, gather=gather)
    corpus = corpora.train
    plans = TokenBudgetSampler(
        corpus.source_lengths,
        corpus.target_lengths,
        BatchBudget.from_config(data),
        seed=seed,
        world_size=place.ranks,
        accumulate=accumulate,
        weights=corpus.weights,
        by_length=corpus.by_length,
    )
    batches = TranslationBatches(corpus, SubwordSampling(corpora.tokenizers, sampling, seed, 0) if sampling else None)
    return TrainingLoader(plans, batches, place=place, workers=data.workers)


def evaluation_loader(
    corpus: EncodedCorpus, data: DataConfig, place: Place = ALONE
) -> "EvaluationLoader[TranslationBatch]":
    """Every pair of a held-out corpus once, over all ranks together, in batches sorted by length."""
    plan = evaluation_plan(corpus.source_lengths, corpus.target_lengths, BatchBudget.from_config(data), place)
    return EvaluationLoader(plan, TranslationBatches(corpus), pin_memory=place.on_gpu)


class TrainingLoader(Generic[Batch]):
    """One epoch of shuffled batches at a time.

    Its state is (epoch, batches handed out), the same on all ranks. Lightning calls `set_epoch` on `loader.sampler`
    only, so the loader is its own sampler. Mind to tell Lightning `use_distributed_sampler=False`.
    """

    def __init__(
        self,
        plans: TokenBudgetSampler,
        make: MakeBatch[Batch],
        *,
        place: Place = ALONE,
        workers: int = 0,
    ) -> None:
        self.place = place
        self.workers = workers
        self._plans = plans
        self._make = make
        self.epoch = 0
        self._position = 0  # batches of this epoch handed out
        self._resume_at = 0  # where the next iteration starts, after load_state_dict

    @property
    def sampler(self) -> "TrainingLoader[Batch]":
        return self

    def __len__(self) -> int:
        return len(self._plans)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration goes through; the position survives if it is the current one."""
        if epoch != self.epoch:
            self.epoch = epoch
            self._position = self._resume_at = 0

    def __iter__(self) -> Iterator[Batch]:
        # The body runs at the first `next`, so making an iterator and not using it (Lightning does) costs no position.
        start, self._resume_at = self._resume_at, 0
        self._position = start
        for batch in self._batches(start):
            self._position += 1  # before handing it out: a checkpoint made now has trained on it
            yield batch

    def _batches(self, start: int) -> Iterator[Batch]:
        planned = (self._plans.batch(self.epoch, step, self.place.rank) for step in range(start, len(self)))
        batches = PlannedBatches(self._make, self.epoch)
        return _in_order(batches, planned, workers=self.workers, pin_memory=self.place.on_gpu)

    def state_dict(self) -> dict[str, Any]:
        """Plain values; enough to go on with the batch after the last one handed out."""
        return {"epoch": self.epoch, "position": self._position, "length": len(self), "plan": self._plans.fingerprint}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was called, on any rank and with any number of workers.

        Where corpus, budget, seed or number of ranks have changed, the position is kept as a share of the epoch, with
        a warning. A state from the last batch of an epoch goes on with the next one, as Lightning does.
        """
        try:
            epoch, position, length, plan = (state[key] for key in ("epoch", "position", "length", "plan"))
        except KeyError as error:
            raise CheckpointError(
                f"the state of the training data has no {error}; it is none of this loader's"
            ) from error
        if plan != self._plans.fingerprint:
            position = position * len(self) // length
            _log.warning(
                "the corpus, batch budget, seed or number of ranks is not that of the checkpoint: going on after %d of "
                "%d batches of epoch %d; some pairs of this epoch will be seen twice and some not",
                *(position, len(self), epoch),
            )
        if position >= len(self):
            epoch, position = epoch + 1, 0
        self.epoch, self._position, self._resume_at = epoch, position, position


def evaluation_plan(source_lengths: Int32, target_lengths: Int32, budget: BatchBudget, place: Place) -> Plan:
    """Everything of some lengths once, over all ranks together, in batches sorted by length.

    Ranks may have different numbers of batches; sum over ranks at the end, not batch by batch. Of fewer pairs than
    ranks, some get one that is another's: Lightning wants a batch for every rank, and waits for ever for one without.
    Of no pairs there are no batches.
    """
    source, target = (lengths.astype(np.int64) + 1 for lengths in (source_lengths, target_lengths))
    order = np.lexsort((source, target))
    bounds = cut_batches(source[order], target[order], budget)
    bounds = halve_until(bounds, place.ranks, np.random.default_rng(0))
    steps = np.arange(place.rank, len(bounds), place.ranks)
    if len(bounds) and not len(steps):
        steps = np.array([LENT])
    return Plan(order, bounds, steps.reshape(-1, 1))


class EvaluationLoader(Generic[Batch]):
    """The batches of one plan, as often as they are asked for. One that is lent has `LENT` for all its ids."""

    def __init__(self, plan: Plan, make: MakeBatch[Batch], *, pin_memory: bool = False) -> None:
        self.pin_memory = pin_memory
        self._plan = plan
        self._make = make

    def __len__(self) -> int:
        return len(self._plan.order)

    def __iter__(self) -> Iterator[Batch]:
        planned = (self._plan.batch(step) for step in range(len(self)))
        lent = bool((self._plan.order == LENT).any())
        for batch in _in_order(PlannedBatches(self._make, 0), planned, workers=0, pin_memory=self.pin_memory):
            yield batch._replace(ids=torch.full_like(batch.ids, LENT)) if lent else batch  # type: ignore[attr-defined]  # every batch is a NamedTuple with ids


class PlannedBatches(Dataset[Batch]):
    """Batches by the pairs in them, as worker processes ask for them: the plan stays with the process that asks."""

    def __init__(self, make: MakeBatch[Batch], epoch: int) -> None:
        self.make = make
        self.epoch = epoch

    def __getitem__(self, positions: Int64) -> Batch:
        return self.make(positions, self.epoch)


def _in_order(
    batches: PlannedBatches[Batch], planned: Iterable[Int64], *, workers: int, pin_memory: bool
) -> Iterator[Batch]:
    """The batches of some pairs, made here or ahead of time by worker processes."""
    if workers == 0:
        for positions in planned:
            batch = batches[positions]
            yield type(batch)(*(part.pin_memory() for part in batch)) if pin_memory else batch
        return
    yield from DataLoader(
        batches,
        batch_size=None,
        sampler=planned,
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),
        worker_init_fn=ending_with_this_process(),
    )
