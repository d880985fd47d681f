"""Where the lines of plain text files begin, so that a process reads its own buffers of a stream and no others.

The byte at which every `EVERY`-th line begins is found once, by the first process of a machine that asks, and kept in
the cache; the target file has an index of its own, so line n of both is found wherever n is. What cannot be kept, since
a file touched just now may change again without showing another time, every process finds for itself.
"""

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.data.arrays import Int64
from nmt.data.cache import Cache, cache_key
from nmt.data.pairs import Row
from nmt.data.text_files import ParallelText, missing_file, raw_lines
from nmt.data.untouched import SETTLED_SECONDS, States, settled, states
from nmt.errors import DataError
from nmt.marks import BYTE_ORDER_MARK, GZIP

EVERY = 1024  # lines: of a billion, the places of both sides take 16 MB
WORTH_WAITING = 1 << 26  # bytes: to look through more in every process takes longer than until it can be kept


class Places(NamedTuple):
    """Of a file: the bytes where lines 0, EVERY, 2 EVERY, … begin, how many lines there are, and what it was then."""

    offsets: Int64
    lines: int
    state: tuple[int, ...]  # of `_state`


@dataclass(frozen=True)
class SeekableText:
    """Parallel text whose lines are found without reading those before them."""

    text: ParallelText
    source: Places
    target: Places

    @property
    def lines(self) -> int:
        return self.source.lines

    def rows(self, first: int = 0) -> Iterator[Row]:
        """The pairs from line `first` (counted from 0) on, as `ParallelText.rows` gives them."""
        if first >= self.lines:
            return
        sources = _lines(self.text.source_file, self.source, first)
        targets = _lines(self.text.target_file, self.target, first)
        for line, (source, target) in enumerate(zip(sources, targets, strict=False), start=first + 1):
            yield partial(self.text.pair, source, target, line)


def seekable(reader: object, cache: Cache) -> SeekableText | None:
    """The same with its places; None for what cannot be sought in. DataError as `ParallelText.rows` raises it."""
    if not isinstance(reader, ParallelText) or any(map(_is_compressed, (reader.source_file, reader.target_file))):
        return None
    files = (reader.source_file, reader.target_file)
    for file in files:
        if not os.path.isfile(file):
            raise missing_file(file)
    found = states(os.path.abspath(file) for file in files)
    if not settled(found) and sum(int(size) for size, *_ in found.values()) > WORTH_WAITING:
        time.sleep(SETTLED_SECONDS)
        found = states(os.path.abspath(file) for file in files)
    source, target = _kept(files, found, cache) if settled(found) else map(_places, files)
    if source[-1] != target[-1]:
        for _ in reader.rows():  # which says it at the end of the shorter file
            pass
    was = [_state(*(int(found[os.path.abspath(file)][i]) for i in (0, 1, 3))) for file in files]
    sides = zip((source, target), was, strict=True)
    return SeekableText(reader, *(Places(numbers[:-1], int(numbers[-1]), state) for numbers, state in sides))


def rows_from(files: Sequence[SeekableText], first: int) -> Iterator[Row]:
    """The rows of some files, one after the other, from number `first` of all of them on."""
    for file in files:
        if first < file.lines:
            yield from file.rows(first)
        first = max(0, first - file.lines)


def after_turns(lengths: Sequence[int], taken: int) -> tuple[list[int], int]:
    """Of sources that give a row each in turn until all are at their end: how many each has given of `taken`, and the
    number of the source whose turn it is."""
    low, high = 0, max(lengths, default=0)  # rounds that are over: of the whole ones, the most that fit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(n, middle) for n in lengths) <= taken else (low, middle - 1)
    running = [i for i, length in enumerate(lengths) if length > low]
    over = taken - sum(min(length, low) for length in lengths)  # rows of the round that is not
    given = [min(length, low) + (i in running[:over]) for i, length in enumerate(lengths)]
    return given, running[over] if over < len(running) else 0


def _kept(files: Sequence[str], found: States, cache: Cache) -> tuple[Int64, Int64]:
    """What `_places` finds in both files, from the cache."""
    as_found = {path: [size, *times, inode] for path, (size, *times, inode, _) in found.items()}

    def build(directory: Path) -> None:
        for side, file in zip(("source", "target"), files, strict=True):
            np.save(directory / f"{side}.npy", _places(file))

    directory = cache.entry("places", cache_key(step="places", every=EVERY, files=as_found, doubt=None), build)
    return np.load(directory / "source.npy"), np.load(directory / "target.npy")


def _places(file: str) -> Int64:
    """The bytes where lines begin, as in `Places`, and behind them how many lines there are."""
    with open(file, "rb") as stream:
        position = len(BYTE_ORDER_MARK) if stream.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else 0
    offsets, number = [], 0
    for line in raw_lines(file):
        if number % EVERY == 0:
            offsets.append(position)
        position += len(line)
        number += 1
    return np.append(np.array(offsets, np.int64), number)


def _lines(file: str, places: Places, first: int) -> Iterator[bytes]:
    try:
        with open(file, "rb") as stream:
            now = os.fstat(stream.fileno())
            if _state(now.st_size, now.st_mtime_ns, now.st_ino) != places.state:
                raise DataError(f"{file}: has changed since training began, so its lines are elsewhere; start again")
            stream.seek(int(places.offsets[first // EVERY]))
            yield from itertools.islice(stream, first % EVERY, places.lines - first + first % EVERY)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error


def _state(size: int, modified: int, inode: int) -> tuple[int, ...]:
    """What a change of content changes; not the time of the inode, which a hard link made for a backup changes too."""
    return size, modified, inode


def _is_compressed(file: str) -> bool:
    if not os.path.isfile(file):
        return False
    with open(file, "rb") as stream:
        return stream.read(len(GZIP)) == GZIP
