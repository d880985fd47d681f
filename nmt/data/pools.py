"""Which pairs of an epoch are planned together: all of them, or pools that are alike in length.

Of every K neighbours in the order of length each of K pools gets one, other ones each
epoch. Only one pool is in memory.
"""

import math
import zlib
from typing import NamedTuple

import numpy as np

from nmt.data.arrays import Float64, Int32, Int64
from nmt.data.by_length import BLOCK, ByLength, checksum, order_by_length
from nmt.data.corpus import PlaceWeights


class Pool(NamedTuple):
    """Some pairs, and their lengths with one of `<s>` and `</s>`; one of weight 2 may be there twice."""

    pairs: Int64
    source: Int64
    target: Int64


class Pools:
    """`count` pools of at most `size` pairs, which hold the `total` pairs of an epoch."""

    def __init__(
        self,
        source_lengths: Int32,
        target_lengths: Int32,
        weights: Float64 | PlaceWeights | None,
        *,
        size: int,
        seed: int,
        by_length: ByLength | None = None,
    ) -> None:
        """`by_length` is the order of these lengths; where it is needed and not given, it is made, 8 bytes a pair."""
        self._source, self._target, self._weights = source_lengths, target_lengths, weights
        self._size, self._seed = size, seed
        pairs = len(source_lengths)
        self._segments = range(-(-pairs // size))  # parts that pairs are chosen from, in the order of length
        self._known = by_length
        self._order: ByLength | None = None  # None: one part in the order of the corpus
        if pairs > size:
            self._order = by_length or ByLength.of(source_lengths, target_lengths)
        self._ends = np.cumsum([self._chosen_from(segment) for segment in self._segments], dtype=np.int64)
        self.total = int(self._ends[-1]) if pairs else 0
        self.count = -(-self.total // size)
        if self._order is None and self.count > 1:  # few pairs, of large weights
            self._order = by_length or ByLength.of(source_lengths, target_lengths)

    def pool(self, epoch: int, number: int) -> Pool:
        """One pool. A single one is in the order of the corpus, others are in that of length.

        Of weight 0.5, one half is taken, and the other in the next epoch: a window that moves over a fixed shuffle.
        """
        if self._order is None:
            pairs = self._chosen(epoch, 0)
            return Pool(pairs, *(lengths[pairs].astype(np.int64) + 1 for lengths in (self._source, self._target)))
        groups = np.arange(-(-self.total // self.count))
        first = generator(self._seed, epoch, "pools").integers(self.count, size=len(groups))
        dealt = groups * self.count + (first + number) % self.count
        dealt = dealt[dealt < self.total]  # the last group may be smaller
        if self._weights is not None:
            begins = [0, *self._ends]
            bounds = np.searchsorted(dealt, begins)
            dealt = np.concatenate(
                [self._chosen(epoch, s)[dealt[bounds[s] : bounds[s + 1]] - begins[s]] for s in self._segments]
            )
        runs = self._order.runs
        run = runs.at(dealt)
        return Pool(self._order.at(dealt), runs.source[run], runs.target[run])

    def longest(self) -> tuple[Int64, Int64]:
        """What a batch must hold of the i-th shortest pair of a pool, at most: exactly, where there is one pool."""
        if self._order is None:
            _, source, target = self.pool(0, 0)
            order = order_by_length(source.astype(np.float64), target)
            return source[order], target[order]
        runs = self._order.runs
        if self._weights is not None:
            chosen = np.zeros(len(runs.ends), np.int64)
            for segment in self._segments:
                chosen += np.bincount(runs.at(self._chosen(0, segment)), minlength=len(chosen))
            runs = runs._replace(ends=np.cumsum(chosen))
        return runs.longest(self.count)

    def checksum(self) -> int:
        """CRC-32 of lengths and weights."""
        known = self._known or self._order
        crc = checksum(self._source, self._target) if known is None else known.checksum
        if self._weights is not None:
            for begin in range(0, len(self._weights), BLOCK):
                crc = zlib.crc32(self._weights[begin : begin + BLOCK].tobytes(), crc)
        return crc

    def _chosen(self, epoch: int, segment: int) -> Int64:
        """Positions in a segment that an epoch shows, in order; one of weight 2 stands there twice."""
        positions = self._positions(segment)
        return positions if self._weights is None else np.repeat(positions, self._times(epoch, segment))

    def _chosen_from(self, segment: int) -> int:
        """How many they are, in any epoch."""
        return int(len(self._positions(segment)) if self._weights is None else self._times(0, segment).sum())

    def _positions(self, segment: int) -> Int64:
        """Positions of a segment in the order of length, or of the only one in the corpus."""
        begin = segment * self._size
        return np.arange(begin, min(begin + self._size, len(self._source)))

    def _times(self, epoch: int, segment: int) -> Int64:
        """How often an epoch shows each pair of a segment."""
        assert self._weights is not None
        positions = self._positions(segment)
        weights = self._weights[positions if self._order is None else self._order.at(positions)]
        times = np.floor(weights).astype(np.int64)
        for weight in np.unique(weights[weights != times]):
            members = np.flatnonzero(weights == weight)
            members = generator(self._seed, 0, "weights", segment).permutation(members)
            taken = round(len(members) * (weight - math.floor(weight)))
            times[members[(epoch * taken + np.arange(taken)) % len(members)]] += 1
        return times


def generator(seed: int, epoch: int, purpose: str, part: int = 0) -> np.random.Generator:
    """Random numbers of their own for every purpose and part of an epoch."""
    return np.random.default_rng([seed, epoch, zlib.crc32(purpose.encode()), *([part] if part else [])])
