"""Collapse, best path and likelihood are what walking all paths says."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import random_frames, said_by_paths

from nmt.search.ctc import best_path, collapse, log_likelihood, log_likelihoods, log_likelihoods_of_line

few = settings(max_examples=30)
worlds = st.builds(
    random_frames,
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.integers(2, 4),
    zeros=st.sampled_from([0.0, 0.3]),
)


def frames(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("path", "text"),
    [([], []), ([0, 0], []), ([3, 3, 3], [3]), ([0, 3, 3, 0, 3, 5], [3, 3, 5]), ([1, 2, 1], [1, 2, 1])],
)
def test_repeats_are_merged_and_then_blanks_dropped(path: list[int], text: list[int]) -> None:
    assert collapse(path) == text


@few
@given(world=worlds)
def test_likelihoods_of_all_texts_are_sums_over_all_paths(world: list[list[float]]) -> None:
    said = said_by_paths(world)
    found = log_likelihoods_of_line(frames(world), list(said))
    assert found == pytest.approx([one.log_likelihood for one in said.values()], abs=1e-10)
    assert math.fsum(map(math.exp, found)) == pytest.approx(1.0)  # every path says one text


@few
@given(world=worlds, ids=st.lists(st.integers(1, 3), max_size=6))
def test_a_text_that_no_path_says_is_impossible(world: list[list[float]], ids: list[int]) -> None:
    ids = [symbol for symbol in ids if symbol < len(world[0])]
    said = said_by_paths(world).get(tuple(ids))
    expected = -math.inf if said is None else said.log_likelihood
    assert log_likelihood(frames(world), ids) == pytest.approx(expected, abs=1e-10)


@few
@given(world=worlds)
def test_the_best_path_is_the_best_of_all_paths(world: list[list[float]]) -> None:
    said = said_by_paths(world)
    text = max(said, key=lambda ids: said[ids].path_log_probability)
    assert best_path(frames(world)[None], torch.tensor([len(world)])) == [list(text)]


@few
@given(lines=st.lists(worlds, min_size=1, max_size=4), seed=st.integers(0, 100))
def test_a_line_in_a_padded_batch_is_read_as_alone(lines: list[list[list[float]]], seed: int) -> None:
    lengths = torch.tensor([len(line) for line in lines])
    padded = torch.randn(len(lines), 6, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for place, line in enumerate(lines):
        padded[place, : len(line), : len(line[0])] = frames(line)
        padded[place, : len(line), len(line[0]) :] = -math.inf
    texts = best_path(padded, lengths)
    assert texts == [best_path(frames(line)[None], torch.tensor([len(line)]))[0] for line in lines]
    alone = [log_likelihood(frames(line), text) for line, text in zip(lines, texts, strict=True)]
    assert log_likelihoods(padded, lengths, texts) == pytest.approx(alone, abs=1e-10)


def test_a_line_without_frames_says_nothing() -> None:
    none = torch.arange(24.0).view(3, 2, 4)  # only the middle line's frames count
    lengths = torch.tensor([0, 2, 0])
    found = log_likelihoods(none, lengths, [[], [1], [1]])
    assert found == [0.0, pytest.approx(log_likelihood(none[1], [1])), -math.inf]
    assert log_likelihood(torch.zeros(0, 4), []) == 0.0
    assert best_path(none, lengths)[0] == []


def test_float32_frames_are_summed_in_float64() -> None:
    rows = torch.randn(200, 30).log_softmax(1)
    ids = best_path(rows[None], torch.tensor([200]))[0]
    assert log_likelihood(rows, ids) == log_likelihood(rows.double(), ids)
    lengths = torch.tensor([200])
    assert log_likelihoods(rows[None], lengths, [ids]) == log_likelihoods(rows.double()[None], lengths, [ids])


@pytest.mark.parametrize("ids", [[0], [1, 4], [-1]])
def test_an_id_that_is_no_symbol_is_refused(ids: list[int]) -> None:
    with pytest.raises(ValueError, match=f"is {ids[-1]}, not one of 1 to 3"):
        log_likelihood(torch.zeros(5, 4), ids)


def test_each_line_needs_a_text() -> None:
    with pytest.raises(ValueError, match="2 texts but 1 lines"):
        log_likelihoods(torch.zeros(1, 5, 4), torch.tensor([5]), [[1], [2]])
