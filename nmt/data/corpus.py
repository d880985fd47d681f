"""Sentence pairs by position: token ids, lengths, texts and origins.

On disk a corpus is two Arrow files of `datasets`, memory-mapped: `pairs.arrow` (source, target, place, line) and
`tokens*.arrow` (source_ids, target_ids). Rows of `datasets` cost 33 µs each, so token ids are read past it: all ids
of a file are one flat int32 array over the mapped file, and an index (`index.py`), mapped as well, says where each
sentence starts and how long it is. So an open corpus holds a few kilobytes, whatever its size.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from nmt.data.arrays import Float64, Int32, Int64, forget_pages
from nmt.data.index import Index
from nmt.data.pairs import Origin, Pair
from nmt.errors import DataError

if TYPE_CHECKING:
    import datasets

PAIRS_FILE = "pairs.arrow"
TOKENS_FILE = "tokens.arrow"
SIDES = ("source", "target")
COUNTED_AT_A_TIME = 1 << 20  # pairs
READ_AT_MOST = 1024  # sentences whose pages are mapped at a time; each may bring 64 KiB of neighbours


class Sentences:
    """Token ids of n sentences as slices of flat arrays, of which there is one a file.

    `lengths[i]` ids of sentence i begin at `starts[i]` of all flat arrays one after the other.
    """

    def __init__(self, flats: Sequence[Int32], starts: Int64, lengths: Int32) -> None:
        self.flats = flats
        self.starts = starts
        self.lengths = lengths
        self._begins = np.cumsum([0, *(len(flat) for flat in flats[:-1])])
        self._read = 0  # sentences since pages were last forgotten

    @classmethod
    def from_lists(cls, sentences: Iterable[Sequence[int]]) -> "Sentences":
        """Of sentences in memory."""
        arrays = [np.asarray(sentence, dtype=np.int32) for sentence in sentences]
        lengths = np.array([len(array) for array in arrays], dtype=np.int32)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])[:-1]
        return cls([np.concatenate([np.zeros(0, np.int32), *arrays])], starts, lengths)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Int32:
        start = int(self.starts[index])
        number = int(self._files(start))
        start -= int(self._begins[number])
        return self.flats[number][start : start + int(self.lengths[index])]

    def take(self, rows: Int64) -> "Sentences":
        """Some of the sentences, without copying an id."""
        return Sentences(self.flats, self.starts[rows], self.lengths[rows])

    def padded(self, indices: Int64, width: int, *, before: Sequence[int] = (), after: Sequence[int] = ()) -> Int64:
        """`before`, ids, `after`, then zeros: an int64 array [len(indices), width].

        >>> Sentences.from_lists([[7, 8], [9]]).padded(np.array([1, 0]), 4, after=[3])
        array([[9, 3, 0, 0],
               [7, 8, 3, 0]])
        """
        lengths, starts = self.lengths[indices], self.starts[indices]
        padded = np.zeros((len(indices), width), dtype=np.int64)
        padded[:, : len(before)] = before
        columns = np.arange(int(lengths.max(initial=0)))
        inside = columns < lengths[:, None]
        body = padded[:, len(before) : len(before) + len(columns)]
        files = self._files(starts)
        for number in set(files.tolist()):
            mine = inside & (files == number)[:, None]
            body[mine] = self.flats[number][((starts - self._begins[number])[:, None] + columns)[mine]]
        for offset, token in enumerate(after):
            padded[np.arange(len(indices)), len(before) + lengths + offset] = token
        self._read += len(indices)
        if self._read >= READ_AT_MOST:
            self._read = 0
            forget_pages(self.starts)  # with those of the lengths: they are columns of one file
            for flat in self.flats:
                forget_pages(flat)
        return padded

    def _files(self, starts: Any) -> Any:
        """The numbers of the flat arrays that sentences start in."""
        return np.searchsorted(self._begins, starts, side="right") - 1


class PlaceWeights:
    """How often an epoch shows each pair: `by_place[places[i]]` times; by position, as in an array."""

    def __init__(self, places: Int32, by_place: Float64) -> None:
        self.places = places
        self.by_place = by_place

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, positions: Int64 | slice) -> Float64:
        weights = self.by_place[self.places[positions]]
        forget_pages(self.places)
        return weights


@runtime_checkable
class Corpus(Protocol):
    """What batches are made of, in memory or on disk."""

    source_ids: Sentences
    target_ids: Sentences

    def __len__(self) -> int: ...

    def texts(self, indices: Sequence[int]) -> list[tuple[str, str]]: ...


@dataclass(frozen=True)
class Directories:
    """Where a prepared corpus lies: its text, its tokens, and the index of its usable pairs."""

    pairs: Path
    tokens: Path
    index: Path


class EncodedCorpus:
    """A prepared corpus on disk, read by position; any number of processes may share it.

    `weights` says how often an epoch shows each pair (None: once); `fingerprint` changes with content and preparation;
    `by_length` is the order of length.
    """

    def __init__(self, directories: Directories, *, places: Sequence[str], place_weights: Sequence[float] = ()) -> None:
        """`places` are the names of files that the stored origins count."""
        self._arguments = (directories, tuple(places), tuple(place_weights))
        self.fingerprint = directories.tokens.name.rpartition("-")[2]
        index = Index.open(directories.index)
        flats = [flat_ids(path) for path in token_files(directories.tokens)]
        self.source_ids = Sentences(flats, index.pairs.source_starts, index.pairs.source_lengths)
        self.target_ids = Sentences(flats, index.pairs.target_starts, index.pairs.target_lengths)
        self.by_length = index.by_length
        self._gaps = index.left_out
        self._pairs_file = directories.pairs / PAIRS_FILE
        self._places = tuple(places)
        self._numbers = index.pairs.places
        self.weights: PlaceWeights | None = None
        if any(weight != 1.0 for weight in place_weights):
            self.weights = PlaceWeights(index.pairs.places, np.asarray(place_weights, dtype=np.float64))

    @functools.cached_property
    def _table(self) -> "datasets.Dataset":
        """Texts and origins; opened when the first is asked for, since it keeps some bytes for every thousand rows."""
        return open_dataset(self._pairs_file)

    def __len__(self) -> int:
        return len(self.source_ids)

    @property
    def source_lengths(self) -> Int32:
        """Tokens of every source, without `</s>`."""
        return self.source_ids.lengths

    @property
    def target_lengths(self) -> Int32:
        """Tokens of every target, without `<s>` and `</s>`."""
        return self.target_ids.lengths

    def source(self, index: int) -> Int32:
        return self.source_ids[index]

    def target(self, index: int) -> Int32:
        return self.target_ids[index]

    def text(self, index: int) -> tuple[str, str]:
        """Source and target as they were read."""
        return self.texts([index])[0]

    def texts(self, indices: Sequence[int]) -> list[tuple[str, str]]:
        """`text` of many, faster."""
        rows = self._table[self._table_rows(indices)]
        return list(zip(rows["source"], rows["target"], strict=True))

    def origin(self, index: int) -> str:
        """Where a pair was read, such as `data/train.en:7366`."""
        return str(self._origin_of_row(self._table_rows([index])[0]))

    def _table_rows(self, indices: Sequence[int]) -> list[int]:
        asked = np.asarray(indices, dtype=np.int64)
        rows = np.where(asked < 0, asked + len(self), asked)
        if ((rows < 0) | (rows >= len(self))).any():
            raise IndexError(f"pair {asked[(rows < 0) | (rows >= len(self))][0]} of a corpus of {len(self)}")
        return [int(row) for row in rows + np.searchsorted(self._gaps, rows, side="right")]

    def _origin_of_row(self, row: int) -> Origin:
        stored = self._table[row]
        return Origin(self._places[stored["place"]], stored["line"])

    def counts(self) -> dict[str, int]:
        """How many pairs come from each place."""
        total = np.zeros(len(self._places), dtype=np.int64)
        for start in range(0, len(self), COUNTED_AT_A_TIME):
            total += np.bincount(self._numbers[start : start + COUNTED_AT_A_TIME], minlength=len(total))
        forget_pages(self._numbers)
        found = dict.fromkeys(self._places, 0)
        for place, count in zip(self._places, total.tolist(), strict=True):
            found[place] += count
        return found

    @property
    def too_long(self) -> int:
        """How many pairs had too many tokens."""
        return len(self._gaps)

    def left_out(self, number: int) -> Pair:
        """The n-th of them."""
        row = int(self._gaps[number]) + number
        stored = self._table[row]
        return Pair(stored["source"], stored["target"], self._origin_of_row(row))

    def __reduce__(self) -> tuple[Callable[..., "EncodedCorpus"], tuple[Any, ...]]:
        return (_reopen, self._arguments)  # a worker process maps the files itself


def _reopen(directories: Directories, places: Sequence[str], place_weights: Sequence[float]) -> EncodedCorpus:
    return EncodedCorpus(directories, places=places, place_weights=place_weights)


def open_dataset(path: Path) -> "datasets.Dataset":
    """An Arrow file, memory-mapped. DataError where it is gone, as when a cache is emptied during a run."""
    import datasets

    try:
        return datasets.Dataset.from_file(str(path))
    except OSError as error:
        reason = "is gone" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise DataError(f"{path}: {reason}, and was prepared for this run; start again to have it prepared") from error


def token_files(directory: Path) -> list[Path]:
    """The files that hold the tokens of a corpus, in order."""
    return sorted(directory.glob("tokens*.arrow"))


def flat_ids(path: Path) -> Int32:
    """A whole Arrow file as one array, mapped; the ids of a sentence are consecutive in it."""
    return np.memmap(path, dtype=np.int32, mode="r", shape=(path.stat().st_size // 4,)).view(np.ndarray)
