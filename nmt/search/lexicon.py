"""Which words a search may read: a trie over symbol ids."""

from collections.abc import Iterable, Sequence

BETWEEN = 0  # the place between words, where a text also begins: the trie's root


class Lexicon:
    """A text is words of the lexicon with separators between them, and as many separators as one likes elsewhere.

    A place is a number: `BETWEEN` words, or within one. A text may end between words or where a word is complete.
    """

    def __init__(self, words: Iterable[Sequence[int]], separators: Iterable[int]) -> None:
        """Words and separators are symbol ids.

        Raises ValueError where there is no word, a word is empty, or it holds a separator.
        """
        self.separators = frozenset(separators)
        self._next: list[dict[int, int]] = [{}]
        self._complete = {BETWEEN}
        for word in words:
            if not word or not self.separators.isdisjoint(word):
                raise ValueError(f"word {tuple(word)} is empty or holds one of the separators {set(self.separators)}")
            place = BETWEEN
            for symbol in word:
                if symbol not in self._next[place]:
                    self._next[place][symbol] = len(self._next)
                    self._next.append({})
                place = self._next[place][symbol]
            self._complete.add(place)
        if len(self._next) == 1:
            raise ValueError("a lexicon needs at least one word")

    def follow(self, place: int, symbol: int) -> int | None:
        """The place behind a symbol, or None where no word goes on so."""
        if symbol in self.separators:
            return BETWEEN if place in self._complete else None
        return self._next[place].get(symbol)

    def may_end(self, place: int) -> bool:
        """Whether a text can end here."""
        return place in self._complete
