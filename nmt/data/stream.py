"""Training on a corpus that is never stored: read, cleaned and tokenised as it is used.

The stream is cut into buffers of `streaming_buffer` pairs as read. Every buffer is cleaned, tokenised and planned
like a little epoch (`sampler.py`), so a position is three integers, the same on all ranks: pass over the corpus,
pairs read before the buffer, batches of it handed out. Resuming skips the pairs read and plans that buffer again.

What that costs: duplicates are found within a buffer only; order is random within a buffer only (shuffle the files once
if neighbours belong together); several corpora are read in turn, a pair of each; and every rank reads and
tokenises everything (25,000 pairs a second), since only then do all know each other's batches.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from nmt.config.data import CleaningConfig, DataConfig
from nmt.data.batch import TranslationBatch
from nmt.data.cleaning import CleaningReport, clean
from nmt.data.collate import SubwordSampling, collate
from nmt.data.corpus import Float64, Int64, Sentences
from nmt.data.pairs import Pair, Reader
from nmt.data.sampler import BatchBudget, TokenBudgetSampler
from nmt.data.sources import WeightedReader
from nmt.errors import CheckpointError, DataError
from nmt.text.tokenizer import Tokenizers


class StreamPosition(NamedTuple):
    """Where in the stream a batch ends."""

    epoch: int  # passes over the corpus before this one
    read: int  # pairs of this pass read before the current buffer
    batches: int  # of the current buffer handed out, on every rank


class BufferedCorpus:
    """The usable pairs of one buffer, in memory; a `Corpus`. `numbers` are their positions in the buffer as read."""

    def __init__(
        self, pairs: Sequence[Pair], numbers: Int64, tokenizers: Tokenizers, weights: Mapping[str, float]
    ) -> None:
        self.pairs = pairs
        self.numbers = numbers
        self.source_ids = Sentences.from_lists(tokenizers.source.encode_batch([pair.source for pair in pairs]))
        self.target_ids = Sentences.from_lists(tokenizers.target.encode_batch([pair.target for pair in pairs]))
        self.weights: Float64 | None = None
        if any(weight != 1.0 for weight in weights.values()):
            self.weights = np.array([weights[pair.origin.place] for pair in pairs])

    def __len__(self) -> int:
        return len(self.pairs)

    def texts(self, indices: Sequence[int]) -> list[tuple[str, str]]:
        return [(self.pairs[index].source, self.pairs[index].target) for index in indices]


class StreamedCorpus:
    """Where a stream comes from and how it is cleaned. `report` counts what has been read so far (with no workers)."""

    def __init__(
        self,
        readers: Sequence[WeightedReader],
        tokenizers: Tokenizers,
        *,
        cleaning: CleaningConfig,
        held_out: Collection[int] = frozenset(),
        report: CleaningReport,
    ) -> None:
        self.readers = readers
        self.tokenizers = tokenizers
        self.cleaning = cleaning
        self.held_out = held_out
        self.report = report

    def pairs(self, skip: int = 0) -> Iterator[Pair]:
        """One pass over all corpora from pair number `skip` on, as they are written."""
        return itertools.islice(interleave(reader for reader, _ in self.readers), skip, None)

    def text(self, index: int) -> tuple[str, str]:
        """Source and target of pair number `index` of a pass, read again from the start: for naming a bad one."""
        pair = next(self.pairs(skip=index))
        return pair.source, pair.target

    def origin(self, index: int) -> str:
        """Where pair number `index` of a pass stands; as slow as `text`."""
        return str(next(self.pairs(skip=index)).origin)

    def buffer(self, pairs: Sequence[Pair]) -> BufferedCorpus:
        """The pairs fit for training among some."""
        form = self.tokenizers.source.normalization
        kept = list(clean(pairs, self.cleaning, self.report, normalization=form, held_out=self.held_out))
        number_of = {id(pair): number for number, pair in enumerate(pairs)}  # cleaning yields the very objects it got
        numbers = np.array([number_of[id(pair)] for pair in kept], dtype=np.int64)
        weights = {reader.place: weight for reader, weight in self.readers}
        corpus = BufferedCorpus(kept, numbers, self.tokenizers, weights)
        longest = np.maximum(corpus.source_ids.lengths, corpus.target_ids.lengths)
        rows = np.flatnonzero(longest <= self.cleaning.max_tokens)
        if len(rows) == len(kept):
            return corpus
        for row in np.flatnonzero(longest > self.cleaning.max_tokens):
            self.report.drop("too_many_tokens", kept[row])
            self.report.kept -= 1
        corpus.pairs, corpus.numbers = [kept[row] for row in rows], numbers[rows]
        corpus.source_ids, corpus.target_ids = corpus.source_ids.take(rows), corpus.target_ids.take(rows)
        corpus.weights = None if corpus.weights is None else corpus.weights[rows]
        return corpus


class StreamingLoader:
    """Batches without end; a pass over the corpus follows the other. Stop it by a number of steps or minutes.

    Lightning asks a loader without length for one batch more than it trains on, to know which is the last; `ahead`
    says so, and the state is that of the batch before. In a loop of your own, pass `ahead=0`.
    """

    def __init__(
        self,
        corpus: StreamedCorpus,
        data: DataConfig,
        *,
        seed: int,
        sampling: float = 0.0,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool = False,
        ahead: int = 1,
    ) -> None:
        self.corpus = corpus
        self.pin_memory = pin_memory
        self.workers = min(1, data.workers)  # one process ahead; more could not keep the order
        self._batches = StreamBatches(
            corpus,
            BatchBudget.from_config(data),
            buffer=data.streaming_buffer,
            seed=seed,
            sampling=sampling,
            rank=rank,
            world_size=world_size,
        )
        self._ahead = ahead
        self._start = StreamPosition(0, 0, 0)
        self._positions = [self._start]  # of the last batches handed out, oldest first

    def __iter__(self) -> Iterator[TranslationBatch]:
        self._positions = [self._start]
        for position, batch in self._numbered(self._start):
            self._positions = [*self._positions[-self._ahead :], position] if self._ahead else [position]
            yield batch

    def _numbered(self, start: StreamPosition) -> Iterator[tuple[StreamPosition, TranslationBatch]]:
        self._batches.start = start
        if self.workers == 0:
            for position, batch in self._batches:
                yield position, TranslationBatch(*(part.pin_memory() for part in batch)) if self.pin_memory else batch
            return
        loader = DataLoader(
            self._batches, batch_size=None, num_workers=1, pin_memory=self.pin_memory, generator=torch.Generator()
        )
        for position, batch in loader:
            yield StreamPosition(*position), batch

    def state_dict(self) -> dict[str, Any]:
        """Plain values: the position after the last batch trained on."""
        return {"stream": list(self._positions[0])}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration begin there; exact where corpus, buffer, budget, seed and ranks are the same."""
        if "stream" not in state:
            raise CheckpointError("the checkpoint was not trained with data.streaming: its position means nothing here")
        self._start = StreamPosition(*state["stream"])
        self._positions = [self._start]


