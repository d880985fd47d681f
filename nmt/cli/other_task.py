"""Data of the other kind of run: images given to a translator, parallel texts to a recogniser; what reads them."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.config.data import CorpusSource, DataConfig
    from nmt.config.lines import LinesConfig

_LANGUAGE = re.compile(r"\.([a-z]{2,3})(\.gz)?$")  # of a file of text: train.en, train.de.gz


def check_are_texts(data: "DataConfig", languages: Collection[str]) -> None:
    """Raise DataError for a corpus of images of lines, pages or pen strokes; a table with both languages is none."""
    for name in ("train", "validation", "test"):
        for source in getattr(data, name):
            _check_is_text(source, f"data.{name}", languages)


def _check_is_text(source: "CorpusSource", place: str, languages: Collection[str]) -> None:
    if source.kind != "auto" or _is_parallel_text(source.path):
        return
    config = None
    if os.path.isdir(source.path):
        config = "lines_small" if any(map(_is_image_or_page, os.listdir(source.path))) else None
    elif os.path.isfile(source.path):
        config = "lines_small" if _is_image_or_page(source.path) else _config_of_table(source.path, languages)
    if config is not None:
        raise DataError(
            f"{place}: {source.path}: holds lines of handwriting, and a translator reads text; use --config {config}"
        )


def check_are_lines(lines: "LinesConfig") -> None:
    """Raise DataError for a source that is not there or no source of lines; where it is text, with what reads that."""
    from nmt.data.lines.kind import source_kind
    from nmt.data.lines.sources import check_lines_files

    for source in (*lines.train, *lines.validation, *lines.test):
        try:
            check_lines_files(lines.model_copy(update={"train": (source,), "validation": (), "test": ()}))
            source_kind(source)
        except DataError as error:
            if not _is_parallel_text(source.path):
                raise
            raise DataError(f"{error}; if it is parallel text, a translator reads it: --config gnmt_small") from None


def _is_image_or_page(name: str) -> bool:
    from nmt.data.lines.picture import SUFFIXES

    return name.lower().endswith((*SUFFIXES, ".xml"))


def _config_of_table(path: str, languages: Collection[str]) -> str | None:
    """What reads a table of lines or of pen strokes; None for any other file."""
    from nmt.data.lines.tables import NAMES

    if not path.lower().endswith((".tsv", ".csv", ".jsonl")):
        return None
    with open(path, "rb") as stream:
        first = stream.readline(1_000_000).decode("utf-8-sig", "replace").strip()
    if path.lower().endswith(".jsonl"):
        try:
            row = json.loads(first)
        except (ValueError, RecursionError):
            return None
        names = [str(name).lower() for name in row] if isinstance(row, dict) else []
    else:
        names = [name.strip().lower() for name in re.split(r"[\t,;]", first)]
    if set(languages) <= set(names):
        return None
    if "strokes" in names:
        return "strokes_small"
    return "lines_small" if all(set(NAMES[kind]) & set(names) for kind in ("image", "text")) else None


def _is_parallel_text(path: str) -> bool:
    """Whether a path is the prefix of files in two languages, one of them, a folder of such, or the demo corpus."""
    if path.startswith("demo:"):
        return True
    place = Path(path)
    if place.is_dir():
        return any(len(found) > 1 for found in _languages(os.listdir(path)).values())
    if not place.parent.is_dir():
        return False
    found = _languages(os.listdir(place.parent))
    return len(found[place.name]) > 1 or len(found[_LANGUAGE.sub("", place.name)]) > 1


def _languages(names: Iterable[str]) -> defaultdict[str, set[str]]:
    """The endings of files by what stands before them."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        if match := _LANGUAGE.search(name):
            found[name[: match.start()]].add(match[1])
    return found
