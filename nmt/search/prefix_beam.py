"""The most probable texts of a line: CTC prefix beam search (Hannun et al. 2014, algorithm 1), in log space.

Frame by frame, up to `beam_size` texts are kept, each with the probability of all kept paths that say it, apart for
paths that end in a blank and paths that end in its last symbol.

- A frame carries each text on: by a blank, or by its last symbol again. It makes each text longer by one symbol: from
  all its paths, or, where the symbol is the last one again, from those that end in a blank. Ways to the same text add
  up; the greater never stands for the sum.
- In a frame, only its `top_symbols` best symbols lead to texts that are new in the beam (0: all of them do). The way
  from one kept text to another is always counted.
- Texts are ranked by log p + α · log p of the language model + β · length. The language model speaks once for each
  symbol when it is appended, however many paths append it; of the end of the text it speaks behind the last frame.
- Of equally ranked texts, one that was kept before goes before a new one, then the one (or its parent) that was ranked
  higher before, then the more probable symbol, then the smaller id.
- A lexicon forbids to append a symbol that its words do not go on with, and texts that end within a word. If no kept
  text ends well, the line is searched again with 4, 16 and 64 times the beam; if none does even so, each is cut back to
  behind its last complete word.
- At the end, each kept text gets its exact likelihood over all paths, also those that the beam lost, and is ranked by
  it, again with α and β.

Where a text can only fall behind `beam_size` others, it is not looked at; that changes no result, since the texts kept
are ranked first, new ones come from one parent only, and log p of a language model is at most 0.
"""

import math
from collections.abc import Sequence
from heapq import heapify, heappush, heapreplace
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from nmt.search.ctc import BLANK, log_likelihoods_of_line
from nmt.search.lexicon import BETWEEN, Lexicon

_NEVER = -math.inf
_WIDENINGS = (1, 4, 16, 64)  # of the beam, while it holds no text that a lexicon lets end


@runtime_checkable
class LanguageScorer(Protocol):
    """What says how probable symbols are as language. Holds no state of its own: states go in and come out.

    States are never changed. `extend` is asked for many symbols after one state, so a neural model keeps the
    distribution it has computed in the state that it gives, and computes it when it is first asked for.
    """

    def start(self) -> Any:
        """The state before the first symbol."""
        ...

    def extend(self, state: Any, symbol: int) -> tuple[float, Any]:
        """log p of a symbol after what was read, at most 0, and the state behind it."""
        ...

    def finish(self, state: Any) -> float:
        """log p that the text ends here, at most 0."""
        ...


class CTCHypothesis(NamedTuple):
    """One text of one line."""

    ids: tuple[int, ...]
    log_likelihood: float  # log p(ids | line), exact, over all paths
    score: float  # what it is ranked by: log_likelihood + α · log p of the language model + β · length


class _Prefix:
    """A text in the beam, or one that was looked at; knows its parent and children, so that equal texts are one."""

    __slots__ = ("blank", "children", "extra", "kept", "parent", "place", "score", "spoken", "state", "symbol", "total")

    def __init__(self, parent: "_Prefix | None", symbol: int, *, extra: float, state: Any, place: int) -> None:
        self.parent = parent
        self.symbol = symbol
        self.extra = extra  # α · log p of the language model + β · length
        self.state = state  # of the language model
        self.place = place  # in the lexicon
        self.children: dict[int, _Prefix | None] = {}  # None: forbidden by the lexicon
        self.kept = False
        self.blank = _NEVER  # log p of the paths that end in a blank, …
        self.spoken = _NEVER  # … of those that end in the symbol, …
        self.total = _NEVER  # … and of all
        self.score = _NEVER

    def ids(self) -> tuple[int, ...]:
        backwards = []
        prefix = self
        while prefix.parent is not None:
            backwards.append(prefix.symbol)
            prefix = prefix.parent
        return tuple(reversed(backwards))


class _Found(NamedTuple):
    """What a frame makes of a prefix."""

    score: float
    prefix: _Prefix
    blank: float
    spoken: float
    total: float


class _Rules(NamedTuple):
    """What a text is worth besides its frames, and which texts there are."""

    scorer: LanguageScorer | None
    language_weight: float
    insertion_bonus: float
    lexicon: Lexicon | None

    def root(self) -> _Prefix:
        """The empty text before the first frame."""
        state = None if self.scorer is None else self.scorer.start()
        root = _Prefix(None, BLANK, extra=0.0, state=state, place=BETWEEN)
        root.kept, root.blank, root.total, root.score = True, 0.0, 0.0, 0.0
        return root

    def child(self, prefix: _Prefix, symbol: int) -> _Prefix | None:
        """The prefix one symbol longer, or None where the lexicon forbids it."""
        place = prefix.place
        if self.lexicon is not None:
            followed = self.lexicon.follow(place, symbol)
            if followed is None:
                return None
            place = followed
        extra, state = prefix.extra + self.insertion_bonus, None
        if self.scorer is not None:
            log_probability, state = self.scorer.extend(prefix.state, symbol)
            extra += self.language_weight * log_probability
        return _Prefix(prefix, symbol, extra=extra, state=state, place=place)

    def ending(self, prefix: _Prefix) -> float:
        """What a whole text is worth besides its frames."""
        if self.scorer is None:
            return prefix.extra
        return prefix.extra + self.language_weight * self.scorer.finish(prefix.state)

    def may_end(self, prefix: _Prefix) -> bool:
        """Whether this is a whole text."""
        return self.lexicon is None or self.lexicon.may_end(prefix.place)

    def cut_back(self, prefix: _Prefix) -> _Prefix:
        """The longest beginning that is a whole text; the empty one is."""
        while prefix.parent is not None and not self.may_end(prefix):
            prefix = prefix.parent
        return prefix


