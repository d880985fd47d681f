"""Tables of lines: a header, then a row a line with an image file, its transcript and, where known, its writer.

Tab-separated values are cut at tabs without any quoting; comma-separated ones (also with semicolons) are quoted as
RFC 4180 has it; JSON lines are one object a row. Image files are relative to the table's folder; absolute ones and
`../` are followed, because whoever writes the table may read those files anyway.

A column is the one the configuration names, else the first whose name, in any case, is one of `NAMES`. A row that
cannot be used is yielded all the same, and says why when it is read, so that it is counted.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nmt.config.lines import LineSource
from nmt.data.lines.kind import TABLES
from nmt.data.lines.line import Line
from nmt.data.lines.picture import ImageFile, Unreadable
from nmt.data.pairs import is_text
from nmt.data.text_files import decoded, raw_lines
from nmt.errors import DataError

PREFERRED = ("lines", "metadata", "transcripts", "labels")  # stems, where a folder holds several tables

NAMES = {
    "image": "image file file_name filename image_file image_path path img picture line_image".split(),
    "text": "text transcript transcription ground_truth gt label sentence".split(),
    "writer": "writer writer_id author author_id scribe hand user drawer".split(),
}


class Columns(NamedTuple):
    """Names of a table's columns; `writer` is None where nobody is named."""

    image: str
    text: str
    writer: str | None


Row = tuple[int, Mapping[str, Any] | str]  # number of the line it starts in, and its cells or what is wrong with it


def read_table(source: LineSource) -> Iterator[Line]:
    """The lines of a table, or of the table in a folder. DataError where there is none or columns are missing."""
    path = table_in(source.path) if os.path.isdir(source.path) else source.path
    rows = _READERS[Path(path).suffix.lower()](path) if Path(path).suffix.lower() in _READERS else None
    if rows is None:
        raise DataError(f"{path}: is no table of lines; one ends in {', '.join(TABLES)}")
    columns: Columns | None = None
    for number, row in rows:
        place = f"{path}:{number}"
        if isinstance(row, str):
            yield Line(place, None, "", Unreadable(f"{place}: {row}"))
            continue
        columns = columns or find_columns(row, source, place=path)
        yield _line(row, columns, path, place)
    if columns is None:
        raise DataError(f"{path}: has no row of a line; a table is a header and a row a line")


def table_in(folder: str) -> str:
    """The one table of lines in a folder. DataError naming them all where the choice is not clear."""
    found = tables_of(folder)
    preferred = [name for name in found if Path(name).stem.lower() in PREFERRED]
    choice = found if len(found) == 1 else preferred
    if len(choice) != 1:
        there = f"has {', '.join(found[:6])}; give one of them" if found else "has none"
        raise DataError(f"{folder}: a folder of lines needs one table (lines.tsv, .csv or .jsonl); it {there}")
    return os.path.join(folder, choice[0])


def tables_of(folder: str) -> list[str]:
    """Names of the tables in a folder."""
    names = sorted(os.listdir(folder))
    return [name for name in names if name.lower().endswith(TABLES) and not name.startswith(".")]


def find_columns(names: Iterable[str], source: LineSource, *, place: str) -> Columns:
    """The columns that the configuration names, else those of the usual names."""
    there = list(names)
    image = _column(there, "image", source.image_column, place)
    text = _column(there, "text", source.text_column, place)
    writer = _column(there, "writer", source.writer_column, place, needed=source.writer_column is not None)
    assert image is not None and text is not None  # they are needed
    return Columns(image, text, writer)


def text_column(names: Iterable[str], source: LineSource, *, place: str) -> str:
    """The column of transcripts alone, for rows whose input is no image file."""
    found = _column(list(names), "text", source.text_column, place)
    assert found is not None
    return found


def writer_column(names: Iterable[str], source: LineSource, *, place: str) -> str | None:
    """The column of writers, or None."""
    return _column(list(names), "writer", source.writer_column, place, needed=source.writer_column is not None)


def json_rows(path: str) -> Iterator[Row]:
    """The objects of a file of JSON lines; blank lines are skipped."""
    for number, line in enumerate(raw_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(decoded(line))
        except (ValueError, RecursionError) as error:
            yield number, f"is not JSON ({error})"
            continue
        yield number, row if isinstance(row, dict) else f"holds a {type(row).__name__} where an object is expected"


def transcript(cell: object) -> tuple[str | None, str | None]:
    """A cell as text, and what is wrong with it."""
    if cell is None:
        return None, None
    if not isinstance(cell, str):
        return None, f"the transcript is a {type(cell).__name__}, not text"
    return (cell, None) if is_text(cell) else (None, "the transcript is not UTF-8")


def _line(row: Mapping[str, Any], columns: Columns, path: str, place: str) -> Line:
    writer = "" if columns.writer is None else str(row.get(columns.writer) or "")
    file = row.get(columns.image)
    text, problem = transcript(row.get(columns.text))
    if not isinstance(file, str) or not file.strip() or not is_text(file) or "\0" in file:
        return Line(place, text, writer, Unreadable(f"{place}: no image file in column {columns.image!r}: {file!r}"))
    image = os.path.join(os.path.dirname(path), file)
    if problem:
        return Line(image, None, writer, Unreadable(f"{place}: {problem}"))
    return Line(image, text, writer, ImageFile(image))


def _tab_separated(path: str) -> Iterator[Row]:
    rows = (decoded(line).split("\t") for line in raw_lines(path))
    yield from _with_header(path, enumerate(rows, start=1))


def _comma_separated(path: str) -> Iterator[Row]:
    lines = (line.decode("utf-8", "surrogateescape") for line in raw_lines(path))
    first = next(lines)
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(_again(first, lines), delimiter=delimiter, strict=True)

    def numbered() -> Iterator[tuple[int, list[str]]]:
        before = 0
        for cells in reader:
            yield before + 1, cells
            before = reader.line_num

    try:
        yield from _with_header(path, numbered())
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}; is a quotation mark left open above?") from error


def _with_header(path: str, rows: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    _, header = next(rows)
    names = [name.strip() for name in header]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path}: two columns are called {repeated[0]!r}")
    for number, cells in rows:
        if len(cells) == len(names):
            yield number, dict(zip(names, cells, strict=True))
        elif any(cell.strip() for cell in cells):
            yield number, f"{len(cells)} columns where the header has {len(names)}"


_READERS = {".tsv": _tab_separated, ".csv": _comma_separated, ".jsonl": json_rows}


def _column(names: Sequence[str], kind: str, given: str | None, place: str, *, needed: bool = True) -> str | None:
    """The name of a column as it stands in the table."""
    if given is not None:
        if given in names:
            return given
        raise DataError(f"{place}: no column {given!r} ({kind}_column); there is {_listing(names)}")
    lower = {name.lower(): name for name in reversed(names)}
    found = next((lower[name] for name in NAMES[kind] if name in lower), None)
    if found is None and needed:
        raise DataError(
            f"{place}: no column with the {_MEANING[kind]} ({', '.join(NAMES[kind][:4])}, …); there is "
            f"{_listing(names)}; name it by {kind}_column, or add a header line"
        )
    return found


_MEANING = {"image": "image file", "text": "transcript", "writer": "writer"}


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name if len(name) <= 30 else f"{name[:27]}...") for name in names[:8])
    return shown + (", ..." if len(names) > 8 else "") or "nothing"
