"""A corpus that is never stored: pairs as they are written, from anywhere on, and buffers of those fit for training."""

import itertools
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from nmt.config.data import CleaningConfig
from nmt.data.arrays import Float64, Int64
from nmt.data.cache import Cache
from nmt.data.cleaning import CleaningReport, clean
from nmt.data.corpus import Sentences
from nmt.data.pairs import Pair, Row
from nmt.data.seeking import SeekableText, after_turns, rows_from, seekable
from nmt.data.sources import WeightedReader
from nmt.data.tables import Parquet
from nmt.text.tokenizer import Tokenizers

_log = logging.getLogger(__name__)


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
    """Where a stream comes from (of every source its files) and how it is cleaned.

    `report` counts what this process has cleaned so far.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[WeightedReader]],
        tokenizers: Tokenizers,
        *,
        cleaning: CleaningConfig,
        held_out: Collection[int] = frozenset(),
        report: CleaningReport,
    ) -> None:
        self.sources = sources
        self.tokenizers = tokenizers
        self.cleaning = cleaning
        self.held_out = held_out
        self.report = report
        self._seekable: list[list[SeekableText]] | None = None

    def find_places(self, cache: Cache) -> None:
        """Let `rows` begin anywhere without reading what stands before, where all files allow it; else say so."""
        if self._seekable is not None:
            return
        found = [[(reader, seekable(reader, cache)) for reader, _ in files] for files in self.sources]
        others = [reader for files in found for reader, places in files if places is None]
        whole = [reader.place for reader in others if not isinstance(reader, Parquet)]  # which skips by itself
        if others and len(others) < sum(map(len, found)):  # one that cannot be sought in, and all are read
            whole = whole or [others[0].place]
        if whole:
            _log.info(
                "streaming: every process reads the corpus whole and uses its share, since %s is no plain text in two"
                " files%s",
                *(whole[0], f" (nor are {len(whole) - 1} more)" if len(whole) > 1 else ""),
            )
        if others:
            return
        self._seekable = [[places for _, places in files if places is not None] for files in found]

    @property
    def count(self) -> int | None:
        """Pairs of a pass as they are written, where that is known beforehand."""
        if self._seekable is None:
            return None
        return sum(file.lines for files in self._seekable for file in files)

    @property
    def readers(self) -> list[WeightedReader]:
        """All files."""
        return list(itertools.chain.from_iterable(self.sources))

    def rows(self, skip: int = 0) -> Iterator[Row]:
        """One pass over all sources from pair number `skip` on, as they are written: a pair of each in turn."""
        if self._seekable is None:
            return itertools.islice(in_turn(self.sources), skip, None)
        lengths = [sum(file.lines for file in files) for files in self._seekable]
        given, turn = after_turns(lengths, skip)
        return _turns([rows_from(files, first) for files, first in zip(self._seekable, given, strict=True)], first=turn)

    def pairs(self, skip: int = 0) -> Iterator[Pair]:
        """The same, parsed."""
        return (parsed() for parsed in self.rows(skip))

    def text(self, index: int) -> tuple[str, str]:
        """Source and target of pair number `index` of a pass, read again: for naming a bad one."""
        pair = next(self.pairs(skip=index))
        return pair.source, pair.target

    def origin(self, index: int) -> str:
        """Where pair number `index` of a pass stands, read again too."""
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
            self.report.take_back("too_many_tokens", kept[row])
        corpus.pairs, corpus.numbers = [kept[row] for row in rows], numbers[rows]
        corpus.source_ids, corpus.target_ids = corpus.source_ids.take(rows), corpus.target_ids.take(rows)
        corpus.weights = None if corpus.weights is None else corpus.weights[rows]
        return corpus


def in_turn(sources: Sequence[Sequence[WeightedReader]]) -> Iterator[Row]:
    """A row of each source in turn, until all are at their end; the files of a source follow each other."""
    return _turns([itertools.chain.from_iterable(reader.rows() for reader, _ in files) for files in sources])


def _turns(running: list[Iterator[Row]], first: int = 0) -> Iterator[Row]:
    """The same of rows that are running; the first round begins with number `first`."""
    for rows in running[first:] if first else ():
        yield from itertools.islice(rows, 1)
    while running:
        for rows in tuple(running):
            if (row := next(rows, None)) is None:
                running.remove(rows)
            else:
                yield row
