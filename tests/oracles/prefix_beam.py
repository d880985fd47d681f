"""What prefix beam search is judged by: the same search with probabilities for logarithms, skipping nothing."""

import math
from collections.abc import Callable

from oracles.language import ToyLanguage


def plain_prefix_beam(
    log_probs: list[list[float]],
    *,
    beam_size: int,
    top_symbols: int = 0,
    language: ToyLanguage | None = None,
    weight: float = 0.0,
    bonus: float = 0.0,
    allowed: Callable[[tuple[int, ...]], bool] = lambda text: True,
) -> dict[tuple[int, ...], float]:
    """The texts kept behind the last frame with their probability, as Hannun et al. 2014 do: nothing is skipped.

    Each frame makes a table of all ways on; the best texts of the table stay. Probabilities, no logarithms.
    """

    def worth(text: tuple[int, ...], probability: float) -> float:
        value = math.log(probability) + bonus * len(text)
        for i, symbol in enumerate(text if language is not None else ()):
            value += weight * language.row(text[:i])[symbol]
        return value

    kept = {(): (1.0, 0.0)}  # probability ending in a blank, and in the last symbol
    for row in log_probs:
        ranked = sorted(range(1, len(row)), key=lambda symbol: (-row[symbol], symbol))
        best = ranked[: top_symbols or None]
        table: dict[tuple[int, ...], list[float]] = {}
        for text, (blank, spoken) in kept.items():
            ways = table.setdefault(text, [0.0, 0.0])
            ways[0] += (blank + spoken) * math.exp(row[0])
            if text:
                ways[1] += spoken * math.exp(row[text[-1]])
            for symbol in range(1, len(row)):
                longer = (*text, symbol)
                if (symbol in best or longer in kept) and allowed(longer):
                    from_where = blank if text and text[-1] == symbol else blank + spoken
                    table.setdefault(longer, [0.0, 0.0])[1] += from_where * math.exp(row[symbol])
        possible = [text for text, ways in table.items() if sum(ways) > 0.0]
        stay = sorted(possible, key=lambda text: worth(text, sum(table[text])), reverse=True)[:beam_size]
        kept = {text: (table[text][0], table[text][1]) for text in stay}
    return {text: sum(ways) for text, ways in kept.items()}