def prefix_beam(
    log_probs: Float[Tensor, "F V"],
    *,
    beam_size: int,
    top_symbols: int = 20,
    nbest: int = 1,
    scorer: LanguageScorer | None = None,
    language_weight: float = 0.0,
    insertion_bonus: float = 0.0,
    lexicon: Lexicon | None = None,
) -> list[CTCHypothesis]:
    """Up to `nbest` texts of a line, best first, at least one; what exactly is searched stands above.

    `language_weight` is α and `insertion_bonus` β. A line that no path can say has the empty text with score -inf.
    Raises ValueError where a size is not positive, α is negative, or a log-probability is not a number.
    """
    if beam_size < 1 or nbest < 1 or top_symbols < 0:
        raise ValueError(f"beam_size {beam_size} and nbest {nbest} must be positive, top_symbols {top_symbols} not < 0")
    if language_weight < 0:
        raise ValueError(f"language_weight {language_weight} must not be negative")
    values = log_probs.detach().double().cpu()
    if values.isnan().any():
        raise ValueError("a log-probability is not a number (nan); is the model's output finite?")
    rules = _Rules(scorer if language_weight else None, language_weight, insertion_bonus, lexicon)
    frames = list(zip(values.tolist(), _best_symbols(values, top_symbols), strict=True))
    for widening in _WIDENINGS:
        beam = [rules.root()]
        for row, best in frames:
            beam = _next_beam(beam, row, best, rules=rules, beam_size=beam_size * widening)
        if whole := [prefix for prefix in beam if rules.may_end(prefix)]:
            break
    else:
        whole = list(dict.fromkeys(map(rules.cut_back, beam))) or [rules.root()]
    return _ranked(values, whole, rules)[:nbest]


def _best_symbols(values: Float[Tensor, "F V"], top_symbols: int) -> list[list[tuple[int, float]]]:
    """Of each frame the best symbols that are no blanks, with their log-probabilities, best first, smaller ids first.

    Symbols of probability 0 are left out.
    """
    ranked, order = values[:, BLANK + 1 :].sort(dim=1, descending=True, stable=True)
    ranked, order = ranked[:, : top_symbols or None], order[:, : top_symbols or None] + BLANK + 1
    return [
        [(symbol, value) for symbol, value in zip(symbols, row, strict=True) if value > _NEVER]
        for symbols, row in zip(order.tolist(), ranked.tolist(), strict=True)
    ]


def _next_beam(
    beam: list[_Prefix], row: list[float], best: list[tuple[int, float]], *, rules: _Rules, beam_size: int
) -> list[_Prefix]:
    """Read one frame; prefixes come and go ranked best first."""
    found = _carried_on(beam, row)
    ranks = [one.score for one in found]  # a heap of the best `beam_size` scores; its least is the one to beat
    heapify(ranks)
    to_beat = ranks[0] if len(ranks) == beam_size else _NEVER
    for prefix in beam:
        reach = prefix.score + rules.insertion_bonus  # a child scores at most this and its symbol's log p
        if not best or reach + best[0][1] <= to_beat:
            break
        children = prefix.children
        for symbol, value in best:
            if reach + value <= to_beat:
                break
            if symbol in children:
                child = children[symbol]
            else:
                child = children[symbol] = rules.child(prefix, symbol)
            if child is None or child.kept:
                continue
            total = (prefix.blank if symbol == prefix.symbol else prefix.total) + value
            score = total + child.extra
            if score <= to_beat:
                continue
            found.append(_Found(score, child, _NEVER, total, total))
            if len(ranks) < beam_size:
                heappush(ranks, score)
            else:
                heapreplace(ranks, score)
            to_beat = ranks[0] if len(ranks) == beam_size else _NEVER
    for prefix in beam:
        prefix.kept = False
    found.sort(key=itemgetter(0), reverse=True)
    for score, prefix, blank, spoken, total in found[:beam_size]:
        prefix.kept, prefix.score, prefix.blank, prefix.spoken, prefix.total = True, score, blank, spoken, total
    return [one.prefix for one in found[:beam_size]]


def _carried_on(beam: list[_Prefix], row: list[float]) -> list[_Found]:
    """What a frame makes of the prefixes that are in the beam already, without those that no path says any longer."""
    found = []
    for prefix in beam:
        blank, spoken, parent = prefix.total + row[BLANK], _NEVER, prefix.parent
        if parent is not None:
            spoken = prefix.spoken
            if parent.kept:
                spoken = _add(spoken, parent.blank if parent.symbol == prefix.symbol else parent.total)
            spoken += row[prefix.symbol]
        total = _add(blank, spoken)
        if total > _NEVER:
            found.append(_Found(total + prefix.extra, prefix, blank, spoken, total))
    return found


def _ranked(values: Float[Tensor, "F V"], whole: Sequence[_Prefix], rules: _Rules) -> list[CTCHypothesis]:
    """Each prefix as a whole text, with its exact likelihood."""
    texts = [prefix.ids() for prefix in whole]
    exact = log_likelihoods_of_line(values, texts)
    hypotheses = [
        CTCHypothesis(ids, likelihood, likelihood + rules.ending(prefix))
        for ids, likelihood, prefix in zip(texts, exact, whole, strict=True)
    ]
    return sorted(hypotheses, key=lambda hypothesis: hypothesis.score, reverse=True)


def _add(left: float, right: float) -> float:
    """log(exp(left) + exp(right))."""
    if left < right:
        left, right = right, left
    return left if right == _NEVER else left + math.log1p(math.exp(right - left))
