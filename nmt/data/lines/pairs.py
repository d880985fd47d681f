"""Folders of line images with a transcript each: `x.png` and `x.gt.txt`, as kraken, Calamari and OCRopus keep them.

Where one line has several images, the first of `x.png`, `x.nrm.png`, `x.bin.png` is taken (any kind of image will do):
the scan shows more than what was made of it. An image without a transcript is a bad line, not one that is left out.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from nmt.config.lines import LineSource
from nmt.data.lines.line import Line
from nmt.data.lines.picture import SUFFIXES, ImageFile, Unreadable
from nmt.errors import DataError
from nmt.marks import BYTE_ORDER_MARK

TRANSCRIPT = ".gt.txt"
VARIANTS = ("", ".nrm", ".bin", ".dew")  # as scanned; normalised, binarised and dewarped by OCRopus


def read_pairs(source: LineSource) -> Iterator[Line]:
    """The lines of a folder and of the folders in it. DataError where there is no transcript at all."""
    found = False
    for folder, folders, names in os.walk(source.path):
        folders.sort()
        if any(name.endswith(TRANSCRIPT) for name in names):  # else its images are pages, or something else
            found = True
            yield from _folder(folder, sorted(names))
    if not found:
        raise DataError(f"{source.path}: no file *{TRANSCRIPT} in this folder or below")


def _folder(folder: str, names: list[str]) -> Iterator[Line]:
    images: dict[str, list[tuple[int, int, str]]] = {}
    for name in names:
        if (suffix := Path(name).suffix.lower()) in SUFFIXES:
            stem, variant = _without_variant(name[: -len(suffix)])
            images.setdefault(stem, []).append((variant, SUFFIXES.index(suffix), name))
    transcripts = {name.removesuffix(TRANSCRIPT): name for name in names if name.endswith(TRANSCRIPT)}
    for stem in sorted(images.keys() | transcripts.keys()):
        image = os.path.join(folder, min(images[stem])[2]) if stem in images else None
        yield _line(image, os.path.join(folder, transcripts[stem]) if stem in transcripts else None)


def _line(image: str | None, transcript: str | None) -> Line:
    if transcript is None:
        assert image is not None  # one of them is there
        return Line(image, None, "", ImageFile(image))
    try:
        text = _text(transcript)
    except DataError as error:
        return Line(image or transcript, None, "", Unreadable(str(error)))
    if image is None:
        return Line(transcript, text, "", Unreadable(f"{transcript}: no image beside it"))
    return Line(image, text, "", ImageFile(image))


def _without_variant(stem: str) -> tuple[str, int]:
    """`a.nrm` → ("a", 1)"""
    for number, variant in enumerate(VARIANTS):
        if variant and stem.lower().endswith(variant):
            return stem[: -len(variant)], number
    return stem, 0


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            text = file.read().removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 (byte {error.start:,}: {error.reason})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        raise DataError(f"{path}: holds {len(lines)} lines of text; an image of a line has one")
    return text
