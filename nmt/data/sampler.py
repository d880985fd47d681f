"""The batches of an epoch: pairs of near-equal length within a budget of padded tokens, in random order.

The plan of an epoch is a pure function of (seed, epoch, lengths, weights, budget, ranks), so that every process makes
the same one without asking another, and a position in it is one integer. It is made pool by pool, when the first batch
of a pool is asked for, so that ten million pairs take the memory of one pool and start as fast:

1. choose the pairs: each once, or as often as its weight says;
2. deal them out to pools of about `POOL` pairs: of every K neighbours in the order of length, each of K pools gets
   one, so that pools are alike, and each epoch other ones;
3. sort a pool by target length, then source length, both with up to 10 % of noise (other batch-mates every epoch);
4. cut batches where one more pair would break a budget;
5. halve batches until there are as many as every pool of every epoch has, a multiple of the number of ranks;
6. group W neighbours, one batch for each of W ranks, and shuffle the groups: all ranks make equally many steps of
   nearly equal work. No pair is seen twice, unless there is no batch of two or more left to halve.

Why a pool never needs more batches than it has: its i-th pair is no longer than the longest of the i-th K neighbours.
Cutting those longest, which costs one pool, gives a number of batches that suffices for every pool without noise.
"""

import functools
import math
import sys
from typing import NamedTuple

import numpy as np

from nmt.config.data import DataConfig
from nmt.data.arrays import Float64, Int32, Int64
from nmt.data.by_length import ByLength, order_by_length
from nmt.data.corpus import PlaceWeights
from nmt.data.pools import Pools, generator
from nmt.errors import DataError

NOISE = 0.1
POOL = 1 << 18  # pairs planned at a time: 0.1 s of work and 25 MB while it lasts
PAIRS_PER_TOKEN = 40  # of a batch's budget, at least, in a pool: some thousand batches


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


