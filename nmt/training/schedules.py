"""Learning rate over a run, as a factor of `optimizer.learning_rate`: plain functions of the step.

w = warm-up steps, t = 1-based number of the update (step + 1), r = final_factor, p = share of the decay that is done

warm-up       t / w                                  the first update is already larger than zero
constant      1
inverse_root  sqrt(w / t)                            Vaswani et al. 2017, scaled to 1 at the end of the warm-up
linear        1 - (1 - r) p
cosine        r + (1 - r) (1 + cos(π p)) / 2         Loshchilov & Hutter 2017, without restarts
step          d^k after k decays                     Wu et al. 2016 (GNMT): halve at fixed intervals late in the run
plateau       d^k after k waits of `patience` validations without a better score (`Plateau`)
"""

import math
from typing import Any

from nmt.config.training import ScheduleConfig
from nmt.errors import ConfigError


def learning_rate_factor(step: int, config: ScheduleConfig, *, total_steps: int | None) -> float:
    """Factor in (0, 1] for the update after `step` finished ones.

    `total_steps` is the length of the run in optimiser steps, None where only minutes limit it; ConfigError where the
    schedule needs it. `plateau` is only its warm-up here; multiply by `Plateau.factor`.
    """
    check_schedule(config, total_steps=total_steps)
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.kind == "inverse_root":
        return warmup if step < config.warmup_steps else math.sqrt(max(1, config.warmup_steps) / (step + 1))
    if config.kind == "linear":
        return warmup * (1.0 - (1.0 - config.final_factor) * _decay_done(step, config, total_steps))
    if config.kind == "cosine":
        share = (1.0 + math.cos(math.pi * _decay_done(step, config, total_steps))) / 2.0
        return warmup * (config.final_factor + (1.0 - config.final_factor) * share)
    if config.kind == "step":
        return warmup * float(config.decay_factor ** _decays(step, config, total_steps))
    return warmup


def check_schedule(config: ScheduleConfig, *, total_steps: int | None) -> None:
    """ConfigError where the schedule needs the length of a run that has none."""
    if total_steps is not None or not needs_total_steps(config):
        return
    raise ConfigError(
        f"train.schedule.kind '{config.kind}' needs the run's length in steps, but only train.max_minutes is given; "
        "give train.max_steps or train.max_epochs too, or choose 'constant', 'inverse_root' or 'plateau'"
        + (", or give step_start and step_interval in steps (> 1)" if config.kind == "step" else "")
    )


def needs_total_steps(config: ScheduleConfig) -> bool:
    """Whether the factor depends on how long the run is."""
    if config.kind == "step":
        return config.step_start <= 1.0 or config.step_interval <= 1.0
    return config.kind in ("linear", "cosine")


def _decay_done(step: int, config: ScheduleConfig, total_steps: int | None) -> float:
    """Share of a linear or cosine decay that is done, 0 to 1; it begins when the warm-up is over, or later."""
    assert total_steps is not None  # check_schedule has seen to it
    start = max(float(config.warmup_steps), config.decay_start * total_steps)
    return min(1.0, max(0.0, (step - start) / (total_steps - start))) if start < total_steps else 0.0


def _decays(step: int, config: ScheduleConfig, total_steps: int | None) -> int:
    """How many step decays lie at or before `step`."""
    start = _in_steps(config.step_start, total_steps)
    interval = max(1, _in_steps(config.step_interval, total_steps))
    return 0 if step < start else min(config.step_count, 1 + (step - start) // interval)


def _in_steps(value: float, total_steps: int | None) -> int:
    """A number of steps as it is; a fraction (at most 1) of the run in steps."""
    return round(value) if value > 1.0 else round(value * (total_steps or 0))


class Plateau:
    """Multiplies `factor` by `decay_factor` after more than `patience` validations in a row without a better score."""

    def __init__(self, config: ScheduleConfig, *, higher_is_better: bool) -> None:
        self._patience = config.patience
        self._decay_factor = config.decay_factor
        self._sign = 1.0 if higher_is_better else -1.0
        self.factor = 1.0
        self._best: float | None = None
        self._waited = 0

    def observe(self, score: float) -> float:
        """Take the score of a validation and return the factor from here on; a score that is NaN is never better."""
        if not math.isnan(score) and (self._best is None or self._sign * score > self._sign * self._best):
            self._best, self._waited = score, 0
            return self.factor
        self._waited += 1
        if self._waited > self._patience:
            self.factor *= self._decay_factor
            self._waited = 0
        return self.factor

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers, for a checkpoint."""
        return {"factor": self.factor, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.factor, self._best, self._waited = state["factor"], state["best"], state["waited"]
