"""Training on a corpus that is never stored: read, cleaned and tokenised as it is used.

The stream is cut into buffers of `streaming_buffer` pairs as read. Of W ranks, rank r has buffer n of pass e where
(n + e) mod W = r, and of its N worker processes each makes every N-th of these. Each buffer is cleaned, tokenised and
cut into batches (`sampler.py`) by one process. The others skip it: plain text in two files is not even read
(`seeking.py`); of everything else the rows are counted, and not parsed. Every pass shows every pair once over all
ranks. No rank can run out, since pass follows pass without end: ranks make equally many steps, some a few batches ahead
of others in the corpus. Every step demands batches of about the same length of all of them.

A rank's position is four integers, and every rank's is saved. Resuming skips the pairs read and makes the batches of
that buffer again, with any number of workers.

What that costs: duplicates are found within a buffer only; order is random within a buffer only (shuffle the files once
if neighbours belong together); several corpora are read in turn, a pair of each, the files of one after each other.
"""

import bisect
import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from nmt.config.data import DataConfig
from nmt.data.batch import TranslationBatch
from nmt.data.cache import Cache
from nmt.data.collate import SubwordSampling, collate
from nmt.data.pairs import Pair, Row
from nmt.data.place import ALONE, Place
from nmt.data.sampler import BatchBudget, TokenBudgetSampler
from nmt.data.streamed_corpus import StreamedCorpus
from nmt.data.workers import ending_with_this_process
from nmt.errors import CheckpointError, DataError

_log = logging.getLogger(__name__)
Gather = Callable[[list[int]], list[list[int]]]  # what a rank gives → what all ranks give


class StreamPosition(NamedTuple):
    """Where in the stream a batch of one rank ends."""

    epoch: int  # passes over the corpus before this one
    read: int  # pairs of this pass read before the current buffer
    step: int  # batches handed out before those of the current buffer
    batches: int  # of the current buffer handed out


class BatchedBuffer(NamedTuple):
    """All batches of a buffer, from short to long, as they go from one process to another.

    They are NumPy arrays there: thousands of shared tensors would be thousands of open files.
    """

    epoch: int
    read: int
    batches: list[list[np.ndarray[Any, np.dtype[Any]]]]


