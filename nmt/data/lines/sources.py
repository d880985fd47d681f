"""From the configuration's list of sources to lines, whatever they are kept in; imports neither torch nor Pillow."""

import os
from collections.abc import Iterator

from nmt.config.lines import LinesConfig, LineSource
from nmt.data.lines.kind import source_kind
from nmt.data.lines.line import Line
from nmt.data.text_files import missing_file
from nmt.errors import DataError

PLACELESS = ("hub", "digits")  # kinds whose path is no file
PENDIGITS = (
    "pendigits are UCI's (archive.ics.uci.edu/dataset/81): download them, then cat pendigits.tra pendigits.tes >"
    " pendigits.csv, and give pendigits:train:pendigits.csv"
)


def check_lines_files(config: LinesConfig) -> None:
    """Raise DataError for a source that is not there, before anything slow is imported or read."""
    for source in (*config.train, *config.validation, *config.test):
        if source.kind not in PLACELESS and not os.path.exists(source.path):
            missing = missing_file(source.path)
            raise DataError(f"{missing}; {PENDIGITS}") if source.kind == "pendigits" else missing


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