class Plan(NamedTuple):
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
        weights: Float64 | PlaceWeights | None = None,
        ascending_epochs: int = 0,
        by_length: ByLength | None = None,
        pool: int | None = None,
    ) -> None:
        """`*_lengths` are without special tokens; `accumulate` divides the batches of an epoch.

        In the first `ascending_epochs` the batches come by length, short ones first (SortaGrad: Amodei et al. 2015,
        arXiv 1512.02595, section 3.2), and are shuffled after that; then a pool is the whole epoch. `by_length` is the
        order of these lengths where it is known; `pool` pairs are planned at a time, all for `sys.maxsize`, and
        `POOL` where it is not given, or more where that would be a few hundred batches: too few to be well sorted.

        Raises `DataError` where an epoch would hold no pair at all.
        """
        self.budget = budget
        self.seed = seed
        self.world_size = world_size
        self._accumulate = accumulate
        self._ascending_epochs = ascending_epochs
        self._pools = Pools(
            source_lengths,
            target_lengths,
            weights,
            size=sys.maxsize if ascending_epochs else pool or max(POOL, PAIRS_PER_TOKEN * max(budget[:2])),
            seed=seed,
            by_length=by_length,
        )
        if not self._pools.total:
            raise DataError("the training corpus has no pair to show in an epoch; raise the weights of its sources")
        self._first_cut: tuple[Int64, Int64] | None = None  # of epoch 0's first pool, likely to be planned next
        self._batches = self._batches_per_pool()
        self._current: tuple[int, int, Plan] | None = None

    def __len__(self) -> int:
        return self._pools.count * self._batches // self.world_size

    @functools.cached_property
    def fingerprint(self) -> str:
        """Tells plans apart in which the same position means other pairs."""
        pools = f"-{self._pools.count}" if self._pools.count > 1 else ""
        return f"{self.seed}-{self.world_size}-{'-'.join(map(str, self.budget))}-{self._pools.checksum():08x}{pools}"

    def batch(self, epoch: int, step: int, rank: int = 0) -> Int64:
        """The pairs that a rank trains on in a step of an epoch."""
        pool, step = divmod(step, self._batches // self.world_size)
        return self.plan(epoch, pool).batch(step, rank)

    def plan(self, epoch: int, pool: int = 0) -> Plan:
        """The batches of a pool and their order; the last plan made is kept."""
        if self._current is None or self._current[:2] != (epoch, pool):
            self._current = (epoch, pool, self._make_plan(epoch, pool))
        return self._current[2]

    def _make_plan(self, epoch: int, pool: int) -> Plan:
        rng = generator(self.seed, epoch, "order", pool)
        noise = NOISE
        known, self._first_cut = self._first_cut, None
        pairs, bounds = known if known is not None and epoch == pool == 0 else self._cut(epoch, pool, noise)
        while len(bounds) > self._batches and noise:  # rare: this noise needs more room than the first epoch's
            noise = noise / 2 if noise > NOISE / 16 else 0.0
            pairs, bounds = self._cut(epoch, pool, noise)
        if len(bounds) > self._batches:  # only where weights are fractions: then a few pairs wait for the next epoch
            bounds = bounds[np.sort(rng.permutation(len(bounds))[: self._batches])]
        bounds = halve_until(bounds, self._batches, rng)
        order = np.resize(np.arange(len(bounds)), self._batches).reshape(-1, self.world_size)
        order = rng.permuted(order, axis=1)
        if epoch >= self._ascending_epochs:
            order = order[rng.permutation(len(order))]
        return Plan(pairs, bounds, order)

    def _batches_per_pool(self) -> int:
        """One number for all pools and epochs, so that schedules and progress bars know it: the first's, and 1 %."""
        self._first_cut = self._cut(0, 0, NOISE)
        first = len(self._first_cut[1])
        batches = max(first + first // 100, len(cut_batches(*self._pools.longest(), self.budget)))
        whole = self.world_size * self._accumulate  # no window of accumulated batches crosses the end of an epoch
        return math.ceil(batches / whole) * whole

    def _cut(self, epoch: int, pool: int, noise: float) -> tuple[Int64, Int64]:
        """Pairs in order of noisy length, and the bounds of the batches in that order."""
        pairs, source, target = self._pools.pool(epoch, pool)
        rng = generator(self.seed, epoch, "lengths", pool)
        if noise:  # ties come in any order
            mixed = rng.permutation(len(pairs))
            pairs, source, target = pairs[mixed], source[mixed], target[mixed]
        order = order_by_length(_noisy(source, noise, rng), np.rint(_noisy(target, noise, rng)).astype(np.int64))
        return pairs[order], cut_batches(source[order], target[order], self.budget)


def cut_batches(source: Int64, target: Int64, budget: BatchBudget) -> Int64:
    """Bounds [batches, 2] of the longest runs of neighbours whose padded size keeps all budgets.

    A run of n pairs keeps them when none of these pairs, n times, breaks one. So a run that begins with a pair of
    which k keep them has k pairs or fewer: a small window to look for its end in.
    """
    most_source, most_target, most = budget
    keeping = np.minimum(np.minimum(most_source // source, most_target // target), most)
    sizes = np.arange(1, int(keeping.max(initial=1)) + 1)
    cuts = [0]
    begin = 0
    while begin < len(keeping):
        window = keeping[begin : begin + keeping[begin]]
        over = np.minimum.accumulate(window) < sizes[: len(window)]
        fitting = int(over.argmax()) if over.any() else len(window)
        begin += max(fitting, 1)
        cuts.append(begin)
    bounds = np.array(cuts, dtype=np.int64)
    return np.stack([bounds[:-1], bounds[1:]], axis=1)


def _noisy(lengths: Int64, noise: float, rng: np.random.Generator) -> Float64:
    return lengths * (1.0 + noise * rng.uniform(-1.0, 1.0, len(lengths)))


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
