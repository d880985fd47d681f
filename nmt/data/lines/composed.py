"""Lines composed of single symbols: which symbols stand together, and how far apart."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import count, islice

import numpy as np


def compose(
    writers: Sequence[Sequence[int]], symbols: int, generator: np.random.Generator
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Without end: a position in `writers` and 1 to `symbols` of this writer's, each before any comes again.

    Lengths are drawn evenly; what is left of a round makes a shorter line. The writers of a round are mixed.
    """
    for _ in count():
        lines = [(writer, line) for writer, own in enumerate(writers) for line in _cut(own, symbols, generator)]
        yield from (lines[place] for place in generator.permutation(len(lines)))


def covering(
    writers: Sequence[Sequence[int]], symbols: int, generator: np.random.Generator, *, lines: int | None, rounds: int
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """As `compose`: so many lines, or as many as show every symbol `rounds` times."""
    if lines is not None:
        yield from islice(compose(writers, symbols, generator), lines)
        return
    left = rounds * sum(map(len, writers))
    composed = compose(writers, symbols, generator)
    while left:
        writer, line = next(composed)
        left -= len(line)
        yield writer, line


def seed_of(*parts: object) -> int:
    """A number that follows the parts' texts, today and on every machine."""
    return zlib.crc32("\0".join(map(str, parts)).encode())


def _cut(own: Sequence[int], symbols: int, generator: np.random.Generator) -> Iterator[tuple[int, ...]]:
    shuffled = [int(own[place]) for place in generator.permutation(len(own))]
    while shuffled:
        length = int(generator.integers(1, symbols + 1))
        yield tuple(shuffled[:length])
        del shuffled[:length]
