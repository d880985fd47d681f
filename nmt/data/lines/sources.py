"""From the configuration's list of sources to lines, whatever they are kept in; imports neither torch nor Pillow."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from nmt.config.lines import LinesConfig, LineSource
from nmt.data.lines.line import Line
from nmt.data.text_files import missing_file
from nmt.errors import DataError

PLACELESS = ("hub", "digits")  # kinds whose path is no file
TABLES = (".tsv", ".csv", ".jsonl")


def check_lines_files(config: LinesConfig) -> None:
    """Raise DataError for a source that is not there, before anything slow is imported or read."""
    for source in (*config.train, *config.validation, *config.test):
        if source.kind not in PLACELESS and not os.path.exists(source.path):
            raise missing_file(source.path)


def read_lines(source: LineSource) -> Iterator[Line]:
    """The lines of one source in its own order, none of them read yet.

    A line that cannot be used is yielded too, and says why when it is read. Raises DataError for a source that is not
    there, is of no known kind, or cannot be understood as a whole.
    """
    match source_kind(source):
        case "table":
            from nmt.data.lines.tables import read_table

            yield from read_table(source)
        case "pairs":
            from nmt.data.lines.pairs import read_pairs

            yield from read_pairs(source)
        case "alto" | "page":
            from nmt.data.lines.pages import read_pages

            yield from read_pages(source)
        case "hub":
            from nmt.data.lines.hub import read_hub

            yield from read_hub(source)
        case "strokes":
            from nmt.data.lines.stroke_rows import read_strokes

            yield from read_strokes(source)
        case "pendigits":
            from nmt.data.lines.pendigits import read_pendigits

            yield from read_pendigits(source)
        case _:
            from nmt.data.lines.digits import read_digits

            yield from read_digits(source)


def source_kind(source: LineSource) -> str:
    """The kind of a source, read off its path where the configuration leaves it open."""
    if source.kind != "auto":
        return source.kind
    if os.path.isdir(source.path):
        return _kind_of_folder(source.path)
    if not os.path.exists(source.path):
        raise missing_file(source.path)
    suffix = Path(source.path).suffix.lower()
    if suffix == ".jsonl":
        return "strokes" if _has_strokes(source.path) else "table"
    if suffix in TABLES:
        return "table"
    if suffix == ".xml":
        return "page"
    if suffix == ".parquet":
        return "hub"
    raise DataError(
        f"{source.path}: is no source of lines; give a table (.tsv, .csv, .jsonl), a .xml of ALTO or PAGE, a .parquet "
        "file, a folder of one of these or of x.png and x.gt.txt, or say its kind (pendigits:test:FILE, hub:OWNER/NAME)"
    )


def _kind_of_folder(folder: str) -> str:
    names: Sequence[str] = [name.lower() for name in os.listdir(folder) if not name.startswith(".")]
    kinds = {
        "table": any(name.endswith(TABLES) for name in names),
        "pairs": any(name.endswith(".gt.txt") for name in names),
        "page": any(name.endswith(".xml") for name in names),
    }
    found = [kind for kind, there in kinds.items() if there]
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(
            f"{folder}: a folder of lines has a table (lines.tsv), x.gt.txt beside x.png, or .xml of ALTO or PAGE; "
            f"this one has none of them among {len(names):,} files"
        )
    raise DataError(f"{folder}: could be read as {' or '.join(found)}; say which by kind, e.g. kind: {found[0]}")


def _has_strokes(path: str) -> bool:
    """Whether the first row of a file of JSON lines has pen strokes."""
    from nmt.data.text_files import raw_lines

    for line in raw_lines(path):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                return False
            return isinstance(row, dict) and "strokes" in row
    return False
