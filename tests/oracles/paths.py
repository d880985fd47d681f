"""What CTC is judged by: all paths through random frames, walked."""

import itertools
import math
import random
from typing import NamedTuple


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