class StreamBatches(IterableDataset[tuple[StreamPosition, TranslationBatch]]):
    """One rank's batches from `start` on, each with the position after it."""

    def __init__(
        self,
        corpus: StreamedCorpus,
        budget: BatchBudget,
        *,
        buffer: int,
        seed: int,
        sampling: float,
        rank: int,
        world_size: int,
    ) -> None:
        self.corpus = corpus
        self.budget = budget
        self.buffer = buffer
        self.seed = seed
        self.sampling = sampling
        self.rank = rank
        self.world_size = world_size
        self.start = StreamPosition(0, 0, 0)

    def __iter__(self) -> Iterator[tuple[StreamPosition, TranslationBatch]]:
        epoch, read, done = self.start
        while True:
            found = read > 0  # batches in this pass, before `start` or after
            pairs = self.corpus.pairs(skip=read)
            while block := list(itertools.islice(pairs, self.buffer)):
                for number, batch in self._of_buffer(block, epoch, read, done):
                    found = True
                    yield StreamPosition(epoch, read, number), batch
                read, done = read + len(block), 0
            if not found:
                raise DataError(f"cleaning left no training pair of the whole stream:\n{self.corpus.report}")
            epoch, read = epoch + 1, 0

    def _of_buffer(
        self, block: Sequence[Pair], epoch: int, read: int, done: int
    ) -> Iterator[tuple[int, TranslationBatch]]:
        """The batches of one buffer after the first `done`, numbered from 1."""
        corpus = self.corpus.buffer(block)
        if not len(corpus):
            return
        seed = int(np.random.SeedSequence([self.seed, read]).generate_state(1)[0])
        sampler = TokenBudgetSampler(
            corpus.source_ids.lengths,
            corpus.target_ids.lengths,
            self.budget,
            seed=seed,
            world_size=self.world_size,
            weights=corpus.weights,
        )
        sampling = SubwordSampling(self.corpus.tokenizers, self.sampling, seed, epoch) if self.sampling else None
        plan = sampler.plan(epoch)
        for step in range(done, len(sampler)):
            batch = collate(corpus, plan.batch(step, self.rank), sampling=sampling)
            yield step + 1, batch._replace(ids=torch.from_numpy(read + corpus.numbers[batch.ids.numpy()]))


def interleave(readers: Iterable[Reader]) -> Iterator[Pair]:
    """A pair of each reader in turn, until all are at their end."""
    running: list[Iterator[Pair]] = [reader.pairs() for reader in readers]
    while running:
        for pairs in tuple(running):
            if (pair := next(pairs, None)) is None:
                running.remove(pairs)
            else:
                yield pair
