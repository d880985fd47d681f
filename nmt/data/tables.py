"""Tables of sentence pairs: tab-separated values, JSON lines and Parquet.

A column is found by its name, by a dotted path into nested values (`meta.en`), or in the `translation: {en: …, de:
…}` layout of many published corpora. A row that holds no pair of texts is yielded with its `problem`: cleaning counts
it, a held-out set refuses it.
"""

import glob
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from nmt.data.pairs import HashOf, Origin, Pair, Reader, Row
from nmt.data.text_files import decoded, hash_file, missing_file, raw_lines
from nmt.errors import DataError


@dataclass(frozen=True)
class Columns:
    """Names of the two columns; `explicit` where the configuration gave one, so that it must exist."""

    source: str
    target: str
    explicit: bool = False

    def __str__(self) -> str:
        return f"{self.source!r} and {self.target!r}"


def expand_glob(path: str) -> list[str]:
    """The files a pattern names, sorted; a path that exists is taken as it is."""
    if os.path.exists(path) or not glob.has_magic(path):
        return [path]
    if found := sorted(name for name in glob.glob(path, recursive=True) if os.path.isfile(name)):
        return found
    raise DataError(f"no file matches the pattern; {missing_file(path)}")


@dataclass(frozen=True)
class Table(Reader):
    """One file of rows, of which two columns are read; each format has its own way to its `rows`."""

    path: str
    columns: Columns
    format: ClassVar[str]

    @property
    def place(self) -> str:
        return self.path

    def fingerprint(self, hash_of: HashOf = hash_file) -> str:
        return f"{self.format} {self.columns} {hash_of(self.path)}"


@dataclass(frozen=True)
class TabSeparated(Table):
    """Lines cut at tabs, without any quoting. The first line is a header if and only if it names both columns.

    Without a header the first column is the source and the second the target.
    """

    format: ClassVar[str] = "tsv"

    def rows(self) -> Iterator[Row]:
        lines = enumerate(raw_lines(self.path), start=1)
        first = decoded(next(lines)[1])
        cells = first.split("\t")
        if len(cells) < 2:
            raise DataError(f"{self.path}:1: no tab in {_excerpt(first)}; a table of pairs has two columns or more")
        source, target, width = self._positions(cells)
        if not self._has_header(cells):
            yield partial(Pair, cells[source], cells[target], Origin(self.path, 1))

        def parsed(number: int, line: bytes) -> Pair:
            text = decoded(line)
            cells = text.split("\t")
            origin = Origin(self.path, number)
            if len(cells) == width:
                return Pair(cells[source], cells[target], origin)
            return Pair("", "", origin, f"{_count(len(cells))} where line 1 has {width}: {_excerpt(text)}")

        for number, line in lines:
            yield partial(parsed, number, line)

    def _has_header(self, cells: list[str]) -> bool:
        return self.columns.source in cells and self.columns.target in cells

    def _positions(self, cells: list[str]) -> tuple[int, int, int]:
        """Positions of the two columns, and how many there are."""
        if self._has_header(cells):
            return cells.index(self.columns.source), cells.index(self.columns.target), len(cells)
        if self.columns.explicit:
            raise DataError(f"{self.path}:1: no columns {self.columns} in the first line, which has {_listing(cells)}")
        return 0, 1, len(cells)


@dataclass(frozen=True)
class JsonLines(Table):
    """One JSON object a line; blank lines are skipped."""

    format: ClassVar[str] = "jsonl"

    def rows(self) -> Iterator[Row]:
        first = True
        for number, line in enumerate(raw_lines(self.path), start=1):
            if line.strip():
                yield partial(self._pair, number, line, first)
                first = False

    def _pair(self, number: int, line: bytes, first: bool) -> Pair:
        origin, text = Origin(self.path, number), decoded(line)
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            return Pair("", "", origin, f"not JSON ({error}): {_excerpt(text)}")
        return row_pair(row, self.columns, origin, first=first)


