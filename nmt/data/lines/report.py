"""What became of every line: how many each split holds, and which are bad, counted by reason with the first named."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nmt.data.lines.line import BadLine

# In the order in which they are looked for: a line is counted once, under the first reason that holds.
REASONS = {
    "unreadable": "unreadable",
    "transcript": "no transcript",
    "long": "longer than data.max_columns",
    "frames": "too few frames",
    "alphabet": "character outside the alphabet",
}
EXAMPLES = 3


@dataclass
class SplitReport:
    """One split: lines that are used, their writers and distinct characters; bad lines by reason."""

    lines: int = 0
    writers: int = 0
    characters: int = 0
    repeated_names: int = 0
    bad: dict[str, int] = field(default_factory=dict)  # by key of REASONS
    examples: dict[str, list[str]] = field(default_factory=dict)  # reasons of the first, which begin with their names

    def add_bad(self, kind: str, line: BadLine) -> None:
        """Count a line under a reason, and keep what is wrong with it if it is one of the first."""
        self.bad[kind] = self.bad.get(kind, 0) + 1
        shown = self.examples.setdefault(kind, [])
        if len(shown) < EXAMPLES:
            shown.append(line.reason)

    def count(self, texts: Iterable[str], writers: Iterable[str]) -> None:
        """Take in the lines that are used."""
        characters: Counter[str] = Counter()
        for text in texts:
            self.lines += 1
            characters.update(text)
        self.characters = len(characters)
        self.writers = len({writer for writer in writers if writer})


@dataclass
class LinesReport:
    """All splits, and what they share (one sentence each, from `nmt.data.lines.leaks`)."""

    splits: dict[str, SplitReport] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"splits": {name: dict(vars(split)) for name, split in self.splits.items()}, "leaks": list(self.leaks)}

    def __str__(self) -> str:
        """A row a split, the bad lines under it, and what is shared at the end."""
        rows = [text for name, split in self.splits.items() for text in _rows(name, split)]
        return "\n".join([*rows, *(f"leak: {leak}" for leak in self.leaks)])


def _rows(name: str, split: SplitReport) -> list[str]:
    row = f"{name}: {split.lines:,} lines of {_writers(split.writers)}, {split.characters:,} different characters"
    repeated = [f"    {split.repeated_names:,} names stand twice or more"] if split.repeated_names else []
    return [row, *repeated, *_bad(split.bad, split.examples)]


def _bad(counts: Mapping[str, int], examples: Mapping[str, list[str]]) -> list[str]:
    rows: list[str] = []
    for kind in (kind for kind in REASONS if kind in counts):
        rows.append(f"    {counts[kind]:,} bad, {REASONS[kind]}:")
        rows += [f"        {example}" for example in examples.get(kind, [])]
        if counts[kind] > EXAMPLES:
            rows.append("        …")
    return rows


def _writers(count: int) -> str:
    return "unknown writers" if count == 0 else "1 writer" if count == 1 else f"{count:,} writers"
