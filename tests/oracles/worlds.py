"""Small worlds whose next words have probabilities drawn at random, and what may be said otherwise in them."""

import math
import random
import struct
from dataclasses import dataclass, field

PAD, END, START = 0, 1, 6
WORDS = (2, 3, 4, 5)
VOCABULARY = 6  # START is only read, never scored


def float32(number: float) -> float:
    """Rounded to what a float32 can hold."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


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
