"""Sentence pairs by position: token ids, lengths, texts and origins.

On disk a corpus is two Arrow files of `datasets`, memory-mapped: `pairs.arrow` (source, target, place, line) and
`tokens*.arrow` (source_ids, target_ids). Rows of `datasets` cost 33 µs each, so token ids are read past it: all ids
of a file are one flat int32 array over the mapped file, and a corpus holds where each sentence starts in it (8 bytes)
and its length (4 bytes).
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from nmt.data.pairs import Origin, Pair

if TYPE_CHECKING:
    import datasets

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

PAIRS_FILE = "pairs.arrow"
TOKENS_FILE = "tokens.arrow"
SIDES = ("source", "target")


class Sentences:
    """Token ids of n sentences as slices of flat arrays, of which there is one a file.

    `lengths[i]` ids of sentence i begin at `starts[i]` of `flats[file_of[i]]`.
    """

    def __init__(self, flats: Sequence[Int32], starts: Int64, lengths: Int32, file_of: npt.NDArray[np.int16]) -> None:
        self.flats = flats
        self.starts = starts
        self.lengths = lengths
        self.file_of = file_of

    @classmethod
    def from_lists(cls, sentences: Iterable[Sequence[int]]) -> "Sentences":
        """Of sentences in memory."""
        arrays = [np.asarray(sentence, dtype=np.int32) for sentence in sentences]
        lengths = np.array([len(array) for array in arrays], dtype=np.int32)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])[:-1]
        flat = np.concatenate([np.zeros(0, np.int32), *arrays])
        return cls([flat], starts, lengths, np.zeros(len(arrays), np.int16))

    @classmethod
    def from_arrow(cls, paths: Sequence[Path], column: str) -> "Sentences":
        """Of one column of Arrow files, one after the other."""
        opened = [_map_column(path, column) for path in paths]
        return cls(
            [flat for flat, _, _ in opened],
            np.concatenate([starts for _, starts, _ in opened]),
            np.concatenate([lengths for _, _, lengths in opened]),
            np.repeat(np.arange(len(opened), dtype=np.int16), [len(starts) for _, starts, _ in opened]),
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Int32:
        start = int(self.starts[index])
        flat: Int32 = self.flats[self.file_of[index]]
        return flat[start : start + int(self.lengths[index])]

    def take(self, rows: Int64) -> "Sentences":
        """Some of the sentences, without copying an id."""
        return Sentences(self.flats, self.starts[rows], self.lengths[rows], self.file_of[rows])

    def padded(self, indices: Int64, width: int, *, before: Sequence[int] = (), after: Sequence[int] = ()) -> Int64:
        """`before`, ids, `after`, then zeros: an int64 array [len(indices), width].

        >>> Sentences.from_lists([[7, 8], [9]]).padded(np.array([1, 0]), 4, after=[3])
        array([[9, 3, 0, 0],
               [7, 8, 3, 0]])
        """
        lengths = self.lengths[indices]
        padded = np.zeros((len(indices), width), dtype=np.int64)
        padded[:, : len(before)] = before
        columns = np.arange(int(lengths.max(initial=0)))
        inside = columns < lengths[:, None]
        body = padded[:, len(before) : len(before) + len(columns)]
        for number in np.unique(self.file_of[indices]):
            mine = inside & (self.file_of[indices] == number)[:, None]
            body[mine] = self.flats[number][(self.starts[indices][:, None] + columns)[mine]]
        for offset, token in enumerate(after):
            padded[np.arange(len(indices)), len(before) + lengths + offset] = token
        return padded


@runtime_checkable
class Corpus(Protocol):
    """What batches are made of, in memory or on disk."""

    source_ids: Sentences
    target_ids: Sentences
    weights: Float64 | None

    def __len__(self) -> int: ...

    def texts(self, indices: Sequence[int]) -> list[tuple[str, str]]: ...


class EncodedCorpus:
    """A prepared corpus on disk, read by position; any number of processes may share it.

    `weights` says how often an epoch shows each pair (None: once); `fingerprint` changes with content and preparation.
    """

    def __init__(
        self,
        directories: tuple[Path, Path],
        *,
        places: Sequence[str],
        place_weights: Sequence[float] = (),
        max_tokens: int | None = None,
    ) -> None:
        """Open the pairs in `directories[0]` and their tokens in `directories[1]`.

        `places` are the names of files that the stored origins count; pairs with more than `max_tokens` tokens on one
        side are left out.
        """
        self._arguments = (directories, tuple(places), tuple(place_weights), max_tokens)
        pairs, tokens = directories
        self.fingerprint = tokens.name.rpartition("-")[2]
        files = sorted(tokens.glob("tokens*.arrow"))
        self.source_ids, self.target_ids = (Sentences.from_arrow(files, f"{side}_ids") for side in SIDES)
        self._table: datasets.Dataset = open_dataset(pairs / PAIRS_FILE)
        self._places = tuple(places)
        longest = np.maximum(self.source_ids.lengths, self.target_ids.lengths)
        too_long = longest > (max_tokens or longest.max(initial=0))
        self.too_long: Int64 = np.flatnonzero(too_long)
        self._rows: Int64 | None = np.flatnonzero(~too_long) if len(self.too_long) else None  # None: all rows
        if self._rows is not None:
            self.source_ids, self.target_ids = self.source_ids.take(self._rows), self.target_ids.take(self._rows)
        self.weights: Float64 | None = None
        if any(weight != 1.0 for weight in place_weights):
            places_of_rows = self._table.data.column("place").to_numpy()
            chosen = places_of_rows if self._rows is None else places_of_rows[self._rows]
            self.weights = np.asarray(place_weights, dtype=np.float64)[chosen]

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
        return [int(row) for row in (rows if self._rows is None else self._rows[rows])]

    def _origin_of_row(self, row: int) -> Origin:
        stored = self._table[row]
        return Origin(self._places[stored["place"]], stored["line"])

    def left_out(self, number: int) -> Pair:
        """The n-th of the pairs that had too many tokens (`too_long` holds their rows)."""
        row = int(self.too_long[number])
        stored = self._table[row]
        return Pair(stored["source"], stored["target"], self._origin_of_row(row))

    def __reduce__(self) -> tuple[Callable[..., "EncodedCorpus"], tuple[Any, ...]]:
        return (_reopen, self._arguments)  # a worker process maps the files itself


def _reopen(
    directories: tuple[Path, Path], places: Sequence[str], place_weights: Sequence[float], max_tokens: int | None
) -> EncodedCorpus:
    return EncodedCorpus(directories, places=places, place_weights=place_weights, max_tokens=max_tokens)


def open_dataset(path: Path) -> "datasets.Dataset":
    """An Arrow file, memory-mapped."""
    import datasets

    return datasets.Dataset.from_file(str(path))


def _map_column(path: Path, column: str) -> tuple[Int32, Int64, Int32]:
    """A whole Arrow file as one int32 array, and where in it each row of a list column starts and how long it is."""
    import pyarrow

    mapped: pyarrow.Buffer = pyarrow.memory_map(str(path)).read_buffer()
    flat = np.frombuffer(mapped, dtype=np.int32, count=mapped.size // 4)
    starts, lengths = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for batch in pyarrow.ipc.open_stream(mapped):
        lists = batch.column(column)
        ids = lists.values.buffers()[1]
        first = (ids.address - mapped.address) // 4 if ids is not None else 0  # Arrow aligns buffers to 8 bytes
        offsets = lists.offsets.to_numpy().astype(np.int64)
        starts.append(first + lists.values.offset + offsets[:-1])
        lengths.append(np.diff(offsets).astype(np.int32))
    return flat, np.concatenate(starts), np.concatenate(lengths)