class StreamingLoader:
    """Batches without end; a pass over the corpus follows the other. Stop it by a number of steps or minutes.

    Lightning asks a loader without length for one batch more than it trains on, to know which is the last; `ahead`
    says so, and the state is that of the batch before. In a loop of your own, pass `ahead=0`.

    `gather` makes the list of what every rank gives to it. Then all ranks must ask for the state at the same time.
    """

    def __init__(
        self,
        corpus: StreamedCorpus,
        data: DataConfig,
        *,
        seed: int,
        sampling: float = 0.0,
        place: Place = ALONE,
        ahead: int = 1,
        gather: Gather | None = None,
    ) -> None:
        self.workers = data.workers
        self.place = place
        if place.ranks * max(1, data.workers) > 1:
            corpus.find_places(Cache(data.cache_dir))
        self._buffers = RankBuffers(
            corpus,
            BatchBudget.from_config(data),
            buffer=data.streaming_buffer,
            seed=seed,
            sampling=sampling,
            place=place,
        )
        self._gather = gather
        self._ahead = ahead
        self._seed = seed
        self._start = StreamPosition(0, 0, 0, 0)
        self._positions = [self._start]  # of the last batches handed out, oldest first

    def __iter__(self) -> Iterator[TranslationBatch]:
        self._positions = [self._start]
        *self._buffers.start, step, done = self._start
        for epoch, read, batches in self._made():
            order = even_order(len(batches), first_step=step, seed=self._seed)
            for number, chosen in itertools.islice(enumerate(order, start=1), done, None):
                position = StreamPosition(epoch, read, step, number)
                self._positions = [*self._positions[-self._ahead :], position] if self._ahead else [position]
                batch = TranslationBatch(*(torch.from_numpy(array) for array in batches[chosen]))
                yield TranslationBatch(*(part.pin_memory() for part in batch)) if self.place.on_gpu else batch
            step, done = step + len(batches), 0

    def _made(self) -> Iterator[BatchedBuffer]:
        """This rank's buffers, made here or ahead of time by worker processes."""
        buffers: Iterable[BatchedBuffer | DataError] = self._buffers
        if self.workers:
            buffers = DataLoader(
                self._buffers,
                batch_size=None,
                num_workers=self.workers,
                prefetch_factor=1,  # one buffer is hundreds of batches
                collate_fn=_unchanged,  # or a DataLoader makes tensors of arrays
                generator=torch.Generator(),
                worker_init_fn=ending_with_this_process(),
            )
        ranks, last_found = self.place.ranks, self._buffers.start[0]
        for made in buffers:
            if isinstance(made, DataError):  # a DataLoader would wrap one that is raised in its own traceback
                raise made
            if made.batches:
                last_found = made.epoch
            elif made.epoch > last_found + ranks:  # by then this rank has had every buffer
                raise DataError(f"cleaning left no training pair of the whole stream:\n{self._buffers.corpus.report}")
            yield made

    def state_dict(self) -> dict[str, Any]:
        """Plain values: every rank's position after the last batch trained on."""
        position = list(self._positions[0])
        positions = [position] if self._gather is None else self._gather(position)
        return {"stream": positions, "buffer": self._buffers.buffer}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration begin there; exact where corpus, buffer, budget, seed and ranks are the same.

        With another number of ranks or another buffer all begin with the first pair that some rank had yet to see.
        """
        if "stream" not in state:
            raise CheckpointError("the checkpoint was not trained with data.streaming: its position means nothing here")
        positions, buffer = state["stream"], self._buffers.buffer
        if len(positions) == self.place.ranks and state.get("buffer") == buffer:
            self._start = StreamPosition(*positions[self.place.rank])
        else:
            epoch, read, *_ = min(positions) if "buffer" in state else positions  # once, all ranks shared every buffer
            self._start = StreamPosition(epoch, read - read % buffer, 0, 0)
            _log.warning(
                "the number of ranks or data.streaming_buffer is not that of the checkpoint: going on with pair %d of"
                " pass %d over the corpus; some pairs of this pass will be seen twice",
                *(self._start.read + 1, epoch + 1),
            )
        self._positions = [self._start]


class RankBuffers(IterableDataset[BatchedBuffer | DataError]):
    """The buffers of one rank from `start` on, without end. Of several worker processes each makes its share of them,
    and a `DataLoader`, which asks them in turn, gets what one process would give. An error is the last item."""

    def __init__(
        self,
        corpus: StreamedCorpus,
        budget: BatchBudget,
        *,
        buffer: int,
        seed: int,
        sampling: float,
        place: Place,
    ) -> None:
        self.corpus = corpus
        self.budget = budget
        self.buffer = buffer
        self.seed = seed
        self.sampling = sampling
        self.place = place
        self.start = [0, 0]  # pass and pairs of it read

    def __iter__(self) -> Iterator[BatchedBuffer | DataError]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        try:
            for epoch, read, rows in itertools.islice(self._mine(), first, None, step):
                pairs = [parsed() for parsed in rows]  # only now are those of a seekable stream read
                yield BatchedBuffer(epoch, read, list(self._batches(epoch, read, pairs)))
        except DataError as error:
            yield error

    def _mine(self) -> Iterator[tuple[int, int, Iterable[Row]]]:
        """What this rank is to make batches of, with pass and pairs read, without end."""
        epoch, start = self.start
        while True:
            read = None
            for read, rows in self._blocks(start):
                if (read // self.buffer + epoch) % self.place.ranks == self.place.rank:
                    yield epoch, read, rows
            if read is None and start == 0:
                raise DataError("the training corpus has no pair at all")
            epoch, start = epoch + 1, 0

    def _blocks(self, start: int) -> Iterator[tuple[int, Iterable[Row]]]:
        """The buffers of a pass from pair number `start` on, each with the pairs before it."""
        count = self.corpus.count
        if count is not None:
            for read in range(start, count, self.buffer):
                yield read, itertools.islice(self.corpus.rows(skip=read), self.buffer)
            return
        rows = self.corpus.rows(skip=start)
        while block := list(itertools.islice(rows, self.buffer)):
            yield start, block
            start += len(block)

    def _batches(self, epoch: int, read: int, pairs: Sequence[Pair]) -> Iterator[list[np.ndarray[Any, np.dtype[Any]]]]:
        """The batches of one buffer, from short to long."""
        corpus = self.corpus.buffer(pairs)
        if not len(corpus):
            return
        seed = int(np.random.SeedSequence([self.seed, read]).generate_state(1)[0])
        lengths = corpus.source_ids.lengths, corpus.target_ids.lengths
        try:
            plans = TokenBudgetSampler(*lengths, self.budget, seed=seed, weights=corpus.weights, pool=sys.maxsize)
            plan = plans.plan(epoch)
        except DataError:  # of so few pairs a weight below 1 leaves none
            return
        sampling = SubwordSampling(self.corpus.tokenizers, self.sampling, seed, epoch) if self.sampling else None
        for first, last in plan.bounds:
            batch = collate(corpus, plan.pairs[first:last], sampling=sampling)
            batch = batch._replace(ids=torch.from_numpy(read + corpus.numbers[batch.ids.numpy()]))
            yield [part.numpy() for part in batch]


def even_order(count: int, *, first_step: int, seed: int) -> Iterator[int]:
    """An order of `count` batches sorted by length, in which all ranks train on similar ones at the same step.

    A step demands the same random share of the way from shortest to longest everywhere; the nearest batch that is left
    of a buffer is taken, wherever in their buffers the ranks are. (On average √count places off, as in a hash table.)
    """
    left = list(range(count))
    for step in range(first_step, first_step + count):
        wanted = count * np.random.default_rng([seed, step]).random()
        place = bisect.bisect(left, wanted)
        if place == len(left) or (place > 0 and wanted - left[place - 1] < left[place] - wanted):
            place -= 1
        yield left.pop(place)


def _unchanged(made: Any) -> Any:
    return made
