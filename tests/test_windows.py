"""Reading ahead is bounded whatever comes, depends on the lines alone, and every sentence is in one batch."""

from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.inference.windows import WINDOW_BATCHES, WINDOW_CHARACTERS, Source, batches, never, windows


def test_windows_grow_and_number_their_lines() -> None:
    cut = list(windows((Source(str(number)) for number in range(1, 21)), 2))
    assert [(window.first, len(window.lines)) for window in cut] == [(1, 2), (3, 4), (7, 8), (15, 6)]
    assert [line.text for window in cut for line in window.lines] == [str(number) for number in range(1, 21)]
    assert [len(window.lines) for window in windows([Source("a")] * 3, 2, comes=never)] == [1, 1, 1]
    assert list(windows([], 2)) == []


@pytest.mark.parametrize(("length", "lines"), [(10, 1_000_000), (50_000, 2000)])
def test_a_stream_is_read_no_further_than_a_window(length: int, lines: int) -> None:
    """A million lines, and lines of a hundred pages: what has been read and not given out stays small."""
    read = given_out = ahead = 0

    def stream() -> Iterator[Source]:
        nonlocal read
        line = Source("x" * length)
        for _ in range(lines):
            read += 1
            yield line

    for window in windows(stream(), 64):
        ahead = max(ahead, read - given_out)
        given_out += len(window.lines)
    assert given_out == lines
    assert ahead <= 64 * WINDOW_BATCHES
    assert ahead * length < WINDOW_CHARACTERS + length


def test_the_first_answer_waits_for_one_batch() -> None:
    read = []
    stream = (read.append(number) or Source("line") for number in range(1000))
    next(windows(stream, 4))
    assert len(read) == 4


def test_an_error_comes_after_the_lines_before_it() -> None:
    def stream() -> Iterator[Source]:
        yield Source("good")
        raise DataError("line 2 is bad")

    cut = windows(stream(), 8)
    assert next(cut).lines == (Source("good"),)
    with pytest.raises(DataError, match="line 2"):
        next(cut)


@given(lengths=st.lists(st.integers(1, 50), max_size=40), sentences=st.integers(1, 9), tokens=st.integers(1, 120))
def test_every_sentence_is_in_one_batch_within_both_limits(lengths: list[int], sentences: int, tokens: int) -> None:
    cut = list(batches(lengths, sentences=sentences, tokens=tokens))
    assert sorted(index for batch in cut for index in batch) == list(range(len(lengths)))
    for batch in cut:
        assert len(batch) <= sentences
        assert max(lengths[index] for index in batch) * len(batch) <= tokens or len(batch) == 1
    for batch, after in zip(cut, islice(cut, 1, None), strict=False):  # none could have taken one more
        longest = max(lengths[index] for index in batch)
        assert len(batch) == sentences or longest * (len(batch) + 1) > tokens
        assert longest >= max(lengths[index] for index in after)
