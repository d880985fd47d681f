"""Where every usable pair of a prepared corpus stands: arrays in files, written once and mapped when opened.

What is mapped costs no memory of its own: ranks and workers share its pages, and the system takes them back at need.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from nmt.data.arrays import Int32, Int64, Positions, map_array
from nmt.data.by_length import ByLength, Runs, position_type

PAIRS_FILE, PLACES_FILE, LEFT_OUT_FILE = "pairs.npy", "places.npy", "left_out.npy"
ORDER_FILE, RUNS_FILE = "by_length.npy", "runs.npz"
PAIR = np.dtype(  # together, since they are read together: a batch touches one page a pair
    [("source_start", "<i8"), ("target_start", "<i8"), ("source_length", "<i4"), ("target_length", "<i4")]
)


class Rows(NamedTuple):
    """Of some pairs: first id and number of ids on both sides, and the number of the place they came from.

    Ids are counted over all token files, one after the other.
    """

    source_starts: Int64
    source_lengths: Int32
    target_starts: Int64
    target_lengths: Int32
    places: Int32


class Index(NamedTuple):
    """All pairs but those left out, and the order of length. Before pair `left_out[k]` stood the k-th left out."""

    pairs: Rows
    left_out: Int64
    by_length: ByLength

    @classmethod
    def open(cls, directory: Path) -> "Index":
        """Map the files that `write_index` made."""
        pairs = map_array(directory / PAIRS_FILE)
        starts, lengths = ([pairs[f"{side}_{field}"] for side in ("source", "target")] for field in ("start", "length"))
        with np.load(directory / RUNS_FILE) as stored:
            runs, checksum = Runs(*(stored[field] for field in Runs._fields)), int(stored["checksum"])
        order = ByLength(map_array(directory / ORDER_FILE), runs, checksum)
        rows = Rows(starts[0], lengths[0], starts[1], lengths[1], map_array(directory / PLACES_FILE))
        return cls(rows, map_array(directory / LEFT_OUT_FILE), order)


def write_index(blocks: Iterable[Rows], directory: Path, *, max_tokens: int | None) -> None:
    """The files of an `Index` without pairs of more than `max_tokens` tokens on one side, from consecutive rows."""
    with (
        _GrowingArray(directory / PAIRS_FILE, PAIR) as pairs,
        _GrowingArray(directory / PLACES_FILE, np.dtype(np.int32)) as places,
        _GrowingArray(directory / LEFT_OUT_FILE, np.dtype(np.int64)) as left_out,
    ):
        for rows in blocks:
            longest = np.maximum(rows.source_lengths, rows.target_lengths)
            usable = longest <= (longest.max(initial=0) if max_tokens is None else max_tokens)
            left_out.append(pairs.length + np.cumsum(usable)[~usable])
            block = np.empty(len(longest), PAIR)
            block["source_start"], block["source_length"] = rows.source_starts, rows.source_lengths
            block["target_start"], block["target_length"] = rows.target_starts, rows.target_lengths
            pairs.append(block[usable])
            places.append(rows.places[usable])

    def empty(count: int) -> Positions:
        dtype = position_type(count)
        pairs: Positions = np.lib.format.open_memmap(directory / ORDER_FILE, mode="w+", dtype=dtype, shape=(count,))
        return pairs

    written = map_array(directory / PAIRS_FILE)
    order = ByLength.of(written["source_length"], written["target_length"], empty)
    np.savez(directory / RUNS_FILE, checksum=order.checksum, **order.runs._asdict())


class _GrowingArray:
    """An array in a .npy file, of a length that is known at its end; NumPy leaves room for it in the header."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._file = open(path, "wb")  # noqa: SIM115, closed by __exit__
        self._dtype = dtype
        self.length = 0
        self._write_header()

    def append(self, values: npt.NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)
        self.length += len(values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._file:
            if error is None:
                self._file.seek(0)
                self._write_header()

    def _write_header(self) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self._file, header)
