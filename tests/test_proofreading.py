"""How many errors are in the least sure lines: by hand, and against every order of equally sure ones."""

import math
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.metrics.proofreading import proofreading, told


def test_a_known_answer_by_hand() -> None:
    found = proofreading([0.9, 0.2, 0.5, 0.99, 0.4], [1, 2, 5, 0, 2], shares=(0.2, 0.5, 1.0))
    assert [(one.lines, one.found, one.best) for one in found] == [(1, 0.2, 0.5), (3, 0.9, 0.9), (5, 1.0, 1.0)]


def test_what_was_not_read_is_read_again_first() -> None:
    (one,) = proofreading([0.1, None, 0.0], [1, 7, 2], shares=(0.3,))
    assert (one.lines, one.found) == (1, 0.7)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, None]), st.integers(0, 5)), min_size=1, max_size=5))
def test_of_equally_sure_lines_every_order_counts_alike(lines: list[tuple[float | None, int]]) -> None:
    total = sum(count for _, count in lines)
    for one in proofreading(*zip(*lines, strict=True), shares=(0.25, 0.6, 1.0)):
        orders = [
            order for order in permutations(lines) if all((a[0] or -1) <= (b[0] or -1) for a, b in pairwise(order))
        ]
        caught = [sum(count for _, count in order[: one.lines]) for order in orders]
        assert one.found == pytest.approx(math.fsum(caught) / len(caught) / total)
        assert one.found <= one.best + 1e-9 <= 1 + 2e-9


def test_where_nothing_is_wrong_there_is_nothing_to_find() -> None:
    assert proofreading([0.5, 0.1], [0, 0]) == ()


def test_it_is_told_of_a_fifth_of_the_lines() -> None:
    said = told(proofreading([i / 10 for i in range(10)], [5, 0, 1, 1, 1, 1, 1, 0, 0, 0]))
    assert said == (
        "proof-reading the 2 least sure lines (20 %) finds 50.0 % of all errors (as many lines hold 60.0 % at most)"
    )


def test_the_share_told_is_that_of_the_whole_lines() -> None:
    """The 3 least sure lines of 11 were told to be 20 % of them."""
    said = told(proofreading([i / 11 for i in range(11)], [1] * 11))
    assert said.startswith("proof-reading the 3 least sure lines (27 %) finds 27.3 % of all errors")


def test_numbers_that_differ() -> None:
    for confidences, errors in (([], []), ([0.5], [1, 2])):
        with pytest.raises(DataError, match="give one for each line"):
            proofreading(confidences, errors)
