"""Attention heat-maps of chosen sentences as files, one PNG and one SVG for each."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.errors import ConfigError, DataError
from nmt.files import atomic_write

if TYPE_CHECKING:
    from nmt.inference.translation import Translation


def sentence_ranges(text: str) -> tuple[range, ...]:
    """`1,5,10-12` → ranges of line numbers, counted from 1; an argparse type."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,12})\s*(?:-\s*(\d{1,12})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise argparse.ArgumentTypeError(f"'{part}' is no line number from 1 on, nor a range like 10-12")
        found.append(range(first, last + 1))
    return tuple(found)


def check_heatmaps(folder: Path, sentences: Sequence[range], *, lines: int) -> None:
    """Raise ConfigError for a sentence that is not there, DataError for a folder that cannot be one."""
    last = max(chosen[-1] for chosen in sentences)
    if last > lines:
        raise ConfigError(f"--sentences {last}: the source has {lines:,} lines")
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; name a folder for the heat-maps")


def write_heatmaps(folder: Path, name: str, translation: "Translation") -> list[Path]:
    """`NAME.png` and `NAME.svg` of where the best translation looked; none for a line without a word."""
    from nmt.inference.heatmap import heatmap_png, heatmap_svg

    best = translation.hypotheses[0] if translation.hypotheses else None
    if best is None or best.attention is None:
        return []
    picture = (best.attention.float().numpy(), translation.source_pieces, best.pieces)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    atomic_write(png, heatmap_png(*picture))
    atomic_write(svg, heatmap_svg(*picture) + "\n")
    return [png, svg]
