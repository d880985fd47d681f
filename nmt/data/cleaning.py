"""Which training pairs are dropped, and a report that says how many and why.

Cleaning looks at the text the model will see, that is, after normalisation. Held-out sets are never cleaned: a pair
that cannot be used there is an error with its place (`verify`), and an empty line is a pair like any other.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nmt.config.data import CleaningConfig
from nmt.data.pairs import Pair, is_text
from nmt.errors import DataError
from nmt.text.normalize import Form, normalize

# In the order in which they are looked for: a pair is counted once, under the first reason that holds.
REASONS = {
    "malformed": "row without a pair of texts",
    "encoding": "wrong encoding (not UTF-8)",
    "empty": "empty side",
    "too_long": "too long (characters)",
    "ratio": "length ratio",
    "copy": "copy (source = target)",
    "leakage": "test leakage",
    "duplicate": "duplicate",
    "too_many_tokens": "too many tokens",
}
EXAMPLES = 3
COPY_WORDS = 3  # names and numbers are copied rightly; a longer copy is a sentence nobody translated


@dataclass
class Counts:
    """Pairs of one source."""

    read: int = 0
    kept: int = 0


@dataclass
class CleaningReport:
    """Counts of pairs read, kept and dropped, with the first examples of every reason; `sources` says whose they are.

    Sources are places while pairs are cleaned; a corpus of many files may be put together afterwards.
    """

    read: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    examples: dict[str, list[str]] = field(default_factory=dict)
    sources: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))

    def drop(self, reason: str, pair: Pair) -> None:
        """Count a pair under a reason, and keep it as an example if it is one of the first."""
        self.dropped[reason] += 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < EXAMPLES:
            shown.append(f"{pair.origin}: {pair.problem or f'{_excerpt(pair.source)} | {_excerpt(pair.target)}'}")

    def take_back(self, reason: str, pair: Pair) -> None:
        """Drop a pair that was kept at first."""
        self.kept -= 1
        self.sources[pair.origin.place].kept -= 1
        self.drop(reason, pair)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON, without the sources, whose names may change."""
        examples = {reason: list(shown) for reason, shown in self.examples.items()}
        return {"read": self.read, "kept": self.kept, "dropped": dict(self.dropped), "examples": examples}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "CleaningReport":
        return cls(**values)

    def __str__(self) -> str:
        """A small table; reasons that dropped nothing are left out, and so is a source that is alone."""
        rows: list[tuple[str, int, list[str]]] = [("pairs read", self.read, [])]
        rows += [(REASONS[name], count, self.examples.get(name, [])) for name, count in self.dropped.items() if count]
        rows += [("pairs kept", self.kept, [])]
        width = max(len(title) for title, _, _ in rows)
        lines = []
        for title, count, shown in rows:
            share = f"{count / max(1, self.read):7.2%}" if title != "pairs read" else ""
            lines.append(f"{title:<{width}}  {count:>12,}  {share}".rstrip())
            lines += [f"    {example}" for example in shown]
        if len(self.sources) > 1:
            lines += [f"    {name}: {one.kept:,} of {one.read:,}" for name, one in self.sources.items()]
        return "\n".join(lines)


def clean(
    pairs: Iterable[Pair],
    config: CleaningConfig,
    report: CleaningReport,
    *,
    normalization: Form = "nfc",
    held_out: Collection[int] = frozenset(),
) -> Iterator[Pair]:
    """The pairs worth training on, unchanged and in order; what is dropped is counted in `report`.

    `held_out` are the `pair_hash`es of validation and test. Duplicates are found by 8-byte hashes of every pair kept,
    about 70 bytes of memory each (0.7 GB for ten million); two different pairs in ten million collide with
    probability 3e-6.

    Raises `DataError` for invalid UTF-8 where the configuration wants that.
    """
    seen: set[int] = set()
    for pair in pairs:
        counts = report.sources[pair.origin.place]
        report.read += 1
        counts.read += 1
        reason = _defect(pair, config)
        if reason is None:
            source, target = normalize(pair.source, normalization), normalize(pair.target, normalization)
            reason = _unfit(source, target, config)
            if reason is None and (config.drop_duplicates or held_out):
                digest = _hash(source, target)
                if digest in held_out:
                    reason = "leakage"
                elif digest in seen:
                    reason = "duplicate"
                elif config.drop_duplicates:
                    seen.add(digest)
        if reason is None:
            report.kept += 1
            counts.kept += 1
            yield pair
        else:
            report.drop(reason, pair)


def verify(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs of a held-out set, all of them. Raises `DataError` for one that cannot be used."""
    for pair in pairs:
        if pair.problem:
            raise DataError(f"{pair.origin}: {pair.problem}; validation and test sets are used whole, so mend this row")
        if (side := _undecodable(pair)) is not None:
            raise DataError(_encoding_message(pair, side, "validation and test sets are used whole, so mend this line"))
        yield pair


def pair_hash(source: str, target: str, normalization: Form) -> int:
    """Eight bytes that stand for a pair of texts, the same in every process."""
    return _hash(normalize(source, normalization), normalize(target, normalization))


def _hash(source: str, target: str) -> int:
    text = f"{source}\n{target}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _defect(pair: Pair, config: CleaningConfig) -> str | None:
    """Why a pair cannot even be normalised, if it cannot."""
    if pair.problem:
        return "malformed"
    if (side := _undecodable(pair)) is not None:
        if config.on_invalid_utf8 == "error":
            way_out = "mend it, or drop such lines by --data.cleaning.on_invalid_utf8 drop"
            raise DataError(_encoding_message(pair, side, way_out))
        return "encoding"
    return None


def _unfit(source: str, target: str, config: CleaningConfig) -> str | None:
    """Why two normalised texts are no training pair, if they are none."""
    if not source or not target:
        return "empty"
    shorter, longer = sorted((len(source), len(target)))
    if longer > config.max_characters:
        return "too_long"
    if longer > config.max_length_ratio * shorter:
        return "ratio"
    if config.drop_copies and source == target and len(source.split()) > COPY_WORDS:
        return "copy"
    return None


def _undecodable(pair: Pair) -> str | None:
    """The side whose bytes were not UTF-8, if one was."""
    if not is_text(pair.source):
        return "source"
    return None if is_text(pair.target) else "target"


def _encoding_message(pair: Pair, side: str, way_out: str) -> str:
    text = pair.source if side == "source" else pair.target
    return f"{pair.origin}: the {side} side is not valid UTF-8: {_excerpt(text)}; {way_out}"


def _excerpt(text: str, width: int = 60) -> str:
    """The start of a text, printable on one line; an undecodable byte as `\\xNN`."""
    shown = []
    for character in text[:width]:
        if "\udc80" <= character <= "\udcff":
            shown.append(f"\\x{ord(character) - 0xDC00:02x}")
        else:
            shown.append(character if character.isprintable() else repr(character)[1:-1])
    return "".join(shown) + ("..." if len(text) > width else "")
