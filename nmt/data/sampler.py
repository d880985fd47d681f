"""The batches of an epoch: pairs of near-equal length within a budget of padded tokens, in random order.

The plan of an epoch is a pure function of (seed, epoch, lengths, weights, budget, ranks), so that every process makes
the same one without asking another, and a position in it is one integer:

1. choose the pairs: each once, or as often as its weight says;
2. sort them by target length, then source length, both with up to 10 % of noise (other batch-mates every epoch);
3. cut batches where one more pair would break a budget;
4. halve batches until there are as many as every epoch has, a multiple of the number of ranks;
5. group W neighbours, one batch for each of W ranks, and shuffle the groups: all ranks make equally many steps of
   nearly equal work. No pair is seen twice, unless there is no batch of two or more left to halve.
"""

import math
import zlib
from typing import NamedTuple

import numpy as np

from nmt.config.data import DataConfig
from nmt.data.corpus import Float64, Int32, Int64
from nmt.errors import DataError

NOISE = 0.1
BLOCK = 100_000  # pairs whose lengths are Python integers at a time


class BatchBudget(NamedTuple):
    """What a padded batch may hold: tokens on either side, `</s>` included, and sentences.

    A single pair that is over budget is a batch of its own.
    """

    source_tokens: int
    target_tokens: int
    sentences: int

    @classmethod
    def from_config(cls, config: DataConfig) -> "BatchBudget":
        return cls(config.batch_source_tokens, config.batch_target_tokens, config.batch_sentences)


class EpochPlan(NamedTuple):
    """Batch b holds `pairs[bounds[b, 0] : bounds[b, 1]]`; step t of rank r trains on batch `order[t, r]`."""

    pairs: Int64
    bounds: Int64
    order: Int64

    def batch(self, step: int, rank: int = 0) -> Int64:
        first, last = self.bounds[self.order[step, rank]]
        return self.pairs[first:last]


class TokenBudgetSampler:
    """Plans epochs. `len(sampler)` is the number of steps of every epoch, on every rank."""

    def __init__(
        self,
        source_lengths: Int32,
        target_lengths: Int32,
        budget: BatchBudget,
        *,
        seed: int,
        world_size: int = 1,
        accumulate: int = 1,
        weights: Float64 | None = None,
        ascending_epochs: int = 0,
    ) -> None:
        """`*_lengths` are without special tokens; `accumulate` divides the batches of an epoch.

        In the first `ascending_epochs` the batches come by length, short ones first (SortaGrad: Amodei et al. 2015,
        arXiv 1512.02595, section 3.2), and are shuffled after that.

        Raises `DataError` where an epoch would hold no pair at all.
        """
        self._source = source_lengths.astype(np.int32) + 1  # what a batch holds: words and one of <s> and </s>
        self._target = target_lengths.astype(np.int32) + 1
        self._weights = weights
        self.budget = budget
        self.seed = seed
        self.world_size = world_size
        self._accumulate = accumulate
        self._ascending_epochs = ascending_epochs
        if not len(self._choose(0)):
            raise DataError("the training corpus has no pair to show in an epoch; raise the weights of its sources")
        self._first_cut: tuple[Int64, Int64] | None = None  # of epoch 0, which is likely to be planned next
        self._batches = self._batches_per_epoch()
        self._current: tuple[int, EpochPlan] | None = None

    def __len__(self) -> int:
        return self._batches // self.world_size

    @property
    def fingerprint(self) -> str:
        """Tells plans apart in which the same position means other pairs."""
        crc = 0
        for array in (self._source, self._target, self._weights):
            crc = zlib.crc32(b"" if array is None else array.tobytes(), crc)
        return f"{self.seed}-{self.world_size}-{'-'.join(map(str, self.budget))}-{crc:08x}"

    def plan(self, epoch: int) -> EpochPlan:
        """The batches of an epoch and their order; the last plan made is kept."""
        if self._current is None or self._current[0] != epoch:
            self._current = (epoch, self._make_plan(epoch))
        return self._current[1]

    def _make_plan(self, epoch: int) -> EpochPlan:
        rng = self._generator(epoch, "order")
        noise = NOISE
        known, self._first_cut = self._first_cut, None
        pairs, bounds = known if known is not None and epoch == 0 else self._cut(epoch, noise)
        while len(bounds) > self._batches and noise:  # rare: this noise needs more room than the first epoch's
            noise = noise / 2 if noise > NOISE / 16 else 0.0
            pairs, bounds = self._cut(epoch, noise)
        if len(bounds) > self._batches:  # only where weights are fractions: then a few pairs wait for the next epoch
            bounds = bounds[np.sort(rng.permutation(len(bounds))[: self._batches])]
        bounds = halve_until(bounds, self._batches, rng)
        order = np.resize(np.arange(len(bounds)), self._batches).reshape(-1, self.world_size)
        order = rng.permuted(order, axis=1)
        if epoch >= self._ascending_epochs:
            order = order[rng.permutation(len(order))]
        return EpochPlan(pairs, bounds, order)

    def _batches_per_epoch(self) -> int:
        """One number for all epochs, so that schedules and progress bars know it: the first epoch's, and 1 %."""
        self._first_cut = self._cut(0, NOISE)
        first = len(self._first_cut[1])
        batches = max(first + first // 100, len(self._cut(0, 0.0)[1]))
        whole = self.world_size * self._accumulate  # no window of accumulated batches crosses the end of an epoch
        return math.ceil(batches / whole) * whole

    def _choose(self, epoch: int) -> Int64:
        """The pairs of an epoch, in corpus order; a pair of weight 2 stands there twice.

        Of weight 0.5, one half is taken, and the other in the next epoch: a window that moves over a fixed shuffle.
        """
        count = len(self._source)
        if self._weights is None:
            return np.arange(count)
        times = np.floor(self._weights).astype(np.int64)
        for weight in np.unique(self._weights[self._weights != times]):
            members = np.flatnonzero(self._weights == weight)
            members = self._generator(0, "weights").permutation(members)
            taken = round(len(members) * (weight - math.floor(weight)))
            times[members[(epoch * taken + np.arange(taken)) % len(members)]] += 1
        return np.repeat(np.arange(count), times)

    def _cut(self, epoch: int, noise: float) -> tuple[Int64, Int64]:
        """Pairs in order of noisy length, and the bounds of the batches in that order."""
        pairs = self._choose(epoch)
        rng = self._generator(epoch, "lengths")
        pairs = pairs[rng.permutation(len(pairs))] if noise else pairs  # ties
        source, target = self._source[pairs], self._target[pairs]
        order = _by_length(_noisy(source, noise, rng), np.rint(_noisy(target, noise, rng)).astype(np.int64))
        return pairs[order], cut_batches(source[order], target[order], self.budget)

    def _generator(self, epoch: int, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, zlib.crc32(purpose.encode())])


