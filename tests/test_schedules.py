"""Learning rate schedules: values worked out by hand, and what must hold for all of them."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.training import ScheduleConfig
from nmt.errors import ConfigError
from nmt.training.schedules import Plateau, learning_rate_factor, needs_total_steps


def factors(steps: list[int], *, total: int | None = None, **options: object) -> list[float]:
    config = ScheduleConfig.model_validate(options)
    return [learning_rate_factor(step, config, total_steps=total) for step in steps]


def test_constant_after_a_warmup_that_starts_above_zero() -> None:
    assert factors([0, 1, 2, 3, 4, 100], kind="constant", warmup_steps=4) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert factors([0, 7], kind="constant") == [1.0, 1.0]


def test_inverse_root_is_one_at_the_end_of_the_warmup() -> None:
    # updates number 1, 4, 5, 16, 64 of a warm-up of 4: sqrt(4/16) = 1/2, sqrt(4/64) = 1/4
    expected = [0.25, 1.0, math.sqrt(4 / 5), 0.5, 0.25]
    assert factors([0, 3, 4, 15, 63], kind="inverse_root", warmup_steps=4) == pytest.approx(expected)


def test_inverse_root_without_warmup_is_one_over_root() -> None:
    assert factors([0, 3, 8], kind="inverse_root") == pytest.approx([1.0, 1 / 2, 1 / 3])


def test_linear_falls_from_its_start_to_its_final_factor() -> None:
    # 100 steps, decay from step 20: a quarter of the way at 40, half at 60
    values = factors([0, 20, 40, 60, 100, 500], total=100, kind="linear", decay_start=0.2, final_factor=0.2)
    assert values == pytest.approx([1.0, 1.0, 0.8, 0.6, 0.2, 0.2])


def test_linear_decay_waits_for_the_warmup() -> None:
    assert factors([9, 10, 55, 100], total=100, kind="linear", warmup_steps=10) == pytest.approx([1, 1, 0.5, 0.0])


def test_cosine_is_half_way_in_the_middle() -> None:
    values = factors([0, 25, 50, 75, 100], total=100, kind="cosine", final_factor=0.1)
    quarter = 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2
    assert values == pytest.approx([1.0, quarter, 0.55, 1.1 - quarter, 0.1])


def test_step_decay_of_gnmt() -> None:
    # 240 steps: from 2/3 (160) on halve every 1/12 (20 steps), four times in all
    steps = [0, 159, 160, 179, 180, 200, 220, 239]
    expected = [1, 1, 1 / 2, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16]
    assert factors(steps, total=240, kind="step") == pytest.approx(expected)


def test_step_decay_in_steps_needs_no_total() -> None:
    values = factors([99, 100, 119, 120], kind="step", step_start=100, step_interval=20, decay_factor=0.1)
    assert values == pytest.approx([1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize("kind", ["linear", "cosine", "step"])
def test_a_run_without_length_is_refused_with_a_way_out(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{kind}' needs .* train\.max_steps or train\.max_epochs"):
        factors([0], kind=kind)


@given(
    kind=st.sampled_from(["constant", "inverse_root", "linear", "cosine", "step", "plateau"]),
    warmup=st.integers(0, 60),
    total=st.integers(1, 200),
    start=st.floats(0, 0.99),
    final=st.floats(0, 1),
)
def test_every_schedule_rises_then_falls_within_its_bounds(
    kind: str, warmup: int, total: int, start: float, final: float
) -> None:
    values = factors(
        list(range(total + 5)), total=total, kind=kind, warmup_steps=warmup, decay_start=start, final_factor=final
    )
    assert all(0.0 <= value <= 1.0 for value in values)
    assert values[0] > 0.0 or (total == 1 and warmup == 0)
    after = values[max(warmup - 1, 0) :]
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(after))
    if kind in ("linear", "cosine"):
        assert all(value >= final - 1e-12 for value in after)
    if 0 < warmup < total and kind != "step":
        assert values[warmup - 1] == pytest.approx(1.0)  # the warm-up meets the decay at 1
        assert values[warmup] >= 1 - 2 / (total - warmup) - 0.5 * (kind == "inverse_root")


def test_only_schedules_that_need_the_length_say_so() -> None:
    kinds = ["constant", "inverse_root", "linear", "cosine", "plateau", "step"]
    needing = [kind for kind in kinds if needs_total_steps(ScheduleConfig.model_validate({"kind": kind}))]
    assert needing == ["linear", "cosine", "step"]


def test_plateau_waits_for_patience_then_halves_then_waits_again() -> None:
    plateau = Plateau(ScheduleConfig(kind="plateau", patience=1), higher_is_better=True)
    scores = [10.0, 12.0, 11.0, 12.0, 11.0, 11.0, 13.0, math.nan, math.nan]
    assert [plateau.observe(score) for score in scores] == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_plateau_on_a_loss_prefers_less() -> None:
    plateau = Plateau(ScheduleConfig(kind="plateau", patience=0), higher_is_better=False)
    assert [plateau.observe(score) for score in [3.0, 2.0, 2.5]] == [1, 1, 0.5]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.integers(0, 11))
def test_a_restored_plateau_goes_on_as_if_nothing_happened(scores: list[float], cut: int) -> None:
    config = ScheduleConfig(kind="plateau", patience=1)
    whole, first, second = (Plateau(config, higher_is_better=True) for _ in range(3))
    expected = [whole.observe(score) for score in scores]
    before = [first.observe(score) for score in scores[:cut]]
    second.load_state_dict(first.state_dict())
    assert before + [second.observe(score) for score in scores[cut:]] == expected
