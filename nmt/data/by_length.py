"""Pairs in order of length, kept so that a part of ten million of them costs no more than a part of ten thousand.

The order is one array of pairs, which may be mapped from a file. Lengths along it are runs of equal ones: there are a
few thousand different (source, target), however many pairs have them. Lengths here are what a batch holds of a side:
its tokens and one of `<s>` and `</s>`.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from nmt.data.arrays import Float64, Int32, Int64, Positions, forget_pages

BLOCK = 1 << 20  # pairs sorted at a time
SIDE = 1 << 32  # more than any length; a key is the target's length times this, and the source's


class Runs(NamedTuple):
    """Run r is of pairs of lengths (`source[r]`, `target[r]`), and ends before position `ends[r]`."""

    source: Int64
    target: Int64
    ends: Int64

    def at(self, positions: Int64) -> Int64:
        """The runs that some positions lie in."""
        return np.searchsorted(self.ends, positions, side="right")

    def longest(self, group: int) -> tuple[Int64, Int64]:
        """The longest source and target among positions 0 to `group` - 1, the next `group`, and so on."""
        count = int(self.ends[-1])
        first = np.arange(0, count, group)
        last = np.minimum(first + group, count) - 1
        spans = np.stack([self.at(first), self.at(last) + 1], axis=1).ravel()
        source, target = (
            np.maximum.reduceat(np.append(lengths, 0), spans)[::2] for lengths in (self.source, self.target)
        )
        return source, target


class ByLength(NamedTuple):
    """Pair `pairs[p]` has position p in the order; those of equal lengths stand as in the corpus.

    `checksum` is of the lengths themselves.
    """

    pairs: Positions
    runs: Runs
    checksum: int

    def at(self, positions: Int64) -> Int64:
        """The pairs that have some positions."""
        pairs: Int64 = self.pairs[positions].astype(np.int64)
        forget_pages(self.pairs)
        return pairs

    @classmethod
    def of(cls, source: Int32, target: Int32, empty: Callable[[int], Positions] | None = None) -> "ByLength":
        """Sort pairs of some lengths, given without special tokens; `empty(n)` makes the array of the order.

        A counting sort in two passes, which holds a block of pairs and the runs in memory.
        """
        keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for _, block in _blocks(source, target):
            found, times = np.unique(block, return_counts=True)
            keys, inverse = np.unique(np.concatenate([keys, found]), return_inverse=True)
            counts = np.bincount(inverse, np.concatenate([counts, times]), len(keys)).astype(np.int64)
        ends = np.cumsum(counts)
        pairs = (empty or _in_memory)(len(source))
        free = ends - counts  # where the next pair of a run goes
        for begin, block in _blocks(source, target):
            run = np.searchsorted(keys, block)
            order = np.argsort(run, kind="stable")
            times = np.bincount(run, minlength=len(keys))
            first = np.cumsum(times) - times
            pairs[(free - first)[run[order]] + np.arange(len(block))] = begin + order
            free += times
            forget_pages(pairs)
        return cls(pairs, Runs(*_lengths(keys), ends), checksum(source, target))


def order_by_length(source: Float64, target: Int64) -> Int64:
    """Order by target, then source, which runs up and down in turn: neighbours are close in both."""
    return np.lexsort((np.where(target % 2 == 0, source, -source), target))


def checksum(source: Int32, target: Int32) -> int:
    """CRC-32 of lengths with one special token, as int32, source first; a block is copied at a time."""
    crc = 0
    for lengths in (source, target):
        for begin in range(0, len(lengths), BLOCK):
            crc = zlib.crc32((lengths[begin : begin + BLOCK].astype(np.int32) + 1).tobytes(), crc)
            forget_pages(lengths)
    return crc


def position_type(count: int) -> type[np.int32] | type[np.int64]:
    """The smaller of two that counts so many pairs."""
    return np.int32 if count <= np.iinfo(np.int32).max else np.int64


def _in_memory(count: int) -> Positions:
    return np.empty(count, np.int64)


def _blocks(source: Int32, target: Int32) -> Iterator[tuple[int, Int64]]:
    """Keys that sort as `order_by_length` does, block by block, and the pair each block begins with."""
    for begin in range(0, len(source), BLOCK):
        sources, targets = (lengths[begin : begin + BLOCK].astype(np.int64) + 1 for lengths in (source, target))
        forget_pages(source)  # with the targets: they are columns of one file
        yield begin, targets * SIDE + np.where(targets % 2 == 0, sources, SIDE - 1 - sources)


def _lengths(keys: Int64) -> tuple[Int64, Int64]:
    target, source = np.divmod(keys, SIDE)
    return np.where(target % 2 == 0, source, SIDE - 1 - source), target
