"""The bootstrap draws whole writers, repeats with its seed, and says what it drew."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.metrics.writers import rate_interval


def test_writers_who_are_all_alike_leave_no_doubt() -> None:
    interval = rate_interval([1, 3, 1, 3, 1, 3], [10, 20] * 3, ["a", "a", "b", "b", "c", "c"])
    assert interval is not None and interval.over == "writers" and interval.units == 3
    assert interval.low == interval.high == pytest.approx(4 / 30)
    lines = rate_interval([1, 3, 1, 3, 1, 3], [10, 20] * 3)
    assert lines is not None and lines.low < lines.high  # the lines are not alike


def test_an_interval_equals_the_quantiles_over_all_draws() -> None:
    """Three writers can be drawn in 27 ways, all equally likely; a lot of resamples come near."""
    errors, reference = np.array([1.0, 5.0, 2.0]), np.array([10.0, 20.0, 30.0])
    every = [errors[list(d)].sum() / reference[list(d)].sum() for d in itertools.product(range(3), repeat=3)]
    low, high = np.quantile(every, [0.1, 0.9], method="inverted_cdf")
    found = rate_interval(errors.tolist(), reference.tolist(), ["a", "b", "c"], resamples=50_000, confidence=0.8)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high))


def test_lines_of_one_writer_are_drawn_together() -> None:
    """Ten good lines of one hand, ten bad ones of another: over writers all may be good, over lines never."""
    errors, reference, writers = [0] * 10 + [5] * 10, [10] * 20, ["good"] * 10 + ["bad"] * 10
    over_writers, over_lines = rate_interval(errors, reference, writers), rate_interval(errors, reference)
    assert over_writers is not None and over_lines is not None
    assert (over_writers.low, over_writers.high) == (0.0, 0.5)
    assert over_lines.low > 0.0 and over_lines.high < 0.5
    assert "1,000 resamples of 2 writers" in over_writers.described
    assert "1,000 resamples of 20 lines" in over_lines.described


@given(seed=st.integers(0, 2**31), lines=st.integers(2, 12))
def test_a_seed_repeats(seed: int, lines: int) -> None:
    generator = np.random.default_rng(seed)
    errors, reference = generator.integers(0, 9, lines).tolist(), generator.integers(1, 30, lines).tolist()
    first, again = (rate_interval(errors, reference, seed=seed, resamples=200) for _ in range(2))
    assert first == again and first is not None
    assert min(e / n for e, n in zip(errors, reference, strict=True)) <= first.low <= first.high


def test_another_seed_draws_otherwise() -> None:
    errors, reference = list(range(30)), [40] * 30
    assert rate_interval(errors, reference, seed=1) != rate_interval(errors, reference, seed=2)


@pytest.mark.parametrize("writers", [None, ["", "", ""], ["one", "", ""], ["one", "one", "one"]])
def test_without_two_known_writers_lines_are_drawn(writers: list[str] | None) -> None:
    interval = rate_interval([1, 2, 3], [9, 9, 9], writers)
    assert interval is not None and (interval.over, interval.units) == ("lines", 3)


def test_a_line_of_unknown_writer_is_a_writer_by_itself() -> None:
    interval = rate_interval([1, 2, 3, 4, 5], [9] * 5, ["a", "", "b", "a", ""])
    assert interval is not None and (interval.over, interval.units) == ("writers", 4)


def test_draws_in_several_rounds_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    errors, reference = [1, 4, 2, 8], [9, 9, 12, 10]
    whole = rate_interval(errors, reference)
    monkeypatch.setattr("nmt.metrics.writers._MOST_CELLS", 28)
    assert rate_interval(errors, reference) == whole


def test_nothing_to_draw_from() -> None:
    assert rate_interval([1], [3]) is None
    assert rate_interval([1, 1], [0, 0]) is None
    with pytest.raises(DataError, match="2 error counts, 1 references"):
        rate_interval([1, 1], [2])