@dataclass(frozen=True)
class Parquet(Table):
    """A Parquet file: only the columns needed, and only the row groups of which a row is parsed."""

    format: ClassVar[str] = "parquet"

    def rows(self) -> Iterator[Row]:
        import pyarrow
        from pyarrow import parquet

        if not os.path.isfile(self.path):
            raise missing_file(self.path)
        try:
            with parquet.ParquetFile(self.path) as file:
                names = set(file.schema_arrow.names)
                wanted = [self.columns.source, self.columns.target, "translation"]
                wanted += [name.split(".")[0] for name in wanted]
                needed = sorted(names.intersection(wanted)) or sorted(names)
                metadata = file.metadata
        except (pyarrow.ArrowException, OSError) as error:
            raise self._unreadable(error) from error
        if metadata.num_rows == 0:
            raise DataError(f"{self.path}: is empty; a corpus needs at least one row")
        before = 0
        for number in range(metadata.num_row_groups):
            size = metadata.row_group(number).num_rows
            group = _Forward(self._batches(metadata, number, needed, before))
            for index in range(size):
                yield partial(self._pair, group, index, before + index + 1)
            before += size

    def _batches(self, metadata: Any, group: int, columns: list[str], before: int) -> Iterator["_Batch"]:
        """The rows of a row group that follows `before` others, some at a time, still to become Python objects."""
        import pyarrow
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self.path, metadata=metadata) as file:
                for batch in file.iter_batches(batch_size=10_000, row_groups=[group], columns=columns):
                    yield len(batch), partial(_rows, batch, self.path, before)
                    before += len(batch)
        except (pyarrow.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _pair(self, group: "_Forward", index: int, number: int) -> Pair:
        return row_pair(group[index], self.columns, Origin(self.path, number), first=number == 1)

    def _unreadable(self, error: Exception) -> DataError:
        return DataError(f"{self.path}: not a readable Parquet file ({error})")


_Batch = tuple[int, Callable[[], Iterable[Any]]]  # number of rows, and what makes them


class _Forward:
    """Rows that are asked for in order, out of batches of which those in between are left alone."""

    def __init__(self, batches: Iterator[_Batch]) -> None:
        self._batches = batches
        self._first = self._end = 0  # of the current batch
        self._make: Callable[[], Iterable[Any]] = list
        self._made: list[Any] | None = []

    def __getitem__(self, index: int) -> Any:
        while index >= self._end:
            size, self._make = next(self._batches)
            self._first, self._end, self._made = self._end, self._end + size, None
        if self._made is None:
            self._made = list(self._make())
        return self._made[index - self._first]


def _rows(batch: Any, path: str, before: int) -> Iterator[dict[str, Any]]:
    """The rows of a batch that follows `before` others; DataError for text that is not UTF-8: Arrow does not check."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            for number, cell in enumerate(column, start=before + 1):
                try:
                    cell.as_py()
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{path}: row {number:,}, column {name!r} is not UTF-8 ({error.reason}); write the file"
                        " anew from text that was decoded"
                    ) from None
        raise


def row_pair(row: Any, columns: Columns, origin: Origin, *, first: bool) -> Pair:
    """The pair in a row of a table. A null is an empty text.

    Raises `DataError` where the very first row lacks a column (then all will); later rows get a `problem`.
    """
    if not isinstance(row, Mapping):
        return Pair("", "", origin, f"a {type(row).__name__} where an object with {columns} is expected")
    texts: list[str] = []
    for column in (columns.source, columns.target):
        try:
            value = _cell(row, column)
        except KeyError:
            message = f"no column {column!r} among {_listing(row)}"
            if first:
                raise DataError(f"{origin}: {message}; name the columns by source_column and target_column") from None
            return Pair("", "", origin, message)
        if value is not None and not isinstance(value, str):
            return Pair(
                "", "", origin, f"column {column!r} holds a {type(value).__name__}, not text: {_excerpt(value)}"
            )
        texts.append(value or "")
    return Pair(texts[0], texts[1], origin)


def _cell(row: Mapping[str, Any], column: str) -> Any:
    """`row[column]`, `row["translation"][column]`, or, for `a.b`, `row["a"]["b"]`."""
    if column in row:
        return row[column]
    translation = row.get("translation")
    if isinstance(translation, Mapping) and column in translation:
        return translation[column]
    head, dot, rest = column.partition(".")
    inner = row.get(head)
    if dot and isinstance(inner, Mapping):
        return _cell(inner, rest)
    raise KeyError(column)


def _listing(names: Any) -> str:
    names = [_excerpt(name, 30) for name in names]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _excerpt(value: Any, width: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 4]}...{text[0]}"


def _count(cells: int) -> str:
    return "1 column" if cells == 1 else f"{cells} columns"
