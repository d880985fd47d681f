"""Arms of a benchmark take turns at the same work, in processor time, and a table compares them.

Whatever else the machine does then hits all arms alike. Speeds and ratios are medians over rounds.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

Work = TypeVar("Work")


def take_turns(
    arms: Mapping[str, Callable[[Work], object]], work: Sequence[Work], *, rounds: int, warm_up: int
) -> dict[str, list[float]]:
    """CPU-seconds of all the work, for every arm and round after `warm_up` rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(warm_up + rounds):
        spent = dict.fromkeys(arms, 0.0)
        for piece in work:
            for name, arm in arms.items():
                begin = time.process_time()
                arm(piece)
                spent[name] += time.process_time() - begin
        if number >= warm_up:
            for name in arms:
                seconds[name].append(spent[name])
    return seconds


def times_as_fast(seconds: Mapping[str, Sequence[float]], arm: str, reference: str) -> float:
    """How many times as fast as the reference an arm is."""
    return statistics.median(b / a for a, b in zip(seconds[arm], seconds[reference], strict=True))


def columns(references: Sequence[str]) -> list[str]:
    """Heads of what `rows` gives after the name."""
    return ["lowest to highest", *(f"× {reference}" for reference in references)]


def rows(
    seconds: Mapping[str, Sequence[float]], amount: float, references: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """(arm, its cells): `amount` of work per CPU-second, the range of that over rounds, times each reference."""
    for name, spent in seconds.items():
        ratios = [f"{times_as_fast(seconds, name, reference):.2f}" for reference in references]
        speeds = [amount / statistics.median(spent), amount / max(spent), amount / min(spent)]
        shown = [f"{speed:,.0f}" if speed >= 100 else f"{speed:.1f}" for speed in speeds]
        yield name, [shown[0], f"{shown[1]} to {shown[2]}", *ratios]
