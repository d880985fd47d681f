"""How `recognize --format alto` and `page` write: a folder with one file for every page or image of a line."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt import __version__
from nmt.cli.line_files import Listed
from nmt.errors import ConfigError, DataError
from nmt.files import atomic_write

if TYPE_CHECKING:
    from nmt.data.lines.placed import PlacedLine
    from nmt.inference.recognition import Recognition

Put = Callable[[Listed, "Recognition | str"], None]


def check_page_folder(output: str, form: str) -> Path:
    """The folder for files of a form, alto or page.

    Raises ConfigError where none is named, DataError where there is something in it: an earlier file might be a page
    that is to be read, so none is ever overwritten.
    """
    if output == "-":
        raise ConfigError(f"--format {form} needs --output FOLDER, for a file a page")
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; --format {form} writes a folder of them, so name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder}: is not empty; name a new folder, so that no page is overwritten")
    if not folder.absolute().parent.is_dir():
        raise DataError(f"{folder}: the folder {folder.parent} does not exist; create it first")
    return folder


@contextmanager
def page_folder(folder: Path, form: str) -> Iterator[Put]:
    """A function that takes the lines in order; a page is written, whole, when its last line has come.

    What of a page could not be read is an empty line of it; of an image that could not be read there is no page.
    """
    pages = _Pages(folder, _writer(form))
    yield pages.put
    pages.write()


def _writer(form: str) -> Callable[..., str]:
    """What makes the text of a page of its lines, as `alto_document` does."""
    from nmt.data.lines.alto_writer import alto_document
    from nmt.data.lines.page_writer import page_document

    writers: dict[str, Callable[..., str]] = {
        "alto": alto_document,
        "page": partial(page_document, now=datetime.now().astimezone()),
    }
    return writers[form]


class _Pages:
    """The lines of the page that is being read, and the names that were given to others."""

    def __init__(self, folder: Path, document: Callable[..., str]) -> None:
        self._folder = folder
        self._document = document
        self._answers: list[tuple[Listed, Recognition | str]] = []
        self._written: set[Path] = set()

    def put(self, item: Listed, found: "Recognition | str") -> None:
        if item.number == 0:  # what is given twice is two pages
            self.write()
        self._answers.append((item, found))

    def write(self) -> None:
        """The page so far, which is whole; no page where no line of it has an image."""
        answers, self._answers = self._answers, []
        shown = [_shown(item, found) for item, found in answers]
        image = next((one.image for one in shown if one.image), None)
        if image is None:
            return
        from nmt.data.lines.picture import image_size

        path = self._free(answers[0][0])
        width, height = image_size(image)
        text = self._document(
            [_placed(item, found, one) for (item, found), one in zip(answers, shown, strict=True)],
            image=os.path.relpath(image, path.parent),
            width=width,
            height=height,
            software=("nmt", __version__),
        )
        atomic_write(path, text.encode("utf-8", "surrogateescape"))

    def _free(self, item: Listed) -> Path:
        """Where a page goes: as deep as it stands in the folder that was given, under a name that no other has."""
        file = Path(item.file)
        inside = file.relative_to(item.folder).parent if item.folder else Path()
        path, number = self._folder / inside / f"{file.stem}.xml", 1
        while path in self._written:
            number += 1
            path = path.with_name(f"{file.stem}-{number}.xml")
        self._written.add(path)
        return path


class _Shown(NamedTuple):
    """Where a line is to be seen; nothing where that is not known, or its image cannot be read."""

    image: str = ""
    polygon: "tuple[tuple[float, float], ...]" = ()
    baseline: "tuple[tuple[float, float], ...]" = ()


def _shown(item: Listed, found: "Recognition | str") -> _Shown:
    from nmt.data.lines.picture import Cutout, ImageFile, image_size

    recording = None if item.line is None else item.line.recording
    if isinstance(recording, Cutout):
        return _Shown(recording.path, recording.polygon, recording.baseline)
    if isinstance(recording, ImageFile) and not isinstance(found, str):
        width, height = map(float, image_size(recording.path))
        corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
        return _Shown(recording.path, corners)
    return _Shown()


def _placed(item: Listed, found: "Recognition | str", shown: _Shown) -> "PlacedLine":
    from nmt.data.lines.placed import PlacedCharacter, PlacedLine

    characters = () if isinstance(found, str) else found.characters
    placed = []
    for one in characters:
        left, top, right, bottom = map(float, one.box)
        placed.append(PlacedCharacter(one.symbol, (left, top, right, bottom), one.confidence))
    sure = None if isinstance(found, str) else found.confidence
    return PlacedLine(item.id, shown.polygon, shown.baseline, placed, sure)
