"""Lexical constraints: a beam search whose hypotheses end only when they hold the phrases asked for.

Dynamic beam allocation (Post & Vilar 2018, arXiv 1804.06609), for all sentences of a batch at once (Hu et al. 2019,
N19-1090), as a `Chooser`. Each sentence has its own phrases, sequences of tokens, or none.

1.  A phrase is held where its tokens stand side by side. Places of different phrases may overlap, and those of one
    phrase too: a phrase that is asked for twice needs two places, and "a a" has two in "a a a". What a forced prefix
    says counts like anything else.
2.  The candidates of a sentence with phrases are, of every live hypothesis, its most probable K + 1 continuations, and
    the next token of each phrase that is still missing, however improbable. `</s>` is none while a phrase is missing.
3.  A candidate's bank is the number of tokens of phrases that it holds: all of every phrase held, and the longest
    beginning of a missing one that it ends in. Survivors are the best of every bank, then the second of every bank, and
    so on, fuller banks first. So what says its phrases at once does not push out what will say them in their places;
    and as a phrase's next token is always there, all phrases are held as soon as there are tokens enough.
4.  `</s>` finishes a hypothesis if it is among the first K candidates that hold all phrases. Only those that do are cut
    at the maximum length.
5.  A sentence of n tokens of phrases has n + 1 banks, and a row for each: its beam has max(K, n + 1) rows, at most 4 K.
    Where the banks are more than the rows, the emptier ones get none.
6.  A sentence that no hypothesis ends for is without result, where another would be an error: its phrases are too long
    for its maximum length, or the stepper gives one of them probability 0. `missing_phrases` says which.

With a single bank all this is the rule of plain beam search, so a sentence without phrases has exactly its result. And
the stopping rule (sentence 8 of `beam.py`) bounds what any hypothesis can become, with phrases or without.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.search.choice import Choice, best_first, every_rows_best
from nmt.search.selection import Candidates

Phrase = Sequence[int]
_WIDEST: Final = 4  # times the beam


class Progress(NamedTuple):
    """What rows of each sentence hold of its P phrases."""

    sentences: Int[Tensor, " b"]
    begun: Int[Tensor, "b K P"]  # tokens of each phrase that the row ends in; fewer than the phrase has
    missing: Int[Tensor, "b K P"]  # how often each phrase is still to come


class Constrained:
    """Chooses for B sentences, each with its phrases. A `Chooser`; ValueError for an empty phrase."""

    def __init__(self, phrases: Sequence[Sequence[Phrase]], *, device: torch.device | str = "cpu") -> None:
        wanted = [Counter(tuple(phrase) for phrase in own) for own in phrases]
        count = max((len(own) for own in wanted), default=0)
        length = max((len(phrase) for own in wanted for phrase in own), default=1)
        tokens = torch.full((len(wanted), count, length), -1)
        follow = torch.zeros(len(wanted), count, length, length, dtype=torch.long)
        times = torch.zeros(len(wanted), count, dtype=torch.long)
        for sentence, own in enumerate(wanted):
            for place, (phrase, often) in enumerate(own.items()):
                if not phrase:
                    raise ValueError(f"sentence {sentence} is to hold an empty phrase")
                tokens[sentence, place, : len(phrase)] = torch.tensor(phrase)
                follow[sentence, place, : len(phrase), : len(phrase)] = torch.tensor(_automaton(phrase))
                times[sentence, place] = often
        self.phrases = [list(own.elements()) for own in wanted]
        self.sizes = torch.tensor([sum(map(len, own)) for own in self.phrases], dtype=torch.long).to(device)
        self.tokens, self.follow, self.times = tokens.to(device), follow.to(device), times.to(device)
        self.lengths = (self.tokens >= 0).sum(2)

    def start(self, sentences: Int[Tensor, " b"]) -> Progress:
        """Everything is missing."""
        missing = self.times[sentences].unsqueeze(1)
        return Progress(sentences, torch.zeros_like(missing), missing)

    def choose(
        self,
        log_probabilities: Float[Tensor, "b K V"],
        totals: Float[Tensor, "b K"],
        state: Progress,
        *,
        end: int,
        beam_size: int,
        banned: tuple[int, ...],
    ) -> tuple[Choice, Progress]:
        """Sentences 2 to 5 above."""
        free = every_rows_best(log_probabilities, totals, beam_size + 1, banned=banned)
        demanded = self._demanded(log_probabilities, totals, state, free, (*banned, end))
        candidates = best_first(Candidates(*(torch.cat(pair, dim=1) for pair in zip(free, demanded, strict=True))))
        progress = self._advanced(state, candidates)
        complete = (progress.missing == 0).all(2)
        ends = candidates.tokens == end
        finishing = ends & complete & (complete.cumsum(1) <= beam_size)

        sizes = self.sizes[state.sentences]
        width = (sizes + 1).clamp(max=_WIDEST * beam_size).clamp(min=beam_size)
        lives = ~ends & ~candidates.log_probabilities.isneginf()
        survivors = _spread_over_banks(self._banks(progress), lives, width)
        return Choice(candidates, survivors, finishing, complete), progress

    def reorder(self, state: Progress, sentences: Int[Tensor, " b"], candidates: Int[Tensor, "b k"]) -> Progress:
        """What was said goes where its row goes."""
        at = (sentences.unsqueeze(1), candidates)
        return Progress(state.sentences[sentences], state.begun[at], state.missing[at])

    def may_fail(self, sentence: int) -> bool:
        """Only where there are phrases."""
        return bool(self.phrases[sentence])

    def _demanded(
        self,
        log_probabilities: Float[Tensor, "b K V"],
        totals: Float[Tensor, "b K"],
        state: Progress,
        free: Candidates,
        banned: tuple[int, ...],
    ) -> Candidates:
        """The next token of every missing phrase behind every row, unless it is a candidate already."""
        batch, rows, count = state.begun.shape
        following = self.tokens[state.sentences].unsqueeze(1).expand(-1, rows, -1, -1)
        tokens = following.gather(3, state.begun.unsqueeze(3)).squeeze(3)  # b × K × P
        tokens = tokens.masked_fill(state.missing == 0, -1)
        absent = (tokens < 0) | (tokens.unsqueeze(3) == free.tokens.view(batch, rows, 1, -1)).any(3)
        for later in range(1, count):  # two phrases may go on with the same token
            absent[..., later] |= (tokens[..., :later] == tokens[..., later : later + 1]).any(2)
        for token in banned:
            absent |= tokens == token
        tokens = tokens.clamp(min=0)
        values = log_probabilities.gather(2, tokens).masked_fill(absent, -torch.inf)
        owners = torch.arange(rows, device=totals.device).view(1, rows, 1).expand_as(tokens)
        sums = values + totals.unsqueeze(2)
        return Candidates(owners.flatten(1), tokens.flatten(1), values.flatten(1), sums.flatten(1))

    def _advanced(self, state: Progress, candidates: Candidates) -> Progress:
        """What the candidates hold: the automaton of every phrase, one token on."""
        rows = candidates.rows.unsqueeze(2).expand(-1, -1, state.begun.shape[2])
        begun, missing = state.begun.gather(1, rows), state.missing.gather(1, rows)
        own = self.tokens[state.sentences].unsqueeze(1)  # b × 1 × P × L
        same = own == candidates.tokens.view(*candidates.tokens.shape, 1, 1)
        symbol = same.byte().argmax(3)  # the first place of the token in the phrase
        sentence = state.sentences.view(-1, 1, 1)
        phrase = torch.arange(begun.shape[2], device=begun.device)
        held = self.follow[sentence, phrase, begun, symbol].masked_fill(~same.any(3), 0)
        whole = held >= _WHOLE
        return Progress(state.sentences, held % _WHOLE, (missing - whole.long()).clamp(min=0))

    def _banks(self, progress: Progress) -> Int[Tensor, "b C"]:
        """How many tokens of phrases each candidate holds."""
        lengths, times = self.lengths[progress.sentences].unsqueeze(1), self.times[progress.sentences].unsqueeze(1)
        held = (times - progress.missing) * lengths
        begun = torch.where(progress.missing > 0, progress.begun, 0)
        return held.sum(2) + (begun.amax(2) if begun.shape[2] else 0)


def missing_phrases(tokens: Sequence[int], phrases: Sequence[Phrase]) -> tuple[tuple[int, ...], ...]:
    """Those of the phrases that the tokens do not hold, as often as they are missing, in the order given."""
    absent = []
    for phrase, often in Counter(tuple(phrase) for phrase in phrases).items():
        size = len(phrase)
        places = sum(tuple(tokens[at : at + size]) == phrase for at in range(len(tokens) - size + 1))
        absent += [phrase] * (often - places)
    return tuple(absent)


_WHOLE: Final = 1 << 32  # added to a state of the automaton where a phrase has just become whole


def _automaton(phrase: Phrase) -> list[list[int]]:
    """`[begun][place]`: how much of the phrase a text ends in that ended in `begun` tokens of it and goes on with the
    token at `place` (Knuth, Morris & Pratt 1977); plus `_WHOLE` where the phrase is whole.

    What a whole phrase ends in is its border: "a b" for "a b a b".
    """
    table = []
    for begun in range(len(phrase)):
        row = []
        for token in phrase:
            text = [*phrase[:begun], token]
            whole = len(text) == len(phrase) and text[-1] == phrase[-1]
            longest = begun if whole else begun + 1
            kept = max(size for size in range(longest + 1) if text[len(text) - size :] == list(phrase[:size]))
            row.append(kept + _WHOLE * whole)
        table.append(row)
    return table


def _spread_over_banks(
    banks: Int[Tensor, "b C"], lives: Bool[Tensor, "b C"], width: Int[Tensor, " b"]
) -> Int[Tensor, "b k"]:
    """The survivors, ascending: the first of every bank, the second of every bank, and so on, `width` of a sentence.

    The last candidate, which does not exist, stands for those that a sentence has not got.
    """
    banks = banks.masked_fill(~lives, -1)
    ordered, order = banks.sort(dim=1, descending=True, stable=True)  # fuller banks first, and in each the best first
    place = torch.arange(banks.shape[1], device=banks.device).expand_as(banks)
    begins = torch.ones_like(lives)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    rank = place - place.masked_fill(~begins, 0).cummax(1).values
    rank = rank.masked_fill(ordered < 0, banks.shape[1])
    chosen = rank.sort(dim=1, stable=True).indices[:, : int(width.max())]
    survivors = order.gather(1, chosen)
    absent = (ordered.gather(1, chosen) < 0) | (place[:, : chosen.shape[1]] >= width.unsqueeze(1))
    return survivors.masked_fill(absent, banks.shape[1] - 1).sort(dim=1).values
