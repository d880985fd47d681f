"""What a source of lines is kept in, where nobody says: told by its name, and by what lies in it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from nmt.config.lines import LineSource
from nmt.data.text_files import missing_file, raw_lines
from nmt.errors import DataError

TABLES = (".tsv", ".csv", ".jsonl")


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
    for line in raw_lines(path):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                return False
            return isinstance(row, dict) and "strokes" in row
    return False
