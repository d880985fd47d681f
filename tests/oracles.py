"""What the searches are judged by: small worlds whose sentences can all be counted. Imports nothing that it judges."""

import itertools
import math
import random
import struct
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

PAD, END, START = 0, 1, 6
WORDS = (2, 3, 4, 5)
VOCABULARY = 6  # START is only read, never scored


def float32(number: float) -> float:
    """Rounded to what a float32 can hold."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


class Entry(NamedTuple):
    """A ranked hypothesis of the oracle."""

    tokens: tuple[int, ...]
    finished: bool
    score: float


@dataclass
class World:
    """Probabilities of the next token and attention, drawn at random for every prefix of words.

    `sharpness` spreads the log-probabilities; `grid` rounds them down to multiples of it, which makes ties. Some
    attention is exactly 0. Tables are kept, so that a prefix always has the same.
    """

    seed: int
    positions: int = 3
    sharpness: float = 2.0
    grid: float | None = None
    tables: dict[tuple[int, ...], tuple[list[float], list[float]]] = field(default_factory=dict)

    def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
        if prefix not in self.tables:
            generator = random.Random(f"{self.seed} {prefix}")
            logits = [generator.gauss(0.0, self.sharpness) for _ in range(VOCABULARY)]
            total = math.log(sum(math.exp(logit) for logit in logits))
            logs = [logit - total for logit in logits]
            if self.grid is not None:
                logs = [math.floor(value / self.grid) * self.grid for value in logs]
            weights = [generator.choice([0.0, 1.0, generator.random()]) for _ in range(self.positions)]
            weights[generator.randrange(self.positions)] += 0.5
            self.tables[prefix] = (
                [float32(value) for value in logs],
                [float32(weight / sum(weights)) for weight in weights],
            )
        return self.tables[prefix]

    def log_probability(self, scored: tuple[int, ...]) -> float:
        return sum(self.at(scored[:i])[0][token] for i, token in enumerate(scored))

    def attention(self, scored: tuple[int, ...]) -> list[list[float]]:
        return [self.at(scored[:i])[1] for i in range(len(scored))]

    def score(self, scored: tuple[int, ...], alpha: float, beta: float) -> float:
        """Equation 14 of Wu et al. 2016 as it stands there; `scored` includes `</s>` where there is one."""
        coverage = 0.0
        for looked in zip(*self.attention(scored), strict=True):
            coverage += math.log(min(max(sum(looked), 2.0**-126), 1.0))  # 2^-126: the least a position can have
        return self.log_probability(scored) * 6.0**alpha / (5.0 + len(scored)) ** alpha + beta * coverage


def exhaustive(world: World, limit: int, *, alpha: float, beta: float, min_length: int) -> list[Entry]:
    """Every possible sentence of at most `limit` scored tokens, those cut there included, best first."""
    return sorted(
        (
            Entry(words, finished, world.score(scored, alpha, beta))
            for words, finished, scored in _sentences(limit)
            if (not finished or len(words) >= min_length) and world.log_probability(scored) > -math.inf
        ),
        key=lambda entry: -entry.score,
    )


def _sentences(limit: int) -> Iterator[tuple[tuple[int, ...], bool, tuple[int, ...]]]:
    for length in range(limit):
        for words in itertools.product(WORDS, repeat=length):
            yield words, True, (*words, END)
    for words in itertools.product(WORDS, repeat=limit):
        yield words, False, words


def naive_beam(world: World, limit: int, *, beam_size: int, alpha: float, beta: float, min_length: int) -> list[Entry]:
    """Beam search of one sentence, step by step, that never stops early; all that ended, best first.

    Only the running sums are rounded as a float32 search rounds them, so that ties fall alike.
    """
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    ended: list[Entry] = []
    for step in range(limit):
        candidates = []
        for total, words in live:
            for token in (END, *WORDS) if step >= min_length else WORDS:
                value = float32(total + world.at(words)[0][token])
                candidates += [(value, (*words, token))] if value > -math.inf else []
        candidates.sort(key=lambda candidate: -candidate[0])  # stable: the better row first, then the lower token
        live = [candidate for candidate in candidates if candidate[1][-1] != END][:beam_size]
        for rank, (total, scored) in enumerate(candidates):
            if scored[-1] == END and rank < beam_size:
                ended.append(Entry(scored[:-1], True, world.score(scored, alpha, beta)))
            elif (total, scored) in live and step + 1 == limit:
                ended.append(Entry(scored, False, world.score(scored, alpha, beta)))
    return sorted(ended, key=lambda entry: -entry.score)


def naive_greedy(world: World, limit: int, *, min_length: int = 0) -> tuple[int, ...]:
    """The scored tokens of the greedy path."""
    scored: tuple[int, ...] = ()
    while len(scored) < limit and END not in scored:
        allowed = (END, *WORDS) if len(scored) >= min_length else WORDS
        values = world.at(scored)[0]
        scored = (*scored, max(allowed, key=lambda token: values[token]))
    return scored


class Altered(World):
    """A world that says something else than the one inside it: what wrappers of steppers are judged by."""

    def __init__(self, inner: World) -> None:
        super().__init__(seed=inner.seed, positions=inner.positions)
        self.inner = inner

    def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
        if prefix not in self.tables:
            logs, attention = self.inner.at(prefix)
            self.tables[prefix] = ([float32(value) for value in self.alter(prefix, list(logs))], attention)
        return self.tables[prefix]

    def alter(self, prefix: tuple[int, ...], logs: list[float]) -> list[float]:
        raise NotImplementedError


class WithoutRepeats(Altered):
    """No n-gram twice; no such rule where only `specials` would be left."""

    def __init__(self, inner: World, size: int, specials: tuple[int, ...] = ()) -> None:
        super().__init__(inner)
        self.size, self.specials = size, specials

    def alter(self, prefix: tuple[int, ...], logs: list[float]) -> list[float]:
        ngrams = [prefix[i : i + self.size] for i in range(len(prefix) - self.size + 1)]
        changed = list(logs)
        for token in range(len(logs)):
            if (*prefix, token)[-self.size :] in ngrams:
                changed[token] = -math.inf
        return changed if any(changed[t] > -math.inf for t in range(len(logs)) if t not in self.specials) else logs


class Penalised(Altered):
    """What was said is said again with its probability to the power of `penalty`, where there is a choice."""

    def __init__(self, inner: World, penalty: float) -> None:
        super().__init__(inner)
        self.penalty = penalty

    def alter(self, prefix: tuple[int, ...], logs: list[float]) -> list[float]:
        if len(logs) - logs.count(-math.inf) == 1:
            return logs
        return [self.penalty * value if token in prefix else value for token, value in enumerate(logs)]


class Prefixed(Altered):
    """Begins as demanded."""

    def __init__(self, inner: World, demanded: tuple[int, ...]) -> None:
        super().__init__(inner)
        self.demanded = demanded

    def alter(self, prefix: tuple[int, ...], logs: list[float]) -> list[float]:
        if len(prefix) >= len(self.demanded):
            return logs
        return [value if token == self.demanded[len(prefix)] else -math.inf for token, value in enumerate(logs)]


class AtLeast(Altered):
    """Does not end before so many words."""

    def __init__(self, inner: World, words: int) -> None:
        super().__init__(inner)
        self.words = words

    def alter(self, prefix: tuple[int, ...], logs: list[float]) -> list[float]:
        return [-math.inf if token == END and len(prefix) < self.words else value for token, value in enumerate(logs)]


class Together(World):
    """Several worlds as one: a product of powers of their probabilities, or a mixture; attention is their mean."""

    def __init__(self, worlds: list[World], weights: list[float], *, linear: bool, renormalised: bool = False) -> None:
        super().__init__(seed=0, positions=worlds[0].positions)
        self.worlds, self.weights, self.linear, self.renormalised = worlds, weights, linear, renormalised

    def at(self, prefix: tuple[int, ...]) -> tuple[list[float], list[float]]:
        if prefix not in self.tables:
            said = [world.at(prefix) for world in self.worlds]
            by_token = [
                [math.exp(value) for value in values] for values in zip(*(logs for logs, _ in said), strict=True)
            ]
            if self.linear:
                mixed = [sum(w * p for w, p in zip(self.weights, ps, strict=True)) for ps in by_token]
            else:
                mixed = [math.prod(p**w for w, p in zip(self.weights, ps, strict=True)) for ps in by_token]
            total = sum(mixed) if self.renormalised else 1.0
            logs = [math.log(p / total) if p > 0.0 else -math.inf for p in mixed]
            looked = [
                sum(w * p for w, p in zip(self.weights, column, strict=True)) / sum(self.weights)
                for column in zip(*(attention for _, attention in said), strict=True)
            ]
            self.tables[prefix] = logs, looked
        return self.tables[prefix]


def kept_tokens(logs: list[float], *, top_k: int, top_p: float, temperature: float) -> list[tuple[int, float]]:
    """The tokens that may be drawn with their probabilities, the most probable first, the lower one among equals."""
    ranked = sorted((token for token in range(len(logs)) if logs[token] > -math.inf), key=lambda t: (-logs[t], t))
    ranked = ranked[:top_k] if top_k else ranked
    weights = [math.exp((logs[token] - logs[ranked[0]]) / temperature) for token in ranked]
    total, kept, mass = math.fsum(weights), [], 0.0
    for token, weight in zip(ranked, weights, strict=True):
        if mass >= top_p * total:
            break
        kept.append((token, weight))
        mass += weight
    return [(token, weight / mass) for token, weight in kept]


def sampled_sentences(
    world: World, limit: int, *, top_k: int, top_p: float, temperature: float, min_length: int
) -> dict[tuple[int, ...], float]:
    """How often every sentence is drawn, by its scored tokens."""
    chances = {(): 1.0} if limit > 0 else {}
    done: dict[tuple[int, ...], float] = {}
    for length in range(limit):
        following: dict[tuple[int, ...], float] = {}
        for words, chance in chances.items():
            allowed = (END, *WORDS) if length >= min_length else WORDS
            logs = [value if token in allowed else -math.inf for token, value in enumerate(world.at(words)[0])]
            for token, share in kept_tokens(logs, top_k=top_k, top_p=top_p, temperature=temperature):
                into = done if token == END or length + 1 == limit else following
                into[(*words, token)] = chance * share
        chances = following
    return done


def split_mix(*counters: int) -> float:
    """A number from [0, 1) by SplitMix64 as published, started at the sum of a counter and what came out before."""
    mixed = 0
    for counter in counters:
        mixed = (mixed + counter + 0x9E3779B97F4A7C15) % 2**64
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) % 2**64
        mixed ^= mixed >> 31
    return (mixed >> 16) / 2**48


class WorldScores(NamedTuple):
    """The shape of what a stepper says."""

    log_probabilities: torch.Tensor
    attention: torch.Tensor | None


class WorldState(NamedTuple):
    """Which worlds are searched and the words behind each row; None before `<s>` has been read."""

    worlds: list[int]
    prefixes: list[list[tuple[int, ...] | None]]


class WorldStepper:
    """Worlds as a stepper. Its state must be re-ordered, or it answers for the wrong words.

    Positions beyond a world's own are padding; `garbage` is the attention they get, which must not matter.
    """

    vocabulary_size = VOCABULARY

    def __init__(self, worlds: list[World], *, garbage: float = 0.0, gives_attention: bool = True) -> None:
        self.worlds = worlds
        self.garbage = garbage
        self.gives_attention = gives_attention
        self.positions = max((world.positions for world in worlds), default=0)
        self.batches: list[int] = []  # how many sentences each step had

    def start(self) -> WorldState:
        return WorldState(list(range(len(self.worlds))), [[None] for _ in self.worlds])

    def step(self, tokens: torch.Tensor, state: WorldState) -> tuple[WorldScores, WorldState]:
        assert tokens.shape == (len(state.worlds), len(state.prefixes[0]))
        self.batches.append(len(state.worlds))
        prefixes: list[list[tuple[int, ...] | None]] = []
        for old, row in zip(state.prefixes, tokens.tolist(), strict=True):
            assert all((prefix is None) == (token == START) for prefix, token in zip(old, row, strict=True))
            prefixes.append([() if prefix is None else (*prefix, t) for prefix, t in zip(old, row, strict=True)])
        logs, looked = [], []
        for number, rows in zip(state.worlds, prefixes, strict=True):
            world = self.worlds[number]
            padding = [self.garbage] * (self.positions - world.positions)
            said = [world.at(prefix or ()) for prefix in rows]
            logs.append([values for values, _ in said])
            looked.append([[*attention, *padding] for _, attention in said])
        attention = torch.tensor(looked) if self.gives_attention else None
        return WorldScores(torch.tensor(logs), attention), WorldState(state.worlds, prefixes)

    def reorder(self, state: WorldState, sentences: torch.Tensor, rows: torch.Tensor) -> WorldState:
        kept = sentences.tolist()
        assert kept, "nothing left to search"
        assert kept == sorted(set(kept)), "sentences must ascend"
        return WorldState(
            [state.worlds[i] for i in kept],
            [[state.prefixes[i][row] for row in rows[j].tolist()] for j, i in enumerate(kept)],
        )


def plain_edits(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> tuple[int, int, int]:
    """Substitutions, deletions and insertions of the shortest edit with the fewest substitutions, cell by cell."""
    best = {(0, 0): (0, 0, 0, 0)}  # errors, substitutions, deletions, insertions: compared in this order
    for i in range(len(reference) + 1):
        for j in range(len(hypothesis) + 1):
            ways = []
            if i and j:
                errors, *kinds = best[i - 1, j - 1]
                wrong = reference[i - 1] != hypothesis[j - 1]
                ways.append((errors + wrong, kinds[0] + wrong, kinds[1], kinds[2]))
            if i:
                errors, *kinds = best[i - 1, j]
                ways.append((errors + 1, kinds[0], kinds[1] + 1, kinds[2]))
            if j:
                errors, *kinds = best[i, j - 1]
                ways.append((errors + 1, kinds[0], kinds[1], kinds[2] + 1))
            if ways:
                best[i, j] = min(ways)
    return best[len(reference), len(hypothesis)][1:]


class Said(NamedTuple):
    """What all paths that say one text have together, and the best of them."""

    log_likelihood: float
    path: tuple[int, ...]
    path_log_probability: float


def said_by_paths(log_probs: list[list[float]]) -> dict[tuple[int, ...], Said]:
    """Every text that some path of probability above 0 says, by walking all paths; symbol 0 is the blank."""
    paths: dict[tuple[int, ...], list[tuple[float, tuple[int, ...]]]] = {}
    for path in itertools.product(range(len(log_probs[0]) if log_probs else 0), repeat=len(log_probs)):
        value = sum(row[symbol] for row, symbol in zip(log_probs, path, strict=True))
        if value == -math.inf:
            continue
        text, before = [], 0
        for symbol in path:
            if symbol not in (0, before):
                text.append(symbol)
            before = symbol
        paths.setdefault(tuple(text), []).append((value, path))
    return {
        text: Said(math.log(math.fsum(math.exp(value) for value, _ in ways)), max(ways)[1], max(ways)[0])
        for text, ways in paths.items()
    }


def random_frames(
    seed: int, frames: int, symbols: int, *, sharpness: float = 2.0, zeros: float = 0.0
) -> list[list[float]]:
    """Log-probabilities of a random CTC output; `zeros` is the share of symbols (never the blank) of probability 0."""
    generator = random.Random(f"{seed} {frames} {symbols}")
    rows = []
    for _ in range(frames):
        logits = [generator.gauss(0.0, sharpness) for _ in range(symbols)]
        kept = [symbol == 0 or generator.random() >= zeros for symbol in range(symbols)]
        total = math.log(sum(math.exp(logit) for logit, keep in zip(logits, kept, strict=True) if keep))
        rows.append([logit - total if keep else -math.inf for logit, keep in zip(logits, kept, strict=True)])
    return rows


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
