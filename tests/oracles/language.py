"""What language models and lexicons are judged by: counting anew for every question."""

import itertools
from dataclasses import dataclass, field

from oracles.paths import random_frames


@dataclass
class ToyLanguage:
    """A language model drawn at random: log p of each next symbol, or of the end (0), after each whole history.

    A state is the history. `asked` keeps every question, in order.
    """

    seed: int
    symbols: int
    asked: list[tuple[int, ...]] = field(default_factory=list)
    rows: dict[tuple[int, ...], list[float]] = field(default_factory=dict)

    def start(self) -> tuple[int, ...]:
        return ()

    def extend(self, state: tuple[int, ...], symbol: int) -> tuple[float, tuple[int, ...]]:
        self.asked.append((*state, symbol))
        return self.row(state)[symbol], (*state, symbol)

    def finish(self, state: tuple[int, ...]) -> float:
        return self.row(state)[0]

    def row(self, history: tuple[int, ...]) -> list[float]:
        if history not in self.rows:
            self.rows[history] = random_frames(hash((self.seed, *history)), 1, self.symbols)[0]
        return self.rows[history]

    def log_probability(self, text: tuple[int, ...]) -> float:
        return sum(self.row(text[:i])[symbol] for i, symbol in enumerate(text)) + self.row(text)[0]


def spells_words(text: tuple[int, ...], words: set[tuple[int, ...]], separators: set[int]) -> bool:
    """Whether what stands between separators are words."""
    groups = itertools.groupby(text, key=lambda symbol: symbol in separators)
    return all(is_separator or tuple(group) in words for is_separator, group in groups)


def begins_words(text: tuple[int, ...], words: set[tuple[int, ...]], separators: set[int]) -> bool:
    """Whether some text of words begins so."""
    return any(spells_words((*text, *word[i:]), words, separators) for word in words for i in range(len(word) + 1))


class PlainKneserNey:
    """Interpolated modified Kneser-Ney as Chen & Goodman 1999 write it, counting anew for every question.

    A text is its characters between "<s>" and "</s>"; the characters are strings, and a history a tuple of them.
    """

    def __init__(self, texts: list[str], order: int) -> None:
        self.order = order
        self.lines = [("<s>", *text, "</s>") for text in texts]
        self.vocabulary = [*sorted({token for line in self.lines for token in line[1:]}), "<unk>"]
        self.tables = [self._table(length) for length in range(1, order + 1)]

    def _windows(self, length: int) -> list[tuple[str, ...]]:
        return [line[i : i + length] for line in self.lines for i in range(len(line) - length + 1)]

    def _table(self, length: int) -> dict[tuple[str, ...], int]:
        windows = self._windows(length)
        longer = set(self._windows(length + 1))
        table = {}
        for gram in set(windows) - {("<s>",)}:
            whole = length == self.order or gram[0] == "<s>"
            table[gram] = windows.count(gram) if whole else sum(other[1:] == gram for other in longer)
        return table

    def _discount(self, length: int, count: int) -> float:
        counts = list(self.tables[length - 1].values())
        n = {k: counts.count(k) for k in (1, 2, 3, 4)}
        if n[1] and n[2] and n[3]:
            y = n[1] / (n[1] + 2 * n[2])
            discounts = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
            if min(discounts) > 0:
                return discounts[min(count, 3) - 1]
        return [0.5, 1.0, 1.5][min(count, 3) - 1]

    def probability(self, token: str, history: tuple[str, ...]) -> float:
        history = history[max(0, len(history) - self.order + 1) :]
        lower = self.probability(token, history[1:]) if history else 1 / len(self.vocabulary)
        length = len(history) + 1
        after = {gram: count for gram, count in self.tables[length - 1].items() if gram[:-1] == history}
        if not after:
            return lower
        total = sum(after.values())
        gamma = sum(self._discount(length, count) for count in after.values()) / total
        count = after.get((*history, token), 0)
        return (count - self._discount(length, count) if count else 0.0) / total + gamma * lower
