"""A forced alignment is the best of all paths that say the text, and its spans are where that path says each symbol."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import random_frames, said_by_paths

from nmt.search.ctc import collapse
from nmt.search.forced_alignment import Span, align

few = settings(max_examples=30)
worlds = st.builds(
    random_frames,
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.integers(2, 3),
    zeros=st.sampled_from([0.0, 0.3]),
)


@few
@given(world=worlds)
def test_the_path_is_the_best_of_all_that_say_the_text(world: list[list[float]]) -> None:
    rows = torch.tensor(world, dtype=torch.float64)
    for ids, said in said_by_paths(world).items():
        found = align(rows, ids)
        assert found.log_probability == pytest.approx(said.path_log_probability)
        assert found.path == said.path


@few
@given(world=worlds)
def test_spans_are_the_frames_of_each_symbol_and_all_others_are_blank(world: list[list[float]]) -> None:
    rows = torch.tensor(world, dtype=torch.float64)
    for ids in said_by_paths(world):
        spans, path, _ = align(rows, ids)
        assert len(spans) == len(ids)
        rest = list(path)
        for symbol, (start, end) in zip(ids, spans, strict=True):
            assert start < end and set(path[start:end]) == {symbol}
            rest[start:end] = [0] * (end - start)
        assert not any(rest)
        assert all(left.end <= right.start for left, right in pairwise(spans))


def test_the_blank_between_equal_symbols_is_never_skipped() -> None:
    rows = torch.tensor([[0.01, 0.99]] * 5).log()  # every frame says 1
    found = align(rows, [1, 1])
    assert found.path.count(0) == 1 and collapse(found.path) == [1, 1]
    assert align(rows, [1]).spans == (Span(0, 5),)


def test_the_fewest_frames_are_enough_and_one_less_is_an_error_with_both_numbers() -> None:
    enough = align(torch.zeros(6, 3), [1, 1, 2, 2])
    assert enough.spans == (Span(0, 1), Span(2, 3), Span(3, 4), Span(5, 6))
    with pytest.raises(ValueError, match=r"5 frames cannot spell 4 symbols, 2 of them .* takes 6"):
        align(torch.zeros(5, 3), [1, 1, 2, 2])


def test_no_text_is_all_blanks_and_no_frames_are_no_path() -> None:
    assert align(torch.zeros(3, 2), []) == ((), (0, 0, 0), 0.0)
    assert align(torch.zeros(0, 2), []) == ((), (), 0.0)


def test_an_impossible_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="has probability 0"):
        align(torch.tensor([[0.0, -torch.inf]] * 3), [1])
    with pytest.raises(ValueError, match="is 0, not one of 1 to 1"):
        align(torch.zeros(3, 2), [0])
