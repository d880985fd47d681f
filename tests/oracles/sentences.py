"""What beam search, greedy search and sampling are judged by: all sentences of a small world, counted."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from oracles.worlds import END, WORDS, World, float32


class Entry(NamedTuple):
    """A ranked hypothesis of the oracle."""

    tokens: tuple[int, ...]
    finished: bool
    score: float


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


def naive_diverse_beam(
    world: World,
    limit: int,
    *,
    beam_size: int,
    groups: int,
    strength: float,
    alpha: float,
    beta: float,
    min_length: int,
) -> list[Entry]:
    """Diverse beam search of one sentence, group by group, that never stops early; all that ended, once, best first.

    Groups know nothing of each other but what those before them said at every step, so they may hold the same words.
    """
    share = beam_size // groups
    beams: list[list[tuple[float, tuple[int, ...]]]] = [[(0.0, ())] for _ in range(groups)]
    said: list[list[list[int]]] = [[] for _ in range(groups)]  # by group and step
    ended: dict[tuple[int, ...], tuple[int, float, float]] = {}  # scored tokens → step, log-probability, score
    for step in range(limit):
        for group, live in enumerate(beams):
            candidates = []
            for total, words in live:
                for token in (END, *WORDS) if step >= min_length else WORDS:
                    value = float32(total + world.at(words)[0][token])
                    candidates += [(value, (*words, token))] if value > -math.inf else []
            candidates.sort(key=lambda candidate: -candidate[0])
            worth = {
                words: float32(
                    value - strength * sum(before[at].count(w) for before in said[:group] for at, w in enumerate(words))
                )
                for value, words in candidates
            }
            ranked = sorted(candidates, key=lambda candidate: -worth[candidate[1]])
            chosen = [one for one in ranked if one[1][-1] != END][:share]
            beams[group] = [one for one in candidates if one in chosen]
            said[group].append([words[-1] for _, words in chosen])
            over = [one for one in ranked[:share] if one[1][-1] == END]
            for total, scored in over + (chosen if step + 1 == limit else []):
                ended[scored] = (step, total, world.score(scored, alpha, beta))
    ranked_ends = sorted(ended.items(), key=lambda one: (-one[1][2], one[1][0], -one[1][1]))
    return [
        Entry(scored[:-1] if scored[-1] == END else scored, scored[-1] == END, score)
        for scored, (_, _, score) in ranked_ends
    ]


def naive_greedy(world: World, limit: int, *, min_length: int = 0) -> tuple[int, ...]:
    """The scored tokens of the greedy path."""
    scored: tuple[int, ...] = ()
    while len(scored) < limit and END not in scored:
        allowed = (END, *WORDS) if len(scored) >= min_length else WORDS
        values = world.at(scored)[0]
        scored = (*scored, max(allowed, key=lambda token: values[token]))
    return scored


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
