"""How long this start has trained, and about how long the run will yet take: by its steps, and by its time limit."""

import time

import pytorch_lightning as lightning

from nmt.training.ending.stopping import TimeLimit

STEPS_TO_JUDGE = 2  # the first one is slower than all others


class Clock:
    """Runs from the first step of this start; what earlier starts took says nothing of this machine."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._first = 0  # steps that earlier starts have made

    def start(self, trainer: "lightning.Trainer") -> None:
        self._started = time.monotonic()
        self._first = trainer.global_step

    @property
    def elapsed(self) -> float:
        """Seconds since the start, validations included."""
        return time.monotonic() - self._started

    def left(self, trainer: "lightning.Trainer") -> float | None:
        """Seconds, if steps go on as they did; None where it cannot be told yet, or the run is over."""
        made, total = trainer.global_step - self._first, steps_of(trainer)
        if trainer.should_stop or (total is not None and trainer.global_step >= total):
            return None
        limits = [one.left for one in trainer.callbacks if isinstance(one, TimeLimit)]  # type: ignore[attr-defined]
        if total is not None and made >= STEPS_TO_JUDGE:
            limits.append((total - trainer.global_step) * self.elapsed / made)
        return min(limits, default=None)


def steps_of(trainer: "lightning.Trainer") -> int | None:
    """Optimiser steps of the whole run, if they are known."""
    limit = trainer.max_steps if trainer.max_steps > 0 else None
    return getattr(trainer.lightning_module, "total_steps", None) or limit


def on_a_clock(seconds: float) -> str:
    """`0:24`, `1:02:24`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def about(seconds: float) -> str:
    """`40 s`, `26 min`, `3 h 10 min`, `2 days 4 h`: no more than such a guess knows."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(minutes / 60)
    return f"{hours // 24} days {hours % 24} h"
