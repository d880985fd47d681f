"""The options that say what a translation must hold or be, beyond the search: prefix, glossary, copies, a vote."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nmt.cli.lines import read_lines
from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nmt.inference.guidance import Guidance

KINDS: Final = ("urls", "numbers", "emoji", "placeholders", "unknown")
UTILITIES: Final = ("chrf", "bleu")
MOST_CANDIDATES: Final = 1000


@dataclass(frozen=True)
class Wishes:
    """Guidance as plain data, made before torch is imported."""

    glossary: tuple[tuple[str, str], ...] = ()
    copy: tuple[str, ...] = ()
    mbr: str | None = None
    candidates: int | None = None

    def check(self, *, sampling: bool, groups: int = 1, beam_size: int | None = None) -> None:
        """Raise ConfigError where a search of this kind cannot grant them; of a beam, its size may not be known yet."""
        if self.glossary and sampling:
            raise ConfigError(
                "--glossary: only a beam search can demand its terms; leave out --sampling, or give --no-sampling"
            )
        if self.glossary and groups > 1:
            raise ConfigError(
                f"--glossary: {groups} diverse groups cannot be made to say its terms; give --diverse-beam-groups 1"
            )
        if self.candidates and not sampling and beam_size is not None and self.candidates > beam_size:
            raise ConfigError(
                f"--candidates {self.candidates}: more than the beam holds ({beam_size}); raise --beam-size, or add"
                " --sampling"
            )

    def guidance(self) -> "Guidance":
        """What the translator is given. Raises ConfigError for a glossary that contradicts itself."""
        from nmt.inference.glossary import Glossary
        from nmt.inference.guidance import Guidance

        given: dict[str, Any] = {"copy": self.copy, "mbr": self.mbr, "candidates": self.candidates}
        return Guidance(Glossary(self.glossary) if self.glossary else None, **given)


NO_WISHES: Final = Wishes()


def add_prefix_options(parser: argparse.ArgumentParser) -> None:
    """Of what `read_sources` gives with every line."""
    group = parser.add_argument_group("how translations begin").add_mutually_exclusive_group()
    group.add_argument("--prefix", default="", metavar="TEXT", help="how every translation begins")
    group.add_argument("--prefix-file", type=Path, metavar="FILE", help="how each begins, line by line")


def add_wish_options(parser: argparse.ArgumentParser) -> None:
    """What `read_wishes` reads, all of it unset."""
    group = parser.add_argument_group("what translations must be")
    group.add_argument(
        "--glossary", type=Path, metavar="FILE", help="source TAB target: where the one stands, the other must"
    )
    group.add_argument(
        "--copy",
        type=_kinds,
        default=(),
        metavar="LIST",
        help=f"bring through as they are: all, or {','.join(KINDS)}; a number only where attention finds its place",
    )
    group.add_argument(
        "--mbr",
        nargs="?",
        choices=UTILITIES,
        const="chrf",
        help="choose the candidate most like the others (minimum Bayes risk), by chrf (default) or bleu",
    )
    group.add_argument(
        "--candidates", type=int, metavar="N", help="of --mbr (default: the whole beam, or 16 with --sampling)"
    )


def read_wishes(arguments: argparse.Namespace) -> Wishes:
    """The options given, checked. Raises ConfigError, and DataError for a glossary that is none."""
    if arguments.candidates is not None:
        if arguments.mbr is None:
            raise ConfigError(f"--candidates {arguments.candidates}: of no effect without --mbr; add it")
        if not 2 <= arguments.candidates <= MOST_CANDIDATES:
            raise ConfigError(f"--candidates {arguments.candidates}: must be from 2 to {MOST_CANDIDATES}")
    glossary = read_glossary(arguments.glossary) if arguments.glossary else ()
    return Wishes(glossary, arguments.copy, arguments.mbr, arguments.candidates)


def read_glossary(path: Path) -> tuple[tuple[str, str], ...]:
    """Pairs of source and target; empty lines are none. Raises DataError for a line that holds no pair."""
    pairs = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        sides = [side.strip() for side in line.split("\t")]
        if len(sides) != 2 or not all(sides):
            raise DataError(f"{path}:{number}: a line is SOURCE, a tab, TARGET; this one has {len(sides)} columns")
        pairs.append((sides[0], sides[1]))
    if not pairs:
        raise DataError(f"{path}: holds no entry; a line is SOURCE, a tab, TARGET")
    return tuple(pairs)


def _kinds(text: str) -> tuple[str, ...]:
    if text == "all":
        return KINDS
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in KINDS:
            raise argparse.ArgumentTypeError(f"'{name}' is none of all, {', '.join(KINDS)}")
    return names
