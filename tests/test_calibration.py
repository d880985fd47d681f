"""Calibration of confidences: known answers, scikit-learn's Brier score, and what cannot be asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from nmt.errors import DataError
from nmt.metrics.calibration import calibration

RIGHT, WRONG = True, False


def test_confidences_that_keep_their_word() -> None:
    found = calibration([0.8] * 5 + [0.0, 1.0], [RIGHT] * 4 + [WRONG, WRONG, RIGHT])
    assert found.error == pytest.approx(0.0)
    assert [(one.low, one.number, one.right) for one in found.bins] == [(0.0, 1, 0.0), (0.8, 5, 0.8), (0.9, 1, 1.0)]


def test_a_known_answer_by_hand() -> None:
    found = calibration([0.95, 0.91, 0.5, 0.2], [RIGHT, WRONG, RIGHT, WRONG])
    # bins: {0.95, 0.91} mean 0.93 right 0.5; {0.5} right 1; {0.2} right 0
    assert found.error == pytest.approx((2 * 0.43 + 0.5 + 0.2) / 4)
    assert found.brier == pytest.approx((0.05**2 + 0.91**2 + 0.5**2 + 0.2**2) / 4)
    assert found.brier_of_share == 0.25
    assert (found.confidence, found.right) == (pytest.approx(2.56 / 4), 0.5)
    assert not found.beats_a_guess
    assert "4 lines: off by 0.390 on average" in found.as_text() and "saying 0.50, the mean" in found.as_text()


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30), st.integers(1, 20))
def test_every_line_is_in_one_bin_and_brier_is_everybody_s(lines: list[tuple[float, bool]], bins: int) -> None:
    confidences, right = zip(*lines, strict=True)
    found = calibration(confidences, right, bins=bins)
    assert sum(one.number for one in found.bins) == found.number == len(lines)
    assert all(one.low <= one.confidence <= one.high + 1e-12 for one in found.bins)
    assert found.brier == pytest.approx(brier_score_loss(np.array(right), np.array(confidences), pos_label=True))
    assert 0 <= found.error <= 1


def test_shares_of_what_is_right_are_compared_too() -> None:
    found = calibration([0.7, 0.75, 0.3], [0.9, 0.5, 0.4], of="shares")
    # bins: {0.7, 0.75} mean 0.725 right 0.7; {0.3} right 0.4
    assert found.error == pytest.approx((2 * 0.025 + 0.1) / 3)
    assert found.brier == pytest.approx((0.2**2 + 0.25**2 + 0.1**2) / 3)
    assert found.brier_of_share == pytest.approx((0.3**2 + 0.1**2 + 0.2**2) / 3)
    assert found.beats_a_guess


def test_what_is_no_confidence() -> None:
    with pytest.raises(DataError, match="confidence 2 of lines is 1.5"):
        calibration([0.5, 1.5], [RIGHT, RIGHT])
    with pytest.raises(DataError, match="confidence 1 of characters is nan"):
        calibration([float("nan")], [RIGHT], of="characters")
    with pytest.raises(DataError, match="0 confidences of lines but 1 outcomes"):
        calibration([], [RIGHT])
