"""What `recognize` is given, as single lines: images, pages, strokes, folders of them, a list of paths."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.data.lines.line import Line

ROWS: Final = (".xml", ".jsonl")  # pages and strokes: files of several lines


class Listed(NamedTuple):
    """One line to recognise: its recording, or why there is none; the file it stands in, and as which, from 0."""

    name: str
    line: "Line | None"
    error: str = ""
    file: str = ""
    number: int = 0
    folder: str = ""  # that was given, of whose files this is one

    @property
    def id(self) -> str:
        """Of the line in its file; "" where the file is the line."""
        return self.name.removeprefix(self.file).removeprefix("#")


def listed_lines(paths: Iterable[str]) -> Iterator[Listed]:
    """Every line of every path in order; what cannot be listed is one line with its reason.

    `-` stands for the paths on standard input. A folder gives its images and pages in the order of their
    paths, however deep, without hidden ones.
    """
    for path in paths:
        if path == "-":
            yield from listed_lines(_typed_paths())
        elif os.path.isdir(path):
            yield from (one._replace(folder=path) for one in _of_folder(Path(path)))
        else:
            yield from _of_file(path)


def check_keeps_lines(output: Path, *, sources: Iterable[Path] = ()) -> None:
    """Raise DataError where a file at `output` is an image or a page, or holds transcripts of a folder in `sources`.

    Folders, and lists of paths, are read later than outputs are checked; nobody wants to write text over a scan anyway.
    """
    if not output.is_file():
        return
    from nmt.data.lines.kind import TABLES
    from nmt.data.lines.picture import SUFFIXES

    place = output.resolve()
    inside = any(source.is_dir() and place.is_relative_to(source.resolve()) for source in sources)
    if output.name.lower().endswith((*SUFFIXES, ".xml", *((*TABLES, ".gt.txt") if inside else ()))):
        raise DataError(f"{output}: would overwrite lines or their transcripts; name another output file")


def is_image_or_page(path: str) -> bool:
    """Whether a path's name says that it holds no pen strokes; a folder, of which only images are read, does too."""
    from nmt.data.lines.picture import SUFFIXES

    return os.path.isdir(path) or path.lower().endswith((*SUFFIXES, ".xml"))


def line_count(paths: Sequence[str]) -> int | None:
    """How many lines there will be, if that can be told from the arguments: each is a file of one line."""
    single = all(Path(path).suffix.lower() not in ROWS for path in paths)
    return len(paths) if single and "-" not in paths and not any(map(os.path.isdir, paths)) else None


def _typed_paths() -> Iterator[str]:
    """Standard input's lines without their ends; an empty one is no path. A `-` among them is a file of that name."""
    for line in sys.stdin.buffer:
        if path := os.fsdecode(line.rstrip(b"\r\n")):
            yield "./-" if path == "-" else path


def _of_file(path: str) -> Iterator[Listed]:
    from nmt.data.lines.line import Line
    from nmt.data.lines.pages import read_page
    from nmt.data.lines.picture import ImageFile
    from nmt.data.lines.stroke_rows import read_unlabelled

    readers = {".xml": read_page, ".jsonl": read_unlabelled}
    read = readers.get(Path(path).suffix.lower())
    if read is None:
        yield Listed(path, Line(path, None, "", ImageFile(path)), file=path)
        return
    count = 0
    try:
        for line in read(path):
            yield Listed(line.name, line, file=path, number=count)
            count += 1
    except DataError as error:
        yield Listed(path, None, str(error))
    else:
        if not count:
            yield Listed(path, None, f"{path}: holds no line")


def _of_folder(folder: Path) -> Iterator[Listed]:
    """Its images and pages; an image that a page of the folder is cut from is no line of its own."""
    from nmt.data.lines.picture import SUFFIXES

    files = sorted(file for file in _visible(folder) if file.suffix.lower() in (*SUFFIXES, ".xml"))
    pages = {file: list(_of_file(str(file))) for file in files if file.suffix.lower() == ".xml"}
    cut = {_source(one) for lines in pages.values() for one in lines}
    found = False
    for file in files:
        if os.path.realpath(file) not in cut:
            yield from pages[file] if file in pages else _of_file(str(file))
            found = True
    if not found:
        yield Listed(str(folder), None, f"{folder}: no image of a line and no page (.xml) in this folder or below")


def _visible(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _source(one: Listed) -> str | None:
    """The page's image that a line is cut from; a link that leads in a circle, on which `resolve` fails, is one too."""
    path = getattr(one.line.recording, "path", None) if one.line is not None else None
    return None if path is None else os.path.realpath(path)
