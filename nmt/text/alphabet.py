"""The symbols a CTC output chooses from: blank 0, then the characters of the training text (Graves et al. 2006)."""

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

from nmt.errors import DataError

BLANK = 0


class Alphabet:
    """Characters ↔ ids; id 0 is the blank, which no text contains. `len` counts the blank."""

    def __init__(self, symbols: Sequence[str]) -> None:
        """`symbols` are the characters of ids 1, 2, …; each once, each one code point."""
        if not symbols:
            raise DataError("an alphabet needs at least one character; are all transcripts empty?")
        odd = [symbol for symbol in symbols if len(symbol) != 1] or sorted({s for s in symbols if symbols.count(s) > 1})
        if odd:
            raise DataError(f"an alphabet holds single characters, each once; {odd[0]!r} is not such")
        self.symbols = tuple(symbols)
        self._ids = {symbol: number for number, symbol in enumerate(symbols, start=1)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Alphabet":
        """Every character of the texts, in the order of their code points."""
        return cls(sorted(set().union(*texts)))

    def __len__(self) -> int:
        return len(self.symbols) + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alphabet) and other.symbols == self.symbols

    def __hash__(self) -> int:
        return hash(self.symbols)

    def missing(self, text: str) -> list[str]:
        """Characters of a text that have no id, each once, in the text's order."""
        return list(dict.fromkeys(character for character in text if character not in self._ids))

    def encode(self, text: str) -> list[int]:
        """Ids of a text's characters; DataError naming those that have none."""
        if missing := self.missing(text):
            named = ", ".join(f"{symbol!r} (U+{ord(symbol):04X}, {_name(symbol)})" for symbol in missing[:5])
            raise DataError(f"not in the alphabet of {len(self.symbols)} characters: {named}")
        return [self._ids[character] for character in text]

    def decode(self, ids: Iterable[int]) -> str:
        """The characters of ids without blanks."""
        return "".join(self.symbols[number - 1] for number in ids)


def minimum_frames(ids: Sequence[int]) -> int:
    """The fewest frames whose collapse can be `ids`: one each, and a blank between equal neighbours."""
    return len(ids) + sum(left == right for left, right in pairwise(ids))


def _name(symbol: str) -> str:
    return unicodedata.name(symbol, "no name")
