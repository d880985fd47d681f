"""A character n-gram language model: modified Kneser-Ney, interpolated (Chen & Goodman 1999, section 3).

p(w | h) = (c(h w) − D(c(h w))) / Σ_v c(h v) + γ(h) · p(w | h without its first character), where γ(h) is what the
discounts D took away, shared out; below the first order stands 1 / |V|. In the highest order, and where h begins with
the start of a text, c counts occurrences; elsewhere it counts the different characters seen before h w. D(1), D(2) and
D(3 and more) come from how many n-grams have counts 1, 2, 3 and 4.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from nmt.errors import DataError

# Lone surrogates, which no text read from a file contains: an n-gram is then a plain string.
START, END, UNKNOWN = "\ud800", "\ud801", "\ud802"
MOST_ORDER = 12
_FALLBACK = (0.5, 1.0, 1.5)  # of counts too few or too even to tell discounts by, as in KenLM


class NGram:
    """Log-probabilities of characters after their history, in natural logarithm.

    A state is what of the history matters: a string of at most `order` − 1 characters. A character that the model has
    not seen is `UNKNOWN`, whose probability is that of one unseen character; without an entry for it, which a foreign
    model may lack, unseen characters have probability 0.
    """

    def __init__(self, order: int, log_probabilities: Mapping[str, float], backoffs: Mapping[str, float]) -> None:
        """`backoffs` has each history that some n-gram continues, and log γ of it."""
        self.order = order
        self.log_probabilities = log_probabilities
        self.backoffs = backoffs
        self.characters = frozenset(gram for gram in log_probabilities if len(gram) == 1) - {START, END, UNKNOWN}

    def start(self) -> str:
        """The state before a text's first character."""
        return self._state(START)

    def extend(self, state: str, character: str) -> tuple[float, str]:
        """log p of a character after a state, and the state behind it."""
        if character not in self.characters:
            character = UNKNOWN
        return self._log_probability(state, character), self._state(state + character)

    def finish(self, state: str) -> float:
        """log p that the text ends after a state."""
        return self._log_probability(state, END)

    def log_probability(self, text: str) -> float:
        """log p of a whole text, its end included."""
        state, total = self.start(), 0.0
        for character in text:
            value, state = self.extend(state, character)
            total += value
        return total + self.finish(state)

    def perplexity(self, texts: Iterable[str]) -> float:
        """exp of the mean −log p per character, where each text's end counts as one; of no text, 1."""
        texts = list(texts)
        total = sum(self.log_probability(text) for text in texts)
        return math.exp(-total / sum(len(text) + 1 for text in texts)) if texts else 1.0

    def _log_probability(self, history: str, character: str) -> float:
        """The longest n-gram known, and the backoffs of the histories that were too long; never above 0."""
        total, known = 0.0, self.log_probabilities
        while True:
            value = known.get(history + character)
            if value is not None:
                return min(0.0, total + value)  # a foreign model's rounding
            if not history:
                return -math.inf
            total += self.backoffs.get(history, 0.0)
            history = history[1:]

    def _state(self, history: str) -> str:
        """The longest end of a history that something was seen after."""
        while history and history not in self.backoffs:
            history = history[1:]
        return history


def estimate(texts: Iterable[str], order: int) -> NGram:
    """The model of some texts. Raises ValueError for an order outside 1 … 12, DataError where there is no text."""
    if not 1 <= order <= MOST_ORDER:
        raise ValueError(f"order {order} is not one of 1 to {MOST_ORDER}")
    counts = _counts(texts, order)
    log_probabilities: dict[str, float] = {}
    backoffs: dict[str, float] = {}
    size = len(counts[0]) + 1  # with UNKNOWN; START is never predicted
    shorter = {"": 1.0 / size}
    for length, grams in enumerate(counts, start=1):
        discounts = discounts_of(grams.values())
        totals: dict[str, float] = {}
        freed: dict[str, float] = {}
        for gram, count in grams.items():
            history = gram[:-1]
            totals[history] = totals.get(history, 0) + count
            freed[history] = freed.get(history, 0.0) + discounts[min(count, 3) - 1]
        gammas = {history: freed[history] / total for history, total in totals.items()}
        probabilities = {}
        for gram, count in grams.items():
            history = gram[:-1]
            lower = shorter[gram[1:]] if length > 1 else 1.0 / size
            probabilities[gram] = (count - discounts[min(count, 3) - 1]) / totals[history] + gammas[history] * lower
        if length == 1:
            probabilities[UNKNOWN] = gammas[""] / size
        else:
            backoffs.update((history, math.log(gamma)) for history, gamma in gammas.items())
        log_probabilities.update((gram, math.log(value)) for gram, value in probabilities.items())
        shorter = probabilities
    return NGram(order, log_probabilities, backoffs)


def discounts_of(counts: Iterable[int]) -> tuple[float, float, float]:
    """D(1), D(2) and D(3 and more): D(k) = k − (k + 1) Y n(k + 1) / n(k) with Y = n(1) / (n(1) + 2 n(2)).

    ½, 1 and 1½ where some n(k) is 0 or a discount came out as none at all.
    """
    have = Counter(min(count, 5) for count in counts)
    if not (have[1] and have[2] and have[3]):
        return _FALLBACK
    share = have[1] / (have[1] + 2 * have[2])
    one, two, three = (k - (k + 1) * share * have[k + 1] / have[k] for k in (1, 2, 3))
    return (one, two, three) if min(one, two, three) > 0 else _FALLBACK


def _counts(texts: Iterable[str], order: int) -> list[Counter[str]]:
    """c of the n-grams of each length from 1 on: occurrences, or different characters before."""
    raw: list[Counter[str]] = [Counter() for _ in range(order)]
    for text in texts:
        line = f"{START}{text}{END}"
        for length, grams in enumerate(raw, start=1):
            grams.update([line[i : i + length] for i in range(len(line) - length + 1)])
    if not raw[0]:
        raise DataError("a language model needs at least one text; is the training text empty?")
    counts = [raw[-1]]
    for grams, longer in zip(reversed(raw[:-1]), reversed(raw[1:]), strict=True):
        before = Counter(gram[1:] for gram in longer)
        before.update({gram: count for gram, count in grams.items() if gram[0] == START})
        counts.insert(0, before)
    del counts[0][START]
    return counts