def cut_batches(source: Int32, target: Int32, budget: BatchBudget) -> Int64:
    """Bounds [batches, 2] of the longest runs of neighbours whose padded size keeps all budgets."""
    most_source, most_target, most = budget
    ends: list[int] = []
    size = longest_source = longest_target = 0
    # Plain integers and comparisons: batches are some dozen pairs, and numpy or `max` would cost several times that.
    for begin in range(0, len(source), BLOCK):
        lengths = zip(source[begin : begin + BLOCK].tolist(), target[begin : begin + BLOCK].tolist(), strict=True)
        for position, (source_length, target_length) in enumerate(lengths, start=begin):
            size += 1
            if source_length > longest_source:
                longest_source = source_length
            if target_length > longest_target:
                longest_target = target_length
            over = longest_source * size > most_source or longest_target * size > most_target or size > most
            if over and size > 1:
                ends.append(position)
                size, longest_source, longest_target = 1, source_length, target_length
    if len(source):
        ends.append(len(source))
    cuts = np.array([0, *ends], dtype=np.int64)
    return np.stack([cuts[:-1], cuts[1:]], axis=1)


def _noisy(lengths: Int32, noise: float, rng: np.random.Generator) -> Float64:
    return lengths * (1.0 + noise * rng.uniform(-1.0, 1.0, len(lengths)))


def _by_length(source: Float64, target: Int64) -> Int64:
    """Order by target, then source, which runs up and down in turn: neighbours are close in both."""
    return np.lexsort((np.where(target % 2 == 0, source, -source), target))


def halve_until(bounds: Int64, wanted: int, rng: np.random.Generator) -> Int64:
    """Split random batches in two until there are `wanted`, or each holds one pair (then some ranks repeat some)."""
    while len(bounds) < wanted:
        splittable = np.flatnonzero(bounds[:, 1] - bounds[:, 0] > 1)
        if not len(splittable):
            break
        chosen = rng.permutation(splittable)[: wanted - len(bounds)]
        middle = bounds[chosen].sum(axis=1) // 2
        second = np.stack([middle, bounds[chosen, 1]], axis=1)
        bounds = bounds.copy()
        bounds[chosen, 1] = middle
        bounds = np.concatenate([bounds, second])
        bounds = bounds[np.argsort(bounds[:, 0], kind="stable")]
    return bounds
