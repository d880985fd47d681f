"""What every corpus is read as: a pair of sentences and the place it came from."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable


class Origin(NamedTuple):
    """The place a pair stands in, printed `PATH:LINE`; lines and rows are counted from 1."""

    place: str
    line: int

    def __str__(self) -> str:
        return f"{self.place}:{self.line}"


class Pair(NamedTuple):
    """Two sentences as they were read, before any normalisation.

    Bytes that are not UTF-8 are kept as lone surrogates (PEP 383), which `is_text` finds. A row that holds no pair of
    texts has empty sides and says why in `problem`.
    """

    source: str
    target: str
    origin: Origin
    problem: str = ""


HashOf = Callable[[str], str]  # the content of a file, in short
Row = Callable[[], Pair]  # a pair that was found in its file and is still to be parsed


class Languages(NamedTuple):
    """Language codes of the two sides, which are also file suffixes and default column names."""

    source: str
    target: str


@runtime_checkable
class Reader(Protocol):
    """One file (or pair of files, or split of a hub dataset) that can be read again and again."""

    @property
    def place(self) -> str:
        """What origins are called by."""
        ...

    def fingerprint(self, hash_of: HashOf = ...) -> str:
        """Changes with the content and with the columns read, not with the name. `hash_of` reads a file for it."""
        ...

    def rows(self) -> Iterator[Row]:
        """All pairs, each to be parsed by whoever wants it: to count them costs a fraction."""
        ...

    def pairs(self) -> Iterator[Pair]:
        return (parsed() for parsed in self.rows())


def is_text(text: str) -> bool:
    """Whether `text` can be written as UTF-8, that is, came from valid UTF-8 (or JSON without lone surrogates)."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
