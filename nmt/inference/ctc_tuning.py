"""Choosing a language model's weight α and the bonus β on validation lines, with few searches.

A search is dear, a ranking is cheap: every text that some search found is kept with its exact likelihood, its log p as
language and its length, so that all of the grid's points can be ranked over the same texts. In turns the point that
ranks best is searched in truth and what it finds is added, until a point comes out best that was searched before
(minimum error rate training does so with n-best lists; Och 2003, section 5). Chosen is the point whose own search has
the fewest errors.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from nmt.search.lexicon import Lexicon
from nmt.search.prefix_beam import CTCHypothesis, LanguageScorer, prefix_beam

Errors = Callable[[int, tuple[int, ...]], float]

LANGUAGE_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5)
INSERTION_BONUSES = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


class Weights(NamedTuple):
    """α and β of a search."""

    language_weight: float
    insertion_bonus: float


class Tuning(NamedTuple):
    weights: Weights  # of the fewest errors; of equal ones, the smallest α, then the β nearest to 0
    errors: float  # of that search
    searched: dict[Weights, float]  # errors of each point that was searched in truth


class _Text(NamedTuple):
    """What a text's score is made of, whatever the weights."""

    log_likelihood: float
    language: float  # log p of the language model, the end included
    length: int

    def score(self, weights: Weights) -> float:
        fused = weights.language_weight * self.language if weights.language_weight else 0.0
        return self.log_likelihood + fused + weights.insertion_bonus * self.length


def tune_language(
    lines: Sequence[Float[Tensor, "_ V"]],
    errors: Errors,
    *,
    scorer: LanguageScorer,
    start: Weights | None = None,
    language_weights: Sequence[float] = LANGUAGE_WEIGHTS,
    insertion_bonuses: Sequence[float] = INSERTION_BONUSES,
    beam_size: int = 16,
    top_symbols: int = 20,
    lexicon: Lexicon | None = None,
    rounds: int = 8,
) -> Tuning:
    """The best point of the grid, or `start`, for lines given as log-probabilities.

    `errors(line, ids)` says how many errors reading a line as `ids` makes; compared is their sum over all lines,
    as in a micro-averaged rate. `start`, by default the grid's middle, is always searched, so that what comes out is no
    worse. At most `rounds` + 2 searches of all lines. ValueError where there are no lines or no
    points.
    """
    points = {Weights(*point) for point in product(language_weights, insertion_bonuses)}
    grid = sorted(
        points if start is None else points | {start},
        key=lambda weights: (weights.language_weight, abs(weights.insertion_bonus), weights.insertion_bonus),
    )
    if not grid or not lines:
        raise ValueError(f"{len(lines)} lines and {len(grid)} points of a grid; at least one of each is needed")
    pool = _Pool(errors, scorer, len(lines))

    def search(weights: Weights) -> Iterator[list[CTCHypothesis]]:
        for log_probs in lines:
            yield prefix_beam(
                log_probs,
                beam_size=beam_size,
                top_symbols=top_symbols,
                nbest=beam_size,
                scorer=scorer,
                language_weight=weights.language_weight,
                insertion_bonus=weights.insertion_bonus,
                lexicon=lexicon,
            )

    searched: dict[Weights, float] = {}
    for following in dict.fromkeys((grid[0], grid[len(grid) // 2] if start is None else start)):
        searched[following] = pool.add(search(following))
    while len(searched) < rounds + 2 and (following := min(grid, key=pool.errors_at)) not in searched:
        searched[following] = pool.add(search(following))
    best = min(grid, key=lambda weights: searched.get(weights, float("inf")))
    return Tuning(best, searched[best], searched)


class _Pool:
    """The texts that searches found for each line."""

    def __init__(self, errors: Errors, scorer: LanguageScorer, lines: int) -> None:
        self._errors = errors
        self._scorer = scorer
        self._texts: list[dict[tuple[int, ...], _Text]] = [{} for _ in range(lines)]
        self._counted: list[dict[tuple[int, ...], float]] = [{} for _ in range(lines)]

    def add(self, found: Iterator[list[CTCHypothesis]]) -> float:
        """Keep what a search found for each line; the errors of its first texts."""
        total = 0.0
        for line, hypotheses in enumerate(found):
            for one in hypotheses:
                if one.ids not in self._texts[line]:
                    language = language_log_probability(self._scorer, one.ids)
                    self._texts[line][one.ids] = _Text(one.log_likelihood, language, len(one.ids))
            total += self._count(line, hypotheses[0].ids)
        return total

    def errors_at(self, weights: Weights) -> float:
        """The errors of the texts that these weights rank first."""
        return sum(
            self._count(line, max(texts, key=lambda ids: texts[ids].score(weights)))
            for line, texts in enumerate(self._texts)
        )

    def _count(self, line: int, ids: tuple[int, ...]) -> float:
        counted = self._counted[line]
        if ids not in counted:
            counted[ids] = self._errors(line, ids)
        return counted[ids]


def language_log_probability(scorer: LanguageScorer, ids: Sequence[int]) -> float:
    """log p of a whole text as language, its end included."""
    state, total = scorer.start(), 0.0
    for symbol in ids:
        value, state = scorer.extend(state, symbol)
        total += value
    return total + scorer.finish(state)
